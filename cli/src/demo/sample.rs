//! The demo's deployment directory: made up, or copied; and the change that the story needs.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use depsync_engine::error::{Error, ErrorKind, Result};

fn failed(place: &Path) -> impl Fn(io::Error) -> Error {
    move |source| Error::io("prepare the demo's directory", place.display(), source)
}

/// Makes a small application server's directory: text, binaries of some size, a script, a link, an empty directory.
pub(super) fn make(top: &Path) -> Result<()> {
    make_all(top).map_err(failed(top))
}

fn make_all(top: &Path) -> io::Result<()> {
    for directory in ["apps/shop/WEB-INF/classes", "apps/shop/static", "conf", "lib", "bin", "releases/empty"] {
        fs::create_dir_all(top.join(directory))?;
    }
    for number in 0..20 {
        let text = format!("<html><body>page {number}</body></html>\n").repeat(20 + number);
        fs::write(top.join(format!("apps/shop/static/page {number}.html")), text)?;
    }
    for number in 0..6_u32 {
        fs::write(top.join(format!("apps/shop/WEB-INF/classes/Shop{number}.class")), noise(number, 40_000))?;
        fs::write(top.join(format!("lib/library-{number}.bin")), noise(100 + number, 300_000))?;
    }
    fs::write(top.join("apps/shop/WEB-INF/web.xml"), "<web-app><display-name>shop</display-name></web-app>\n")?;
    fs::write(top.join("conf/server.properties"), "port=8080\nthreads=200\n")?;
    fs::write(top.join("conf/secret.properties"), "password=demo\n")?;
    fs::set_permissions(top.join("conf/secret.properties"), fs::Permissions::from_mode(0o640))?;
    fs::write(top.join("bin/start.sh"), "#!/bin/sh\necho started\n")?;
    fs::set_permissions(top.join("bin/start.sh"), fs::Permissions::from_mode(0o755))?;
    symlink("library-0.bin", top.join("lib/current.bin"))
}

/// Bytes that do not compress, the same every time (a xorshift generator).
fn noise(seed: u32, length: usize) -> Vec<u8> {
    let mut state = u64::from(seed).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(&mut next).flatten().take(length).collect()
}

/// Copies a directory. Returns how many entries were left out, because depsync ignores them by default.
pub(super) fn copy(from: &Path, to: &Path) -> Result<usize> {
    if !from.is_dir() {
        return Err(Error::new(ErrorKind::Usage, "not a directory").op("copy for the demo").at(from.display()));
    }
    let mut left_out = 0;
    copy_all(from, to, &mut left_out)?;
    Ok(left_out)
}

fn copy_all(from: &Path, to: &Path, left_out: &mut usize) -> Result<()> {
    fs::create_dir(to).map_err(failed(to))?;
    for entry in fs::read_dir(from).map_err(failed(from))? {
        let name = entry.map_err(failed(from))?.file_name();
        let (source, target) = (from.join(&name), to.join(&name));
        let about = fs::symlink_metadata(&source).map_err(failed(&source))?;
        let plain = about.is_dir() || about.is_file() || about.is_symlink();
        if !plain || is_ignored(&name) {
            *left_out += 1;
        } else if about.is_dir() {
            copy_all(&source, &target, left_out)?;
        } else if about.is_symlink() {
            fs::read_link(&source).and_then(|link| symlink(link, &target)).map_err(failed(&source))?;
        } else {
            fs::copy(&source, &target).map_err(failed(&source))?;
        }
    }
    let mode = fs::metadata(from).map_err(failed(from))?.permissions();
    fs::set_permissions(to, mode).map_err(failed(to))
}

/// The engine's default list, and the file that would add to it.
fn is_ignored(name: &OsStr) -> bool {
    let name = name.as_bytes();
    let begins = [&b".depsync"[..], b"~", b".nfs"].iter().any(|start| name.starts_with(start));
    let ends = [&b"~"[..], b".bk", b".tmp", b".part", b".swp"].iter().any(|end| name.ends_with(end));
    begins || ends || name == b".svn"
}

/// Edits every fifth file (at least one, at most twenty), removes one if there are many, changes a mode, adds two.
pub(super) fn change(top: &Path) -> Result<()> {
    let mut files = Vec::new();
    collect(top, &mut files)?;
    files.sort();
    let add = top.join("added-by-the-demo");
    fs::create_dir(&add).map_err(failed(&add))?;
    fs::write(add.join("one.bin"), noise(7, 100_000)).map_err(failed(&add))?;
    fs::write(add.join("two.properties"), "release=2\n").map_err(failed(&add))?;
    for file in files.iter().step_by(5).take(20) {
        let mut content = fs::read(file).map_err(failed(file))?;
        let middle = content.len() / 2;
        content.splice(middle..middle, *b"-- changed by the demo --");
        fs::write(file, content).map_err(failed(file))?;
    }
    if let [_, removed, chmodded, _, ..] = files.as_slice() {
        fs::remove_file(removed).map_err(failed(removed))?;
        let mode = fs::metadata(chmodded).map_err(failed(chmodded))?.permissions().mode();
        fs::set_permissions(chmodded, fs::Permissions::from_mode(mode ^ 0o111)).map_err(failed(chmodded))?;
    }
    Ok(())
}

/// Regular files below `dir` that are small enough to be edited in memory.
fn collect(dir: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(dir).map_err(failed(dir))? {
        let path = entry.map_err(failed(dir))?.path();
        let about = fs::symlink_metadata(&path).map_err(failed(&path))?;
        if about.is_dir() {
            collect(&path, files)?;
        } else if about.is_file() && about.len() <= 64 << 20 {
            files.push(path);
        }
    }
    Ok(())
}
