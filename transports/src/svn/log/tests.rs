use depsync_engine::error::{Error, ErrorKind};

use super::*;

const SAMPLE: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<log>
<logentry
   revision="9">
<author>ops</author>
<date>2026-11-22T10:56:19.198135Z</date>
<paths>
<path
   text-mods="false"
   kind="file"
   action="A"
   copyfrom-path="/main/a"
   copyfrom-rev="1"
   prop-mods="false">/main/c</path>
<path
   kind="dir"
   action="R">/main/ä b &amp; c</path>
<path
   action="M"
   kind=""
   prop-mods="true"
   text-mods="false">/</path>
</paths>
<msg>one
&#13;
</msg>
<revprops>
<property
   name="depsync:root">abc</property>
<property
   name="x:bin"
   encoding="base64">YmluAAE=
</property>
<property
   name="x:empty"></property>
</revprops>
</logentry>
<logentry
   revision="5">
<author>ops</author>
<date>2026-11-22T10:56:19.198135Z</date>
<paths>
<path action="D">/gone</path>
</paths>
</logentry>
<logentry
   revision="4">
</logentry>
</log>
"#;

const DOWN: Range = Range { from: End::Head, to: End::At(4), limit: Some(3), peg: None };

fn all(text: &str, range: &Range) -> Result<Vec<LogEntry>> {
    let mut entries = Vec::new();
    read(text.as_bytes(), range, &mut |entry| {
        entries.push(entry);
        Ok(())
    })?;
    Ok(entries)
}

#[test]
fn all_of_it_is_read() {
    let entries = all(SAMPLE, &DOWN).expect("a sample");
    let first = &entries[0];
    assert_eq!((first.revision, first.author.as_deref()), (9, Some("ops")));
    assert_eq!(first.message.as_deref(), Some("one\n\r\n"));
    let properties: Vec<(&str, &[u8])> = first.properties.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(properties, [("depsync:root", &b"abc"[..]), ("x:bin", b"bin\0\x01"), ("x:empty", b"")]);
    let plain = |path: &str, action| ChangedPath {
        path: path.to_owned(),
        action,
        kind: None,
        copied_from: None,
        content_changed: true,
        properties_changed: true,
    };
    let copy = ChangedPath {
        kind: Some(NodeKind::File),
        copied_from: Some(("/main/a".to_owned(), 1)),
        content_changed: false,
        properties_changed: false,
        ..plain("/main/c", Action::Added)
    };
    let replaced = ChangedPath { kind: Some(NodeKind::Directory), ..plain("/main/ä b & c", Action::Replaced) };
    let modified = ChangedPath { content_changed: false, ..plain("/", Action::Modified) };
    assert_eq!(first.paths, [copy, replaced, modified]);
    assert_eq!(entries[1].paths, [plain("/gone", Action::Deleted)]);
    let shown: Vec<Shown> = entries.iter().map(LogEntry::shown).collect();
    assert_eq!(shown, [Shown::Whole, Shown::Part, Shown::Number]);
    assert_eq!(all("<log/>", &DOWN).expect("nothing"), []);
}

#[test]
fn what_was_not_asked_for_is_damaged() {
    let at = |from, to, limit| Range { from: End::At(from), to: End::At(to), limit, peg: None };
    assert!(all(SAMPLE, &at(9, 4, None)).is_ok());
    for range in [at(9, 5, None), at(8, 4, None), at(4, 9, None), at(9, 4, Some(2)), at(9, 9, None)] {
        assert_eq!(all(SAMPLE, &range).expect_err("refused").kind(), ErrorKind::Damaged, "{range:?}");
    }
}

#[test]
fn what_does_not_fit_is_damaged() {
    for (from, to) in [
        ("revision=\"9\"", "revision=\"9999999999999999999999\""),
        ("revision=\"9\"", "revision=\"\""),
        ("revision=\"9\"", ""),
        ("revision=\"5\"", "revision=\"9\""),
        ("action=\"A\"", "action=\"X\""),
        ("action=\"A\"", ""),
        ("copyfrom-rev=\"1\"", ""),
        ("copyfrom-rev=\"1\"", "copyfrom-rev=\"-1\""),
        ("copyfrom-path=\"/main/a\"", "copyfrom-path=\"main/a\""),
        (">/main/c<", ">/main/../c<"),
        (">/main/c<", ">/main//c<"),
        (">/main/c<", "><"),
        ("base64", "rot13"),
        ("YmluAAE=", "YmluAAE"),
        ("x:empty", "x:bin"),
        ("name=\"x:empty\"", ""),
        ("</paths>", "</path></paths>"),
        ("</msg>", "</paths>"),
        ("<msg>", "<msg><b/>"),
        ("</log>", ""),
        ("</log>", "</log><log></log>"),
        ("&amp;", "&nbsp;"),
        ("<log>", "<lists>"),
    ] {
        let text = SAMPLE.replacen(from, to, 1);
        assert_ne!(text, SAMPLE, "{from}");
        assert_eq!(all(&text, &DOWN).expect_err(to).kind(), ErrorKind::Damaged, "{from} {to}");
    }
    let many: String = (0..=MOST_PROPERTIES).map(|n| format!("<property name=\"{n}\">x</property>")).collect();
    let text = format!("<log><logentry revision=\"9\"><revprops>{many}</revprops></logentry></log>");
    assert_eq!(all(&text, &DOWN).expect_err("many").kind(), ErrorKind::Damaged);
}

#[test]
fn who_takes_may_stop() {
    let mut taken = 0;
    let stop = read(SAMPLE.as_bytes(), &DOWN, &mut |_| {
        taken += 1;
        Err(Error::new(ErrorKind::Cancelled, "enough"))
    });
    assert_eq!((stop.expect_err("stopped").kind(), taken), (ErrorKind::Cancelled, 1));
}
