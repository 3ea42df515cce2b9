//! What rsync prints of a directory: a line for each name, with mode, length and time.
//!
//! Times are in UTC if rsync was told so (`TZ`), and whole seconds.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) directory: bool,
    pub(super) modified: Timestamp,
    pub(super) name: String,
}

/// The lines that read. Whatever else rsync says is passed over.
pub(super) fn parse(text: &[u8]) -> Vec<Line> {
    String::from_utf8_lossy(text).lines().filter_map(line).collect()
}

/// `-rw-r--r--          1,234 2026/11/22 07:02:50 name`
fn line(text: &str) -> Option<Line> {
    let (mode, rest) = text.split_once(' ')?;
    let (_length, rest) = rest.trim_start().split_once(' ')?;
    let (day, rest) = rest.split_once(' ')?;
    let (time, name) = rest.split_once(' ')?;
    let moment: DateTime = format!("{}T{time}", day.replace('/', "-")).parse().ok()?;
    let modified = moment.to_zoned(TimeZone::UTC).ok()?.timestamp();
    Some(Line { directory: mode.starts_with('d'), modified, name: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_read_and_nothing_else_does() {
        let text = "drwxr-xr-x            100 2026/11/22 07:02:51 d/main\n\
                    skipping non-regular file \"d/x\"\n\
                    -rw-r--r--      1,234,567 1999/01/02 03:04:05 d/a name\n";
        let parsed = parse(text.as_bytes());
        let moment = |text: &str| text.parse().expect("a time");
        assert_eq!(
            parsed,
            [
                Line { directory: true, modified: moment("2026-11-22T07:02:51Z"), name: "d/main".into() },
                Line { directory: false, modified: moment("1999-01-02T03:04:05Z"), name: "d/a name".into() },
            ]
        );
    }
}
