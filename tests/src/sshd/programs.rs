//! Programs: those that a test needs, and those that the far side finds.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// The program `name` of this machine, which the Debian package `package` brings.
///
/// # Panics
/// If it is not there: a test that needs it fails, and says what to install.
pub fn program(name: &str, package: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|directory| directory.join(name)).find(|file| file.is_file());
    found.unwrap_or_else(|| panic!("`{name}` is missing: install the package {package} (`./dev test` does)"))
}

/// A directory of programs, for a `PATH` of the far side's. It can change while a server uses it.
pub struct Programs {
    directory: TempDir,
}

impl Programs {
    /// No programs but these of this machine.
    pub fn only(names: &[&str]) -> Self {
        let programs = Self { directory: tempfile::tempdir().expect("a temporary directory") };
        for name in names {
            let found = program(name, &format!("that has `{name}`"));
            symlink(found, programs.file(name)).expect("a link to a program");
        }
        programs
    }

    /// Puts a shell script there in place of whatever has that name. `text` begins after `#!/bin/sh`.
    pub fn script(&self, name: &str, text: &str) {
        let fresh = self.file(&format!(".{name}.new"));
        std::fs::write(&fresh, format!("#!/bin/sh\n{text}\n")).expect("a script is written");
        std::fs::set_permissions(&fresh, Permissions::from_mode(0o755)).expect("it can be run");
        std::fs::rename(&fresh, self.file(name)).expect("it gets its name");
    }

    /// Takes a program away.
    pub fn remove(&self, name: &str) {
        std::fs::remove_file(self.file(name)).expect("the program was there");
    }

    /// The `PATH` with these programs and no others.
    pub fn path(&self) -> String {
        self.directory.path().to_str().expect("temporary directories are UTF-8").to_owned()
    }

    /// The `PATH` with these programs in front of the machine's.
    pub fn path_before_others(&self) -> String {
        format!("{}:/usr/local/bin:/usr/bin:/bin", self.path())
    }

    fn file(&self, name: &str) -> PathBuf {
        Path::new(self.directory.path()).join(name)
    }
}
