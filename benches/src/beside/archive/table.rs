//! The rows as tables: what was carried and what that took, pair by pair; the chain, version by version; the fat jar,
//! step by step.

use std::fmt::Write as _;

use super::chain::{BACK, MISSED, VERSIONS};
use super::row::{Part, Row, Step, Who};
use super::target::target;
use crate::kit::statistics::bytes;

/// Who and what has a column where processes are compared.
const PROCESSES: [(Who, Step, &str); 10] = [
    (Who::Rsync, Step::Make, "rsync"),
    (Who::Xdelta3, Step::Make, "xdelta3"),
    (Who::Xdelta3, Step::Unmake, "and back"),
    (Who::Casync, Step::Make, "casync"),
    (Who::Casync, Step::Unmake, "and back"),
    (Who::Zstd, Step::Make, "zstd"),
    (Who::Zstd, Step::Unmake, "and back"),
    (Who::Depsync, Step::Publish, "publish"),
    (Who::Depsync, Step::Update, "update"),
    (Who::Depsync, Step::Fresh, "fresh"),
];

/// The pairs: bytes beside the target, then seconds and memory. A peer that is not there says so in its cells.
pub(super) fn pairs(rows: &[Row], missing: &[Who]) -> String {
    let mut text = String::new();
    let heads =
        ["whole", "rsync", "xdelta3 -9", "casync", "zstd -19", "sent", "to the hub", "fetched", "fresh", "target"];
    line(&mut text, "bytes", &heads.map(str::to_owned), "within");
    for name in &archives(rows, Part::Pairs) {
        let of = |who, step| find(rows, name, who, step);
        let carried = |who: Who, step| cell(of(who, step).map(|row| row.bytes.to_string()), missing.contains(&who));
        let grown = of(Who::Depsync, Step::Publish).and_then(|row| row.hub_grown);
        let target = target(name);
        let cells = [
            cell(of(Who::Depsync, Step::Publish).map(|row| row.whole.to_string()), false),
            carried(Who::Rsync, Step::Make),
            carried(Who::Xdelta3, Step::Make),
            carried(Who::Casync, Step::Make),
            carried(Who::Zstd, Step::Make),
            carried(Who::Depsync, Step::Publish),
            cell(grown.map(|grown| grown.to_string()), false),
            carried(Who::Depsync, Step::Update),
            carried(Who::Depsync, Step::Fresh),
            cell(target.map(|most| most.to_string()), false),
        ];
        let said = [Step::Publish, Step::Update].map(|step| of(Who::Depsync, step).map_or(0, |row| row.bytes));
        let most = said.into_iter().max().unwrap_or(0).max(u64::try_from(grown.unwrap_or(0)).unwrap_or(0));
        line(&mut text, name, &cells, &target.map_or(String::new(), |target| verdict(most, target)));
    }
    took(&mut text, rows, missing, "processor, seconds", |row| format!("{:.2}", row.measure.cpu_s()));
    took(&mut text, rows, missing, "clock, seconds", |row| format!("{:.2}", row.measure.wall_s));
    took(&mut text, rows, missing, "peak memory, MiB", |row| mebibytes(row).to_string());
    text
}

/// What each process took of something, pair by pair.
fn took(text: &mut String, rows: &[Row], missing: &[Who], what: &str, of: fn(&Row) -> String) {
    text.push('\n');
    line(text, what, &PROCESSES.map(|(.., head)| head.to_owned()), "");
    for name in archives(rows, Part::Pairs) {
        let value = |(who, step, _)| cell(find(rows, &name, who, step).map(of), missing.contains(&who));
        line(text, &name, &PROCESSES.map(value), "");
    }
}

/// The chain, and what the hub has in the end.
pub(super) fn chain(rows: &[Row]) -> String {
    let rows: Vec<&Row> = rows.iter().filter(|row| row.part == Part::Chain).collect();
    let of = |version: usize, steps: [Step; 2]| {
        rows.iter().find(|row| row.version == Some(version) && steps.contains(&row.step)).copied()
    };
    let mut text = format!("\n{VERSIONS} versions of a jar, in each of which about one class in 100 was edited\n");
    let heads = ["whole", "sent", "to the hub", "fetched", "publish s", "update s"].map(str::to_owned);
    line(&mut text, "version", &heads, "");
    for version in 1..=VERSIONS as usize {
        let published = of(version, [Step::FirstPublish, Step::Publish]);
        let updated = of(version, [Step::FirstUpdate, Step::Update]);
        line(&mut text, &version.to_string(), &deed(published, updated), "");
    }
    let last = VERSIONS as usize;
    let behind = of(last, [Step::Behind; 2]);
    line(&mut text, &format!("{MISSED} behind: {} to {last}", last - MISSED), &deed(None, behind), "");
    line(&mut text, &format!("fresh worker: {last}"), &deed(None, of(last, [Step::Fresh; 2])), "");
    let back = last - BACK;
    let rolled = (of(back, [Step::Rollback; 2]), of(back, [Step::Return; 2]));
    line(&mut text, &format!("rolled back: {last} to {back}"), &deed(rolled.0, rolled.1), "");
    let published = rows.iter().filter(|row| matches!(row.step, Step::FirstPublish | Step::Publish));
    let (sum, first) = published.fold((0, 0), |(sum, first), row| (sum + row.whole, first.max(row.whole)));
    let hub = rows.iter().rfind(|row| row.version == Some(last)).and_then(|row| row.hub);
    let _ = writeln!(
        text,
        "the hub after {last} versions: {} bytes; the archives: {sum} all together, {first} the largest",
        cell(hub.map(|hub| hub.to_string()), false)
    );
    text
}

/// The fat jar: bytes, seconds, memory, and how fast that is.
pub(super) fn fat(rows: &[Row], changed: u32) -> String {
    let rows: Vec<&Row> = rows.iter().filter(|row| row.part == Part::Fat).collect();
    let size = rows.iter().map(|row| row.whole).max().unwrap_or(0);
    let mut text = format!("\na jar of jars of {size} bytes, then with {changed} classes edited\n");
    let heads = ["carried", "to the hub", "cpu s", "wall s", "peak MiB", "MB/s"].map(str::to_owned);
    line(&mut text, "step", &heads, "");
    for row in rows {
        let name = match row.step {
            Step::FirstPublish => "publish, first",
            Step::FirstUpdate => "update, first",
            Step::Publish => "publish, edited",
            Step::Update => "update, edited",
            _ => "fresh worker, edited",
        };
        let cells = [
            row.bytes.to_string(),
            cell(row.hub_grown.map(|grown| grown.to_string()), false),
            format!("{:.2}", row.measure.cpu_s()),
            format!("{:.2}", row.measure.wall_s),
            mebibytes(row).to_string(),
            format!("{:.1}", bytes(row.whole) / 1e6 / row.measure.wall_s),
        ];
        line(&mut text, name, &cells, "");
    }
    text
}

/// What was published of a version, and what a worker fetched.
fn deed(published: Option<&Row>, updated: Option<&Row>) -> [String; 6] {
    let seconds = |row: &Row| format!("{:.2}", row.measure.wall_s);
    [
        cell(published.or(updated).map(|row| row.whole.to_string()), false),
        cell(published.map(|row| row.bytes.to_string()), false),
        cell(published.and_then(|row| row.hub_grown).map(|grown| grown.to_string()), false),
        cell(updated.map(|row| row.bytes.to_string()), false),
        cell(published.map(seconds), false),
        cell(updated.map(seconds), false),
    ]
}

/// The archives of a part, in the order in which they were measured.
fn archives(rows: &[Row], part: Part) -> Vec<String> {
    let mut names: Vec<String> = rows.iter().filter(|row| row.part == part).map(|row| row.archive.clone()).collect();
    names.dedup();
    names
}

fn find<'a>(rows: &'a [Row], archive: &str, who: Who, step: Step) -> Option<&'a Row> {
    rows.iter().find(|row| row.part == Part::Pairs && row.archive == archive && row.who == who && row.step == step)
}

/// Whether the greatest of what was sent, fetched and added to the hub is within the target.
fn verdict(most: u64, target: u64) -> String {
    if most <= target { "yes".to_owned() } else { format!("no, {:.1}x", bytes(most) / bytes(target)) }
}

fn cell(value: Option<String>, is_missing: bool) -> String {
    value.unwrap_or_else(|| if is_missing { "missing" } else { "-" }.to_owned())
}

fn line(text: &mut String, name: &str, cells: &[String], end: &str) {
    let cells: String = cells.iter().map(|cell| format!("{cell:>12}")).collect();
    let _ = writeln!(text, "{}", format!("{name:<28}{cells}  {end}").trim_end());
}

fn mebibytes(row: &Row) -> u64 {
    row.measure.peak_kib.unsigned_abs().div_ceil(1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kit::measured::Measure;

    fn row(part: Part, archive: &str, who: Who, step: Step, bytes: u64) -> Row {
        let measure = Measure { user_s: 0.25, system_s: 0.5, wall_s: 2.0, peak_kib: 1025, status: Some(0) };
        let (hub_grown, hub) = if who == Who::Depsync { (Some(20_000), Some(77)) } else { (None, None) };
        let archive = archive.to_owned();
        Row { part, archive, version: None, who, step, whole: 4_000_000, bytes, hub_grown, hub, measure }
    }

    fn words(line: &str) -> Vec<&str> {
        line.split_whitespace().collect()
    }

    #[test]
    fn a_pair_is_within_when_nothing_of_it_is_beyond() {
        let of = |name: &str, sent, fetched| {
            vec![
                row(Part::Pairs, name, Who::Rsync, Step::Make, 99),
                row(Part::Pairs, name, Who::Depsync, Step::Publish, sent),
                row(Part::Pairs, name, Who::Depsync, Step::Update, fetched),
            ]
        };
        let verdict = |rows: &[Row]| pairs(rows, &[]).lines().nth(1).map(str::to_owned).expect("a line");
        // 24 KiB and 1.25 times 558.
        let line = verdict(&of("WAR of stored jars", 25_273, 7));
        assert_eq!(words(&line)[4..], words("4000000 99 - - - 25273 20000 7 - 25273 yes")[..], "{line}");
        let beyond = [of("WAR of stored jars", 25_274, 7), of("WAR of stored jars", 7, 50_546)];
        assert!(verdict(&beyond[0]).ends_with("25273  no, 1.0x"), "{beyond:?}");
        assert!(verdict(&beyond[1]).ends_with("25273  no, 2.0x"), "{beyond:?}");
        let mut grown = of("WAR of stored jars", 7, 7);
        grown[1].hub_grown = Some(25_274);
        assert!(verdict(&grown).ends_with("no, 1.0x"));
        assert_eq!(words(&verdict(&of("my", 7, 7))), words("my 4000000 99 - - - 7 20000 7 - -"));
    }

    #[test]
    fn a_missing_peer_says_so_in_its_cells() {
        let rows = [row(Part::Pairs, "my", Who::Depsync, Step::Publish, 5)];
        let text = pairs(&rows, &[Who::Casync]);
        let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("my")).collect();
        assert_eq!(words(lines[0]), words("my 4000000 - - missing - 5 20000 - - -"));
        assert_eq!(words(lines[1]), words("my - - - missing missing - - 0.75 - -"));
        assert_eq!(words(lines[2]), words("my - - - missing missing - - 2.00 - -"));
        assert_eq!(words(lines[3]), words("my - - - missing missing - - 2 - -"));
    }

    #[test]
    fn a_chain_has_a_line_for_each_version_and_for_those_who_missed_some() {
        let of = |version, step, bytes| Row {
            version: Some(version),
            ..row(Part::Chain, "chain", Who::Depsync, step, bytes)
        };
        let mut rows = vec![of(1, Step::FirstPublish, 100), of(1, Step::FirstUpdate, 101)];
        rows.extend((2..=10).flat_map(|number| [of(number, Step::Publish, 10), of(number, Step::Update, 11)]));
        // It joined at the fifth.
        rows.insert(10, of(5, Step::Fresh, 55));
        rows.extend([
            of(10, Step::Behind, 51),
            of(10, Step::Fresh, 52),
            of(7, Step::Rollback, 3),
            of(7, Step::Return, 4),
        ]);
        let at = rows.len() - 3;
        rows[at].hub = Some(78);
        let text = chain(&rows);
        let lines: Vec<&str> = text.lines().skip(3).collect();
        assert_eq!(words(lines[0]), words("1 4000000 100 20000 101 2.00 2.00"));
        assert_eq!(words(lines[6]), words("7 4000000 10 20000 11 2.00 2.00"));
        assert_eq!(words(lines[10]), words("5 behind: 5 to 10 4000000 - - 51 - 2.00"));
        assert_eq!(words(lines[11]), words("fresh worker: 10 4000000 - - 52 - 2.00"));
        assert_eq!(words(lines[12]), words("rolled back: 10 to 7 4000000 3 20000 4 2.00 2.00"));
        let last = "the hub after 10 versions: 78 bytes; the archives: 40000000 all together, 4000000 the largest";
        assert_eq!(lines[13], last);
    }

    #[test]
    fn a_fat_jar_has_a_line_for_each_step() {
        let steps = [Step::FirstPublish, Step::FirstUpdate, Step::Publish, Step::Update, Step::Fresh];
        let text = fat(&steps.map(|step| row(Part::Fat, "fat jar", Who::Depsync, step, 9)), 300);
        let lines: Vec<&str> = text.lines().skip(1).collect();
        assert_eq!(lines[0], "a jar of jars of 4000000 bytes, then with 300 classes edited");
        assert_eq!(words(lines[2]), words("publish, first 9 20000 0.75 2.00 2 2.0"));
        assert_eq!(lines.len(), 7, "{text}");
        assert!(lines[6].starts_with("fresh worker, edited "), "{text}");
    }
}
