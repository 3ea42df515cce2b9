//! What depsync says of a publish, an update or a rollback, and whether that can be right.

use anyhow::{Context, Result, ensure};

/// What a command is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// Nothing has changed.
    Nothing,
    /// One entry has, and none has come or gone.
    OneModified,
    /// Whatever it is.
    Anything,
}

/// What it says.
#[derive(Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) root: String,
    /// Bytes sent or fetched.
    pub(crate) bytes: u64,
}

impl Answer {
    /// Reads the JSON object; an error if it tells of a change where there was none, or of none where there was one.
    pub(crate) fn of(deed: Deed, said: &str) -> Result<Self> {
        let object: serde_json::Value = serde_json::from_str(said).with_context(|| format!("not JSON: {said}"))?;
        let changed = object["changed"].as_bool();
        ensure!(changed == Some(deed != Deed::Nothing), "changed is {}", object["changed"]);
        if deed == Deed::OneModified {
            let counts = ["added", "modified", "removed"].map(|field| object[field].as_u64());
            ensure!(counts == [Some(0), Some(1), Some(0)], "{counts:?}, not one modified");
        }
        for list in ["conflicts", "problems", "held"] {
            // An update holds nothing back, and has no list of it.
            let empty = object[list].as_array().map_or(list == "held", Vec::is_empty);
            ensure!(empty, "{list}: {}", object[list]);
        }
        let bytes = object["bytes_sent"].as_u64().or(object["bytes_fetched"].as_u64()).context("no bytes")?;
        Ok(Self { root: object["root"].as_str().context("no root")?.to_owned(), bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLISHED: &str = r#"{"root":"7f","changed":true,"added":0,"modified":1,"removed":0,"held":[],
        "conflicts":[],"problems":[],"bytes_sent":644}"#;

    #[test]
    fn an_answer_is_read() {
        let answer = Answer::of(Deed::OneModified, PUBLISHED).expect("an answer");
        assert_eq!(answer, Answer { root: "7f".to_owned(), bytes: 644 });
        let fetched = PUBLISHED.replace("bytes_sent", "bytes_fetched");
        assert_eq!(Answer::of(Deed::OneModified, &fetched).expect("an answer"), answer);
        let added = PUBLISHED.replace(r#""added":0"#, r#""added":9"#);
        assert_eq!(Answer::of(Deed::Anything, &added).expect("an answer"), answer);
    }

    #[test]
    fn an_answer_that_cannot_be_right_is_refused() {
        Answer::of(Deed::Nothing, PUBLISHED).expect_err("idle, but changed");
        for (from, to) in [
            ("true", "false"),
            (r#""modified":1"#, r#""modified":2"#),
            (r#""added":0"#, r#""added":1"#),
            (r#""problems":[]"#, r#""problems":["x"]"#),
            (r#""conflicts":[],"#, ""),
            (r#""held":[]"#, r#""held":["x"]"#),
            (r#""root":"7f","#, ""),
            ("bytes_sent", "bytes"),
            ("}", ""),
        ] {
            Answer::of(Deed::OneModified, &PUBLISHED.replace(from, to)).expect_err(from);
        }
    }
}
