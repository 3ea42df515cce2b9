use super::*;

use proptest::prelude::*;

fn list(text: &str) -> Result<Vec<Addressee>> {
    parse(text, "/etc/d/nodes-list.txt", Path::new("/etc/d"), Some(Path::new("/home/u")))
}

fn one(line: &str) -> Addressee {
    list(line).unwrap_or_else(|error| panic!("{line}: {error}")).remove(0)
}

#[test]
fn a_destination_is_read_as_rsync_reads_it() {
    for (line, user, host, path, shown) in [
        ("web:/srv/d", None, "web", "/srv/d", "web:/srv/d"),
        ("web:/srv//./d//", None, "web", "/srv/d", "web:/srv/d"),
        ("ops@web:/srv/d/", Some("ops"), "web", "/srv/d", "ops@web:/srv/d"),
        ("a@b@web:d", Some("a@b"), "web", "d", "a@b@web:~/d"),
        ("ops@web:~/x/y", Some("ops"), "web", "x/y", "ops@web:~/x/y"),
        ("web:~//x", None, "web", "x", "web:~/x"),
        ("web:~/v@2:1/x", None, "web", "v@2:1/x", "web:~/v@2:1/x"),
        ("web:/a:b", None, "web", "/a:b", "web:/a:b"),
        ("[::1]:/srv/d", None, "::1", "/srv/d", "[::1]:/srv/d"),
        ("ops@[fe80::1%eth0]:d", Some("ops"), "fe80::1%eth0", "d", "ops@[fe80::1%eth0]:~/d"),
        ("[web]:/d", None, "web", "/d", "web:/d"),
        ("\"ops@web:/a b\"", Some("ops"), "web", "/a b", "ops@web:/a b"),
        ("  web:/d\t# here", None, "web", "/d", "web:/d"),
        ("web:/d#1", None, "web", "/d#1", "web:/d#1"),
        ("\u{feff}web:/d\r", None, "web", "/d", "web:/d"),
    ] {
        let node = one(&format!("{line}\n"));
        let SshAddress { user: u, host: h, port, path: p } = &node.address;
        assert_eq!((u.as_deref(), &**h, *port, &**p), (user, host, None, path), "{line}");
        assert_eq!(node.shown(), shown, "{line}");
    }
}

#[test]
fn options_stand_behind_and_the_rest_are_labels() {
    let node = one("ops@web:d port=2222 key=keys/a name=web-1 staging=~/stage/ zone=a rack=\"7 b\" #x=y");
    assert_eq!((node.address.port, node.id.as_str(), node.line), (Some(2222), "web-1", 1));
    assert_eq!(node.identity.as_deref(), Some(Path::new("/etc/d/keys/a")));
    assert_eq!(node.staging.as_deref(), Some("stage"));
    let labels = [("rack", "7 b"), ("zone", "a")].map(|(label, value)| (label.to_owned(), value.to_owned()));
    assert_eq!(node.labels, BTreeMap::from(labels));
    assert_eq!(one("web:d key=~/.ssh/a").identity.as_deref(), Some(Path::new("/home/u/.ssh/a")));
    assert_eq!(one("web:d key=\"/a b\"").identity.as_deref(), Some(Path::new("/a b")));
    assert_eq!(one("web:/srv/d staging=/srv/d.stage").staging.as_deref(), Some("/srv/d.stage"));
    let lines: Vec<usize> = list("# all\n\na:d\n  # b:d\nc:d").expect("a list").iter().map(|node| node.line).collect();
    assert_eq!(lines, [3, 5]);
}

#[test]
fn what_is_wrong_is_said_with_file_and_line() {
    for (line, word) in [
        ("/srv/d", "no host"),
        ("web", "no host"),
        ("port=22 web:/d", "no host"),
        ("./a:b", "no host"),
        ("web:", "no directory"),
        ("web:/", "root"),
        ("web://", "://"),
        ("web:/./", "root"),
        ("web:~", "whole home"),
        ("web:~/", "whole home"),
        ("web:.", "whole home"),
        ("web:~bob/x", "another user"),
        ("web:/srv/../d", "`..`"),
        ("web:-x/d", "`-`"),
        ("web:~/~/d", "`~`"),
        ("web:./~bob", "`~`"),
        ("web:$HOME/d", "`$`"),
        ("web:/a\\ b", "backslash"),
        ("web:/`id`", "backtick"),
        ("web::module/d", "daemon"),
        ("rsync://web/d", "://"),
        ("ssh://web:22/d", "://"),
        ("web:2222:/d", "port"),
        ("ops:secret@web:/d", "password"),
        ("ops:secret@web/d", "password"),
        (":/d", "no user or host"),
        ("@web:/d", "no user or host"),
        ("-oProxyCommand=x:/d", "no user or host"),
        ("-l@web:/d", "no user or host"),
        ("w;id:/d", "no user or host"),
        ("w$(id):/d", "no user or host"),
        ("[::1:/d", "without `]`"),
        ("[::1]x:/d", "behind `]`"),
        ("[a/b]:/d", "no host"),
        ("wéb:/d", "no user or host"),
        ("\"we b:/d\"", "no user or host"),
        ("\"web:/a\u{1b}b\"", "control"),
        ("\"web:/a\tb\"", "control"),
        ("web:/a\rb", "control"),
        ("\"web:/a b", "not closed"),
        ("\"web:/a b\"c", "within a word"),
        ("web:\"/a b\"", "within a word"),
        ("a:/d b:/d", "several nodes"),
        ("a:/d ops@b:/x=y", "several nodes"),
        ("a:/d port=22 b:/d", "several nodes"),
        ("a:/d here", "word=value"),
        ("a:/d Port=22", "a-z"),
        ("a:/d =22", "a-z"),
        ("a:/d port=", "without a value"),
        ("a:/d port=0", "port"),
        ("a:/d port=+22", "port"),
        ("a:/d port=99999", "port"),
        ("a:/d port=22 port=22", "twice"),
        ("a:/d zone=a zone=b", "twice"),
        ("a:/d name=Web", "node id"),
        ("a:/d key=~bob/k", "a key is a file"),
        ("a:/d staging=/", "root"),
        ("a:/d staging=/d/s", "lies in"),
        ("a:/d staging=/d", "lies in"),
    ] {
        let error = list(&format!("# first\n\n{line}\n")).expect_err(line);
        assert_eq!(error.kind(), ErrorKind::Usage, "{line}");
        assert_eq!(error.place(), Some("/etc/d/nodes-list.txt:3"), "{line}: {error}");
        assert!(error.to_string().contains(word), "{line}: {error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    let error = parse("a:d key=~/k", "f", Path::new("/"), None).expect_err("no home");
    assert!(error.to_string().contains("no home"), "{error}");
}

#[test]
fn a_list_names_somebody_and_nobody_twice() {
    for (text, place, word) in [
        ("", "nodes-list.txt", "no node"),
        ("# a:/d\n\n", "nodes-list.txt", "no node"),
        ("a:/d\n#\nA:/d/\n", "nodes-list.txt:3", "as in line 1"),
        ("a:d\na:~/d name=x", "nodes-list.txt:2", "as in line 1"),
        ("a:/d name=x\nb:/d\nc:/d name=x", "nodes-list.txt:3", "the same name as in line 1: x"),
    ] {
        let error = list(text).expect_err(text);
        assert!(error.place().is_some_and(|found| found.ends_with(place)), "{error}");
        assert!(error.to_string().contains(word), "{error}");
    }
    let others = "a:/d\na:/e\na:d\nx@a:/d\na:/d port=22\nb:/d\n";
    assert_eq!(list(others).expect("six directories").len(), 6);
    let long = format!("a:/d\n{}", "#".repeat(MAX_BYTES));
    assert!(list(&long).expect_err("long").to_string().contains("1 MiB"));
}

#[test]
fn a_list_is_read_from_its_file() {
    let top = tempfile::tempdir().expect("a directory");
    let file = top.path().join("nodes-list.txt");
    std::fs::write(&file, "a:/d key=k\n").expect("a file");
    assert_eq!(read(&file, None).expect("reads")[0].identity, Some(top.path().join("k")));
    std::fs::write(&file, b"a:/d\n# \xff\n").expect("a file");
    let error = read(&file, None).expect_err("not UTF-8");
    assert!(error.to_string().contains("nodes-list.txt:2"), "{error}");
    std::fs::write(&file, "é".repeat(MAX_BYTES)).expect("a file");
    assert!(read(&file, None).expect_err("long").to_string().contains("1 MiB"));
    assert_eq!(read(&top.path().join("none"), None).expect_err("missing").kind(), ErrorKind::Usage);
}

#[test]
fn an_id_follows_from_the_address_and_stays() {
    let id = |line: &str| one(line).id.as_str().to_owned();
    // What is written down beside a node's state must be found again by every version.
    assert_eq!(id("ops@web-1:/srv/d"), "web-1-f38259de");
    assert_eq!(id("ops@web-1:/srv/d/ zone=a key=k"), id("ops@web-1:/srv/d"));
    assert!(id("[::1]:d").starts_with("--1-"));
    assert!(id("WEB.example:d").starts_with("web.example-"));
    assert!(id(".web:d").starts_with("-web-"));
    assert_eq!(id(&format!("{}:d", "w".repeat(200))).len(), 59);
    let lines = ["web-1:/srv/d", "ops@web-1:/srv/e", "ops@web-1:srv/d", "ops@web-1:/srv/d port=22", "web_1:/srv/d"];
    let ids: std::collections::BTreeSet<String> = lines.iter().map(|line| id(line)).collect();
    assert_eq!(ids.len(), lines.len(), "{ids:?}");
}

#[test]
fn nodes_are_chosen_by_name_host_or_label() {
    let node = one("ops@Web-1:/d name=shop zone=a");
    let six = one("[::1]:/d");
    let chosen = |text: &str, node: &Addressee| text.parse::<Selector>().expect(text).matches(node);
    for yes in ["shop", "name=shop", "web-1", "zone=a"] {
        assert!(chosen(yes, &node), "{yes}");
        assert!(!chosen(yes, &six), "{yes}");
    }
    for yes in ["::1", "[::1]", six.id.as_str()] {
        assert!(chosen(yes, &six), "{yes}");
    }
    for no in ["sho", "zone=b", "rack=a", "ops@Web-1"] {
        assert!(!chosen(no, &node), "{no}");
    }
    for bad in ["", "=a", "zone=", "name=", "port=22"] {
        assert_eq!(bad.parse::<Selector>().expect_err(bad).kind(), ErrorKind::Usage, "{bad}");
    }
}

fn without_line(nodes: Vec<Addressee>) -> Vec<Addressee> {
    nodes.into_iter().map(|node| Addressee { line: 0, ..node }).collect()
}

fn printed(nodes: &[Addressee]) -> String {
    nodes.iter().map(|node| format!("{node}\n")).collect()
}

/// Lines that are right, with everything that may stand in them.
fn line() -> impl Strategy<Value = String> {
    let place =
        ("(\"|)", "([a-z@#.]{1,6}@|)", "([A-Za-z0-9.#=-]{0,60}[a-z]|\\[[0-9a-f:%]{1,9}\\])", "(/|~/|)[a-z0-9#=']")
            .prop_map(|(quote, user, host, path)| (quote, format!("{user}{}", host.trim_start_matches('-')), path));
    let options =
        ("( port=[1-9][0-9]{0,3})?", "( key=(~/|/|)[a-z]+)?", "( name=[a-z]{3,9})?", "( staging=(/|)s[a-z]+)?");
    (place, "[a-z0-9:@# é~-]{0,9}/{0,2}", options, "( l[0-9]=(#|\"[a-z #=]+\"|[a-z=]+))?", "(  # .*)?").prop_map(
        |((quote, place, path), more, (port, key, name, staging), label, comment)| {
            // Outside of quotes a blank would end the path.
            let quote = if more.contains(' ') || place.starts_with('#') { "\"".to_owned() } else { quote };
            format!("{quote}{place}:{path}/{more}{quote}{port}{key}{name}{staging}{label}{comment}")
        },
    )
}

proptest! {
    #[test]
    fn no_text_is_a_panic(text in "([a-z\"@:/~#= \\[\\]\n\t$-]|\\PC){0,60}") {
        if let Ok(nodes) = list(&text) {
            prop_assert_eq!(without_line(list(&printed(&nodes)).expect("reads")), without_line(nodes));
        }
    }

    #[test]
    fn a_printed_list_reads_back(line in line()) {
        let nodes = match list(&line) {
            Ok(nodes) => nodes,
            Err(error) => return Err(TestCaseError::fail(format!("{line}: {error}"))),
        };
        prop_assert_eq!(without_line(list(&printed(&nodes)).expect("reads")), without_line(nodes));
    }
}
