//! How a command fails: the exit code, the text and the «hint:» lines. Below the commands every error is typed and
//! knows nothing of exit codes; [`report`] prints what reaches `main`.

use std::fmt;
use std::sync::OnceLock;

use tare_words::message;

use crate::output::{color, note};

/// Docker's exit code for failures of its own: bad flags, and containers that could not be made or started.
pub(crate) const OWN_FAILURE: u8 = 125;

/// Docker's exit code of `inspect`, `events` and their like for a template that cannot be read; one that finds nothing
/// ends with 1.
pub(crate) const UNREADABLE_TEMPLATE: u8 = 64;

/// A failure with an exit code; an empty message has been printed already.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    message: String,
    hints: Vec<String>,
    prefixed: bool,
}

impl Failure {
    /// A failure with exit code 1.
    pub(crate) fn new(message: impl Into<String>) -> Failure {
        Failure { code: 1, message: message.into(), hints: Vec::new(), prefixed: true }
    }

    /// Leaves with a code and says nothing: the container's own exit code, or output printed already.
    pub(crate) fn silent(code: u8) -> Failure {
        Failure { code, message: String::new(), hints: Vec::new(), prefixed: false }
    }

    /// A failure whose text stands by itself, without «Error:»: usage errors, in Docker's words.
    pub(crate) fn usage(code: u8, message: impl Into<String>) -> Failure {
        Failure { code, message: message.into(), hints: Vec::new(), prefixed: false }
    }

    /// Sets the exit code.
    pub(crate) fn with_code(mut self, code: u8) -> Failure {
        self.code = code;
        self
    }

    /// Adds a «hint:» line.
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Failure {
        self.hints.push(hint.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// An exit code laid over an error, keeping its text and hints.
#[derive(Debug)]
struct Coded(u8);

impl fmt::Display for Coded {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "exit code {}", self.0)
    }
}

/// A hint laid over an error, which keeps its text and code.
#[derive(Debug)]
struct Hinted(String);

impl fmt::Display for Hinted {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

/// Adds a hint that only the place where an error arrives knows.
pub(crate) fn hinted(error: anyhow::Error, hint: Option<String>) -> anyhow::Error {
    match hint {
        Some(hint) => error.context(Hinted(hint)),
        None => error,
    }
}

/// Makes `run` leave with 125 where the error below names no code of its own; with 127 or 126, as Docker, where what was
/// not there, or not allowed, is a file that it names.
pub(crate) fn as_own_failure(error: anyhow::Error) -> anyhow::Error {
    // Usage errors and what has a code of its own keep it.
    let decided = |failure: &Failure| failure.code != 1 || !failure.prefixed;
    if error.downcast_ref::<Failure>().is_some_and(decided) || crate::hints::code(&error) != 1 {
        return error;
    }
    let system = error.chain().find_map(|cause| cause.downcast_ref::<std::io::Error>());
    let code = match system.map(std::io::Error::kind) {
        Some(std::io::ErrorKind::NotFound) => 127,
        Some(std::io::ErrorKind::PermissionDenied) => 126,
        _ => OWN_FAILURE,
    };
    with_code(error, code)
}

/// Lays another exit code over an error.
pub(crate) fn with_code(error: anyhow::Error, code: u8) -> anyhow::Error {
    error.context(Coded(code))
}

/// Makes a command leave with 1, whatever code the error below names.
pub(crate) fn as_plain_failure(error: anyhow::Error) -> anyhow::Error {
    error.context(Coded(1))
}

/// Whether errors begin as Docker's do.
static AS_DOCKER: OnceLock<()> = OnceLock::new();

/// Makes errors of the engine and of builds begin as Docker's do, since scripts look for these words.
pub(crate) fn begin_as_docker() {
    AS_DOCKER.get_or_init(|| ());
}

/// How an error begins: what a command refuses itself has the short word there, too.
fn first_word(error: &anyhow::Error) -> &'static str {
    if AS_DOCKER.get().is_none() {
        return "Error:";
    }
    let is_of_engine = |cause: &(dyn std::error::Error + 'static)| {
        cause.is::<tare_engine::Error>()
            || cause.is::<tare_image::Error>()
            || cause.is::<tare_runtime::Error>()
    };
    if error.chain().any(|cause| cause.is::<tare_build::Error>()) {
        "ERROR:"
    } else if error.chain().any(is_of_engine) {
        "Error response from daemon:"
    } else {
        "Error:"
    }
}

/// Prints an error with its hints and returns the exit code.
pub(crate) fn report(error: &anyhow::Error) -> u8 {
    let coded = error.downcast_ref::<Coded>().map(|coded| coded.0);
    let failure = error.downcast_ref::<Failure>();
    let message = chain(error);
    if !message.is_empty() {
        if failure.is_none_or(|failure| failure.prefixed) {
            note(&format!("{} {message}", color::error(first_word(error))));
        } else {
            note(&message);
        }
    }
    for hint in hints_of(error) {
        note(&format!("{} {hint}", color::hint("hint:")));
    }
    coded.or(failure.map(|failure| failure.code)).unwrap_or_else(|| crate::hints::code(error))
}

/// What may help: the failure's own hints, then those of the errors below.
pub(crate) fn hints_of(error: &anyhow::Error) -> Vec<String> {
    let mut hints = error.downcast_ref::<Failure>().map(|failure| failure.hints.clone()).unwrap_or_default();
    hints.extend(crate::hints::hints(error));
    hints.extend(error.downcast_ref::<Hinted>().map(|hinted| hinted.0.clone()));
    hints
}

/// The error and its causes in one line; a cause that its error quotes already is not said twice.
pub(crate) fn chain(error: &anyhow::Error) -> String {
    let coded = usize::from(error.downcast_ref::<Coded>().is_some());
    message::join(error.chain().skip(coded))
}

/// Prints a warning of the engine with its hint.
pub(crate) fn warn(message: &str, hint: Option<&str>) {
    note(&format!("{} {}", color::warning("warning:"), message::plain(message)));
    if let Some(hint) = hint {
        note(&format!("{} {hint}", color::hint("hint:")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_joined_once() {
        let inner = std::io::Error::other("disk full");
        let error = anyhow::Error::new(inner).context("cannot write x: disk full");
        assert_eq!(chain(&error), "cannot write x: disk full");
        let error = anyhow::anyhow!("disk full").context("cannot write x");
        assert_eq!(chain(&error), "cannot write x: disk full");
    }

    #[test]
    fn run_fails_with_125_but_keeps_other_codes() {
        let own = as_own_failure(Failure::new("no").into());
        assert_eq!(report(&own), OWN_FAILURE);
        let other = as_own_failure(Failure::silent(127).into());
        assert_eq!(report(&other), 127);
        let missing = std::io::Error::from_raw_os_error(2);
        assert_eq!(report(&as_own_failure(anyhow::Error::new(missing).context("open /x"))), 127);
    }
}
