//! Spans of time and amounts of bytes, as people write and read them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer};

/// A span of time: `50ms`, `90` or `90s` (seconds), `15m`, `12h`, `30d`, `2w`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) Duration);

/// The longest one.
const LONGEST: Duration = Duration::from_secs(100 * 366 * 86_400);

/// An amount of bytes: `4096`, `512K`, `64M` or `64MiB`, `1G`. Units are powers of 1024.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) u64);

/// So many a second, by what it is written for: `10/s`, `5/min`, `3/h`, `2/day`, `1/week`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rate(pub(crate) f64);

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rate = text.split_once('/').and_then(|(count, unit)| {
            let seconds = match unit.trim() {
                "s" | "second" => 1.0,
                "m" | "min" | "minute" => 60.0,
                "h" | "hour" => 3600.0,
                "d" | "day" => 86_400.0,
                "w" | "week" => 604_800.0,
                _ => return None,
            };
            let count: f64 = count.trim().parse().ok()?;
            Some(count / seconds).filter(|rate| (1e-9..=1e6).contains(rate))
        });
        rate.map(Self).ok_or_else(|| "not a rate: write 10/s, 5/min, 3/h, 2/day or 1/week".to_owned())
    }
}

/// In the unit in which it is at least one: `2.5 a day`.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [("second", 1.0), ("minute", 60.0), ("hour", 3600.0), ("day", 86_400.0), ("week", 604_800.0)];
        let (unit, seconds) = units.into_iter().find(|(_, seconds)| self.0 * seconds >= 0.995).unwrap_or(units[4]);
        let count = self.0 * seconds;
        let digits = if count >= 9.95 {
            0
        } else if count >= 0.995 {
            1
        } else {
            2
        };
        let count = format!("{count:.digits$}");
        let article = if unit == "hour" { "an" } else { "a" };
        write!(
            f,
            "{} {article} {unit}",
            if digits > 0 { count.trim_end_matches('0').trim_end_matches('.') } else { &count }
        )
    }
}

/// Splits `text` into a whole number and the unit behind it.
fn split(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, text[end..].trim_start()))
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let span = split(text).and_then(|(number, unit)| {
            let unit = match unit {
                "ms" => return Some(Duration::from_millis(number)).filter(|span| *span <= LONGEST),
                "" | "s" => 1,
                "m" => 60,
                "h" => 3600,
                "d" => 86_400,
                "w" => 604_800,
                _ => return None,
            };
            number.checked_mul(unit).map(Duration::from_secs).filter(|span| *span <= LONGEST)
        });
        let span = span.ok_or("not a span of time: write 50ms, 90s, 15m, 12h, 30d or 2w, at most a hundred years")?;
        Ok(Self(span))
    }
}

/// The shortest way to write it.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.subsec_millis() > 0 {
            return write!(f, "{}ms", self.0.as_millis());
        }
        let seconds = self.0.as_secs();
        let units = [(86_400, 'd'), (3600, 'h'), (60, 'm'), (1, 's')];
        let (unit, letter) =
            units.into_iter().find(|(unit, _)| seconds > 0 && seconds.is_multiple_of(*unit)).unwrap_or((1, 's'));
        write!(f, "{}{letter}", seconds / unit)
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bytes = split(text).and_then(|(number, unit)| {
            let shift = match unit {
                "" | "B" => 0,
                "K" | "KiB" => 10,
                "M" | "MiB" => 20,
                "G" | "GiB" => 30,
                "T" | "TiB" => 40,
                _ => return None,
            };
            number.checked_mul(1 << shift)
        });
        bytes.map(Self).ok_or_else(|| "not an amount of bytes: write 4096, 512K, 64M or 1G".to_owned())
    }
}

/// Reads a number (of the base unit) or a string with a unit.
struct Either<T>(std::marker::PhantomData<T>, &'static str);

impl<T: FromStr<Err = String>> Visitor<'_> for Either<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.1)
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Either(std::marker::PhantomData, "a span of time such as \"30d\""))
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Either(std::marker::PhantomData, "an amount of bytes such as \"64M\""))
    }
}

/// Bytes for people: `512 B`, `12.3 KiB`.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut value = count as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// Milliseconds for people: `40 ms`, `2.5 s`, `3 min 20 s`.
pub(crate) fn milliseconds(count: u64) -> String {
    match count {
        0..1000 => format!("{count} ms"),
        1000..60_000 => format!("{}.{} s", count / 1000, count % 1000 / 100),
        _ => format!("{} min {} s", count / 60_000, count % 60_000 / 1000),
    }
}

/// Seconds for people, in one unit: `45 s`, `12 min`, `30 h`, `9 d`.
pub(crate) fn roughly(seconds: u64) -> String {
    let units = [(86_400, "d"), (3600, "h"), (60, "min")];
    match units.into_iter().find(|(unit, _)| seconds >= 2 * unit) {
        Some((unit, name)) => format!("{} {name}", seconds / unit),
        None => format!("{seconds} s"),
    }
}

/// A count and its noun: `1 path`, `2 paths`, `3 directories`.
pub(crate) fn counted(count: usize, noun: &str) -> String {
    match noun.strip_suffix('y') {
        _ if count == 1 => format!("1 {noun}"),
        Some(stem) => format!("{count} {stem}ies"),
        None => format!("{count} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_sizes_are_read_or_refused() {
        for (text, seconds) in
            [("90", 90), ("90s", 90), ("15m", 900), ("12h", 43_200), ("30d", 2_592_000), ("2 w", 1_209_600)]
        {
            assert_eq!(text.parse(), Ok(Span(Duration::from_secs(seconds))), "{text}");
        }
        for (text, bytes) in [("0", 0), ("4096", 4096), ("512K", 524_288), ("64MiB", 67_108_864), ("1G", 1 << 30)] {
            assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
        }
        for bad in ["", "d", "-1", "1.5h", "1y", "99999999999999999999", "18446744073709551615w", "101 d d", "40000w"] {
            assert!(bad.parse::<Span>().is_err(), "{bad}");
        }
        for bad in ["", "K", "-1", "1X", "18446744073709551615K"] {
            assert!(bad.parse::<Size>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_span_is_written_as_it_is_read() {
        for text in ["0s", "90s", "15m", "36h", "30d"] {
            assert_eq!(text.parse::<Span>().expect(text).to_string(), text);
        }
    }

    #[test]
    fn rates_are_read_and_said_in_a_unit_that_suits() {
        for (text, said) in [
            ("10/s", "10 a second"),
            ("2.5/second", "2.5 a second"),
            ("90/min", "1.5 a second"),
            ("3 / day", "3 a day"),
            ("1/week", "1 a week"),
            ("0.1/week", "0.1 a week"),
            ("5/h", "5 an hour"),
        ] {
            assert_eq!(text.parse::<Rate>().expect(text).to_string(), said, "{text}");
        }
        for bad in ["", "10", "/s", "x/s", "1/fortnight", "0/s", "-1/s", "inf/s", "NaN/s", "1e9/s"] {
            assert!(bad.parse::<Rate>().expect_err(bad).starts_with("not a rate: write 10/s"), "{bad}");
        }
    }

    #[test]
    fn amounts_for_people() {
        let shown = [0, 1023, 1024, 12_595, (1 << 20) - 1, 1 << 20, u64::MAX].map(bytes);
        assert_eq!(shown, ["0 B", "1023 B", "1.0 KiB", "12.3 KiB", "1.0 MiB", "1.0 MiB", "16384.0 PiB"]);
        assert_eq!([7, 2500, 200_000].map(milliseconds), ["7 ms", "2.5 s", "3 min 20 s"]);
        assert_eq!(
            [45, 119, 120, 7199, 172_799, 800_000].map(roughly),
            ["45 s", "119 s", "2 min", "119 min", "47 h", "9 d"]
        );
        assert_eq!([counted(1, "path"), counted(2, "path")], ["1 path", "2 paths"]);
        assert_eq!([counted(1, "directory"), counted(0, "directory")], ["1 directory", "0 directories"]);
    }
}
