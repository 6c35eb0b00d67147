//! Go's templates with Docker's functions: `--format`.
//!
//! [`lex`] and [`parse`] make a tree of a template, [`run`] executes it on [`Data`], which [`serialize`] makes of Docker's
//! wire types. What prints differently in Go than in JSON (structs, nothing of some type) is kept all the way.

mod compare;
mod data;
mod functions;
mod lex;
mod parse;
mod print;
mod printf;
mod run;
mod serialize;

pub use data::{Data, Field, Letters, Lookup, Nil, Struct};
pub use print::{json, pretty_json};
pub use serialize::{data, record};

use functions::Functions;
use tare_words::ErrorKind;

/// What is wrong with a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// It cannot be read.
    #[error("template parsing error: template: :{line}: {message}")]
    Parse {
        /// In which line, from 1.
        line: usize,
        /// What is wrong there.
        message: String,
    },
    /// It does not fit what it is executed on.
    #[error("template parsing error: {0}")]
    Execute(String),
}

impl TemplateError {
    /// A template is always the caller's.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::BadParameter
    }

    fn parse(line: usize, message: impl Into<String>) -> TemplateError {
        TemplateError::Parse { line, message: message.into() }
    }

    fn execute(message: impl Into<String>) -> TemplateError {
        TemplateError::Execute(message.into())
    }
}

/// What a key is that a map does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// `<no value>`
    NoValue,
    /// An error.
    Error,
}

/// A parsed `--format`.
#[derive(Debug, Clone)]
pub struct Format(parse::Tree);

impl Format {
    /// Parses a template.
    ///
    /// # Errors
    /// [`TemplateError`].
    pub fn parse(source: &str) -> Result<Format, TemplateError> {
        parse::parse(source).map(Format)
    }

    /// Renders one object.
    ///
    /// # Errors
    /// [`TemplateError`].
    pub fn render(&self, data: &Data, missing: Missing) -> Result<String, TemplateError> {
        run::run(&self.0, data, missing, Functions::Usual)
    }

    /// Renders the header of a table's columns.
    ///
    /// # Errors
    /// [`TemplateError`].
    pub fn header(&self, data: &Data) -> Result<String, TemplateError> {
        run::run(&self.0, data, Missing::NoValue, Functions::Header)
    }

    /// Renders one object as `inspect` does: by the names of Docker's types, else by those of its JSON.
    ///
    /// # Errors
    /// [`TemplateError`].
    pub fn render_typed_or_raw(&self, data: &Data) -> Result<String, TemplateError> {
        self.render(data, Missing::NoValue).or_else(|_| self.render(&data.raw(), Missing::Error))
    }
}

#[cfg(test)]
mod tests;
