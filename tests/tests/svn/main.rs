//! Hubs in Subversion repositories, against the kit's real servers.

mod client;
mod ghosts;
mod open_files;
mod processes;
mod program;
mod transport;
mod trouble;

use std::time::{Duration, Instant};

use depsync_engine::context::Context;
use depsync_tests::svn::{Account, Certificate, Repository};
use depsync_transports::svn::{Secret, SvnAddress, SvnClient, SvnSettings};

/// A deadline that nothing here comes near on a busy machine.
fn patient() -> Context {
    Context::new().with_deadline(Instant::now() + Duration::from_secs(60))
}

/// The address for people of what the programs know as `url`.
fn address(url: &str) -> String {
    if url.starts_with("svn") { url.to_owned() } else { format!("svn+{url}") }
}

/// Somebody with an account.
fn settings(account: Account) -> SvnSettings {
    let password = Secret::new(account.password).expect("a password");
    SvnSettings { username: Some(account.name.to_owned()), password: Some(password), ..SvnSettings::default() }
}

/// The same who trusts a certificate.
fn trusting(settings: SvnSettings, certificate: &Certificate) -> SvnSettings {
    SvnSettings { authorities: Some(certificate.path()), ..settings }
}

/// The programs, for an address as the programs know it.
fn client(url: &str, settings: SvnSettings) -> SvnClient {
    let url = SvnAddress::parse(&address(url)).expect("an address").url(&"main".parse().expect("a name"));
    SvnClient::new(url, settings).expect("settings")
}

/// A repository with three revisions, made by a person without a server.
fn made() -> Repository {
    let repository = Repository::create();
    let person = repository.person();
    person.does(&["mkdir", "-m", "one", &person.url("main"), &person.url("secret")]);
    person.puts("main/ä @1 50%", b"text");
    let (from, to) = (person.url("main/ä @1 50%"), person.url("main/-copy"));
    person.does(&["copy", "-m", "line\n<&>\u{e4}", "--with-revprop", "depsync:root=\u{1}\u{2}", &from, &to]);
    repository
}
