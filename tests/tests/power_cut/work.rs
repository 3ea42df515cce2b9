//! Work without end: a manager edits and publishes, a worker updates, and what they were answered is said.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use depsync_tests::cluster::Site;

use crate::{APPLIED, BEGUN, PUBLISHED, careless, line};

/// Where the disk is mounted.
pub(crate) const DISK: &str = "/srv";

/// Files of a deployment; each revision changes a part of them.
const FILES: u64 = 24;

/// The nodes and their hub, all on the one disk.
pub(crate) fn site() -> Site {
    Site::at(Path::new(DISK).join("site"))
}

/// What file `name` holds as of `version`: it says what it is, up to its end.
pub(crate) fn content(name: &str, version: u64) -> String {
    let lines = 1 + (version * 7 + name.len() as u64 * 13 + name.bytes().map(u64::from).sum::<u64>()) % 900;
    let line = format!("{name} {version}\n");
    format!("{}end\n", line.repeat(usize::try_from(lines).expect("small")))
}

/// The version that a whole file is; none if it is torn.
pub(crate) fn version(name: &str, found: &str) -> Option<u64> {
    let version = found.lines().next()?.strip_prefix(name)?.trim().parse().ok()?;
    (found == content(name, version)).then_some(version)
}

/// The manager's edit number `version`: files are changed, one comes and one goes.
fn edit(directory: &Path, version: u64) {
    for number in (0..FILES).filter(|number| (number + version).is_multiple_of(3)) {
        let name = format!("part{}/file{number}", number % 4);
        put(directory, &name, &content(&name, version));
    }
    let name = format!("new/file{}", version % 5);
    put(directory, &name, &content(&name, version));
    let _ = std::fs::remove_file(directory.join(format!("new/file{}", (version + 2) % 5)));
    File::open(directory).and_then(|top| Ok(rustix::fs::syncfs(top)?)).expect("flush");
}

/// Writes a file as a careful editor does: what the manager's disk holds is not what is on trial.
fn put(directory: &Path, name: &str, content: &str) {
    let path = directory.join(name);
    std::fs::create_dir_all(path.parent().expect("it has one")).expect("mkdir");
    let temporary = directory.with_file_name("of-the-editor");
    let mut file = File::create(&temporary).expect("create");
    file.write_all(content.as_bytes()).and_then(|()| file.sync_all()).expect("write");
    std::fs::rename(temporary, path).expect("rename");
}

/// Goes on until the power is cut.
pub(crate) fn work_on() {
    let site = site();
    std::fs::create_dir_all(site.dir("m")).expect("mkdir");
    careless::begin();
    let mut version = site.node("m").status(&site.context()).ok().and_then(|status| status.applied).unwrap_or(0) + 1;
    line(BEGUN);
    loop {
        edit(&site.dir("m"), version);
        let published = site.publish("m").expect("publishes");
        line(&format!("{PUBLISHED}{}", published.revision.expect("a revision")));
        let updated = site.update("w").expect("updates");
        line(&format!("{APPLIED}{}", updated.to.expect("a revision")));
        version += 1;
    }
}
