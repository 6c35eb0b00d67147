//! The bounds of a container's log: `--log-opt max-size` and `max-file`.

use std::collections::BTreeMap;

use super::size;

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
        Self { max_size: 10 << 20, max_files: 3 }
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
