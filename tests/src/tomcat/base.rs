//! How a server is to run: its `CATALINA_BASE` and its command line.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::debian::unpacked;
use crate::listener;
use crate::sshd::{HOST, program};

/// Writes the directory `place` of a server for what is in `webapps`.
pub(super) fn write(place: &Path, port: u16, webapps: &Path) {
    let conf = place.join("conf");
    for directory in ["conf", "lib", "temp", "work"] {
        fs::create_dir_all(place.join(directory)).expect("a directory");
    }
    let theirs = unpacked("tomcat10").join("usr/share/tomcat10/etc");
    for file in ["web.xml", "context.xml"] {
        fs::copy(theirs.join(file), conf.join(file)).expect("the package tomcat10 has it");
    }
    let mut properties = fs::read_to_string(theirs.join("catalina.properties")).expect("the package tomcat10 has it");
    properties.push_str("\ntomcat.util.scan.StandardJarScanFilter.jarsToSkip=*.jar\n");
    fs::write(conf.join("catalina.properties"), properties).expect("settings are written");
    let server = format!(
        r#"<Server port="-1"><Service name="Catalina">
  <Connector address="{HOST}" port="{port}" maxKeepAliveRequests="-1"/>
  <Engine name="Catalina" defaultHost="localhost" backgroundProcessorDelay="1">
    <Host name="localhost" appBase="{}" autoDeploy="true" unpackWARs="true"/>
  </Engine>
</Service></Server>
"#,
        webapps.display()
    );
    fs::write(conf.join("server.xml"), server).expect("settings are written");
    let logging = format!(
        "handlers = java.util.logging.FileHandler\n.level = INFO\njava.util.logging.FileHandler.pattern = {}\n\
         java.util.logging.FileHandler.append = true\n\
         java.util.logging.FileHandler.formatter = java.util.logging.SimpleFormatter\n\
         java.util.logging.SimpleFormatter.format = %4$s %5$s%6$s%n\n",
        listener::log(place).display()
    );
    fs::write(conf.join("logging.properties"), logging).expect("settings are written");
    link_jars(&place.join("lib"));
}

/// The server's classes: the names that the package tomcat10-common gives them, of the files in libtomcat10-java. As
/// packages are unpacked apart, the links of the one do not lead to the other.
fn link_jars(lib: &Path) {
    let names = unpacked("tomcat10-common").join("usr/share/tomcat10/lib");
    for name in fs::read_dir(names).expect("the package tomcat10-common has it") {
        let name = name.expect("an entry");
        let target = fs::read_link(name.path()).expect("a link");
        let jar = jars().join(target.file_name().expect("a file's name"));
        // A server that did not get its port is written again. Translations may have moved to other packages.
        if jar.exists() && !lib.join(name.file_name()).exists() {
            symlink(jar, lib.join(name.file_name())).expect("a link");
        }
    }
}

fn jars() -> std::path::PathBuf {
    let jars = unpacked("libtomcat10-java").join("usr/share/java");
    jars.canonicalize().expect("the package libtomcat10-java has it")
}

/// What starts the server in the foreground. It ends with the test that is killed, too.
pub(super) fn command(place: &Path) -> Command {
    let start = unpacked("tomcat10-common").join("usr/share/tomcat10/bin/bootstrap.jar");
    let mut command = Command::new(program("setpriv", "util-linux"));
    command.args(["--pdeathsig", "KILL"]).arg(program("java", "default-jre-headless"));
    // Small and soon there: it serves one page to one visitor.
    command.args(["-Xmx64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Duser.language=en"]);
    for package in ["java.io", "java.lang", "java.util", "java.util.concurrent"] {
        command.arg(format!("--add-opens=java.base/{package}=ALL-UNNAMED"));
    }
    command.arg("--add-opens=java.rmi/sun.rmi.transport=ALL-UNNAMED");
    command.arg("-Dorg.apache.catalina.startup.EXIT_ON_INIT_FAILURE=true");
    let at = |name: &str| place.join(name).display().to_string();
    command.arg(format!("-Djava.util.logging.config.file={}", at("conf/logging.properties")));
    command.arg(format!("-Djava.io.tmpdir={}", at("temp")));
    command.args([format!("-Dcatalina.home={}", at("")), format!("-Dcatalina.base={}", at(""))]);
    command.arg("-cp").arg(format!("{}:{}", start.display(), jars().join("tomcat10-juli.jar").display()));
    command.args(["org.apache.catalina.startup.Bootstrap", "start"]).current_dir(place);
    command
}
