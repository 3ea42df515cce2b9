use super::*;

fn url(text: &str) -> String {
    SvnAddress::parse(text).expect(text).url(&"web".parse().expect("a name")).plain(None)
}

#[test]
fn addresses_become_canonical_urls() {
    for (text, wanted, shown) in [
        ("svn://host/repo", "svn://host/repo", "svn://host/repo"),
        ("svn://Ops@HOST:3691/repo/", "svn://host:3691/repo", "svn://host:3691/repo"),
        ("svn+ssh://ops@host:22/srv//svn/./r", "svn+ssh://ops@host/srv/svn/r", "svn+ssh://host:22/srv/svn/r"),
        ("svn+http://[::1]:80/svn/a b", "http://[::1]/svn/a%20b", "svn+http://[::1]:80/svn/a%20b"),
        ("svn+https://host/a%20b/%c3%a4/ä", "https://host/a%20b/%C3%A4/%C3%A4", "svn+https://host/a%20b/%C3%A4/%C3%A4"),
        ("svn+file:///srv/100%/a;b@2", "file:///srv/100%25/a%3Bb@2", "svn+file:///srv/100%25/a%3Bb@2"),
        ("svn+file://localhost/srv/%41%7Bx%7D", "file:///srv/A%7Bx%7D", "svn+file:///srv/A%7Bx%7D"),
        ("svn://host:3690/r", "svn://host/r", "svn://host:3690/r"),
        ("svn+https://host:443/r", "https://host/r", "svn+https://host:443/r"),
        ("svn+https://host:80/r", "https://host:80/r", "svn+https://host:80/r"),
        ("svn://host", "svn://host", "svn://host"),
        ("svn://host/-x", "svn://host/-x", "svn://host/-x"),
        ("svn+http://host/{deployment}/trunk", "http://host/web/trunk", "svn+http://host/{deployment}/trunk"),
        ("svn+http://host/t-{tenant}-{deployment}", "http://host/t-web-web", "svn+http://host/t-{tenant}-{deployment}"),
    ] {
        assert_eq!(url(text), wanted, "{text}");
        let address = SvnAddress::parse(text).expect(text);
        assert_eq!(address.to_string(), shown, "{text}");
        assert_eq!(address.names_deployment(), shown.contains('{'), "{text}");
        let again = SvnAddress::parse(shown).expect(shown);
        assert_eq!(SvnAddress { user: None, ..address }, again, "{text}");
    }
}

#[test]
fn users_are_for_ssh_or_for_the_programs() {
    let read = |text: &str| SvnAddress::parse(text).expect(text).url(&DeploymentName::default());
    assert_eq!(read("svn+https://a%40b@host/r").account(), Some("a@b"));
    assert_eq!(read("svn+https://a%40b@host/r").plain(None), "https://host/r");
    assert_eq!(read("svn+ssh://ops@host/r").account(), None);
    assert_eq!(read("svn+ssh://ops@host/r").plain(None), "svn+ssh://ops@host/r");
}

#[test]
fn what_a_program_could_take_for_something_else_is_refused() {
    for text in [
        "host/path",
        "http://host/path",
        "svn+ftp://host/path",
        "svn://-oProxyCommand=x/path",
        "svn+ssh://-x@host/p",
        "svn+ssh://%2Dx@host/p",
        "svn+ssh://a b@host/p",
        "svn://:@host/p",
        "svn://host:0/p",
        "svn://host:+1/p",
        "svn://host:99999/p",
        "svn://host:x/p",
        "svn://ho st/p",
        "svn://h;id/p",
        "svn://h%2fx/p",
        "svn://[::1/p",
        "svn://[::1]x/p",
        "svn:///p",
        "svn+file://host/p",
        "svn+file:///",
        "svn://host/a/../b",
        "svn://host/a/%2e%2E/b",
        "svn://host/a%2fb",
        "svn://host/a%00",
        "svn://host/a\nb",
        "svn://host/%ff",
        "svn://host/{name}",
        "svn://host/{deployment",
        "svn://host/deployment}",
    ] {
        let error = SvnAddress::parse(text).expect_err(text);
        assert_eq!(error.kind(), ErrorKind::Usage, "{text}");
    }
}

#[test]
fn a_password_in_an_address_is_refused_and_not_repeated() {
    for text in ["svn://ops:s3cret@host/p", "svn+ssh://ops:s3c@ret@host/p", "svn+https://ops:s3/cret@host/p"] {
        let error = SvnAddress::parse(text).expect_err(text);
        let said = format!("{error} {error:?} {:?}", error.advice());
        assert!(!said.contains("s3") && !said.contains("ret@"), "{said}");
    }
    let error = SvnAddress::parse("svn://ops:s3cret@host/p").expect_err("a password");
    assert_eq!(
        error.to_string(),
        "svn://ops:***@host/p: not the address of a hub: a password has no place in an address"
    );
    assert_eq!(
        error.advice(),
        Some(
            "put it into a file that only you can read, and name that as `password-file` in `[svn]`; or into DEPSYNC_SVN_PASSWORD"
        )
    );
}
