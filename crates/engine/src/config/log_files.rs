//! Where a container's log goes, and its bounds: `--log-driver`, `--log-opt max-size` and `max-file`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::defaults::{LOG_MAX_FILES, LOG_MAX_SIZE};
use super::size;

/// The log drivers that Docker has and tare has not.
const OTHER_DRIVERS: [&str; 9] =
    ["awslogs", "etwlogs", "fluentd", "gcplogs", "gelf", "journald", "logentries", "splunk", "syslog"];
/// What can be done about one of those.
pub const DRIVERS_HINT: &str = "use json-file, local or none";

/// `--log-driver`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum LogDriver {
    /// Lines of JSON.
    #[default]
    JsonFile,
    /// The same.
    Local,
    /// No log.
    None,
}

impl LogDriver {
    /// Reads its name; the default's may be empty.
    ///
    /// # Errors
    /// That there is none of this name; [`DRIVERS_HINT`] says what there is.
    pub fn read(name: &str) -> Result<Self, String> {
        match name {
            "" | "json-file" => Ok(Self::JsonFile),
            "local" => Ok(Self::Local),
            "none" => Ok(Self::None),
            other if Self::is_elsewhere(other) => {
                Err(format!("log driver {other:?} is one of Docker's that tare does not have"))
            }
            other => Err(format!("error looking up logging plugin {other}: plugin {other:?} not found")),
        }
    }

    /// Whether Docker has a driver of this name, and tare has not.
    #[must_use]
    pub fn is_elsewhere(name: &str) -> bool {
        OTHER_DRIVERS.contains(&name)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::JsonFile => "json-file",
            Self::Local => "local",
            Self::None => "none",
        }
    }

    /// The options that it takes.
    pub(crate) fn options(self) -> &'static [&'static str] {
        match self {
            Self::JsonFile => &[
                "max-size",
                "max-file",
                "compress",
                "labels",
                "labels-regex",
                "env",
                "env-regex",
                "tag",
                "mode",
                "max-buffer-size",
            ],
            Self::Local => &["max-size", "max-file", "compress", "mode", "max-buffer-size"],
            Self::None => &[],
        }
    }
}

impl From<LogDriver> for String {
    fn from(driver: LogDriver) -> Self {
        driver.name().to_owned()
    }
}

impl TryFrom<String> for LogDriver {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        Self::read(&name)
    }
}

/// How large the files of a log get, and how many are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogFiles {
    /// Bytes of one file.
    pub max_size: u64,
    /// Files, the one that is written to included.
    pub max_files: u32,
}

impl Default for LogFiles {
    fn default() -> Self {
        Self { max_size: LOG_MAX_SIZE, max_files: LOG_MAX_FILES }
    }
}

impl LogFiles {
    /// Reads a log's options; others than these two are passed over.
    ///
    /// # Errors
    /// Which option has a value that it cannot have, and what it wants.
    pub fn parse(options: &BTreeMap<String, String>) -> Result<Self, String> {
        let wrong = |key, wanted| move |text: &String| format!("log opt {key}: {text:?} is not {wanted}");
        let mut files = Self::default();
        if let Some(text) = options.get("max-size") {
            files.max_size = size::parse(text)
                .filter(|size| *size > 0)
                .ok_or_else(|| wrong("max-size", "a size above zero, such as 10m")(text))?;
        }
        if let Some(text) = options.get("max-file") {
            files.max_files = text
                .parse()
                .ok()
                .filter(|count| *count > 0)
                .ok_or_else(|| wrong("max-file", "a number of at least 1")(text))?;
        }
        Ok(files)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(key: &str, text: &str) -> Result<LogFiles, String> {
        LogFiles::parse(&BTreeMap::from([(key.to_owned(), text.to_owned())]))
    }

    #[test]
    fn drivers_are_known() {
        assert_eq!(LogDriver::read(""), Ok(LogDriver::JsonFile));
        assert!(LogDriver::read("nosuch").unwrap_err().contains(r#"plugin "nosuch" not found"#));
        assert!(LogDriver::read("syslog").unwrap_err().contains("does not have"));
    }

    #[test]
    fn bounds_of_logs_are_read() {
        assert_eq!(LogFiles::parse(&BTreeMap::new()), Ok(LogFiles { max_size: 10 << 20, max_files: 3 }));
        assert_eq!(read("max-size", "0.5m").unwrap().max_size, 1 << 19);
        assert_eq!(read("max-file", "7").unwrap().max_files, 7);
        assert_eq!(read("tag", "x"), Ok(LogFiles::default()));
    }

    #[test]
    fn wrong_bounds_are_named() {
        for (key, text) in [("max-size", "lots"), ("max-size", "0"), ("max-size", "-1"), ("max-file", "0")] {
            let said = read(key, text).unwrap_err();
            assert!(said.contains(key) && said.contains(text), "{said}");
        }
    }
}
