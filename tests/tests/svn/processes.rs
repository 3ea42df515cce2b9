//! What each command costs in processes: those that it starts are written down by scripts that stand before the programs
//! on its `PATH`.

use std::fs;

use depsync_tests::cli::Bench;
use depsync_tests::sshd::{Programs, program};
use depsync_tests::svn::{Repository, Svnserve, WRITER};

/// A directory in which commands run whose processes are written down.
pub(crate) struct Counted {
    pub(crate) bench: Bench,
    _programs: Programs,
    pub(crate) hub: String,
    _server: Svnserve,
    pub(crate) repository: Repository,
}

impl Counted {
    pub(crate) fn new() -> Self {
        let (repository, programs, mut bench) = (Repository::create(), Programs::only(&[]), Bench::in_memory());
        let server = Svnserve::start(&repository);
        for name in ["svn", "svnmucc", "svnrdump"] {
            let (real, list) = (program(name, "subversion"), bench.path("list"));
            programs.script(
                name,
                &format!(
                    "said={name}\nfor word; do\ncase $word in\n--version | info | log | cat | mkdir | dump) said=\"{name} $word\" ;;\n\
                     esac\ndone\necho \"$said\" >>'{}'\nexec '{}' \"$@\"",
                    list.display(),
                    real.display()
                ),
            );
        }
        let path = programs.path_before_others();
        let account = [("DEPSYNC_SVN_USERNAME", WRITER.name), ("DEPSYNC_SVN_PASSWORD", WRITER.password)];
        bench.set(&[account[0], account[1], ("PATH", &path)]);
        for number in 0..20 {
            bench.write(&format!("source/file-{number}.xml"), format!("<content number=\"{number}\"/>\n"));
        }
        let hub = format!("{}/main", server.url());
        Self { bench, _programs: programs, hub, _server: server, repository }
    }

    /// The processes of a command that goes well.
    pub(crate) fn of(&self, command: &str, node: &str, dir: &str) -> Vec<String> {
        let (said, status, list) =
            self.line(&format!("--node {node} --state state-{node} {command} {dir} {}", self.hub));
        assert_eq!(status, Some(0), "{said}");
        list
    }

    /// Runs a command: what it says, its status, and the processes that it has started.
    pub(crate) fn line(&self, line: &str) -> (serde_json::Value, Option<i32>, Vec<String>) {
        let (said, status) = self.bench.json(line);
        let list = fs::read_to_string(self.bench.path("list")).unwrap_or_default();
        let _ = fs::remove_file(self.bench.path("list"));
        (said, status, list.lines().map(str::to_owned).collect())
    }

    pub(crate) fn publish(&self) -> Vec<String> {
        self.of("publish", "m", "source")
    }

    fn update(&self) -> Vec<String> {
        self.of("update", "w", "worker")
    }
}

#[test]
fn processes_of_a_node_that_is_up_to_date() {
    let counted = Counted::new();
    counted.publish();
    counted.update();
    for _ in 0..2 {
        assert_eq!(counted.publish(), ["svn info"]);
        assert_eq!(counted.update(), ["svn info"]);
    }
}

#[test]
fn processes_of_a_change() {
    let counted = Counted::new();
    counted.publish();
    counted.update();
    for number in 0..2 {
        counted.bench.write("source/file-7.xml", format!("another {number}"));
        assert_eq!(counted.publish(), ["svn info", "svn --version", "svnmucc"]);
        assert_eq!(counted.update(), ["svn info", "svn log", "svnrdump dump"]);
    }
}

/// What `status` has read to know the root is gone with its process: then the files that changed are fetched, not all.
#[test]
fn processes_of_a_node_that_has_looked_before() {
    let counted = Counted::new();
    counted.publish();
    counted.update();
    for number in 0..2 {
        counted.bench.write(&format!("source/file-{number}.xml"), "changed");
    }
    counted.publish();
    assert_eq!(counted.of("status", "w", "worker"), ["svn info", "svn log", "svnrdump dump"]);
    assert_eq!(counted.update(), ["svn info", "svn log", "svn cat"]);
}

#[test]
fn processes_of_a_first_time() {
    let counted = Counted::new();
    let made = counted.publish();
    assert_eq!(made[..3], ["svn info", "svn --version", "svn mkdir"]);
    // What is looked at again is as good as nothing beside the commit.
    assert_eq!((made.len() <= 11, made.last().map(String::as_str)), (true, Some("svnmucc")), "{made:?}");
    let come = counted.update();
    assert_eq!((come.len() <= 7, come.last().map(String::as_str)), (true, Some("svnrdump dump")), "{come:?}");
}
