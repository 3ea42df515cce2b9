//! The ghost metafiles of WSO2's servers: `ghostmetafiles/ghostServices/*.xml` and `ghostmetafiles/ghostWebapps/*.xml`.
//!
//! A file's name is the path of its artifact with `_` for every slash and without its extension, which is no name of its own:
//! `a/b_c.aar` and `a_b/c.aar` get the same. Which of them is meant, the engine's index says. What only the artifact itself
//! tells (a service's operations, a web application's display name) is left out, or is its name: nothing was fetched.

use depsync_engine::engine::{Stub, Stubs};
use depsync_engine::path::RelPath;
use depsync_engine::tree::Entry;
use quick_xml::Reader;
use quick_xml::escape::escape;
use quick_xml::events::Event;

/// The form of the original.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wso2Stubs;

/// Folders of services, with what their extensions are.
const SERVICES: [(&str, &str, &str); 3] =
    [("axis2services", "aar", "axis2"), ("dataservices", "dbs", "data_service"), ("jsservices", "js", "js_service")];
/// Folders of web applications, with what each is.
const APPLICATIONS: [(&str, &str); 3] =
    [("webapps", "webapp"), ("jaxwebapps", "jaxWebapp"), ("jaggeryapps", "jaggeryWebapp")];

impl Stubs for Wso2Stubs {
    fn of(&self, path: &RelPath, entry: &Entry) -> Option<Stub> {
        let text = std::str::from_utf8(path.as_bytes()).ok()?;
        let (folder, rest) = text.split_once('/')?;
        if let Some((_, extension, kind)) = SERVICES.iter().find(|(name, _, _)| *name == folder) {
            let archive = rest.strip_suffix(extension)?.strip_suffix('.').filter(|_| entry.is_file())?;
            return stub("ghostServices", &without_extension(text), &service(archive, kind));
        }
        let (_, kind) = APPLICATIONS.iter().find(|(name, _)| *name == folder)?;
        if rest.contains('/') {
            return None;
        }
        let name = match entry.is_directory() {
            true => rest,
            false => rest.strip_suffix(".war").filter(|_| entry.is_file())?,
        };
        let flat = if entry.is_directory() { text.to_owned() } else { without_extension(text) };
        stub("ghostWebapps", &flat, &application(name, rest, kind))
    }

    fn means(&self, content: &[u8], path: &RelPath) -> bool {
        let said = std::str::from_utf8(content).ok().and_then(artifact);
        let Some((said, text)) = said.zip(std::str::from_utf8(path.as_bytes()).ok()) else { return false };
        let Some((_, rest)) = text.split_once('/') else { return false };
        match said {
            Artifact::Service(archive) => without_extension(rest) == archive,
            Artifact::Application(file) => rest == file,
        }
    }
}

/// What a metafile says that it is for, below the folder of its kind.
#[derive(Debug, PartialEq, Eq)]
enum Artifact {
    /// An archive, without its extension.
    Service(String),
    /// A file or a directory.
    Application(String),
}

fn artifact(text: &str) -> Option<Artifact> {
    let mut reader = Reader::from_str(text);
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) | Event::Empty(start) => {
                let (key, kind): (_, fn(String) -> Artifact) = match start.local_name().as_ref() {
                    "serviceGroup" => ("ServiceArchiveFileName", Artifact::Service),
                    "webApplication" => ("file", Artifact::Application),
                    _ => return None,
                };
                let attribute = start.attributes().flatten().find(|attribute| attribute.key.as_ref() == key)?;
                return Some(kind(attribute.normalized_value(quick_xml::XmlVersion::Implicit1_0).ok()?.into_owned()));
            }
            Event::Eof => return None,
            _ => {}
        }
    }
}

fn stub(folder: &str, flat: &str, content: &str) -> Option<Stub> {
    let path = format!("ghostmetafiles/{folder}/{}.xml", flat.replace('/', "_"));
    Some(Stub { path: RelPath::new(path.into_bytes()).ok()?, content: content.as_bytes().to_vec() })
}

fn without_extension(text: &str) -> String {
    text.rsplit_once('.').map_or(text, |(stem, _)| stem).to_owned()
}

fn service(archive: &str, kind: &str) -> String {
    let name = escape(archive);
    let own = escape(archive.rsplit('/').next().unwrap_or(archive));
    format!(
        "<serviceGroup name=\"{name}\" ServiceArchiveFileName=\"{name}\">\n  <service name=\"{own}\" serviceType=\"{kind}\">\n    \
         <operations/>\n    <endpoints/>\n  </service>\n</serviceGroup>\n"
    )
}

fn application(name: &str, file: &str, kind: &str) -> String {
    let (name, file) = (escape(name), escape(file));
    format!(
        "<webApplication name=\"{name}\" contextPath=\"/{name}\" displayName=\"{name}\" file=\"{file}\" lastModifiedTime=\"0\" \
         webappFilter=\"{kind}\"/>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use depsync_engine::hash::Digest;
    use depsync_engine::tree::Mode;

    fn file() -> Entry {
        Entry::File { mode: Mode::new(0o644), size: 1, hash: Digest::of(b"x") }
    }

    fn of(path: &str, entry: &Entry) -> Option<(String, String)> {
        let stub = Wso2Stubs.of(&RelPath::try_from(path).expect("a path"), entry)?;
        Some((stub.path.to_string(), String::from_utf8(stub.content).expect("a text")))
    }

    #[test]
    fn names_and_contents_are_those_of_the_original() {
        let (path, text) = of("axis2services/foo/Version.aar", &file()).expect("a service");
        assert_eq!(path, "ghostmetafiles/ghostServices/axis2services_foo_Version.xml");
        assert!(
            text.starts_with("<serviceGroup name=\"foo/Version\" ServiceArchiveFileName=\"foo/Version\">"),
            "{text}"
        );
        assert!(text.contains("<service name=\"Version\" serviceType=\"axis2\">"), "{text}");
        let (path, text) = of("webapps/a&b.war", &file()).expect("an application");
        assert_eq!(path, "ghostmetafiles/ghostWebapps/webapps_a&b.xml");
        assert!(text.contains("file=\"a&amp;b.war\"") && text.contains("webappFilter=\"webapp\""), "{text}");
        let directory = Entry::Directory { mode: Mode::new(0o755) };
        let (path, text) = of("jaggeryapps/store.1", &directory).expect("an exploded one");
        assert_eq!(path, "ghostmetafiles/ghostWebapps/jaggeryapps_store.1.xml");
        assert!(text.contains("file=\"store.1\"") && text.contains("jaggeryWebapp"), "{text}");
        for (path, entry) in [
            ("webapps/readme.txt", file()),
            ("webapps/x/y.war", file()),
            ("webapps", directory.clone()),
            ("axis2services/foo", directory),
            ("conf/x.aar", file()),
        ] {
            assert_eq!(of(path, &entry), None, "{path}");
        }
    }

    #[test]
    fn what_a_metafile_is_for_is_read_from_it() {
        let means =
            |text: &str, path: &str| Wso2Stubs.means(text.as_bytes(), &RelPath::try_from(path).expect("a path"));
        for path in ["webapps/a&b.war", "axis2services/foo/Version.aar"] {
            let (_, text) = of(path, &file()).expect("a stub");
            assert!(means(&text, path), "{path}: {text}");
        }
        let original =
            "<?xml version='1.0'?><!-- by the server --><serviceGroup name='g' ServiceArchiveFileName='b/c'/>";
        assert!(means(original, "axis2services/b/c.aar"));
        assert!(!means(original, "axis2services/b_c.aar") && !means(original, "axis2services/a/b/c.aar"));
        for bad in ["", "<other file='x'/>", "<webApplication/>", "\u{0}", "<webApplication file='x"] {
            assert!(!means(bad, "webapps/x"), "{bad:?}");
        }
    }
}
