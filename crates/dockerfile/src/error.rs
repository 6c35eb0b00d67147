//! Why a text is no Dockerfile.

use tare_words::ErrorKind;
use thiserror::Error;

/// A mistake, with the line and the instruction that it is in. The caller knows the file's name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line}: {instruction}: {kind}")]
pub struct ParseError {
    /// Line, from 1.
    pub line: u32,
    /// The instruction as it was typed.
    pub instruction: String,
    /// What is wrong.
    #[source]
    pub kind: ParseErrorKind,
}

impl ParseError {
    /// What kind of error it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::BadParameter
    }

    pub(crate) fn new(line: u32, instruction: &str, kind: ParseErrorKind) -> Self {
        Self { line, instruction: instruction.to_owned(), kind }
    }

    /// What the reader can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match &self.kind {
            ParseErrorKind::UnknownInstruction { near } => near.map(|near| format!("did you mean {near}?")),
            ParseErrorKind::UnknownFlag { near, .. } => {
                near.as_ref().map(|near| format!("did you mean {near}?"))
            }
            ParseErrorKind::NoFromYet | ParseErrorKind::NoStage => {
                Some("a Dockerfile starts with FROM <image>; only ARG may stand before it".into())
            }
            ParseErrorKind::NotJson => Some("write [\"one\", \"two\"], with double quotes".into()),
            ParseErrorKind::UnterminatedHeredoc(name) => {
                Some(format!("add a line that is {name} and nothing else, not even blanks"))
            }
            ParseErrorKind::PairWithoutEquals(word) => {
                Some(format!("write {word}=value, and quote values that have blanks in them"))
            }
            _ => None,
        }
    }
}

/// What can be wrong with an instruction.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ParseErrorKind {
    /// Not one of the instructions.
    #[error("unknown instruction")]
    UnknownInstruction {
        /// The instruction that was likely meant.
        near: Option<&'static str>,
    },
    /// Nothing after the instruction's name.
    #[error("needs arguments")]
    NoArguments,
    /// More than the one instruction that there may be.
    #[error("a second instruction, where one is wanted")]
    SecondInstruction,
    /// A wrong number of arguments.
    #[error("takes {expected}")]
    ArgumentCount {
        /// What it takes, in words.
        expected: &'static str,
    },
    /// A flag that the instruction does not have.
    #[error("unknown flag --{flag}")]
    UnknownFlag {
        /// The flag, without dashes.
        flag: String,
        /// The flag that was likely meant.
        near: Option<String>,
    },
    /// A flag twice.
    #[error("flag --{0} is given twice")]
    RepeatedFlag(String),
    /// A flag without its value, or with one that it does not take.
    #[error("flag --{flag}: {reason}")]
    FlagValue {
        /// The flag, without dashes.
        flag: String,
        /// Why.
        reason: String,
    },
    /// `ENV a=1 b`
    #[error("{0:?} is no key=value pair")]
    PairWithoutEquals(String),
    /// An empty name in `ENV`, `LABEL` or `ARG`.
    #[error("the name before = is empty")]
    EmptyName,
    /// `SHELL` in shell form.
    #[error("needs a JSON array")]
    NotJson,
    /// A heredoc that the file ends in.
    #[error("heredoc {0} has no end")]
    UnterminatedHeredoc(String),
    /// A JSON array with something in it that is no string.
    #[error("only strings may be in the array")]
    NotStrings,
    /// A heredoc as destination.
    #[error("a heredoc cannot be the destination")]
    HeredocTarget,
    /// `ONBUILD ONBUILD`, `ONBUILD FROM` and such.
    #[error("{0} is not allowed in ONBUILD")]
    NotATrigger(&'static str),
    /// An instruction before the first `FROM`.
    #[error("stands before the first FROM")]
    NoFromYet,
    /// A file without any `FROM`.
    #[error("the file has no instruction FROM")]
    NoStage,
    /// A stage's name that is none.
    #[error("{0:?} is no name for a stage: use lower-case letters, digits, - _ and ., a letter first")]
    StageName(String),
    /// A value in `escape=`.
    #[error("the escape character must be \\ or `, not {0:?}")]
    Escape(String),
    /// A directive twice.
    #[error("directive {0} is given twice")]
    RepeatedDirective(String),
    /// A health check's type.
    #[error("unknown type {0:?}: use CMD or NONE")]
    HealthcheckType(String),
}
