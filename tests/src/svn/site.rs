//! The configuration of an Apache that serves one repository and reads no other file of the machine's.

use std::fmt::Write;
use std::path::Path;

use super::{Certificate, HOST, NAME};
use crate::debian::unpacked;
use crate::listener;

/// What is to be served.
pub(super) struct Site<'a> {
    /// Where it listens.
    pub(super) port: u16,
    /// The repository's directory.
    pub(super) repository: &'a Path,
    /// What it shows, if it is to be `https://`.
    pub(super) certificate: Option<&'a Certificate>,
}

/// The files in the server's directory.
pub(super) const CONFIG: &str = "httpd.conf";
pub(super) const REQUESTS: &str = "requests";

/// The modules that are no part of the program, in an order in which they load, and the packages that have them.
const MODULES: [(&str, &str); 9] = [
    ("mpm_event", "apache2-bin"),
    ("authn_core", "apache2-bin"),
    ("authn_file", "apache2-bin"),
    ("authz_core", "apache2-bin"),
    ("authz_user", "apache2-bin"),
    ("auth_basic", "apache2-bin"),
    ("dav", "apache2-bin"),
    ("dav_svn", "libapache2-mod-svn"),
    ("authz_svn", "libapache2-mod-svn"),
];

/// Writes the configuration of a server that has the directory `place`.
pub(super) fn write(place: &Path, site: &Site<'_>) {
    let secure = site.certificate.map(|_| ("ssl", "apache2-bin"));
    let mut text = String::new();
    for (name, package) in MODULES.into_iter().chain(secure) {
        let file = unpacked(package).join(format!("usr/lib/apache2/modules/mod_{name}.so"));
        let _ = writeln!(text, "LoadModule {name}_module \"{}\"", file.display());
    }
    let (place_name, repository) = (place.display(), site.repository.display());
    let _ = write!(
        text,
        "ServerRoot \"{place_name}\"\nServerName {HOST}\nListen {HOST}:{}\nPidFile \"{place_name}/pid\"\n\
         DefaultRuntimeDir \"{place_name}\"\nErrorLog \"{}\"\nCustomLog \"{place_name}/{REQUESTS}\" \"%u %m %U %>s\"\n\
         StartServers 1\nThreadsPerChild 16\nMinSpareThreads 4\nMaxSpareThreads 64\nMaxRequestWorkers 128\n\
         <Location \"/{NAME}\">\nDAV svn\nSVNPath \"{repository}\"\nAuthType Basic\nAuthName \"depsync tests\"\n\
         AuthBasicProvider file\nAuthUserFile \"{repository}/conf/htpasswd\"\n\
         AuthzSVNAccessFile \"{repository}/conf/authz\"\nRequire valid-user\n</Location>\n",
        site.port,
        listener::log(place).display(),
    );
    if let Some(certificate) = site.certificate {
        let _ = writeln!(text, "SSLEngine on\nSSLSessionCache none");
        let _ = writeln!(text, "SSLCertificateFile \"{}\"", certificate.path().display());
        let _ = writeln!(text, "SSLCertificateKeyFile \"{}\"", certificate.key().display());
    }
    std::fs::write(place.join(CONFIG), text).expect("the configuration is written");
}
