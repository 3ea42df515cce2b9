use std::net::TcpListener;

use depsync_tests::daemon::{Post, wait_until};
use depsync_tests::svn::Certificate;

use super::{M, Scene, W};

/// The worker as a file says, with `more` behind.
fn configure(scene: &Scene, more: &str) -> &'static str {
    scene.bench.write("w.toml", format!("dir = 'w'\nhub = 'hub'\nnode = 'w'\nrole = 'worker'\n{more}"));
    "doctor --config w.toml"
}

#[test]
fn hooks_that_are_not_there_or_cannot_be_run() {
    let scene = Scene::new();
    let hook = scene.path("hook");
    let line = configure(&scene, &format!("[hooks]\nbefore-update = {hook:?}\nhealth = ['/bin/true', 'x']\n"));
    scene.asks(line).has_only(&["hook"], &[]).tells("hook", &["before-update", "No such file", "install the program"]);
    scene.bench.write("hook", "#!/bin/sh\n");
    scene.chmod("hook", 0o644);
    scene.asks(line).has_only(&["hook"], &[]).tells("hook", &["cannot be run", "chmod +x"]);
    scene.chmod("hook", 0o755);
    scene.asks(line).has_only(&[], &[]).tells("hook", &["health: /bin/true"]);
    std::fs::remove_file(&hook).expect("removed");
    std::fs::create_dir(&hook).expect("mkdir");
    scene.asks(line).has_only(&["hook"], &[]).tells("hook", &["is no file"]);
}

#[test]
fn secrets_that_others_can_read() {
    let scene = Scene::new();
    let line = configure(&scene, "[channel]\ntoken-file = 'token'\n[svn]\npassword-file = 'password'\n");
    scene.bench.write("token", "the-token-of-the-tests\n");
    scene.bench.write("password", "secret\n");
    for (mode, failed, warnings) in
        [(0o644, &["secret"][..], &[][..]), (0o602, &["secret"], &[]), (0o640, &[], &["secret"]), (0o600, &[], &[])]
    {
        scene.chmod("password", 0o600);
        scene.chmod("token", mode);
        scene.asks(line).has_only(failed, warnings);
    }
    scene.chmod("password", 0o644);
    scene.asks(line).has_only(&["secret"], &[]).tells("secret", &["password", "mode 644", "chmod 600"]);
    scene.chmod("password", 0o600);
    scene.bench.write("token", "short\n");
    scene.asks(line).has_only(&["token"], &[]).tells("token", &["16 to 1024 characters"]);
    std::fs::remove_file(scene.path("token")).expect("removed");
    scene.asks(line).has_only(&["secret"], &[]).tells("secret", &["token cannot be read"]);
}

#[test]
fn certificates_that_are_no_good() {
    let scene = Scene::new();
    let certificate = Certificate::of_server();
    let (pem, key) = (certificate.path(), certificate.key());
    scene.bench.write("key", std::fs::read(&key).expect("a key"));
    scene.chmod("key", 0o600);
    let line = configure(&scene, &format!("[channel]\ncertificate = {pem:?}\nkey = 'key'\nca-file = 'none'\n"));
    let said = scene.asks(line);
    assert_eq!(said.with("failed"), ["certificate"], "{}", said.text());
    said.tells("certificate", &["none", "cannot read the certificate"]);
    let line = configure(&scene, "[channel]\ncertificate = 'key'\nkey = 'key'\n");
    scene.asks(line).has_only(&["certificate"], &[]).tells("certificate", &["no PEM file with certificates"]);
    let line = configure(&scene, &format!("[channel]\ncertificate = {pem:?}\n"));
    let said = scene.asks(line);
    assert_eq!(said.with("failed"), ["certificate"], "{}", said.text());
    said.tells("certificate", &["go together"]);
}

#[test]
fn a_channel_whose_server_is_away_or_lets_nobody_in() {
    let scene = Scene::new();
    let place = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").to_string();
    scene.bench.write("token", "the-token-of-the-tests\n");
    scene.bench.write("other", "another-token-of-the-tests\n");
    for name in ["token", "other"] {
        scene.chmod(name, 0o600);
    }
    let listening = |token: &str| format!("[channel]\nlisten = ['http://{place}']\n{token}\n");
    let line = configure(&scene, &listening("token-file = 'token'"));
    scene.asks(line).has_only(&["channel"], &[]).tells("channel", &["does not answer", "start what serves there"]);
    let token = scene.path("token");
    let args = ["--role", "manager", "--serve", &place, "--token-file", token.to_str().expect("a name")];
    let mut daemon = Post::new(&scene.path("m"), scene.path("hub"), &args).start();
    daemon.wait_for_event("ready");
    scene.asks_amid_work(line).has_only(&[], &[]).tells("channel", &["answers"]);
    for token in ["token-file = 'other'", ""] {
        let line = configure(&scene, &listening(token));
        let said = scene.asks_amid_work(line);
        said.has_only(&["channel"], &[]).tells("channel", &["does not let us in", "token-file"]);
    }
    daemon.stop();
    // Something else answers there.
    let server = TcpListener::bind("127.0.0.1:0").expect("a port");
    let place = server.local_addr().expect("an address");
    let answers = std::thread::spawn(move || {
        use std::io::{Read, Write};
        let (mut stream, _) = server.accept().expect("somebody");
        let _ = stream.read(&mut [0; 1024]);
        stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").expect("written");
    });
    let line = configure(&scene, &format!("[channel]\nlisten = ['http://{place}']\n"));
    scene.asks(line).has_only(&["channel"], &[]).tells("channel", &["404", "no channel of ours"]);
    answers.join().expect("it has answered");
}

#[test]
fn a_daemon_that_runs_and_fails() {
    let scene = Scene::new();
    let args = ["--role", "worker", "--period", "100ms"];
    let mut daemon = Post::new(&scene.path("w"), scene.path("hub"), &args).start();
    daemon.wait_for_event("ready");
    scene.asks_amid_work(W).has_only(&[], &[]).tells("daemon", &["process ", " run --role worker"]);
    std::fs::rename(scene.path("hub"), scene.path("away")).expect("moved");
    daemon.wait_for("two failures", |event| event["event"] == "failed" && event["failures"].as_u64() >= Some(2));
    let said = scene.asks_amid_work(W);
    assert_eq!(said.with("failed"), ["hub"], "{}", said.text());
    said.tells("daemon", &["it has failed", "process ", "journalctl"]);
    std::fs::rename(scene.path("away"), scene.path("hub")).expect("moved");
    daemon.wait_for("that it works again", |event| event["event"] == "recovered");
    scene.asks_amid_work(W).has_only(&[], &[]);
    daemon.stop();
}

#[test]
fn a_daemon_that_is_gone_without_a_word() {
    let scene = Scene::new();
    let args = ["--role", "worker", "--period", "100ms", "--heartbeat", "100ms"];
    let daemon = Post::new(&scene.path("w"), scene.path("hub"), &args).start();
    // It says to the hub that it will be heard again within a second. When it says so again, it has written down the first.
    let promised = || {
        let reports = std::fs::read_dir(scene.path("hub/d/main/nodes")).expect("reports").flatten();
        let mut texts = reports.filter_map(|file| std::fs::read_to_string(file.path()).ok());
        texts.find(|text| text.contains("\"node\":\"w\"") && text.contains("\"beat_s\":1"))
    };
    wait_until("it has reported to the hub", || promised().is_some());
    let first = promised();
    wait_until("it has reported once more", || promised().is_some_and(|text| Some(&text) != first.as_ref()));
    daemon.kill();
    wait_until("nobody waits for it any more", || scene.asks_amid_work(W).with("warning").contains(&"daemon"));
    wait_until("the others miss it", || scene.asks_amid_work(M).with("warning").contains(&"nodes"));
    scene.asks(W).has_only(&[], &["daemon"]).tells("daemon", &["none runs here", "systemctl start"]);
    scene.asks(M).has_only(&[], &["nodes"]).tells("nodes", &["w silent", "depsync status"]);
}

#[test]
fn a_revision_that_is_held_back() {
    let scene = Scene::new();
    scene.bench.write("hook", "#!/bin/sh\necho 'the port is taken' >&2\nexit 1\n");
    scene.chmod("hook", 0o755);
    let hook = scene.path("hook");
    let line = configure(&scene, &format!("[hooks]\nhealth = {hook:?}\n"));
    scene.bench.write("m/a.txt", "the second a.txt\n");
    scene.does("publish m hub --node m");
    let (_, code) = scene.bench.json("update --config w.toml");
    assert_eq!(code, Some(1));
    let said = scene.asks(line);
    said.has_only(&[], &["held", "nodes"]).tells("held", &["revision 2 is held back", "the port is taken", "--retry"]);
    said.tells("nodes", &["w failed"]);
}
