//! Variables: which `ARG`s and `ENV`s an instruction sees, and with which values.

use indexmap::IndexMap;
use tare_dockerfile::{Dockerfile, ExpandError, Expander};
use tare_oci::{Platform, RunConfig};

/// Proxies may be given as build arguments without an `ARG`. They are neither in the cache key nor in the history.
const PROXIES: [&str; 10] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "FTP_PROXY",
    "ftp_proxy",
    "NO_PROXY",
    "no_proxy",
    "ALL_PROXY",
    "all_proxy",
];

/// Whether an argument is one of the predefined proxies.
pub(crate) fn is_proxy(name: &str) -> bool {
    PROXIES.contains(&name)
}

/// What is known before the first `FROM`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Globals {
    /// `ARG`s before the first `FROM`, with the build's arguments applied.
    declared: IndexMap<String, String>,
    /// `TARGETPLATFORM` and its like.
    platform: IndexMap<String, String>,
    /// What the build was given.
    given: IndexMap<String, String>,
}

impl Globals {
    /// The arguments that a build was given, over those that its file declares.
    ///
    /// # Errors
    /// A default that cannot be expanded, and its line.
    pub(crate) fn new(
        file: &Dockerfile,
        given: &IndexMap<String, Option<String>>,
        platforms: (&Platform, &Platform),
        target_stage: &str,
    ) -> Result<Self, (u32, ExpandError)> {
        let given = given.iter().filter_map(|(name, value)| Some((name.clone(), value.clone()?))).collect();
        let mut globals = Self { given, platform: IndexMap::new(), declared: IndexMap::new() };
        for (prefix, platform) in [("BUILD", platforms.0), ("TARGET", platforms.1)] {
            let mut set =
                |name: &str, value: String| globals.platform.insert(format!("{prefix}{name}"), value);
            set("PLATFORM", platform.to_string());
            set("OS", platform.os.clone());
            set("ARCH", platform.architecture.clone());
            set("VARIANT", platform.variant.clone().unwrap_or_default());
        }
        globals.platform.insert("TARGETSTAGE".to_owned(), target_stage.to_owned());
        for arg in &file.globals {
            let value = match (globals.given.get(&arg.name), &arg.default) {
                (Some(given), _) => Some(given.clone()),
                (None, Some(default)) => {
                    let escape = file.directives.escape;
                    Some(globals.expand(default, escape).map_err(|source| (arg.line, source))?)
                }
                (None, None) => globals.platform.get(&arg.name).cloned(),
            };
            if let Some(value) = value {
                globals.declared.insert(arg.name.clone(), value);
            }
        }
        Ok(globals)
    }

    /// Expands a text of a `FROM` line.
    pub(crate) fn expand(&self, text: &str, escape: char) -> Result<String, ExpandError> {
        let lookup = |name: &str| self.declared.get(name).or_else(|| self.platform.get(name)).cloned();
        Expander::new(&lookup, escape).word(text)
    }

    /// The value of a stage's `ARG name[=default]`. The default is worked out only where it counts.
    ///
    /// # Errors
    /// Those of the default.
    pub(crate) fn stage_arg<E>(
        &self,
        name: &str,
        default: Option<impl FnOnce() -> Result<String, E>>,
    ) -> Result<Option<String>, E> {
        if let Some(given) = self.given.get(name) {
            return Ok(Some(given.clone()));
        }
        match default {
            Some(default) => default().map(Some),
            None => Ok(self.declared.get(name).or_else(|| self.platform.get(name)).cloned()),
        }
    }

    /// The proxies that the build was given.
    pub(crate) fn proxies(&self) -> impl Iterator<Item = (&str, &str)> {
        self.given
            .iter()
            .filter(|(name, _)| is_proxy(name))
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The names that the build was given.
    pub(crate) fn given(&self) -> impl Iterator<Item = &str> {
        self.given.keys().map(String::as_str)
    }
}

/// The variables at one place in a stage: of `ENV` and `ARG` what came last.
#[derive(Debug, Clone, Default)]
pub(crate) struct Variables {
    values: IndexMap<String, String>,
    /// `ARG`s, each with what it set.
    args: IndexMap<String, Option<String>>,
}

impl Variables {
    /// A stage begins: the environment of its base counts, and `ARG`s that are already in force stay.
    pub(crate) fn begin(&mut self, run: &RunConfig) {
        for line in &run.env {
            let (name, value) = line.split_once('=').unwrap_or((line, ""));
            self.set(name, value);
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<String> {
        self.values.get(name).cloned()
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.values.insert(name.to_owned(), value.to_owned());
    }

    /// `ARG`, with the value that it has here.
    pub(crate) fn declare(&mut self, name: &str, value: Option<String>) {
        if let Some(value) = &value {
            self.set(name, value);
        }
        self.args.insert(name.to_owned(), value);
    }

    /// Whether an `ARG` has the name; such a variable is known, value or not.
    pub(crate) fn is_declared(&self, name: &str) -> bool {
        self.args.contains_key(name)
    }

    /// The names of all.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.values.keys().map(String::as_str).collect()
    }

    /// `NAME=value` of all.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.values.iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    /// `NAME=value` of the `ARG`s in force, as a program sees them.
    pub(crate) fn arg_lines(&self) -> Vec<String> {
        let value =
            |name: &str, own: &Option<String>| self.get(name).or_else(|| own.clone()).unwrap_or_default();
        self.args.iter().map(|(name, own)| format!("{name}={}", value(name, own))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_last_counts() {
        let mut variables = Variables::default();
        variables.set("V", "env");
        variables.declare("V", Some("arg".into()));
        variables.declare("N", None);
        assert_eq!(variables.get("V").as_deref(), Some("arg"));
        variables.set("V", "later");
        assert_eq!(variables.arg_lines(), ["V=later", "N="]);
        assert_eq!(variables.lines(), ["V=later"]);
    }

    #[test]
    fn arguments_and_where_their_values_come_from() {
        let file = tare_dockerfile::parse("ARG A=1\nARG B=${A}2\nARG C\nARG D\nFROM x").unwrap();
        let given = IndexMap::from([
            ("A".to_owned(), Some("9".to_owned())),
            ("C".to_owned(), None),
            ("http_proxy".to_owned(), Some("p".to_owned())),
        ]);
        let host = Platform::new("linux", "amd64");
        let globals = Globals::new(&file, &given, (&host, &host), "default").unwrap();
        assert_eq!(globals.expand("$A-$B-$C-$TARGETARCH", '\\').unwrap(), "9-92--amd64");
        let arg = |name: &str, default: Option<&str>| {
            let default = default.map(|text| move || text.parse::<String>());
            globals.stage_arg(name, default).unwrap()
        };
        assert_eq!(arg("B", None).as_deref(), Some("92"));
        assert_eq!(arg("B", Some("own")).as_deref(), Some("own"));
        assert_eq!(arg("A", Some("own")).as_deref(), Some("9"));
        assert_eq!(arg("D", None), None);
        assert_eq!(arg("TARGETPLATFORM", None).as_deref(), Some("linux/amd64"));
        assert_eq!(globals.proxies().collect::<Vec<_>>(), [("http_proxy", "p")]);
    }
}
