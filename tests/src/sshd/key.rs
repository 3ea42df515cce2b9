//! Key pairs, and lines of `authorized_keys`.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::programs::program;

/// A key pair without a passphrase.
#[derive(Clone, Debug)]
pub struct Key {
    path: PathBuf,
}

impl Key {
    /// Makes a pair; the private half in the new file `path`, the public one in `path.pub`.
    pub(super) fn make(path: PathBuf) -> Self {
        let mut command = Command::new(program("ssh-keygen", "openssh-client"));
        let output = command.args(["-q", "-t", "ed25519", "-N", "", "-C", "depsync-tests", "-f"]).arg(&path).output();
        let output = output.expect("ssh-keygen starts");
        assert!(output.status.success(), "ssh-keygen: {}", String::from_utf8_lossy(&output.stderr));
        Self { path }
    }

    /// Puts another pair in its place.
    pub(super) fn replace(&self) {
        for file in [self.path.clone(), self.path.with_extension("pub")] {
            std::fs::remove_file(file).expect("the old pair");
        }
        Self::make(self.path.clone());
    }

    /// The file with the private half.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The public half: the key's type and the key, without a comment.
    pub fn public(&self) -> String {
        let text = std::fs::read_to_string(self.path.with_extension("pub")).expect("the public half");
        text.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
    }

    /// The line of `authorized_keys` that lets this key in with `options`. If there is a `record`, it is told each
    /// command that the client asks for, before that is run.
    pub(super) fn line(&self, options: &str, record: Option<&Path>) -> String {
        let options = record.map_or_else(|| options.to_owned(), |record| recorded(options, record));
        format!("{options} {}\n", self.public()).trim_start().to_owned()
    }
}

/// Options whose forced command writes down first what the client asked for. A key without a forced command gets one
/// that does what sshd would have done.
fn recorded(options: &str, record: &Path) -> String {
    const FORCED: &str = r#"command=""#;
    let write = format!(r#"printf '%s\0' \"$SSH_ORIGINAL_COMMAND\" >>'{}'; "#, record.display());
    if options.contains(FORCED) {
        return options.replacen(FORCED, &format!("{FORCED}{write}"), 1);
    }
    let run = format!(r#"{FORCED}{write}exec \"$SHELL\" -c \"$SSH_ORIGINAL_COMMAND\"""#);
    if options.is_empty() { run } else { format!("{run},{options}") }
}
