//! Hooks that are programs: started with the delta as JSON on their stdin, content if they end with 0.
//!
//! They run as the user that this process runs as, where it runs, with `DEPSYNC_HOOK`,
//! `DEPSYNC_DEPLOYMENT`, `DEPSYNC_NODE`, `DEPSYNC_DIR`, `DEPSYNC_FROM` (empty at first) and `DEPSYNC_TO` beside the variables
//! of this process. One that takes too long is ended, with all that it has started, and counts as a no.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufWriter, Seek, Write};
use std::time::{Duration, Instant};

use depsync_engine::context::Context;
use depsync_engine::engine::{Delta, Hooks, Moment};
use depsync_engine::error::{Error, ErrorKind, Result};

use crate::child::Program;

/// How many characters of its last words stand in a message.
const WORDS: usize = 400;

/// A program with its arguments, for each moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HookPrograms {
    /// What is run before anything live is changed.
    pub before_update: Option<Vec<OsString>>,
    /// What is run when everything is in place.
    pub after_update: Option<Vec<OsString>>,
    /// What says whether this node is well.
    pub health: Option<Vec<OsString>>,
    /// How long each may take.
    pub timeout: Option<Duration>,
}

/// How long a hook may take, if nobody says.
const USUAL: Duration = Duration::from_secs(60);

impl HookPrograms {
    /// Whether there is any.
    pub fn is_empty(&self) -> bool {
        self.before_update.is_none() && self.after_update.is_none() && self.health.is_none()
    }

    fn words(&self, moment: Moment) -> Option<&[OsString]> {
        let words = match moment {
            Moment::BeforeUpdate => &self.before_update,
            Moment::AfterUpdate => &self.after_update,
            Moment::Health => &self.health,
        };
        words.as_deref().filter(|words| !words.is_empty())
    }
}

impl Hooks for HookPrograms {
    fn has(&self, moment: Moment) -> bool {
        self.words(moment).is_some()
    }

    fn run(&self, cx: &Context, moment: Moment, delta: &Delta<'_>) -> Result<()> {
        let Some([name, arguments @ ..]) = self.words(moment) else { return Ok(()) };
        let shown = name.to_string_lossy().into_owned();
        let timeout = self.timeout.unwrap_or(USUAL);
        let time = cx.time_left().map_or(timeout, |left| left.min(timeout));
        let short = cx.clone().with_deadline(Instant::now() + time);
        let number = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
        let program = Program::new(shown.clone(), "")
            .args(arguments)
            .variable("DEPSYNC_HOOK", moment.name())
            .variable("DEPSYNC_DEPLOYMENT", delta.deployment.as_str())
            .variable("DEPSYNC_NODE", delta.node.as_str())
            .variable("DEPSYNC_DIR", delta.dir)
            .variable("DEPSYNC_FROM", number(delta.from))
            .variable("DEPSYNC_TO", delta.to.to_string())
            .reading(written(delta)?);
        let begun = Instant::now();
        let ended = program.run(&short, Vec::new());
        // It may have been its own time that was over, or that of the command.
        let ended = ended.map_err(|error| match error.kind() {
            ErrorKind::DeadlineExceeded if cx.check().is_ok() => {
                Error::new(ErrorKind::Io, format!("it did not end within {} s", timeout.as_secs_f64())).at(&shown)
            }
            _ => error,
        })?;
        let millis = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        if ended.status.success() {
            tracing::info!(hook = moment.name(), program = shown, millis, said = ended.stderr, "a hook has ended");
            return Ok(());
        }
        let words = last(&ended.stderr);
        let words = if words.is_empty() { String::new() } else { format!(": {words}") };
        Err(Error::new(ErrorKind::Io, format!("{}{words}", ended.status)).at(&shown))
    }
}

/// The delta in a file without a name, to be read from its beginning.
fn written(delta: &Delta<'_>) -> Result<File> {
    let failed = |source| Error::io("write down what is changed, for a hook, in", "a temporary file", source);
    let file = tempfile::tempfile().map_err(failed)?;
    let mut out = BufWriter::new(file);
    serde_json::to_writer(&mut out, delta).map_err(|source| failed(source.into()))?;
    out.write_all(b"\n").map_err(failed)?;
    let mut file = out.into_inner().map_err(|error| failed(error.into_error()))?;
    file.rewind().map_err(failed)?;
    Ok(file)
}

/// The last line of what somebody said, if it is not too long.
fn last(text: &str) -> String {
    text.trim().lines().last().unwrap_or_default().chars().take(WORDS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use depsync_engine::context::Cancel;
    use depsync_engine::hash::Digest;
    use depsync_engine::packed::Packed;
    use depsync_engine::path::RelPath;
    use depsync_engine::tree::{Change, Entry, Mode};

    fn script(text: &str) -> Option<Vec<OsString>> {
        Some(["/bin/sh", "-c", text].map(OsString::from).to_vec())
    }

    fn run(cx: &Context, programs: &HookPrograms) -> Result<()> {
        let file = Entry::File { mode: Mode::new(0o644), size: 7, hash: Digest::of(b"x") };
        let path = |name: &str| RelPath::try_from(name).expect("a path");
        let changes: Packed<Change> = [
            Change { path: path("a b"), before: None, after: Some(file.clone()) },
            Change { path: path("c"), before: Some(file), after: None },
        ]
        .into_iter()
        .collect();
        let (deployment, node) = ("main".parse().expect("a name"), "web-1".parse().expect("an id"));
        let delta = Delta { deployment: &deployment, node: &node, dir: "/srv/d", from: None, to: 7, changes: &changes };
        programs.run(cx, Moment::AfterUpdate, &delta)
    }

    fn after(text: &str) -> HookPrograms {
        HookPrograms { after_update: script(text), ..HookPrograms::default() }
    }

    #[test]
    fn it_is_told_what_has_changed() {
        let place = tempfile::tempdir().expect("a directory");
        let out = place.path().join("out");
        let text = format!(
            "cat >'{0}'; echo \"$DEPSYNC_HOOK $DEPSYNC_NODE $DEPSYNC_FROM-$DEPSYNC_TO\" >>'{0}'",
            out.display()
        );
        run(&Context::new(), &after(&text)).expect("content");
        let said = std::fs::read_to_string(&out).expect("written");
        assert_eq!(
            said,
            "{\"schema\":1,\"deployment\":\"main\",\"node\":\"web-1\",\"dir\":\"/srv/d\",\"from\":null,\"to\":7,\"changes\":[\
             {\"path\":\"a b\",\"change\":\"added\",\"type\":\"file\",\"size\":7},\
             {\"path\":\"c\",\"change\":\"removed\",\"type\":\"file\"}]}\nafter-update web-1 -7\n"
        );
    }

    #[test]
    fn a_no_has_its_reason() {
        let error =
            run(&Context::new(), &after("echo first >&2; echo 'the port is taken' >&2; exit 3")).expect_err("no");
        let text = error.to_string();
        assert!(text.contains("exit status: 3: the port is taken") && !text.contains("first"), "{text}");
        let missing = HookPrograms { after_update: Some(vec!["/nowhere/hook".into()]), ..HookPrograms::default() };
        let error = run(&Context::new(), &missing).expect_err("missing").to_string();
        assert!(error.contains("/nowhere/hook") && !error.contains("package"), "{error}");
        // Whoever says a lot is not in anybody's way.
        run(&Context::new(), &after("yes | head -c 1000000; yes | head -c 1000000 >&2")).expect("content");
    }

    #[test]
    fn one_that_does_not_end_is_ended_with_all_its_children() {
        let place = tempfile::tempdir().expect("a directory");
        let pid = place.path().join("pid");
        let text = format!("sleep 1000 & echo $! >'{}'; wait", pid.display());
        let short = HookPrograms { timeout: Some(Duration::from_millis(300)), ..after(&text) };
        let error = run(&Context::new(), &short).expect_err("too long");
        assert_eq!(error.kind(), ErrorKind::Io);
        assert!(error.to_string().contains("did not end within 0.3 s"), "{error}");
        let pid = std::fs::read_to_string(&pid).expect("written");
        let is_there =
            || std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).is_ok_and(|stat| !stat.contains(") Z "));
        for _ in 0..500 {
            if !is_there() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(!is_there(), "its child goes on");
        let cancel = Cancel::default();
        cancel.cancel();
        let error = run(&Context::new().with_cancel(cancel), &after("sleep 1000")).expect_err("cancelled");
        assert_eq!(error.kind(), ErrorKind::Cancelled);
    }
}
