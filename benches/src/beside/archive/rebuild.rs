//! The archives that this benchmark makes: Python's zipfile writes them, and its zlib deflates them ([`SCRIPT`]).
//!
//! Both archives of a pair come from one writer, as when a project is built again: what differs is what was edited, and
//! the times. The jars of Debian's Tomcat are what the larger ones are made of. They are not enough for that, so they are
//! taken again in generations, each of which differs from all others every forty bytes.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use depsync_tests::debian;

use super::pairs::Pair;

const SCRIPT: &str = include_str!("build.py");

/// What they are written by.
pub(super) fn writer() -> Result<String> {
    python("version", &[])
}

/// A jar rebuilt with one class edited, and the same with its entries in another order.
pub(super) fn rebuilt(of: &Pair, place: &Path) -> Result<[Pair; 2]> {
    build("rebuilt", place, [of.new.clone().into()])?;
    let pair = |what: &str, new| Pair::of(&format!("{}, {what}", of.name), place, ["old.jar", new]);
    Ok([pair("one class", "one-class.jar"), pair("another order", "another-order.jar")])
}

/// A WAR of deflated and one of stored jars, each with one of these rebuilt, in which one class was edited.
pub(super) fn wars(place: &Path) -> Result<[Pair; 2]> {
    build("wars", place, jars())?;
    Ok(["deflated", "stored"].map(|how| {
        let [old, new] = ["old", "new"].map(|age| format!("{how}-{age}.war"));
        Pair::of(&format!("WAR of {how} jars"), place, [&old, &new])
    }))
}

/// So many versions of a jar, in each of which about one class in a hundred was edited.
pub(super) fn chain(place: &Path, versions: u32) -> Result<Vec<PathBuf>> {
    build("chain", place, [versions.to_string().into()].into_iter().chain(jars()))?;
    Ok((1..=versions).map(|version| place.join(format!("{version}.jar"))).collect())
}

/// A jar of so many mebibytes whose entries are jars, stored, and the same with so many classes edited.
pub(super) fn fat(place: &Path, mebibytes: u16, changed: u32) -> Result<Pair> {
    let words = [mebibytes.to_string().into(), changed.to_string().into()];
    build("fat", place, words.into_iter().chain(jars()))?;
    Ok(Pair::of("fat jar", place, ["old.jar", "new.jar"]))
}

/// Those of Debian's Tomcat.
fn jars() -> impl Iterator<Item = OsString> {
    debian::archives(&debian::unpacked("libtomcat10-java")).into_iter().map(PathBuf::into_os_string)
}

/// Lets the script build something in `place`, which it makes.
fn build(what: &str, place: &Path, words: impl IntoIterator<Item = OsString>) -> Result<()> {
    fs::create_dir(place)?;
    let arguments: Vec<OsString> = std::iter::once(place.into()).chain(words).collect();
    python(what, &arguments).map(drop)
}

/// Runs the script and gives what it prints.
fn python(what: &str, arguments: &[OsString]) -> Result<String> {
    let mut command = Command::new("python3");
    command.args(["-c", SCRIPT, what]).args(arguments).stdin(Stdio::null());
    let output = command.output().context("python3 builds the archives: apt-get install python3")?;
    ensure!(output.status.success(), "build.py {what}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compares two archives: how many entries there are in the second, how many are elsewhere, how many have other
    /// content, and how many the same time; then the same of all jars in them that have other content, all together.
    const COMPARE: &str = r#"
import io, json, sys, zipfile
def compare(old, new):
    old, new = zipfile.ZipFile(old), zipfile.ZipFile(new)
    olds = {entry.filename: (number, entry) for number, entry in enumerate(old.infolist())}
    said, inner = [len(new.infolist()), 0, 0, 0], [0, 0, 0, 0]
    for number, entry in enumerate(new.infolist()):
        before, was = olds.pop(entry.filename)
        a, b = old.read(was), new.read(entry)
        said[1] += before != number
        said[2] += a != b
        said[3] += was.date_time == entry.date_time
        if a != b and entry.filename.endswith(".jar"):
            inner = [sum(both) for both in zip(inner, compare(io.BytesIO(a), io.BytesIO(b))[:4])]
    assert not olds, olds
    return said + inner
print(json.dumps(compare(*sys.argv[1:])))
"#;

    fn compare(old: &Path, new: &Path) -> Vec<usize> {
        let output = Command::new("python3").args(["-c", COMPARE]).args([old, new]).output().expect("python3");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("what the script prints")
    }

    fn length(path: &Path) -> u64 {
        fs::metadata(path).expect("it was built").len()
    }

    #[test]
    fn a_rebuild_has_one_other_class_and_other_times() {
        let place = tempfile::tempdir().expect("a directory");
        let jar = jars().map(PathBuf::from).find(|jar| jar.to_string_lossy().contains("coyote")).expect("a jar");
        let of = Pair { name: "it".to_owned(), old: jar.clone(), new: jar.clone() };
        let [edited, moved] = rebuilt(&of, &place.path().join("built")).expect("builds");
        assert_eq!((edited.name.as_str(), moved.name.as_str()), ("it, one class", "it, another order"));
        let entries = compare(&jar, &edited.old)[0];
        assert!(entries > 400, "{entries}");
        assert_eq!(compare(&edited.old, &edited.new)[..4], [entries, 0, 1, 0]);
        let [all, elsewhere, edited, same] = compare(&moved.old, &moved.new)[..4] else { panic!("four numbers") };
        assert_eq!((all, edited, same), (entries, 1, 0));
        assert!(elsewhere > entries * 9 / 10, "{elsewhere}");
    }

    #[test]
    fn a_war_has_one_other_jar_with_one_other_class() {
        let place = tempfile::tempdir().expect("a directory");
        for (war, deflated) in wars(&place.path().join("built")).expect("builds").iter().zip([true, false]) {
            let [libraries, 0, 1, 0, entries, 0, 1, 0] = compare(&war.old, &war.new)[..] else { panic!("{war:?}") };
            assert!(libraries > 40 && entries > 500, "{libraries}, {entries}");
            // What is deflated twice is hardly smaller.
            let size = length(&war.new);
            assert_eq!((13_000_000..15_000_000).contains(&size), deflated, "{size}");
            assert!(size < 17_000_000, "{size}");
        }
    }

    #[test]
    fn each_version_of_a_chain_has_a_hundredth_of_other_classes() {
        let place = tempfile::tempdir().expect("a directory");
        let versions = chain(&place.path().join("built"), 2).expect("builds");
        let [entries, 0, edited, 0] = compare(&versions[0], &versions[1])[..4] else { panic!("{versions:?}") };
        assert!(entries > 8000 && (entries / 200..entries / 50).contains(&edited), "{edited} of {entries}");
    }

    #[test]
    fn a_fat_jar_has_as_many_classes_edited_as_were_asked_for() {
        let place = tempfile::tempdir().expect("a directory");
        let fat = fat(&place.path().join("built"), 10, 10).expect("builds");
        let size = length(&fat.old);
        assert!((10 << 20..14 << 20).contains(&size), "{size}");
        let [libraries, 0, rebuilt, 0, _, 0, 10, 0] = compare(&fat.old, &fat.new)[..] else { panic!("{fat:?}") };
        assert!(libraries > 32 && (2..=10).contains(&rebuilt), "{libraries}, {rebuilt}");
        let error = super::fat(&place.path().join("again"), 1, 100_000).expect_err("there are not as many");
        assert!(error.to_string().contains("classes in it, and 100000 are to change"), "{error}");
    }
}
