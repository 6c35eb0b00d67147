//! A value together with the words it was written in.

use std::fmt;
use std::ops::Deref;

use serde::{Deserialize, Serialize};

/// What can be read from the words of a flag.
pub trait Reads: Sized {
    /// What the words mean.
    ///
    /// # Errors
    /// What is wrong with them.
    fn read(text: &str) -> Result<Self, String>;
}

/// The words are stored, and shown by `inspect`; the value is what counts.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String", bound(serialize = "T: Clone", deserialize = "T: Reads"))]
pub struct Written<T> {
    text: String,
    value: T,
}

impl<T: Reads> Written<T> {
    /// Reads them.
    ///
    /// # Errors
    /// Those of [`Reads::read`].
    pub fn read(text: impl Into<String>) -> Result<Self, String> {
        let text = text.into();
        Ok(Self { value: T::read(&text)?, text })
    }
}

impl<T> Written<T> {
    /// The words.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl<T> Deref for Written<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> fmt::Display for Written<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

impl<T> fmt::Debug for Written<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, out)
    }
}

impl<T> From<Written<T>> for String {
    fn from(written: Written<T>) -> Self {
        written.text
    }
}

impl<T: Reads> TryFrom<String> for Written<T> {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::read(text)
    }
}

impl<T: Reads + Default> Default for Written<T> {
    fn default() -> Self {
        Self { text: String::new(), value: T::default() }
    }
}
