//! What can go wrong, each with its object.

use serde::{Deserialize, Serialize};
use std::io;
use std::path::PathBuf;

use tare_words::ErrorKind;

/// The result of the runtime's operations.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a container could not be made, started, joined, or limited.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A system call of the caller's side failed.
    #[error("{action}")]
    System {
        /// What was being done.
        action: &'static str,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// A file or folder could not be used.
    #[error("{action} {}", path.display())]
    Path {
        /// What was being done.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// The working folder could not be entered.
    #[error("chdir to cwd ({path:?})")]
    WorkingFolder {
        /// In the container.
        path: String,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// A mount in the container failed.
    #[error("mounting {} at {}", source_path.display(), target.display())]
    Mount {
        /// The host path or the file system's type.
        source_path: PathBuf,
        /// Path in the container.
        target: PathBuf,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// A mount of a container with a user namespace could not have its IDs mapped.
    #[error(
        "{}: a user namespace needs idmapped mounts, which Linux has for overlays since 5.19, and not on every file system",
        path.display()
    )]
    Idmap {
        /// The host folder.
        path: PathBuf,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// The program does not exist in the container (exit status 127).
    #[error("exec: {program:?}: {}", where_missing(program))]
    NotFound {
        /// As it was given.
        program: String,
    },
    /// The program exists and cannot be executed (exit status 126).
    #[error("cannot execute {program:?}")]
    PermissionDenied {
        /// The file in the container.
        program: String,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// The program's interpreter line names a program that does not exist (exit status 127).
    #[error("{file} needs the interpreter {interpreter:?}, which does not exist in the container")]
    InterpreterNotFound {
        /// The script or program.
        file: String,
        /// What its first line or ELF header asks for.
        interpreter: String,
    },
    /// The script's first line ends with CR LF, so the kernel looks for an interpreter with a CR in its name (127).
    #[error("{file} has Windows line ends (CR LF): its interpreter reads {interpreter:?}")]
    CrlfInterpreter {
        /// The script.
        file: String,
        /// The interpreter without the CR.
        interpreter: String,
    },
    /// The user is not in the container's `/etc/passwd`.
    #[error("unable to find user {name}: no matching entries in passwd file")]
    UserNotFound {
        /// As it was given.
        name: String,
    },
    /// The group is not in the container's `/etc/group`.
    #[error("unable to find group {name}: no matching entries in group file")]
    GroupNotFound {
        /// As it was given.
        name: String,
    },
    /// The specification says something that has no meaning.
    #[error("{field}: {reason}")]
    Invalid {
        /// Which part.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A control group file could not be read or written.
    #[error("control group {}: {action}", path.display())]
    Cgroup {
        /// What was being done.
        action: &'static str,
        /// The control group file.
        path: PathBuf,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// The container's first process died before it ran the program.
    #[error("the container's first process died during set-up")]
    ChildDied,
    /// The container to join has ended.
    #[error("process {pid} does not run any more")]
    NotRunning {
        /// The container's first process.
        pid: i32,
    },
}

/// Why a program did not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It, or what interprets it, does not exist.
    Missing,
    /// It cannot be executed.
    NotExecutable,
    /// The container could not be set up, or joined.
    SetUp,
}

impl Fault {
    /// Docker's exit status for it, as shells have it: 127 not found, 126 not executable, 125 anything else.
    pub fn exit_status(self) -> u8 {
        match self {
            Fault::Missing => 127,
            Fault::NotExecutable => 126,
            Fault::SetUp => 125,
        }
    }
}

impl Error {
    /// What kind of error it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound { .. }
            | Self::InterpreterNotFound { .. }
            | Self::CrlfInterpreter { .. }
            | Self::PermissionDenied { .. }
            | Self::UserNotFound { .. }
            | Self::GroupNotFound { .. }
            | Self::WorkingFolder { .. }
            | Self::Invalid { .. } => ErrorKind::BadParameter,
            Self::NotRunning { .. } => ErrorKind::Conflict,
            Self::Idmap { .. } => ErrorKind::NotImplemented,
            Self::Mount { source, .. } => match ErrorKind::of_io(source) {
                // A folder on a file, or the other way round.
                ErrorKind::NotFound => ErrorKind::BadParameter,
                _ => ErrorKind::System,
            },
            Self::System { .. } | Self::Path { .. } | Self::Cgroup { .. } | Self::ChildDied => {
                ErrorKind::System
            }
        }
    }

    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Error::NotFound { .. } | Error::InterpreterNotFound { .. } | Error::CrlfInterpreter { .. } => {
                Fault::Missing
            }
            Error::PermissionDenied { .. } => Fault::NotExecutable,
            _ => Fault::SetUp,
        }
    }

    /// The exit status that Docker gives this error.
    pub fn exit_status(&self) -> u8 {
        self.fault().exit_status()
    }

    pub(crate) fn system(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Error::System { action, source }
    }

    pub(crate) fn path(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Error::Path { action, path, source }
    }
}

/// Docker's words, which scripts look for: a name was looked up, a path was not.
fn where_missing(program: &str) -> String {
    if program.contains('/') {
        format!("stat {program}: no such file or directory")
    } else {
        "executable file not found in $PATH".into()
    }
}

/// An [`Error`] in the form in which it crosses from the child: system errors as numbers.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Wire {
    System(String, i32),
    Path(String, PathBuf, i32),
    WorkingFolder(String, i32),
    Mount(PathBuf, PathBuf, i32),
    Idmap(PathBuf, i32),
    NotFound(String),
    PermissionDenied(String, i32),
    InterpreterNotFound(String, String),
    CrlfInterpreter(String, String),
    UserNotFound(String),
    GroupNotFound(String),
    Invalid(String, String),
    Cgroup(String, PathBuf, i32),
    ChildDied,
    NotRunning(i32),
}

impl From<&Error> for Wire {
    fn from(error: &Error) -> Self {
        let code = |e: &io::Error| e.raw_os_error().unwrap_or(libc::EIO);
        match error {
            Error::System { action, source } => Wire::System((*action).into(), code(source)),
            Error::Path { action, path, source } => Wire::Path((*action).into(), path.clone(), code(source)),
            Error::WorkingFolder { path, source } => Wire::WorkingFolder(path.clone(), code(source)),
            Error::Mount { source_path, target, source } => {
                Wire::Mount(source_path.clone(), target.clone(), code(source))
            }
            Error::Idmap { path, source } => Wire::Idmap(path.clone(), code(source)),
            Error::NotFound { program } => Wire::NotFound(program.clone()),
            Error::PermissionDenied { program, source } => {
                Wire::PermissionDenied(program.clone(), code(source))
            }
            Error::InterpreterNotFound { file, interpreter } => {
                Wire::InterpreterNotFound(file.clone(), interpreter.clone())
            }
            Error::CrlfInterpreter { file, interpreter } => {
                Wire::CrlfInterpreter(file.clone(), interpreter.clone())
            }
            Error::UserNotFound { name } => Wire::UserNotFound(name.clone()),
            Error::GroupNotFound { name } => Wire::GroupNotFound(name.clone()),
            Error::Invalid { field, reason } => Wire::Invalid((*field).into(), reason.clone()),
            Error::Cgroup { action, path, source } => {
                Wire::Cgroup((*action).into(), path.clone(), code(source))
            }
            Error::ChildDied => Wire::ChildDied,
            Error::NotRunning { pid } => Wire::NotRunning(*pid),
        }
    }
}

impl From<Wire> for Error {
    fn from(wire: Wire) -> Self {
        let os = io::Error::from_raw_os_error;
        // The texts are static on the sending side; a handful of bytes per failed start may stay allocated here.
        let text = |s: String| -> &'static str { Box::leak(s.into_boxed_str()) };
        match wire {
            Wire::System(action, code) => Error::System { action: text(action), source: os(code) },
            Wire::Path(action, path, code) => Error::Path { action: text(action), path, source: os(code) },
            Wire::WorkingFolder(path, code) => Error::WorkingFolder { path, source: os(code) },
            Wire::Mount(source_path, target, code) => Error::Mount { source_path, target, source: os(code) },
            Wire::Idmap(path, code) => Error::Idmap { path, source: os(code) },
            Wire::NotFound(program) => Error::NotFound { program },
            Wire::PermissionDenied(program, code) => Error::PermissionDenied { program, source: os(code) },
            Wire::InterpreterNotFound(file, interpreter) => Error::InterpreterNotFound { file, interpreter },
            Wire::CrlfInterpreter(file, interpreter) => Error::CrlfInterpreter { file, interpreter },
            Wire::UserNotFound(name) => Error::UserNotFound { name },
            Wire::GroupNotFound(name) => Error::GroupNotFound { name },
            Wire::Invalid(field, reason) => Error::Invalid { field: text(field), reason },
            Wire::Cgroup(action, path, code) => {
                Error::Cgroup { action: text(action), path, source: os(code) }
            }
            Wire::ChildDied => Error::ChildDied,
            Wire::NotRunning(pid) => Error::NotRunning { pid },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_told_in_dockers_words() {
        let text = |program: &str| Error::NotFound { program: program.into() }.to_string();
        assert_eq!(text("nope"), r#"exec: "nope": executable file not found in $PATH"#);
        assert_eq!(text("/bin/nope"), r#"exec: "/bin/nope": stat /bin/nope: no such file or directory"#);
    }
}
