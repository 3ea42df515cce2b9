//! The page as the test reads it: commands by machine, in order, under their headings.

/// A command, as it stands in the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Command {
    /// The machine it is typed on.
    pub(crate) machine: String,
    /// What is typed, with the lines that belong to it.
    pub(crate) text: String,
    /// How it ends.
    pub(crate) status: i32,
    /// The line of the page, from 1.
    pub(crate) line: usize,
    /// The third-level heading above, or the second-level one.
    pub(crate) section: String,
}

/// All commands: of the blocks, and of the comments that stand for what people do beside them.
pub(crate) fn commands(page: &str) -> Vec<Command> {
    let (mut found, mut section, mut inside): (Vec<Command>, _, _) = (Vec::new(), String::new(), false);
    for (number, line) in page.lines().enumerate() {
        if line.starts_with("```") {
            inside = line == "```console";
            continue;
        }
        if let Some(heading) = line.strip_prefix("### ").or_else(|| line.strip_prefix("## ")).filter(|_| !inside) {
            section = heading.to_owned();
        }
        let hidden = line.strip_prefix("<!-- test: ").and_then(|rest| rest.strip_suffix(" -->"));
        match prompt(hidden.unwrap_or(line)).filter(|_| inside || hidden.is_some()) {
            Some((machine, status, text)) => {
                let (machine, text, section) = (machine.to_owned(), text.to_owned(), section.clone());
                found.push(Command { machine, text, status, line: number + 1, section });
            }
            None if inside => {
                let last = found.last_mut().expect("a block begins with a command");
                last.text.push('\n');
                last.text.push_str(line);
            }
            None => {}
        }
    }
    found
}

/// `web-1# command`, or `web-1#3 command` for one that ends with 3.
fn prompt(line: &str) -> Option<(&str, i32, &str)> {
    let (machine, rest) = line.split_once('#')?;
    let (status, text) = rest.split_once(' ')?;
    let is_name = !machine.is_empty() && machine.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let status = if status.is_empty() { Some(0) } else { status.parse().ok() };
    status.filter(|_| is_name).map(|status| (machine, status, text))
}

#[test]
fn a_page_is_read() {
    let page = "## One\n```console\na# x <<'E'\n# in it\nE\nb-1# y\n```\ntext# no\n<!-- test: a#3 z -->\n```toml\na# no\n```\n";
    let found = commands(page);
    let shown: Vec<_> =
        found.iter().map(|command| (&*command.machine, &*command.text, command.status, command.line)).collect();
    assert_eq!(shown, [("a", "x <<'E'\n# in it\nE", 0, 3), ("b-1", "y", 0, 6), ("a", "z", 3, 9)]);
    assert!(found.iter().all(|command| command.section == "One"));
}
