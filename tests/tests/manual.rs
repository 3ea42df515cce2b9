//! The manual: a page for the program and one for each command, in which everything stands that `--help` says, and with which
//! a formatter finds no fault.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use depsync_tests::cli::Bench;

/// The commands that the help of `command` lists.
fn commands(bench: &Bench, command: &[&str]) -> Vec<String> {
    let help = help(bench, command);
    let list = help.split_once("\nCommands:\n").map_or("", |(_, list)| list);
    let lines = list.lines().take_while(|line| line.starts_with("  "));
    lines
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

fn help(bench: &Bench, command: &[&str]) -> String {
    let output = bench.output(&[command, &["--help"]].concat());
    assert!(output.status.success(), "{command:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// The long options that the help names as such, `--x`.
fn options(help: &str) -> BTreeSet<String> {
    let lines = help.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
    let words = lines.flat_map(|line| line.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').take(4));
    words.filter(|word| word.starts_with("--") && word.len() > 3).map(str::to_owned).collect()
}

/// What a reader sees: formatted, without styles, on lines that are not broken.
fn formatted(page: &str) -> (String, String) {
    use std::io::Write;
    use std::process::Stdio;
    let mut groff = Command::new("groff")
        .args(["-man", "-ww", "-Tutf8", "-P-c", "-P-b", "-P-u", "-K", "utf8", "-rLL=2000n", "-rHY=0"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("groff is missing: apt-get install groff-base (or ./dev test)");
    let mut stdin = groff.stdin.take().expect("a pipe");
    let page = page.to_owned();
    let written = std::thread::spawn(move || stdin.write_all(page.as_bytes()));
    let output = groff.wait_with_output().expect("it ends");
    written.join().expect("no panic").expect("written");
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).expect("text");
    // A hyphen that may end a line is another character than the one that is typed.
    let text = text.replace(['\u{2010}', '\u{2212}'], "-").replace(['\u{2018}', '\u{2019}'], "'");
    (text, String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn every_command_has_a_page_with_all_that_its_help_says() {
    let bench = Bench::new();
    let said = bench.run("man pages/man1");
    assert!(said.contains("wrote ") && said.ends_with("--- exit 0\n"), "{said}");
    let mut wanted: Vec<Vec<String>> = vec![vec![]];
    wanted.extend(commands(&bench, &[]).into_iter().map(|name| vec![name]));
    wanted.extend(commands(&bench, &["import"]).into_iter().map(|name| vec!["import".to_owned(), name]));
    assert!(wanted.len() >= 20, "{wanted:?}");
    let mut files: BTreeSet<String> = fs::read_dir(bench.path("pages/man1"))
        .expect("a listing")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    for command in &wanted {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        let file = format!("{}.1", [&["depsync"], &words[..]].concat().join("-"));
        assert!(files.remove(&file), "{file} is missing");
        let page = fs::read_to_string(bench.path(&format!("pages/man1/{file}"))).expect("a page");
        let (text, faults) = formatted(&page);
        assert_eq!(faults, "", "{file}");
        let help = help(&bench, &words);
        let options = options(&help);
        assert!(options.contains("--help") && options.contains("--timeout"), "{options:?}");
        for option in &options {
            assert!(text.contains(option.as_str()), "{file} lacks {option}:\n{text}");
        }
        for hidden in ["--die-at-step", "--stop-at-step", "--envoy"] {
            assert!(!text.contains(hidden), "{file} names {hidden}");
        }
        let examples = help.split_once("Examples:\n").expect("examples").1;
        let lines = examples.lines().take_while(|line| !line.starts_with("Exit")).map(str::trim);
        for line in lines.filter(|line| line.starts_with("depsync ") && help.contains(line)) {
            let line = line.replace('\u{2018}', "'");
            assert!(text.contains(line.split("  ").next().expect("a word")), "{file} lacks {line}:\n{text}");
        }
        for heading in ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXAMPLES", "EXIT STATUS", "ENVIRONMENT"] {
            assert!(text.lines().any(|line| line == heading), "{file} lacks {heading}:\n{text}");
        }
        for word in ["130  interrupted", "5  hub unreachable", "DEPSYNC_LOG", "DEPSYNC_SVN_PASSWORD", "XDG_STATE_HOME"]
        {
            assert!(text.contains(word), "{file} lacks {word}:\n{text}");
        }
    }
    assert_eq!(files, BTreeSet::new(), "pages of nothing");
}

#[test]
fn the_first_page_names_files_and_the_keys_of_the_configuration() {
    let bench = Bench::new();
    let output = bench.output(&["man"]);
    assert!(output.status.success());
    let (text, _) = formatted(&String::from_utf8(output.stdout).expect("text"));
    for word in [
        "depsync.toml",
        ".depsyncignore",
        ".NAME.depsync",
        "/etc/depsync/NAME.toml",
        "password-file",
        "scan-period",
        "before-update",
    ] {
        assert!(text.contains(word), "{word}:\n{text}");
    }
    for name in commands(&bench, &[]) {
        assert!(text.contains(&format!("depsync-{name}(1)")), "{name}:\n{text}");
    }
}

#[test]
fn a_directory_that_cannot_be_written_is_an_error() {
    let bench = Bench::new();
    bench.write("file", "");
    let (answer, code) = bench.json("man file/man1");
    assert_eq!(
        (code, answer["error"]["place"].as_str().map(|place| place.ends_with("file/man1"))),
        (Some(1), Some(true))
    );
    let (answer, code) = bench.json("man pages");
    assert_eq!((code, answer["pages"][0].as_str()), (Some(0), Some("depsync.1")), "{answer}");
}
