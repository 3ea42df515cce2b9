//! The far side: which programs it has, what a key may do there, which commands it was asked for.

use std::path::Path;

use depsync_tests::sshd::{Client, Manner, Programs, Sshd};

use crate::{Said, run};

/// `rsync` from a file over there to the directory `to`.
fn fetch(client: &Client, from: &Path, to: &Path) -> Said {
    let mut rsync = client.rsync();
    rsync.arg(client.remote(from)).arg(to);
    run(rsync)
}

#[test]
fn a_far_side_without_rsync() {
    let programs = Programs::only(&["cat"]);
    let server = Sshd::with_path(&programs.path());
    let client = Client::of(&server);
    let place = tempfile::tempdir().expect("tempdir");
    let (from, to) = (place.path().join("from"), place.path().join("to"));
    std::fs::write(&from, "text").expect("write");
    assert_eq!(run(client.ssh("echo $PATH")).well().trim_end(), programs.path());
    assert_eq!(run(client.ssh(&format!("cat {}", from.display()))).well(), "text");
    // 127 if rsync has seen how ssh ended before it gives up, 12 if not.
    let missing = fetch(&client, &from, &to);
    assert!(matches!(missing.code, Some(12 | 127)) && missing.err.contains("not found"), "{}", missing.err);
    programs.script("rsync", "exec /usr/bin/rsync \"$@\"");
    fetch(&client, &from, &to).well();
    assert_eq!(std::fs::read_to_string(&to).expect("read"), "text");
    programs.remove("cat");
    run(client.ssh("cat /dev/null")).failed(127, "not found");
}

#[test]
fn a_far_side_with_another_rsync() {
    let programs = Programs::only(&[]);
    programs.script("rsync", "echo 'rsync  version 2.6.9  protocol version 29'");
    let server = Sshd::with_path(&programs.path_before_others());
    let client = Client::of(&server);
    assert!(run(client.ssh("rsync --version")).well().contains("2.6.9"));
    assert_eq!(run(client.ssh("command -v id")).well(), "/usr/bin/id\n");
}

#[test]
fn a_session_has_a_home_of_its_own() {
    let server = Sshd::start();
    let home = run(Client::of(&server).ssh("ls -A \"$HOME\" && echo $HOME"));
    assert!(Path::new(home.well().trim_end()).starts_with(std::env::temp_dir()), "{}", home.out);
}

#[test]
fn a_key_that_may_only_read() {
    for recording in [false, true] {
        let server = Sshd::start_with(&Manner { recording, ..Manner::default() });
        let place = tempfile::tempdir().expect("tempdir");
        let (there, here) = (place.path().join("there"), place.path().join("here"));
        std::fs::create_dir(&there).expect("mkdir");
        std::fs::write(there.join("file"), "text").expect("write");
        let key = server.new_key();
        server.authorize(&key, &format!("command=\"rrsync -ro {}\",restrict", there.display()));
        let client = Client::of(&server).with_key(&key);
        fetch(&client, Path::new("/file"), &here).well();
        assert_eq!(std::fs::read_to_string(&here).expect("read"), "text");
        let mut upload = client.rsync();
        upload.arg(&here).arg(client.remote(Path::new("/other")));
        let upload = run(upload);
        assert!(upload.code.is_some_and(|code| code != 0), "{}", upload.err);
        assert!(!there.join("other").exists());
        let mark = place.path().join("mark");
        let shell = run(client.ssh(&format!("touch {}", mark.display())));
        assert!(shell.code.is_some_and(|code| code != 0), "{}", shell.err);
        assert!(!mark.exists());
        if recording {
            let commands = server.commands();
            assert_eq!(commands.len(), 3, "{commands:?}");
            assert!(commands[0].starts_with("rsync --server --sender "), "{commands:?}");
            assert_eq!(commands[2], format!("touch {}", mark.display()));
        }
    }
}

#[test]
fn commands_are_written_down_and_run_as_they_are() {
    let server = Sshd::start_logging();
    let client = Client::of(&server);
    assert_eq!(server.commands(), [""; 0]);
    let odd = "printf '%s|' \"a  b\" '$HOME' \"it's\" \\\\ é\necho \"second line\"; exit 5";
    let heard = run(client.ssh(odd));
    assert_eq!(heard.out, "a  b|$HOME|it's|\\|é|second line\n");
    assert_eq!(heard.code, Some(5));
    run(client.ssh("kill -9 $$")).failed(255, "");
    run(client.ssh("true")).well();
    assert_eq!(server.commands(), [odd, "kill -9 $$", "true"]);
}
