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

    fn archive(&self, content: &[u8]) -> Option<Vec<u8>> {
        let mut reader = Reader::from_str(std::str::from_utf8(content).ok()?);
        loop {
            match reader.read_event().ok()? {
                Event::Start(start) | Event::Empty(start) => {
                    let key = match start.local_name().as_ref() {
                        "serviceGroup" => "ServiceArchiveFileName",
                        "webApplication" => "file",
                        _ => return None,
                    };
                    let attribute = start.attributes().flatten().find(|attribute| attribute.key.as_ref() == key)?;
                    let value = attribute.normalized_value(quick_xml::XmlVersion::Implicit1_0).ok()?;
                    // The archive of a service is named without its extension.
                    let dot = if key == "file" { "" } else { "." };
                    return Some(format!("{value}{dot}").into_bytes());
                }
                Event::Eof => return None,
                _ => {}
            }
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
        assert!(text.starts_with("<serviceGroup name=\"foo/Version\" ServiceArchiveFileName=\"foo/Version\">"), "{text}");
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
        let archive = |text: &str| Wso2Stubs.archive(text.as_bytes()).map(|name| String::from_utf8(name).expect("text"));
        for path in ["webapps/a&b.war", "axis2services/foo/Version.aar"] {
            let (_, text) = of(path, &file()).expect("a stub");
            assert!(path.contains(&archive(&text).expect("it says so")), "{path}: {text}");
        }
        let original = "<?xml version='1.0'?><!-- by the server --><serviceGroup name='g' ServiceArchiveFileName='b_c'/>";
        assert_eq!(archive(original).as_deref(), Some("b_c."));
        for bad in ["", "<other file='x'/>", "<webApplication/>", "\u{0}", "<webApplication file='x"] {
            assert_eq!(archive(bad), None, "{bad:?}");
        }
    }
}
