//! `FORMAT`: what the hub is, and what one must understand to use it.
//!
//! It is created exclusively when the hub is made and names the hub for ever. Kinds and codecs that come later are
//! *features*: what a reader must know stands in `requires`, what a publisher must know too in `requires_to_write`,
//! what may be passed over in `optional`. A hub of before a feature gets it when an operator asks for that, and never
//! loses it: what was written since needs it.

use std::collections::BTreeMap;

use depsync_engine::content::chunker::Chunking;
use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_engine::name::HubId;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The layout that this version reads and writes.
pub(super) const SCHEMA: u32 = 1;
/// The most bytes of the file.
pub(super) const MAX_FORMAT: usize = 64 << 10;
/// Archives are cut at their entries, and objects are stored against others: what `engine/doc/format.md` says of both.
const ARCHIVES: &str = "archives-1";
/// The features that this version knows.
const KNOWN: [&str; 1] = [ARCHIVES];

/// The contents of `FORMAT`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Format {
    /// The layout's version.
    pub depsync_hub: u32,
    /// The hub's identity.
    pub hub: HubId,
    /// What a reader must know.
    #[serde(default)]
    pub requires: Vec<String>,
    /// What a publisher must know besides.
    #[serde(default)]
    pub requires_to_write: Vec<String>,
    /// What may be there and need not be known.
    #[serde(default)]
    pub optional: Vec<String>,
    /// How the hub wants files cut.
    #[serde(default)]
    pub chunking: Chunking,
}

#[derive(Deserialize)]
struct Version {
    depsync_hub: u32,
    #[serde(default)]
    requires: Vec<String>,
}

impl Format {
    /// A new hub's format.
    pub(super) fn new(hub: HubId) -> Self {
        Self {
            depsync_hub: SCHEMA,
            hub,
            requires: vec![ARCHIVES.to_owned()],
            requires_to_write: Vec::new(),
            optional: Vec::new(),
            chunking: Chunking::V1,
        }
    }

    /// Whether archives are cut at their entries, and objects may be stored against others.
    pub(super) fn has_archives(&self) -> bool {
        self.requires.iter().any(|feature| feature == ARCHIVES)
    }

    /// The file's bytes.
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec_pretty(self)
            .map_err(|source| Error::new(ErrorKind::Internal, "FORMAT cannot be encoded").because(source))?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// The features that a new hub requires and this one does not.
    pub(super) fn lacks(&self) -> Vec<String> {
        let new = [ARCHIVES].into_iter().map(str::to_owned);
        new.filter(|feature| !self.requires.contains(feature)).collect()
    }

    /// The file `bytes` with what it [lacks](Self::lacks). Whatever else stands in it stays, known or not.
    pub(super) fn upgraded(bytes: &[u8]) -> Result<Vec<u8>> {
        let format = Self::parse(bytes)?;
        let requires = [&format.requires[..], &format.lacks()].concat();
        let failed = |source| Error::new(ErrorKind::Internal, "FORMAT cannot be encoded").because(source);
        let mut fields: BTreeMap<&str, &RawValue> = serde_json::from_slice(bytes)
            .map_err(|source| Error::damaged("FORMAT", "it does not read").because(source))?;
        let requires = serde_json::value::to_raw_value(&requires).map_err(failed)?;
        fields.insert("requires", &requires);
        let mut bytes = serde_json::to_vec_pretty(&fields).map_err(failed)?;
        bytes.push(b'\n');
        if bytes.len() > MAX_FORMAT {
            return Err(Error::new(ErrorKind::Unsupported, "FORMAT has no room for more features"));
        }
        Ok(bytes)
    }

    /// Reads the file. A layout or a required feature that this version does not know is [`ErrorKind::Unsupported`].
    pub(super) fn parse(bytes: &[u8]) -> Result<Self> {
        Self::parse_as(bytes, &KNOWN)
    }

    /// Reads the file as a version that knows these features.
    fn parse_as(bytes: &[u8], known: &[&str]) -> Result<Self> {
        let damaged = |source| Error::damaged("FORMAT", "it does not read").because(source);
        // What is newer may read differently beyond these two.
        let version: Version = serde_json::from_slice(bytes).map_err(damaged)?;
        if version.depsync_hub != SCHEMA {
            return Err(unsupported(format!("a hub of layout {}", version.depsync_hub)));
        }
        if let Some(feature) = unknown(&version.requires, known) {
            return Err(unsupported(format!("a hub that requires `{feature}`")));
        }
        serde_json::from_slice(bytes).map_err(damaged)
    }

    /// Why this version must not publish here, if it must not.
    pub(super) fn publish_refused(&self) -> Option<String> {
        let feature = unknown(&self.requires_to_write, &KNOWN)?;
        Some(format!("publishing to this hub requires `{feature}`, which this version does not know"))
    }
}

fn unknown(features: &[String], known: &[&str]) -> Option<String> {
    let unknown = features.iter().find(|feature| !known.contains(&feature.as_str()))?;
    Some(unknown.chars().take(64).collect::<String>().escape_debug().to_string())
}

fn unsupported(what: String) -> Error {
    Error::new(ErrorKind::Unsupported, what).at("FORMAT").hint("upgrade depsync on this node")
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOLDEN: &str = r#"{
  "depsync_hub": 1,
  "hub": "00112233445566778899aabbccddeeff",
  "requires": [
    "archives-1"
  ],
  "requires_to_write": [],
  "optional": [],
  "chunking": {
    "algorithm": "fastcdc-2020",
    "ordinary": {
      "min": 4096,
      "avg": 16384,
      "max": 65536
    },
    "large": {
      "min": 65536,
      "avg": 262144,
      "max": 1048576
    },
    "large_above": 8589934592
  }
}
"#;

    #[test]
    fn golden_bytes() {
        let format = Format::new("00112233445566778899aabbccddeeff".parse().expect("id"));
        assert_eq!(String::from_utf8(format.to_bytes().expect("encodes")).expect("utf-8"), GOLDEN);
        assert_eq!(Format::parse(GOLDEN.as_bytes()).expect("parses"), format);
    }

    #[test]
    fn an_upgraded_hub_is_a_new_one_and_keeps_what_is_not_known() {
        let old =
            GOLDEN.replace("[\n    \"archives-1\"\n  ]", "[]").replace("{\n  \"dep", "{\n  \"later\": 1.0e2,\n  \"dep");
        assert_eq!(Format::parse(old.as_bytes()).expect("parses").lacks(), [ARCHIVES]);
        let new = Format::upgraded(old.as_bytes()).expect("upgrades");
        assert_eq!(Format::parse(&new).expect("parses"), Format::parse(GOLDEN.as_bytes()).expect("parses"));
        assert!(String::from_utf8_lossy(&new).contains("\"later\": 1.0e2,"), "{}", String::from_utf8_lossy(&new));
        assert_eq!(Format::upgraded(&new).expect("upgrades"), new, "twice is once");
        // One that is left to its defaults, too.
        let short = r#"{"depsync_hub":1,"hub":"00112233445566778899aabbccddeeff"}"#;
        let new = Format::upgraded(short.as_bytes()).expect("upgrades");
        assert_eq!(Format::parse(&new).expect("parses").to_bytes().expect("encodes"), GOLDEN.as_bytes());
    }

    #[test]
    fn a_version_without_a_feature_refuses_a_hub_that_got_it() {
        let old = GOLDEN.replace("\"archives-1\"", "");
        Format::parse_as(old.as_bytes(), &[]).expect("readable");
        let new = Format::upgraded(old.as_bytes()).expect("upgrades");
        let error = Format::parse_as(&new, &[]).expect_err("not readable");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert_eq!(error.to_string(), "FORMAT: a hub that requires `archives-1`");
        assert_eq!(error.advice(), Some("upgrade depsync on this node"));
    }

    #[test]
    fn features_are_refused_by_those_who_do_not_know_them() {
        let requires = GOLDEN.replace("archives-1", "patch-1");
        assert_eq!(Format::parse(requires.as_bytes()).expect_err("unknown").kind(), ErrorKind::Unsupported);
        let to_write = GOLDEN.replace("\"requires_to_write\": []", "\"requires_to_write\": [\"patch-1\"]");
        let format = Format::parse(to_write.as_bytes()).expect("readable");
        assert!(format.publish_refused().is_some_and(|why| why.contains("patch-1")));
        let optional = GOLDEN.replace("\"optional\": []", "\"optional\": [\"x\"], \"later\": 1");
        assert_eq!(Format::parse(optional.as_bytes()).expect("readable").publish_refused(), None);
        let newer = GOLDEN.replace("\"depsync_hub\": 1", "\"depsync_hub\": 2");
        assert_eq!(Format::parse(newer.as_bytes()).expect_err("newer").kind(), ErrorKind::Unsupported);
        assert_eq!(Format::parse(&GOLDEN.as_bytes()[..40]).expect_err("cut").kind(), ErrorKind::Damaged);
    }
}
