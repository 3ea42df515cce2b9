//! syncthing: a process a node. The manager's only sends, is connected to all others, and they only receive.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use depsync_tests::sshd::free_port;

use super::crew::Crew;

/// The folder's name, and the entry that has to be in it.
const FOLDER: &str = "deployment";
const MARKER: &str = ".stfolder";

/// A node as the others know it.
struct Node {
    home: PathBuf,
    dir: PathBuf,
    id: String,
    port: u16,
}

/// Starts one for each directory. `line` says where the manager is reached that listens at a port, for each worker.
pub(crate) fn start(
    crew: &mut Crew,
    place: &Path,
    program: &Path,
    (source, workers): (&Path, &[PathBuf]),
    mut line: impl FnMut(u16) -> u16,
) -> Result<()> {
    let made = std::iter::once(source).chain(workers.iter().map(PathBuf::as_path)).map(|dir| make(place, program, dir));
    let nodes = made.collect::<Result<Vec<_>>>()?;
    let (manager, others) = nodes.split_first().context("a manager")?;
    for node in &nodes {
        // The manager waits to be called.
        let peers: Vec<(&Node, Option<u16>)> = if node.id == manager.id {
            others.iter().map(|other| (other, None)).collect()
        } else {
            vec![(manager, Some(line(manager.port)))]
        };
        let kind = if node.id == manager.id { "sendonly" } else { "receiveonly" };
        fs::write(node.home.join("config.xml"), config(node, &peers, kind)?)?;
    }
    for node in &nodes {
        let mut command = of(program, &node.home);
        command.args(["serve", "--no-browser", "--no-upgrade", "--home"]).arg(&node.home);
        crew.start(&mut command, &node.home.with_extension("log"))?;
    }
    Ok(())
}

fn of(program: &Path, home: &Path) -> Command {
    let mut command = Command::new(program);
    command.env("HOME", home).env("STNOUPGRADE", "1");
    command
}

/// Gives the node of a directory its key.
fn make(place: &Path, program: &Path, dir: &Path) -> Result<Node> {
    let name = dir.file_name().context("a directory has a name")?.to_string_lossy();
    let home = place.join(format!("syncthing-{name}"));
    fs::create_dir(dir.join(MARKER))?;
    let output = of(program, place).args(["generate", "--no-default-folder", "--home"]).arg(&home).output()?;
    ensure!(output.status.success(), "syncthing generate: {}", String::from_utf8_lossy(&output.stderr));
    let output = of(program, place).args(["serve", "--device-id", "--home"]).arg(&home).output()?;
    let id = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    ensure!(output.status.success() && id.len() == 63, "syncthing has no id: {id}");
    Ok(Node { home, dir: dir.to_owned(), id, port: free_port() })
}

/// Nobody outside is asked for anything; what has changed is sent as soon as it may be, a second later.
fn config(node: &Node, peers: &[(&Node, Option<u16>)], kind: &str) -> Result<String> {
    let mut text = String::from("<configuration version=\"36\">\n");
    writeln!(
        text,
        "<folder id=\"{FOLDER}\" path=\"{}\" type=\"{kind}\" rescanIntervalS=\"3600\" fsWatcherEnabled=\"true\" \
         fsWatcherDelayS=\"1\" ignorePerms=\"false\">",
        node.dir.display()
    )?;
    let own = [(node, Some(node.port))];
    for (known, _) in own.iter().chain(peers) {
        writeln!(text, "<device id=\"{}\"></device>", known.id)?;
    }
    writeln!(text, "<markerName>{MARKER}</markerName>\n</folder>")?;
    for (known, port) in own.iter().chain(peers) {
        let address = port.map_or_else(|| "dynamic".to_owned(), |port| format!("tcp://127.0.0.1:{port}"));
        writeln!(text, "<device id=\"{}\"><address>{address}</address></device>", known.id)?;
    }
    writeln!(
        text,
        "<gui enabled=\"false\"></gui>\n<options>\n<listenAddress>tcp://127.0.0.1:{}</listenAddress>\n\
         <globalAnnounceEnabled>false</globalAnnounceEnabled>\n<localAnnounceEnabled>false</localAnnounceEnabled>\n\
         <relaysEnabled>false</relaysEnabled>\n<natEnabled>false</natEnabled>\n<startBrowser>false</startBrowser>\n\
         <reconnectionIntervalS>2</reconnectionIntervalS>\n<urAccepted>-1</urAccepted>\n\
         <crashReportingEnabled>false</crashReportingEnabled>\n<autoUpgradeIntervalH>0</autoUpgradeIntervalH>\n\
         </options>\n</configuration>",
        node.port
    )?;
    Ok(text)
}
