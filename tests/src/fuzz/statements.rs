//! Records and reports: JSON that a hub holds.

use depsync_engine::name::MAX_REVISION;
use depsync_engine::record::{Envelope, MAX_AUTHOR, MAX_MESSAGE};
use depsync_engine::transport::{NodeReport, Outcome, REPORT_SCHEMA};

use super::lawful;

/// The bytes are a record, signature lines and all.
pub(super) fn record(data: &[u8]) {
    let envelope = match Envelope::parse(data.to_vec()) {
        Ok(envelope) => envelope,
        Err(error) => return lawful(&error),
    };
    let payload = envelope.payload();
    assert_eq!(envelope.bytes(), data, "a record is its bytes");
    assert!(data.starts_with(envelope.payload_line()) && !envelope.payload_line().contains(&b'\n'));
    assert!((1..=MAX_REVISION).contains(&payload.number));
    assert!(payload.author.len() <= MAX_AUTHOR && payload.message.len() <= MAX_MESSAGE);
    assert!(payload.packs.len() * 64 <= data.len() && payload.accepts.len() <= data.len());
    assert!(payload.packs.iter().all(|pack| pack.tail().is_ok()));
    let signatures: Vec<&[u8]> = envelope.signatures().collect();
    assert!(signatures.len() <= 64 && signatures.iter().all(|line| !line.is_empty() && !line.contains(&b'\n')));
    // The signatures are no part of what is hashed.
    let bare = [envelope.payload_line(), b"\n"].concat();
    assert_eq!(Envelope::parse(bare).expect("reads without them").revision(), envelope.revision());
    let sealed = Envelope::seal(payload).expect("what was read can be written");
    assert_eq!(sealed.payload(), payload);
    // Written once by us, it stays as it is.
    assert_eq!(Envelope::seal(sealed.payload()).expect("writes").bytes(), sealed.bytes());
}

const RECORD: &str = concat!(
    r#"{"schema":1,"hub":"00112233445566778899aabbccddeeff","deployment":"main","number":2,"#,
    r#""parent":"92a2b787a06d7272df43eaf87acc3b9c1d315d79d599d61c285983483e431998","#,
    r#""root":"92a2b787a06d7272df43eaf87acc3b9c1d315d79d599d61c285983483e431998","tree":1,"#,
    r#""packs":[{"name":"92a2b787a06d7272df43eaf87acc3b9c1d315d79d599d61c285983483e431998","#,
    r#""length":1000,"index_length":100}],"author":"ops","node":"web-1","nonce":"00ff","#,
    r#""time":"2026-11-21T20:00:00Z","message":"release 7\n\"quoted\"","#,
    r#""accepts":["mass-delete","later"],"more":{"a":[1,{"b":null}]}}"#,
    "\n"
);

pub(super) fn records() -> Vec<Vec<u8>> {
    let first = RECORD.replace("\"number\":2", "\"number\":1");
    let parent = first.find("\"parent\":").map(|at| at + 9).expect("a parent");
    let first = [&first[..parent], "null", &first[parent + 66..]].concat();
    let signed = format!("{RECORD}ssh-ed25519 AAAA\nsecond line\n");
    [RECORD.to_owned(), first, signed].map(String::into_bytes).to_vec()
}

/// The bytes are a report.
pub(super) fn report(data: &[u8]) {
    let report = match NodeReport::parse(data) {
        Ok(report) => report,
        Err(error) => return lawful(&error),
    };
    let bytes = report.to_bytes().expect("what was read can be written");
    assert_eq!(bytes.iter().filter(|&&byte| byte == b'\n').count(), 1, "one line");
    match NodeReport::parse(&bytes) {
        Ok(again) => assert_eq!(again, report),
        // Escapes may have made it longer than a report may be.
        Err(error) => {
            lawful(&error);
            assert!(bytes.len() > depsync_engine::transport::MAX_REPORT);
        }
    }
}

pub(super) fn reports() -> Vec<Vec<u8>> {
    let report = NodeReport {
        schema: REPORT_SCHEMA,
        node: "web-1".parse().expect("an id"),
        nonce: "0f".to_owned(),
        writes: false,
        applied: None,
        root: None,
        measured: None,
        time: "2026-11-21T20:00:00Z".parse().expect("a time"),
        full_scan: Some("2026-11-21T19:00:00.5Z".parse().expect("a time")),
        pinned: true,
        outcome: Outcome::Partial,
        problem: Some("a: it was changed here".to_owned()),
        version: "0.1.0".to_owned(),
        since: None,
        duration_ms: None,
        bytes: None,
        beat_s: None,
    };
    let revision =
        r#""applied":{"number":7,"record":"92a2b787a06d7272df43eaf87acc3b9c1d315d79d599d61c285983483e431998"}"#;
    let plain = report.to_bytes().expect("encodes");
    let text = String::from_utf8(plain.clone()).expect("JSON");
    let later = text.replace("partial", "teleported").replace("\"applied\":null", revision);
    vec![plain, later.into_bytes()]
}
