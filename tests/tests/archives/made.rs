//! Archives that are made here, by programs, with every option that changes their form.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use depsync_tests::sshd::program;

use super::{Again, check, deflated_again};

/// A tree with what deployments have: classes (which look alike), text, a picture (which does not compress), an empty
/// file, a directory, and a name that is no ASCII.
fn tree(top: &Path) {
    let noise: Vec<u8> = (0..40_000u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for directory in ["WEB-INF/classes/org", "WEB-INF/lib", "img"] {
        fs::create_dir_all(top.join(directory)).expect("directories");
    }
    for number in 0..40 {
        let code: Vec<u8> =
            format!("class Part{number} extends Part{} ", number / 2).bytes().cycle().take(3000).collect();
        fs::write(top.join(format!("WEB-INF/classes/org/Part{number}.class")), code).expect("writes");
    }
    fs::write(top.join("img/logo.png"), &noise).expect("writes");
    fs::write(top.join("WEB-INF/web.xml"), "<web-app/>\n".repeat(300)).expect("writes");
    fs::write(top.join("empty"), "").expect("writes");
    fs::write(top.join("größe.txt"), "umlauts\n").expect("writes");
}

fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Makes an archive of the tree with Python; `body` has it as `archive`, and what is in the tree as `names`.
fn python(top: &Path, to: &Path, body: &str) {
    let script = format!(
        r#"
import io, os, sys, zipfile
top, to = sys.argv[1], sys.argv[2]
names = sorted(os.path.relpath(os.path.join(place, name), top) for place, inner, files in os.walk(top) for name in files)
def read(name):
    with open(os.path.join(top, name), "rb") as file:
        return file.read()
class Pipe(io.RawIOBase):
    "Nothing goes back in it: lengths come behind the data."
    def __init__(self, file): self.file = file
    def writable(self): return True
    def write(self, data): return self.file.write(data)
{body}
"#
    );
    run(Command::new(program("python3", "python3")).args(["-c", &script]).arg(top).arg(to));
}

#[test]
fn what_python_writes() {
    let place = tempfile::tempdir().expect("a directory");
    let (top, to) = (place.path().join("tree"), place.path().join("made.zip"));
    tree(&top);
    let plain = |options: &str| {
        format!(
            "with zipfile.ZipFile(to, 'w', {options}) as archive:\n    for name in names: archive.writestr(name, read(name))"
        )
    };
    let cases = [
        ("stored", plain("zipfile.ZIP_STORED")),
        ("deflated", plain("zipfile.ZIP_DEFLATED")),
        ("deflated, 9", plain("zipfile.ZIP_DEFLATED, compresslevel=9")),
        ("deflated, 1", plain("zipfile.ZIP_DEFLATED, compresslevel=1")),
        ("bzip2", plain("zipfile.ZIP_BZIP2")),
        ("lzma", plain("zipfile.ZIP_LZMA")),
        ("empty", "zipfile.ZipFile(to, 'w').close()".to_owned()),
        ("streamed", "with open(to, 'wb') as file, zipfile.ZipFile(Pipe(file), 'w', zipfile.ZIP_DEFLATED) as archive:\n    for name in names: archive.writestr(name, read(name))".to_owned()),
        ("streamed, wide", "with open(to, 'wb') as file, zipfile.ZipFile(Pipe(file), 'w', zipfile.ZIP_DEFLATED) as archive:\n    for name in names:\n        with archive.open(name, 'w', force_zip64=True) as entry: entry.write(read(name))".to_owned()),
        ("wide", "with zipfile.ZipFile(to, 'w', zipfile.ZIP_DEFLATED) as archive:\n    for name in names:\n        with archive.open(name, 'w', force_zip64=True) as entry: entry.write(read(name))".to_owned()),
        ("behind a script", "with open(to, 'wb') as file: file.write(b'#!/bin/sh\\nexec java -jar \"$0\"\\n')\nwith zipfile.ZipFile(to, 'a', zipfile.ZIP_DEFLATED) as archive:\n    for name in names: archive.writestr(name, read(name))".to_owned()),
        ("with comments", "with zipfile.ZipFile(to, 'w', zipfile.ZIP_DEFLATED) as archive:\n    archive.comment = b'made by a test'\n    for name in names:\n        info = zipfile.ZipInfo(name); info.comment = name.encode(); info.extra = b'\\xfe\\xca\\x04\\x00abcd'\n        archive.writestr(info, read(name), zipfile.ZIP_DEFLATED)".to_owned()),
        ("names twice", "import warnings\nwarnings.simplefilter('ignore')\nwith zipfile.ZipFile(to, 'w', zipfile.ZIP_DEFLATED) as archive:\n    for name in names + names: archive.writestr(name, read(name))".to_owned()),
        ("70,000 entries", "with zipfile.ZipFile(to, 'w') as archive:\n    for number in range(70000): archive.writestr(str(number), b'')".to_owned()),
        ("archives in it", "inner = io.BytesIO()\nwith zipfile.ZipFile(inner, 'w', zipfile.ZIP_DEFLATED) as archive:\n    for name in names: archive.writestr(name, read(name))\nwith zipfile.ZipFile(to, 'w') as archive:\n    archive.writestr('stored.jar', inner.getvalue(), zipfile.ZIP_STORED)\n    archive.writestr('deflated.jar', inner.getvalue(), zipfile.ZIP_DEFLATED)".to_owned()),
    ];
    for (what, body) in cases {
        python(&top, &to, &body);
        let Again { deflated, made } = check(&to);
        assert_eq!(made, deflated, "{what}: zlib wrote it");
        fs::remove_file(&to).expect("removes");
    }
}

#[test]
fn what_info_zip_writes() {
    let place = tempfile::tempdir().expect("a directory");
    let (top, to) = (place.path().join("tree"), place.path().join("made.zip"));
    tree(&top);
    for options in [&["-0"][..], &["-1"], &["-6"], &["-9"], &["-X"], &["-D"], &["-fd"], &["-fz"], &["-Z", "bzip2"]] {
        let zip = || {
            let mut command = Command::new(program("zip", "zip"));
            command.args(["-q", "-r"]).args(options).current_dir(&top);
            command
        };
        run(zip().arg(&to).arg("."));
        let Again { deflated, made } = check(&to);
        // Its own deflate is not zlib's: what differs goes as it is.
        assert!(made <= deflated, "{options:?}");
        // One that is changed, and one that is written to a pipe.
        fs::write(top.join("empty"), "not any more\n".repeat(20)).expect("writes");
        run(zip().arg(&to).arg("."));
        check(&to);
        fs::remove_file(&to).expect("removes");
        let piped = zip().args(["-", "."]).stdin(Stdio::null()).output().expect("zip");
        assert!(piped.status.success(), "{options:?}");
        fs::write(&to, piped.stdout).expect("writes");
        if options == ["-fz"] {
            // Its offset is left to ZIP64, and there is no ZIP64: Python is lost.
            assert_eq!(deflated_again(&to, |_, _| {}).0, 49);
        } else {
            check(&to);
        }
        fs::remove_file(&to).expect("removes");
    }
}
