//! Who is let in, and who is believed.

use depsync_engine::context::Context;
use depsync_engine::error::{Error, ErrorKind};
use depsync_engine::transport::{OpenMode, Transport};
use depsync_tests::sshd::Sshd;
use depsync_transports::{SshSettings, SshStorage};

use crate::{node, place};

fn refusal(storage: SshStorage) -> Error {
    let (node, _) = node(storage);
    node.transport.open(&Context::new(), OpenMode::Create).expect_err("an error")
}

#[test]
fn an_unknown_or_changed_host_key_is_refused_with_what_to_do() {
    let (sshd, hub) = (Sshd::start(), place());
    let empty = hub.path().join("nobody");
    std::fs::write(&empty, "").expect("a file");
    let settings = SshSettings { known_hosts: Some(empty), ..sshd.access().ssh };
    let unknown = refusal(sshd.storage_with(hub.path(), settings));
    assert_eq!(unknown.kind(), ErrorKind::Refused, "{unknown}");
    assert!(unknown.advice().is_some_and(|hint| hint.contains("known-hosts")), "{unknown}");
    sshd.change_host_key();
    let changed = refusal(sshd.storage(hub.path()));
    assert_eq!(changed.kind(), ErrorKind::Refused, "{changed}");
    assert!(changed.advice().is_some_and(|hint| hint.contains("ssh-keygen -R")), "{changed}");
    assert!(!hub.path().join("FORMAT").exists());
}

#[test]
fn a_key_that_is_not_let_in_is_named() {
    let (sshd, hub) = (Sshd::start(), place());
    let settings = SshSettings { identity: Some(sshd.new_key().path().to_owned()), ..sshd.access().ssh };
    let error = refusal(sshd.storage_with(hub.path(), settings));
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    assert!(error.advice().is_some_and(|hint| hint.contains("identity")), "{error}");
}

#[test]
fn a_missing_directory_is_not_a_hub_and_no_server_is_unreachable() {
    let (sshd, hub) = (Sshd::start(), place());
    let (looker, _) = node(sshd.storage(&hub.path().join("none/there")));
    let error = looker.transport.open(&Context::new(), OpenMode::Existing).expect_err("an error");
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    sshd.stop();
    assert_eq!(refusal(sshd.storage(hub.path())).kind(), ErrorKind::Unreachable);
}

#[test]
fn names_with_quotes_and_spaces_and_no_ascii_are_names() {
    let (sshd, top) = (Sshd::start(), place());
    let hub = top.path().join("it's a \"hub\" $HOME `id` \\ ; né");
    let (node, _) = node(sshd.storage(&hub));
    node.transport.open(&Context::new(), OpenMode::Create).expect("a hub");
    let mut node = node;
    node.must_publish(&crate::large(1));
    assert!(hub.join("FORMAT").exists() && crate::count(&hub.join("packs")) > 0);
}
