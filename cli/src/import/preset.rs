//! What is usual for a server: which folders are deployed, what is left out, and what changes as one.

use clap::ValueEnum;

/// A server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Preset {
    /// WSO2 Micro Integrator
    Wso2Mi,
    /// WSO2 API Manager
    Wso2Apim,
    /// WSO2 Identity Server
    Wso2Is,
    /// Apache Tomcat: the directory is its `webapps`
    Tomcat,
}

impl Preset {
    /// The folders that are deployed; none: the whole directory.
    fn folders(self) -> &'static [&'static str] {
        match self {
            Self::Wso2Mi => &["axis2modules", "axis2services", "carbonapps", "dataservices", "synapse-configs"],
            Self::Wso2Apim => &[
                "axis2modules",
                "axis2services",
                "carbonapps",
                "dataservices",
                "executionplans",
                "jaggeryapps",
                "synapse-configs",
                "webapps",
            ],
            Self::Wso2Is => &["axis2modules", "axis2services", "carbonapps", "jaggeryapps", "userstores", "webapps"],
            Self::Tomcat => &[],
        }
    }

    /// Directories of exploded applications.
    fn applications(self) -> &'static [&'static str] {
        match self {
            Self::Wso2Mi => &[],
            Self::Wso2Apim | Self::Wso2Is => &["webapps/*", "jaggeryapps/*"],
            Self::Tomcat => &["*"],
        }
    }

    /// What is left out beside what always is.
    pub(crate) fn ignore(self) -> Vec<String> {
        let mut ignore = vec![".*".to_owned(), "!.depsyncignore".to_owned()];
        if !self.folders().is_empty() {
            ignore.push("/*".to_owned());
            ignore.extend(self.folders().iter().map(|folder| format!("!/{folder}/")));
            ignore.push("!/.depsyncignore".to_owned());
        }
        ignore
    }

    /// Directories that are left out where an archive of the same name lies beside.
    pub(crate) fn exploded(self) -> Vec<String> {
        self.applications().iter().map(|directory| format!("/{directory}")).collect()
    }

    /// Directories that change as one.
    pub(crate) fn units(self) -> &'static [&'static str] {
        self.applications()
    }

    /// The lines that it adds to a configuration: those of no table, and tables.
    pub(crate) fn lines(self) -> (Vec<String>, Vec<String>) {
        let list = |words: Vec<String>| toml::Value::from(words).to_string();
        let mut top = vec![
            "# Of what a server of this kind has there, this is deployed:".to_owned(),
            format!("ignore = {}", list(self.ignore())),
        ];
        let exploded = self.exploded();
        if !exploded.is_empty() {
            top.push("# An exploded application beside its archive is the server's work, and left out.".to_owned());
            top.push(format!("exploded = {}", list(exploded)));
        }
        let mut tables = Vec::new();
        for unit in self.units() {
            tables.push("# An application without an archive is exchanged as a whole.".to_owned());
            tables.push("[[unit]]".to_owned());
            tables.push(format!("directory = {}", toml::Value::from(*unit)));
        }
        (top, tables)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use depsync_engine::path::RelPath;
    use depsync_engine::scan::Ignore;

    #[test]
    fn folders_are_chosen_and_the_rest_is_left_out() {
        let ignore = Ignore::parse(Preset::Wso2Mi.ignore().join("\n").as_bytes()).expect("patterns");
        let hides = |path: &str, directory| ignore.matches(&RelPath::try_from(path).expect("a path"), directory);
        for (path, directory, hidden) in [
            ("carbonapps/a.car", false, false),
            ("synapse-configs/default/api/x.xml", false, false),
            ("carbonapps/.meta/x", false, true),
            ("carbonapps/a.bk", false, true),
            ("registry/x", false, true),
            ("registry", true, true),
            (".depsyncignore", false, false),
        ] {
            assert_eq!(hides(path, directory), hidden, "{path}");
        }
        for preset in Preset::value_variants() {
            let (top, tables) = preset.lines();
            let text = [top, tables].concat().join("\n");
            let parsed: toml::Value = toml::from_str(&text).expect("TOML");
            assert!(parsed.get("ignore").is_some(), "{text}");
        }
    }
}
