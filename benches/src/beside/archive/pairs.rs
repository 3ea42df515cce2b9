//! The archives that somebody has brought: two versions of each, as they were published.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::target;

/// How the two that have a target are had, and where they go.
pub(crate) const HOW: &str = "\
The archives of --pairs are DIR/NAME/old.jar and DIR/NAME/new.jar, for any NAME. Two names have a target, and mean
  vnu-jar                npm pack vnu-jar@26.9.7; npm pack vnu-jar@26.9.16
                         in each: package/build/dist/vnu.jar
  openapi-generator-cli  pip download --no-deps openapi-generator-cli==7.24.0; the same of 7.25.0
                         in each, a ZIP archive: openapi_generator_cli/openapi-generator.jar
";

/// Bytes of the old and the new jar of those names.
const KNOWN: [(&str, [u64; 2]); 2] =
    [("vnu-jar", [32_385_549, 32_386_087]), ("openapi-generator-cli", [31_904_922, 31_942_042])];

/// An archive before and after.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pair {
    pub(super) name: String,
    pub(super) old: PathBuf,
    pub(super) new: PathBuf,
}

impl Pair {
    /// Two archives of a directory.
    pub(super) fn of(name: &str, place: &Path, [old, new]: [&str; 2]) -> Self {
        Self { name: name.to_owned(), old: place.join(old), new: place.join(new) }
    }

    /// What the archive is called in a deployment: its kind is kept.
    pub(super) fn file_name(&self) -> String {
        format!("app.{}", self.new.extension().unwrap_or_default().display())
    }

    /// Both copied into `place`, where everything else is measured, and where a link is a file.
    pub(super) fn copied(&self, place: &Path) -> Result<Self> {
        let copy = |from: &Path, name: &str| {
            let to = place.join(name).with_extension(from.extension().unwrap_or_default());
            fs::copy(from, &to).with_context(|| format!("copying {}", from.display()))?;
            anyhow::Ok(to)
        };
        Ok(Self { name: self.name.clone(), old: copy(&self.old, "old")?, new: copy(&self.new, "new")? })
    }
}

/// The pairs in a directory, those with a target first.
pub(super) fn given(place: &Path) -> Result<Vec<Pair>> {
    let mut pairs = Vec::new();
    for entry in fs::read_dir(place).with_context(|| format!("listing {}", place.display()))? {
        let entry = entry?;
        let name = entry.file_name().into_string().ok().context("a name that is not UTF-8 among the pairs")?;
        let pair = Pair::of(&name, &entry.path(), ["old.jar", "new.jar"]);
        check(&pair)?;
        pairs.push(pair);
    }
    ensure!(!pairs.is_empty(), "{}: no pairs in it\n{HOW}", place.display());
    pairs.sort_by_key(|pair| (target::place(&pair.name), pair.name.clone()));
    Ok(pairs)
}

/// Fails unless both are there, and are what the name says, if that says it.
fn check(pair: &Pair) -> Result<()> {
    let size = |path: &Path| {
        let seen = fs::metadata(path).with_context(|| format!("{} is missing\n{HOW}", path.display()))?;
        anyhow::Ok(seen.len())
    };
    let sizes = [size(&pair.old)?, size(&pair.new)?];
    if let Some((name, known)) = KNOWN.iter().find(|(name, _)| *name == pair.name) {
        ensure!(sizes == *known, "{name}: jars of {sizes:?} bytes, not {known:?}: give others another name\n{HOW}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn pairs_are_found_and_others_are_not_taken_for_those_that_have_a_target() {
        let place = tempfile::tempdir().expect("a directory");
        let refused = || given(place.path()).expect_err("refused").to_string();
        assert!(refused().contains("no pairs in it\nThe archives of --pairs"), "{}", refused());
        let put = |name: &str, sizes: [u64; 2]| {
            let dir = place.path().join(name);
            fs::create_dir_all(&dir).expect("a directory");
            for (file, size) in ["old.jar", "new.jar"].iter().zip(sizes) {
                fs::File::create(dir.join(file)).and_then(|file| file.set_len(size)).expect("a sparse file");
            }
        };
        put("zebra", [1, 2]);
        put("ape", [1, 2]);
        put("vnu-jar", KNOWN[0].1);
        let names = |pairs: Vec<Pair>| pairs.into_iter().map(|pair| pair.name).collect::<Vec<_>>();
        assert_eq!(names(given(place.path()).expect("pairs")), ["vnu-jar", "ape", "zebra"]);
        put("vnu-jar", [1, 2]);
        assert!(refused().contains("vnu-jar: jars of [1, 2] bytes, not [32385549, 32386087]"), "{}", refused());
        fs::remove_file(place.path().join("vnu-jar/new.jar")).expect("removes");
        assert!(refused().contains("new.jar is missing"), "{}", refused());
    }

    #[test]
    fn a_copy_is_a_file_where_there_was_a_link() {
        let place = tempfile::tempdir().expect("a directory");
        let at = |name: &str| place.path().join(name);
        for name in ["one", "two"] {
            fs::write(at(name), name).expect("writes");
        }
        fs::create_dir(at("copies")).expect("a directory");
        symlink(at("one"), at("x.war")).expect("a link");
        symlink(at("two"), at("y.war")).expect("a link");
        let copied = Pair::of("it", place.path(), ["x.war", "y.war"]).copied(&at("copies")).expect("copies");
        assert_eq!(copied, Pair::of("it", &at("copies"), ["old.war", "new.war"]));
        assert_eq!(copied.file_name(), "app.war");
        assert!(fs::symlink_metadata(&copied.new).expect("it is there").is_file());
        assert_eq!(fs::read(&copied.new).expect("reads"), b"two");
    }
}
