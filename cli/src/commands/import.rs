//! `import`: take over what another tool was told.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use depsync_engine::error::Result;
use depsync_transports::nodes::Addressee;
use serde::Serialize;

use crate::args::{Import, ImportKind, NodesList};
use crate::exit::Exit;
use crate::import::{Plan, Remark, Request, Taken};
use crate::output::Answer;
use crate::session::Session;
use crate::text::{FAINT, STRONG, WARN, clean, styled};
use crate::units::counted;

#[derive(Serialize)]
struct Facts<'a> {
    script: &'a Path,
    written: Vec<&'a Path>,
    config: File<'a>,
    /// The list that the configuration names; its text if it is a new one.
    list: File<'a>,
    nodes: Vec<Node<'a>>,
    taken: &'a [Taken],
    remarks: &'a [Remark],
    cron: String,
    host_keys: Vec<String>,
    different: Vec<String>,
}

#[derive(Serialize)]
struct File<'a> {
    path: &'a Path,
    text: Option<&'a str>,
}

#[derive(Serialize)]
struct Node<'a> {
    name: &'a str,
    address: String,
}

/// Runs the command.
pub(super) fn run(session: &Session<'_>, args: &Import) -> Result<Answer> {
    match &args.kind {
        Some(ImportKind::NodesList(args)) => nodes_list(session, args),
        None => super::carbon::run(session, args),
    }
}

fn nodes_list(session: &Session<'_>, args: &NodesList) -> Result<Answer> {
    let cwd = &session.environment.cwd;
    let absolute = |path: &Path| cwd.join(path).components().collect::<PathBuf>();
    let script = absolute(&args.script);
    let beside = script.parent().unwrap_or(Path::new("/")).to_owned();
    let request = Request {
        list: args.list.as_deref().map(absolute),
        dir: session.global.dir.as_deref().map(absolute),
        into: args.into.as_deref().map_or(beside, absolute),
        home: session.environment.home.clone().map(PathBuf::from).filter(|home| home.is_absolute()),
        script,
    };
    let plan = Plan::of(&request)?;
    if !args.dry_run {
        plan.write()?;
    }
    let new_list = plan.list_text.as_ref().map(|(text, _)| text.as_str());
    let mut written = vec![plan.config.as_path()];
    written.extend(new_list.map(|_| plan.list.as_path()));
    let facts = Facts {
        script: &request.script,
        written: if args.dry_run { Vec::new() } else { written },
        config: File { path: &plan.config, text: Some(&plan.config_text) },
        list: File { path: &plan.list, text: new_list },
        nodes: plan.nodes.iter().map(|node| Node { name: node.id.as_str(), address: node.shown() }).collect(),
        taken: &plan.taken,
        remarks: &plan.remarks,
        cron: cron(&plan),
        host_keys: host_keys(&plan, request.home.as_deref()),
        different: different(&plan),
    };
    let text = say(&facts, &plan, &request, args.dry_run);
    Ok(match args.dry_run {
        true => Answer::fact(&facts, text, Exit::Done),
        false => Answer::deed(&facts, text, Exit::of_deed(false, false, true)),
    })
}

/// The line that stands in the crontab from now on.
fn cron(plan: &Plan) -> String {
    let mut line = format!("* * * * * depsync -q push --config {}", shell_word(&plan.config.to_string_lossy()));
    if let Some(log) = &plan.log {
        write!(line, " 2>>{}", shell_word(&log.to_string_lossy())).expect("writing to a string cannot fail");
    }
    // cron reads a bare percent sign as the end of the line.
    line.replace('%', "\\%")
}

/// The commands that ask the hosts for their keys, one for each port.
fn host_keys(plan: &Plan, home: Option<&Path>) -> Vec<String> {
    let known = plan.known_hosts.clone().or_else(|| Some(home?.join(".ssh/known_hosts")));
    let known = known.map_or("~/.ssh/known_hosts".to_owned(), |known| shell_word(&known.to_string_lossy()));
    let port = |node: &Addressee| node.address.port.or(plan.port).filter(|port| *port != 22);
    let mut ports: Vec<Option<u16>> = plan.nodes.iter().map(port).collect();
    ports.sort_unstable();
    ports.dedup();
    let mut commands = Vec::new();
    for one in ports {
        let of_port = plan.nodes.iter().filter(|node| port(node) == one);
        let mut hosts: Vec<String> = of_port.map(|node| shell_word(&node.address.host)).collect();
        hosts.sort_unstable();
        hosts.dedup();
        let option = one.map_or(String::new(), |port| format!("-p {port} "));
        commands.push(format!("ssh-keyscan {option}{} >> {known}", hosts.join(" ")));
    }
    commands
}

/// What a push does otherwise than the script did.
fn different(plan: &Plan) -> Vec<String> {
    let mut different = vec![
        match plan.deletes {
            true => {
                "--delete removed whatever else a node had; a push removes what it brought, and leaves other files alone"
            }
            false => {
                "what is removed here is removed on the nodes, too; files that a push did not bring are left alone"
            }
        },
        "a lock is the kernel's and ends with its process: one push at a time, and no lock is left behind by a killed one",
        "the keys of hosts are always checked: a host that is not known, or has another key, is refused",
        "never sent: .depsync-*, ~*, *~, *.bk, *.tmp, *.part, *.swp, .nfs*, .svn (`ignore` with `!*.bk` sends them)",
    ];
    if plan.carries_owners {
        different.push("content and permissions are carried; owners, times, ACLs and hard links are not");
    }
    different.into_iter().map(str::to_owned).collect()
}

/// `text` as a word of a shell's command.
fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

fn say(facts: &Facts<'_>, plan: &Plan, request: &Request, dry_run: bool) -> String {
    let mut out = String::new();
    let mut line = |text: &str| {
        out.push_str(text);
        out.push('\n');
    };
    line(&styled(STRONG, format_args!("found in {}:", clean(&request.script.to_string_lossy()))));
    for Taken { key, value, line: number } in facts.taken {
        let from = number.map_or("as you say".to_owned(), |number| format!("line {number}"));
        line(&format!(
            "  {} {} {}",
            styled(FAINT, format_args!("{key:<19}")),
            clean(value),
            styled(FAINT, format_args!("({from})"))
        ));
    }
    if let Some(home) = &request.home {
        line(&format!(
            "  `~` was taken for {}; on the nodes it is the home of the account there",
            clean(&home.to_string_lossy())
        ));
    }
    line(&styled(STRONG, format_args!("{}:", counted(facts.nodes.len(), "node"))));
    for Node { name, address } in &facts.nodes {
        line(&format!("  {} {}", clean(address), styled(FAINT, format_args!("({name})"))));
    }
    if !facts.remarks.is_empty() {
        line(&styled(WARN, "not taken over:"));
        for Remark { line: number, what } in facts.remarks {
            line(&format!("  line {number}: {}", clean(what)));
        }
    }
    let would = if dry_run { "would write" } else { "wrote" };
    if let Some((text, why)) = &plan.list_text {
        line(&styled(STRONG, format_args!("{would} {} ({why}):", clean(&plan.list.to_string_lossy()))));
        indented(text, &mut line);
    }
    line(&styled(STRONG, format_args!("{would} {}:", clean(&plan.config.to_string_lossy()))));
    indented(&plan.config_text, &mut line);
    line(&styled(STRONG, "in the crontab, in the place of the script's line and with its times:"));
    line(&format!("  {}", clean(&facts.cron)));
    if plan.trusts_any_host {
        line(&styled(WARN, "the script took any host key; before the first push:"));
        for command in &facts.host_keys {
            line(&format!("  {}", clean(command)));
        }
        line("  then compare the fingerprints (`ssh-keygen -lf FILE`) with what each host itself says of its keys");
    }
    line(&styled(STRONG, "different from now on:"));
    for one in &facts.different {
        line(&format!("  {one}"));
    }
    out
}

fn indented(text: &str, line: &mut impl FnMut(&str)) {
    for one in text.lines() {
        line(&format!("  {}", clean(one)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_for_the_shell_is_one_word() {
        for (text, word) in
            [("/a/b.c", "/a/b.c"), ("/a b", "'/a b'"), ("it's", "'it'\\''s'"), ("", "''"), ("#a", "'#a'")]
        {
            assert_eq!(shell_word(text), word);
        }
    }
}
