//! `import carbon.xml`: take over what a WSO2 server was told of its synchronization.

use std::path::{Path, PathBuf};

use depsync_engine::error::Result;
use serde::Serialize;

use crate::args::Import;
use crate::exit::Exit;
use crate::import::carbon::{Plan, Request, Said, Taken};
use crate::output::Answer;
use crate::session::Session;
use crate::text::{FAINT, STRONG, WARN, clean, styled};

#[derive(Serialize)]
struct Facts<'a> {
    #[serde(flatten)]
    plan: &'a Plan,
    written: Vec<&'a Path>,
    next: Vec<String>,
}

/// Runs the command.
pub(super) fn run(session: &Session<'_>, args: &Import) -> Result<Answer> {
    let cwd = &session.environment.cwd;
    let absolute = |path: &Path| cwd.join(path).components().collect::<PathBuf>();
    let request = Request {
        files: args.files.iter().map(|file| absolute(file)).collect(),
        home: args.carbon_home.as_deref().map(absolute),
        hub: session.global.hub.as_deref().map(|hub| crate::settings::tidy_hub(cwd, hub)).transpose()?,
        preset: args.preset,
        into: args.into.as_deref().map_or_else(|| cwd.clone(), absolute),
    };
    let plan = Plan::of(&request)?;
    if !args.dry_run {
        plan.write()?;
    }
    let files = plan.nodes.iter().flat_map(|node| node.password_file.iter().chain([&node.config]));
    let written = if args.dry_run { Vec::new() } else { files.map(PathBuf::as_path).collect() };
    let facts = Facts { plan: &plan, written, next: next(&plan) };
    let text = say(&facts, args.dry_run);
    Ok(match args.dry_run {
        true => Answer::fact(&facts, text, Exit::Done),
        false => Answer::deed(&facts, text, Exit::of_deed(false, false, true)),
    })
}

/// What is to be done then.
fn next(plan: &Plan) -> Vec<String> {
    let mut next = vec![
        "switch the synchronizer of the server off: <Enabled>false</Enabled>; two of them would undo each other's work"
            .to_owned(),
    ];
    for node in &plan.nodes {
        let config = clean(&node.config.to_string_lossy());
        let of = if node.text.contains("{tenant}") { " --tenant -1234" } else { "" };
        next.push(match node.is_manager {
            true => format!(
                "depsync --config {config} update{of}    what is in the repository and here alike is adopted as it is"
            ),
            false => format!("depsync --config {config} update{of} --dry-run    what would change on a worker"),
        });
    }
    next.push("depsync --config … run    keeps it in step (README: Coming from DepSync)".to_owned());
    next
}

fn say(facts: &Facts<'_>, dry_run: bool) -> String {
    let mut out = String::new();
    let mut line = |text: &str| {
        out.push_str(text);
        out.push('\n');
    };
    if !facts.plan.contradictions.is_empty() {
        line(&styled(WARN, "the files contradict each other:"));
        for one in &facts.plan.contradictions {
            line(&format!("  {}", clean(one)));
        }
    }
    for node in &facts.plan.nodes {
        let Taken { file, config, text, password_file, taken, dropped, dangers, .. } = node;
        line(&styled(STRONG, format_args!("found in {}:", clean(&file.to_string_lossy()))));
        list(taken, &mut line);
        for (title, said) in [("did harm:", dangers), ("not taken over:", dropped)] {
            if !said.is_empty() {
                line(&styled(WARN, title));
                list(said, &mut line);
            }
        }
        let would = if dry_run { "would write" } else { "wrote" };
        if let Some(file) = password_file {
            line(&styled(
                STRONG,
                format_args!("{would} the password into {}, for you alone", clean(&file.to_string_lossy())),
            ));
        }
        line(&styled(STRONG, format_args!("{would} {}:", clean(&config.to_string_lossy()))));
        for one in text.lines() {
            line(&format!("  {}", clean(one)));
        }
    }
    line(&styled(STRONG, "and then:"));
    for one in &facts.next {
        line(&format!("  {one}"));
    }
    out
}

fn list(said: &[Said], line: &mut impl FnMut(&str)) {
    for Said { key, line: number, what } in said {
        let place =
            number.map_or_else(String::new, |number| format!(" {}", styled(FAINT, format_args!("(line {number})"))));
        line(&format!("  {key}{place}: {}", clean(what)));
    }
}
