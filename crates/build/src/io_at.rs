//! Adds to an I/O error what was tried, and on what.

use std::io;
use std::path::Path;

use crate::Error;

pub(crate) trait At<T> {
    fn at(self, action: &'static str, path: impl AsRef<Path>) -> Result<T, Error>;
}

impl<T, E: Into<io::Error>> At<T> for Result<T, E> {
    fn at(self, action: &'static str, path: impl AsRef<Path>) -> Result<T, Error> {
        self.map_err(|e| Error::Io { action, path: path.as_ref().to_owned(), source: e.into() })
    }
}
