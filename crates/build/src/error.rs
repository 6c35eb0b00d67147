//! Why a build failed.

mod locate;

use std::io;
use std::path::PathBuf;

use tare_dockerfile::{ExpandError, ParseError};
use tare_words::message::Quoted;
use tare_words::{ErrorKind, near};
use thiserror::Error;

pub use locate::LocateError;

/// Why a build failed. Lines are those of the Dockerfile.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The Dockerfile is none.
    #[error("{name}: {}", Quoted(source))]
    Parse {
        /// The Dockerfile.
        name: String,
        /// The mistake.
        #[source]
        source: ParseError,
    },
    /// An `ONBUILD` trigger of a base image is no instruction.
    #[error("line {line}: ONBUILD trigger {trigger:?}")]
    Trigger {
        /// Line of the `FROM`.
        line: u32,
        /// The trigger.
        trigger: String,
        /// The mistake.
        #[source]
        source: Box<ParseError>,
    },
    /// No stage has this name.
    #[error("target stage {target:?} is not in the Dockerfile")]
    NoSuchTarget {
        /// What was asked for.
        target: String,
        /// The stages that there are.
        stages: Vec<String>,
    },
    /// A variable cannot be expanded.
    #[error("line {line}: {instruction}")]
    Expand {
        /// Line.
        line: u32,
        /// The instruction.
        instruction: &'static str,
        /// Why.
        #[source]
        source: ExpandError,
    },
    /// The network of `RUN` steps could not be made.
    #[error("line {line}: RUN: cannot make a network for the step")]
    Network {
        /// Line.
        line: u32,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An instruction's arguments make no sense.
    #[error("line {line}: {instruction}: {reason}")]
    Invalid {
        /// Line.
        line: u32,
        /// The instruction.
        instruction: &'static str,
        /// Why.
        reason: String,
    },
    /// `SOURCE_DATE_EPOCH` is no time.
    #[error("invalid SOURCE_DATE_EPOCH")]
    Epoch(#[source] jiff::Error),
    /// A line of an ignore file is no pattern.
    #[error("{}:{}: {:?} is no pattern", path.display(), fault.line, fault.text)]
    IgnorePattern {
        /// The file.
        path: PathBuf,
        /// The line.
        fault: tare_dockerfile::ignore::Fault,
    },
    /// A source of `COPY` or `ADD` is not there.
    #[error("line {line}: {path:?} is not in {place}")]
    SourceNotFound {
        /// Line.
        line: u32,
        /// The source.
        path: String,
        /// The context folder, stage or image.
        place: String,
        /// The rule that keeps it out.
        excluded: Option<Box<Excluded>>,
        /// Names there that are alike.
        near: Vec<String>,
    },
    /// A `RUN` step's program failed.
    #[error("line {line}: the command {command:?} returned a non-zero code: {code}")]
    RunFailed {
        /// Line.
        line: u32,
        /// What ran.
        command: String,
        /// Its exit status; 128 and the signal's number if a signal ended it.
        code: i32,
        /// The end of its output.
        tail: String,
    },
    /// A `RUN` step's container could not be made.
    #[error("{}{instruction}", place(*line))]
    Runtime {
        /// Line.
        line: u32,
        /// The instruction.
        instruction: &'static str,
        /// Why.
        #[source]
        source: tare_runtime::Error,
    },
    /// The image store failed, or a pull did.
    #[error(transparent)]
    Image(Box<StoreFailure>),
    /// The name in `FROM` or `from=` is that of no stage, and no image can be had by it.
    #[error("line {line}: there is no stage {name:?}, nor an image of that name")]
    NoSuchSource {
        /// Line.
        line: u32,
        /// What the Dockerfile says.
        name: String,
        /// The stage that was likely meant.
        near: Option<NearStage>,
        /// Why there is no image.
        #[source]
        source: Box<Error>,
    },
    /// Something went wrong at an instruction.
    #[error("line {line}")]
    At {
        /// Line.
        line: u32,
        /// What.
        #[source]
        source: Box<Error>,
    },
    /// A base image is not here and may not be pulled.
    #[error("line {line}: image {image} is not in the store, and the build may not pull")]
    NotPulled {
        /// Line.
        line: u32,
        /// The image.
        image: String,
    },
    /// A user or group is not in the image.
    #[error("line {line}: {kind} {name:?} is not in the image's {file}")]
    UnknownUser {
        /// Line.
        line: u32,
        /// `user` or `group`.
        kind: &'static str,
        /// The name.
        name: String,
        /// Where it was looked for.
        file: &'static str,
    },
    /// A secret that a step requires was not given.
    #[error("line {line}: the build was not given the secret {id:?}")]
    SecretMissing {
        /// Line.
        line: u32,
        /// The secret.
        id: String,
    },
    /// An SSH agent that a step requires was not given.
    #[error("line {line}: the build was not given the SSH agent {id:?}")]
    AgentMissing {
        /// Line.
        line: u32,
        /// The agent.
        id: String,
    },
    /// The Dockerfile asks by `# check=error=true` that warnings are errors.
    #[error("{count} warnings, and the Dockerfile has check=error=true")]
    Warned {
        /// How many.
        count: usize,
    },
    /// `ADD` could not fetch a file.
    #[error("{}cannot fetch {url}: {reason}", place(*line))]
    Fetch {
        /// Line; 0 for the build's context.
        line: u32,
        /// The file.
        url: String,
        /// Why.
        reason: String,
    },
    /// A repository could not be fetched.
    #[error("{}cannot fetch {url}: {reason}", place(*line))]
    Git {
        /// Line; 0 for the build's context.
        line: u32,
        /// The repository.
        url: String,
        /// What git says.
        reason: String,
    },
    /// What `ADD` fetched has another checksum.
    #[error("line {line}: {url} has the checksum {found}, not {expected}")]
    Checksum {
        /// Line.
        line: u32,
        /// The file.
        url: String,
        /// What the Dockerfile says.
        expected: String,
        /// What it is.
        found: String,
    },
    /// An archive is damaged or hostile.
    #[error("{}archive {archive}: {entry:?}", place(*line))]
    Archive {
        /// Line; 0 for the build's context.
        line: u32,
        /// The archive.
        archive: String,
        /// Its entry.
        entry: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file or folder could not be used.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// The build cache failed.
    #[error("build cache {}: {action}", path.display())]
    Cache {
        /// What was being done.
        action: &'static str,
        /// build.db
        path: PathBuf,
        /// SQLite's error.
        #[source]
        source: rusqlite::Error,
    },
    /// The build cache is a newer tare's.
    #[error("{} has format {found}; this tare knows formats up to {known}: use a newer tare", path.display())]
    NewerCache {
        /// build.db
        path: PathBuf,
        /// Its format.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// A config could not be written as JSON.
    #[error("the image's config")]
    Config(#[source] serde_json::Error),
    /// There is no context or no Dockerfile.
    #[error(transparent)]
    Locate(#[from] LocateError),
    /// The caller ended the build.
    #[error("build cancelled")]
    Cancelled,
}

/// What was being done with the image store, and why it failed.
#[derive(Debug, Error)]
#[error("{action}")]
pub struct StoreFailure {
    action: String,
    source: tare_image::Error,
}

/// A stage whose name is like one that is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NearStage {
    /// Its name.
    Alike(String),
    /// It has that very name but stands further down.
    Later {
        /// Line of its `FROM`.
        line: u32,
    },
}

/// A line of an ignore file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excluded {
    /// The file's name.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// The pattern there.
    pub pattern: String,
}

/// How a message begins.
fn place(line: u32) -> String {
    if line == 0 { String::new() } else { format!("line {line}: ") }
}

impl Error {
    /// What kind of error it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::At { source, .. } => source.kind(),
            Self::Image(failure) => failure.source.kind(),
            Self::Locate(source) => source.kind(),
            Self::NoSuchTarget { .. } | Self::SourceNotFound { .. } | Self::NoSuchSource { .. } => {
                ErrorKind::NotFound
            }
            Self::Parse { .. }
            | Self::Trigger { .. }
            | Self::Expand { .. }
            | Self::Invalid { .. }
            | Self::RunFailed { .. }
            | Self::UnknownUser { .. }
            | Self::SecretMissing { .. }
            | Self::AgentMissing { .. }
            | Self::Warned { .. }
            | Self::IgnorePattern { .. }
            | Self::Epoch(_)
            | Self::Checksum { .. }
            | Self::Archive { .. } => ErrorKind::BadParameter,
            Self::Runtime { source, .. } => source.kind(),
            Self::NotPulled { .. } | Self::Fetch { .. } | Self::Git { .. } => ErrorKind::Unavailable,
            Self::Io { source, .. } => ErrorKind::of_io(source),
            Self::NewerCache { .. } => ErrorKind::NotImplemented,
            Self::Network { .. } | Self::Cache { .. } | Self::Config(_) => ErrorKind::System,
            Self::Cancelled => ErrorKind::Cancelled,
        }
    }

    /// The line of the Dockerfile that it is about.
    #[must_use]
    pub fn line(&self) -> Option<u32> {
        match self {
            Self::Parse { source, .. } => Some(source.line),
            Self::Trigger { line, .. }
            | Self::Expand { line, .. }
            | Self::Network { line, .. }
            | Self::Invalid { line, .. }
            | Self::SourceNotFound { line, .. }
            | Self::RunFailed { line, .. }
            | Self::Runtime { line, .. }
            | Self::NoSuchSource { line, .. }
            | Self::At { line, .. }
            | Self::NotPulled { line, .. }
            | Self::UnknownUser { line, .. }
            | Self::SecretMissing { line, .. }
            | Self::AgentMissing { line, .. }
            | Self::Fetch { line, .. }
            | Self::Git { line, .. }
            | Self::Checksum { line, .. }
            | Self::Archive { line, .. } => Some(*line).filter(|line| *line > 0),
            Self::NoSuchTarget { .. }
            | Self::Image(_)
            | Self::Io { .. }
            | Self::Cache { .. }
            | Self::NewerCache { .. }
            | Self::Config(_)
            | Self::IgnorePattern { .. }
            | Self::Epoch(_)
            | Self::Warned { .. }
            | Self::Locate(_)
            | Self::Cancelled => None,
        }
    }

    pub(crate) fn image(action: impl Into<String>, source: tare_image::Error) -> Self {
        Self::Image(Box::new(StoreFailure { action: action.into(), source }))
    }

    /// Adds the line, if it is not known already.
    pub(crate) fn at_line(self, line: u32) -> Self {
        match self {
            Self::Cancelled => self,
            other if other.line().is_some() => other,
            other => Self::At { line, source: Box::new(other) },
        }
    }

    /// What the reader can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::At { source, .. } => source.hint(),
            Self::Trigger { source, .. } => source.hint(),
            Self::Locate(source) => source.hint(),
            Self::NoSuchSource { near: Some(NearStage::Alike(stage)), .. } => {
                Some(format!("did you mean the stage {stage}?"))
            }
            Self::NoSuchSource { name, near: Some(NearStage::Later { line }), .. } => {
                Some(format!("the stage {name} is only made at line {line}: move it before this one"))
            }
            Self::Parse { source, .. } => source.hint(),
            Self::NoSuchTarget { target, stages } => {
                Some(match near::nearest(target, stages.iter().map(String::as_str)) {
                    Some(near) => format!("did you mean {near}?"),
                    None => format!("the stages are {}", stages.join(", ")),
                })
            }
            Self::SourceNotFound { excluded: Some(rule), .. } => {
                Some(format!("line {} of {} keeps it out: {}", rule.line, rule.file, rule.pattern))
            }
            Self::SourceNotFound { near, .. } if !near.is_empty() => {
                Some(format!("did you mean {}?", near.join(" or ")))
            }
            Self::IgnorePattern { .. } => {
                Some("a pattern needs something behind its ! and an end to each [".to_owned())
            }
            Self::SecretMissing { id, .. } => Some(format!("give it with --secret id={id},src=FILE")),
            Self::AgentMissing { id, .. } if id == "default" => {
                Some("give it with --ssh default; SSH_AUTH_SOCK names the agent of this shell".to_owned())
            }
            Self::AgentMissing { id, .. } => Some(format!("give it with --ssh {id}=SOCKET")),
            Self::Network { .. } => {
                Some("--network=host gives steps the host's network, --network=none none".to_owned())
            }
            Self::UnknownUser { .. } => Some("add it in a RUN before, or give its number".to_owned()),
            _ => None,
        }
    }
}

/// An instruction's arguments make no sense.
pub(crate) fn invalid(line: u32, instruction: &'static str, reason: impl Into<String>) -> Error {
    Error::Invalid { line, instruction, reason: reason.into() }
}
