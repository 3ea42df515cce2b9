//! Programs that stand before `svn`, `svnmucc` and `svnrdump` on the way, count who comes by, and kill the program that
//! has started them at the right moment. Otherwise each is the real one.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use depsync_tests::process::{Death, Ended};
use depsync_tests::sshd::{Programs, program};
use tempfile::TempDir;

use crate::town::{place, run_in};

/// What happens when the trap is sprung.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spring {
    /// Nothing.
    Never,
    /// The caller is killed, and its child never comes to do anything.
    Before,
    /// The caller is killed, and its child does its work all alone.
    Orphan,
    /// The same, when the one that [`Self::Overtaken`] is for lets it go on.
    Late,
    /// The child lets one that is [`Self::Late`] do its work first.
    Overtaken,
    /// The caller and its child are killed when the child has printed something, and not all.
    Midway,
    /// The child has done its work; the caller is killed before it hears of it.
    After,
    /// The child does its work, and then fails as one that has lost its connection.
    Lost,
    /// The child does its work, and is killed by somebody before it says so.
    Killed,
}

/// See the module.
pub(crate) struct Trap {
    programs: Programs,
    place: TempDir,
}

impl Trap {
    pub(crate) fn new() -> Self {
        let trap = Self { programs: Programs::only(&[]), place: place() };
        for name in ["svn", "svnmucc", "svnrdump"] {
            trap.programs.script(name, &script(name, trap.place.path()));
        }
        trap
    }

    /// Runs the program for `node` in `top`, and springs at the `at`th child, counted from 1.
    pub(crate) fn run(&self, top: &Path, hub: &str, node: &str, args: &[&str], at: usize, spring: Spring) -> Ended {
        for name in ["calls", "done", "pids"] {
            let _ = fs::remove_file(self.place.path().join(name));
        }
        let (path, at, how) = (self.programs.path_before_others(), at.to_string(), format!("{spring:?}"));
        let variables = [("PATH", &path), ("TRAP_AT", &at), ("TRAP_HOW", &how)];
        run_in(top, hub, node, args, Death::Never, &variables.map(|(name, value)| (name, OsStr::new(value))))
    }

    /// The programs that were started, in order.
    pub(crate) fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.place.path().join("calls")).unwrap_or_default();
        calls.lines().map(str::to_owned).collect()
    }

    /// Whether the child that the trap was for has come to its end.
    pub(crate) fn is_done(&self) -> bool {
        self.place.path().join("done").exists()
    }

    /// The text of a hook that kills `svnmucc` and its caller when it is called.
    pub(crate) fn hook(&self) -> String {
        format!("test ! -f {0}/pids || kill -9 $(cat {0}/pids); exit 0", self.place.path().display())
    }
}

/// The stand-in for the program `name`. It takes the password before anybody dies.
fn script(name: &str, trap: &Path) -> String {
    let (trap, real) = (trap.display(), program(name, "subversion"));
    format!(
        r#"trap={trap} real={real} name={name}
call=$name
for word in mkdir checkout commit; do
    case " $* " in *" $word "*) call="svn $word" ;; esac
done
echo $call >> $trap/calls
test $name != svnmucc || echo $$ $PPID > $trap/pids
test "$(wc -l < $trap/calls)" = "$TRAP_AT" || exec $real "$@"
IFS= read -r password
work() {{ printf '%s\n' "$password" | $real "$@"; }}
case $TRAP_HOW in
Before) kill -9 $PPID ;;
Orphan) kill -9 $PPID; work "$@" > $trap/said 2>&1 ;;
Late) kill -9 $PPID; until test -f $trap/go; do sleep 0.02; done; work "$@" > $trap/said 2>&1; touch $trap/late ;;
Overtaken) touch $trap/go; until test -f $trap/late; do sleep 0.02; done; work "$@"; exit ;;
Midway) work "$@" | head -c 700; kill -9 $PPID ;;
After) work "$@" > $trap/said 2>&1; kill -9 $PPID ;;
Lost) work "$@" > $trap/said; touch $trap/done; echo "$name: E210002: Network connection closed unexpectedly" >&2; exit 1 ;;
Killed) work "$@" > $trap/said; touch $trap/done; kill -9 $$ ;;
esac
touch $trap/done
"#,
        real = real.display()
    )
}
