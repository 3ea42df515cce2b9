//! Pictures of how costs grow: logarithms on both axes, so that a power is a straight line and its exponent the slope.

use anyhow::{Result, anyhow};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// One panel.
pub(crate) struct Panel<'a> {
    /// What is on the vertical axis.
    pub(crate) title: &'a str,
    /// In the order of the legend, which is that of the panel with the most of them.
    pub(crate) lines: &'a [Line],
    /// Where on the horizontal axis something begins.
    pub(crate) marks: &'a [f64],
    /// What people call some values of the horizontal axis.
    pub(crate) words: &'a [(f64, &'a str)],
}

/// One line.
pub(crate) struct Line {
    pub(crate) name: String,
    /// Drawn strongly.
    pub(crate) ours: bool,
    /// Drawn in the colour of that line of the panel; none: in one of its own.
    pub(crate) like: Option<usize>,
    /// All above 0.
    pub(crate) points: Vec<(f64, f64)>,
    /// What was measured of it.
    pub(crate) dots: Vec<(f64, f64)>,
}

impl Line {
    fn style(&self, number: usize) -> ShapeStyle {
        COLOURS[self.like.unwrap_or(number) % COLOURS.len()].stroke_width(if self.ours { 3 } else { 1 })
    }
}

const PANEL: (u32, u32) = (560, 440);
const LEGEND: u32 = 270;
const LEGEND_LINE: i32 = 20;
/// Told apart also by those who do not tell red from green (Okabe and Ito).
const COLOURS: [RGBColor; 8] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 0, 0),
    RGBColor(120, 120, 120),
];

/// Draws the panels side by side, as SVG. `across` is what is on the horizontal axis.
pub(crate) fn draw(across: &str, panels: &[Panel<'_>]) -> Result<String> {
    let mut svg = String::new();
    {
        let width = PANEL.0 * u32::try_from(panels.len())?;
        let area = SVGBackend::with_string(&mut svg, (width + LEGEND, PANEL.1)).into_drawing_area();
        area.fill(&WHITE).map_err(|error| anyhow!("{error}"))?;
        let (charts, beside) = area.split_horizontally(width);
        let longest = panels.iter().max_by_key(|panel| panel.lines.len());
        legend(&beside, longest.map_or(&[], |panel| panel.lines)).map_err(|error| anyhow!("{error}"))?;
        for (part, panel) in charts.split_evenly((1, panels.len())).iter().zip(panels) {
            one(part, across, panel).map_err(|error| anyhow!("drawing `{}`: {error}", panel.title))?;
        }
        area.present().map_err(|error| anyhow!("{error}"))?;
    }
    Ok(svg)
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

fn legend(area: &Area<'_>, lines: &[Line]) -> Result<(), Box<dyn std::error::Error>> {
    let mut y = 60;
    for (number, line) in lines.iter().enumerate() {
        area.draw(&PathElement::new([(4, y), (26, y)], line.style(number)))?;
        area.draw(&Text::new(line.name.clone(), (32, y - 6), ("sans-serif", 13)))?;
        y += LEGEND_LINE;
    }
    Ok(())
}

fn one(area: &Area<'_>, across: &str, panel: &Panel<'_>) -> Result<(), Box<dyn std::error::Error>> {
    let points = || panel.lines.iter().flat_map(|line| line.points.iter().chain(&line.dots));
    let (x, y) = (decades(points().map(|(x, _)| *x)), decades(points().map(|(_, y)| *y)));
    let mut chart = ChartBuilder::on(area)
        .caption(panel.title, ("sans-serif", 18))
        .margin(12)
        .margin_right(36)
        .x_label_area_size(42)
        .y_label_area_size(64)
        .build_cartesian_2d((x.0..x.1).log_scale(), (y.0..y.1).log_scale())?;
    chart
        .configure_mesh()
        .x_desc(across)
        .x_label_formatter(&|value| plain(*value))
        .y_label_formatter(&|value| plain(*value))
        .light_line_style(RGBColor(240, 240, 240))
        .draw()?;
    for (number, line) in panel.lines.iter().enumerate() {
        let style = line.style(number);
        chart.draw_series(LineSeries::new(line.points.iter().copied(), style))?;
        chart.draw_series(line.dots.iter().map(|dot| Circle::new(*dot, 3, style.filled())))?;
    }
    for (value, word) in panel.words.iter().filter(|(value, _)| (x.0..x.1).contains(value)) {
        let grey = RGBColor(90, 90, 90);
        let foot = y.0 * (y.1 / y.0).powf(0.015);
        chart.draw_series([PathElement::new([(*value, y.0), (*value, foot)], grey)])?;
        let style =
            TextStyle::from(("sans-serif", 11).into_font()).color(&grey).pos(Pos::new(HPos::Center, VPos::Bottom));
        chart.draw_series([Text::new((*word).to_owned(), (*value, foot), style)])?;
    }
    for mark in panel.marks.iter().filter(|mark| (x.0..x.1).contains(mark)) {
        chart.draw_series(LineSeries::new([(*mark, y.0), (*mark, y.1)], RGBColor(150, 150, 150).stroke_width(1)))?;
        chart.draw_series([Text::new(plain(*mark), (*mark, y.1), ("sans-serif", 11))])?;
    }
    Ok(())
}

/// The powers of ten around the values; a decade at least.
fn decades(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let least = values.clone().fold(f64::INFINITY, f64::min);
    let greatest = values.fold(0.0, f64::max);
    if !(least > 0.0 && least.is_finite()) {
        return (1.0, 10.0);
    }
    let (low, high) = (least.log10().floor(), greatest.log10().ceil());
    (10f64.powf(low), 10f64.powf(high.max(low + 1.0)))
}

/// A number for an axis.
fn plain(value: f64) -> String {
    let text = if value >= 1.0 { format!("{value:.0}") } else { format!("{value:.6}") };
    let text = if value < 1.0 { text.trim_end_matches('0') } else { &text };
    let whole = text.split('.').next().unwrap_or_default().len();
    let grouped = text.bytes().enumerate().map(|(at, byte)| {
        let comma = at > 0 && at < whole && (whole - at).is_multiple_of(3);
        format!("{}{}", if comma { "," } else { "" }, char::from(byte))
    });
    grouped.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str, points: &[(f64, f64)]) -> Line {
        Line { name: name.to_owned(), ours: true, like: None, points: points.to_vec(), dots: points.to_vec() }
    }

    #[test]
    fn every_line_is_drawn_and_named() {
        let lines =
            [line("one", &[(1e3, 0.004), (1e4, 0.03), (1e5, 0.2)]), line("two & three", &[(1e3, 1.0), (1e5, 9.0)])];
        let words = [(5e3, "some"), (1e9, "nowhere")];
        let of = |title| Panel { title, lines: &lines, marks: &[2e4, 1e9], words: &words };
        let panels = [of("left"), of("right")];
        let svg = draw("files", &panels).expect("draws");
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"), "{svg}");
        for word in ["left", "right", "files", "one", "two &amp; three", "10,000", "0.01", "20,000", "some"] {
            assert!(svg.contains(word), "{word}: {svg}");
        }
        // Two lines and five points in each panel.
        assert_eq!(svg.matches("<circle").count(), 10, "{svg}");
        assert_eq!(svg, draw("files", &panels).expect("draws"), "the same every time");
    }

    #[test]
    fn nothing_and_one_point_are_drawn_too() {
        draw("files", &[Panel { title: "none", lines: &[], marks: &[], words: &[] }]).expect("draws");
        draw("files", &[Panel { title: "one", lines: &[line("one", &[(1e3, 2.0)])], marks: &[], words: &[] }])
            .expect("draws");
    }

    #[test]
    fn axes_end_at_powers_of_ten() {
        assert_eq!(decades([2.0, 500.0].into_iter()), (1.0, 1000.0));
        assert_eq!(decades([10.0, 10.0].into_iter()), (10.0, 100.0));
        assert_eq!(decades(std::iter::empty()), (1.0, 10.0));
        assert_eq!([1.0, 1000.0, 1e6, 0.1, 0.001].map(plain), ["1", "1,000", "1,000,000", "0.1", "0.001"]);
    }
}
