//! Inside: the first process. It makes a root file system, loads modules, runs the program and powers off.

use std::ffi::CStr;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::mount::{MountFlags, mount};
use rustix::system::{RebootCommand, finit_module, reboot, sethostname};

use super::Job;

/// Begins the line with the program's exit status.
pub(super) const STATUS: &str = "depsync-tests: the program ended with status ";

/// What `main` of the first process does. Comes back only if the machine cannot power off.
pub fn run() {
    let done = std::panic::catch_unwind(work);
    let status = done.unwrap_or(101);
    say(&format!("{STATUS}{status}"));
    rustix::fs::sync();
    let _ = reboot(RebootCommand::PowerOff);
}

fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
    let _ = std::io::stdout().flush();
}

fn work() -> i32 {
    let shared = PathBuf::from(std::env::var_os(super::INSIDE).expect("the shared directory is named"));
    let (job, kernel) = Job::read(&shared);
    let modules = Modules::of(&kernel);
    modules.load("overlay");
    make_root(&shared, &job.program);
    modules.load_all(&job.modules);
    sethostname(job.hostname.as_bytes()).expect("sethostname");
    let mut program = Command::new(&job.program);
    program.args(&job.arguments).env_clear().current_dir("/run");
    program.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    program.env("HOME", "/run/tmp").env("TMPDIR", "/run/tmp").env(super::INSIDE, &shared);
    program.envs(job.variables.iter().map(|(name, value)| (name, value)));
    let status = program.status().unwrap_or_else(|error| panic!("run {}: {error}", job.program.display()));
    status.code().unwrap_or(102)
}

/// This machine's files are those of the machine outside, read-only, with a layer of memory above.
fn make_root(shared: &Path, program: &Path) {
    for path in [shared, program] {
        assert!(!path.starts_with("/run"), "{}: /run inside is another one", path.display());
    }
    let at = Path::new("/mnt");
    attach("tmpfs", at, "tmpfs", c"size=75%");
    for name in ["upper", "work", "root"] {
        std::fs::create_dir(at.join(name)).expect("a directory in memory");
    }
    attach("overlay", &at.join("root"), "overlay", c"lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work");
    rustix::process::chroot(at.join("root")).expect("chroot");
    std::env::set_current_dir("/").expect("the new root");
    attach("proc", Path::new("/proc"), "proc", c"");
    attach("sysfs", Path::new("/sys"), "sysfs", c"");
    attach("tmpfs", Path::new("/run"), "tmpfs", c"mode=755");
    std::fs::create_dir("/run/tmp").expect("a directory for temporary files");
    let outside = std::ffi::CString::new(shared.as_os_str().as_encoded_bytes()).expect("no NUL");
    attach("none", shared, "hostfs", &outside);
}

fn attach(source: &str, at: &Path, kind: &str, options: &CStr) {
    mount(source, at, kind, MountFlags::empty(), options)
        .unwrap_or_else(|errno| panic!("mount {kind} at {}: {errno}", at.display()));
}

/// The modules of the kernel, and what each needs.
struct Modules {
    place: PathBuf,
    needs: String,
}

impl Modules {
    fn of(kernel: &Path) -> Self {
        let needs = std::fs::read_to_string(kernel.join("modules.dep")).expect("modules.dep");
        Self { place: kernel.to_owned(), needs }
    }

    fn load_all(&self, names: &[String]) {
        for name in names {
            self.load(name);
        }
    }

    /// Loads `name` after all that it needs, which `modules.dep` lists last first.
    fn load(&self, name: &str) {
        let file = format!("/{name}.ko");
        let line = self.needs.lines().find(|line| line.split(':').next().is_some_and(|first| first.ends_with(&file)));
        let (first, needed) = line.and_then(|line| line.split_once(':')).unwrap_or_else(|| panic!("no module {name}"));
        for path in needed.split_whitespace().rev().chain([first]) {
            let module = File::open(self.place.join(path)).expect("a module");
            match finit_module(&module, c"", 0) {
                Ok(()) | Err(rustix::io::Errno::EXIST) => {}
                Err(errno) => panic!("load {path}: {errno}"),
            }
        }
    }
}
