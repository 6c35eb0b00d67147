//! The types of a parsed Dockerfile. Text that a build still has to expand is kept as it was typed.

use crate::heredoc::{self, Heredoc};
use crate::warning::Warning;

/// A parsed Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dockerfile {
    /// `# escape=` and its like, from the top of the file.
    pub directives: Directives,
    /// `ARG`s before the first `FROM`; they may be used in `FROM` lines and are inherited by a stage's `ARG name`.
    pub globals: Vec<Arg>,
    /// The stages, in the order of the file; never empty.
    pub stages: Vec<Stage>,
    /// What is allowed and yet likely wrong.
    pub warnings: Vec<Warning>,
}

impl Dockerfile {
    /// The stage that `--target` means by `name`, in any case; a number is no name.
    /// Of two stages with one name the later wins, as in BuildKit.
    #[must_use]
    pub fn stage(&self, name: &str) -> Option<&Stage> {
        self.stages
            .iter()
            .rev()
            .find(|s| s.from.alias.as_deref().is_some_and(|a| a.eq_ignore_ascii_case(name)))
    }
}

/// Parser directives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directives {
    /// `# syntax=`: accepted, not fetched.
    pub syntax: Option<String>,
    /// `# escape=`: a backslash unless given.
    pub escape: char,
    /// `# check=`: see [`Checks`](crate::Checks).
    pub check: Option<String>,
}

/// The lines of the file that an instruction covers, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// First line.
    pub first: u32,
    /// Last line, heredocs included.
    pub last: u32,
}

/// One build stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// Position among the stages, from 0.
    pub index: usize,
    /// Its `FROM`.
    pub from: From,
    /// Lines of the `FROM`.
    pub span: Span,
    /// The `FROM` on one line, as it is shown.
    pub text: String,
    /// What the comment above it says of it: `# name text`.
    pub description: Option<String>,
    /// What follows the `FROM`.
    pub steps: Vec<Node>,
}

/// An instruction and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Lines of the instruction.
    pub span: Span,
    /// The instruction on one line, continuations joined, as it is shown and recorded in the history.
    pub text: String,
    /// What it says.
    pub instruction: Instruction,
}

/// One instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Instruction {
    /// `FROM image [AS name]`
    From(From),
    /// `RUN`
    Run(Run),
    /// `CMD`
    Cmd(Command),
    /// `ENTRYPOINT`
    Entrypoint(Command),
    /// `LABEL key=value …`
    Label(Vec<Pair>),
    /// `MAINTAINER name` (deprecated)
    Maintainer(String),
    /// `EXPOSE port[/protocol] …`
    Expose(Vec<String>),
    /// `ENV key=value …` or `ENV key value`
    Env(Vec<Pair>),
    /// `ADD`
    Add(AddCopy),
    /// `COPY`
    Copy(AddCopy),
    /// `VOLUME`
    Volume(Vec<String>),
    /// `USER user[:group]`
    User(String),
    /// `WORKDIR path`
    Workdir(String),
    /// `ARG name[=value] …`
    Arg(Vec<Arg>),
    /// `STOPSIGNAL signal`
    StopSignal(String),
    /// `HEALTHCHECK`
    Healthcheck(Healthcheck),
    /// `SHELL ["executable", …]`
    Shell(Vec<String>),
    /// `ONBUILD instruction`: the trigger's text, checked by parsing it.
    OnBuild(String),
}

impl Instruction {
    /// The instruction's name in capitals.
    #[must_use]
    pub fn keyword(&self) -> &'static str {
        match self {
            Self::From(_) => "FROM",
            Self::Run(_) => "RUN",
            Self::Cmd(_) => "CMD",
            Self::Entrypoint(_) => "ENTRYPOINT",
            Self::Label(_) => "LABEL",
            Self::Maintainer(_) => "MAINTAINER",
            Self::Expose(_) => "EXPOSE",
            Self::Env(_) => "ENV",
            Self::Add(_) => "ADD",
            Self::Copy(_) => "COPY",
            Self::Volume(_) => "VOLUME",
            Self::User(_) => "USER",
            Self::Workdir(_) => "WORKDIR",
            Self::Arg(_) => "ARG",
            Self::StopSignal(_) => "STOPSIGNAL",
            Self::Healthcheck(_) => "HEALTHCHECK",
            Self::Shell(_) => "SHELL",
            Self::OnBuild(_) => "ONBUILD",
        }
    }
}

/// `FROM [--platform=…] image [AS name]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct From {
    /// `--platform`, unexpanded.
    pub platform: Option<String>,
    /// An image reference, a stage's name or `scratch`; unexpanded.
    pub image: String,
    /// The stage's name, in lower case.
    pub alias: Option<String>,
}

/// A command in one of its two forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A line for the shell in force.
    Shell(String),
    /// A JSON array, run as it is.
    Exec(Vec<String>),
}

/// `RUN`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// What to run. With heredocs, the line without their bodies; see [`Run::script`].
    pub command: Command,
    /// Heredocs on the line.
    pub heredocs: Vec<Heredoc>,
    /// `--mount`
    pub mounts: Vec<MountText>,
    /// `--network`
    pub network: RunNetwork,
    /// `--security`
    pub security: RunSecurity,
}

impl Run {
    /// The text for the shell: the line alone, the heredoc's body if the line is nothing but one heredoc, or the line
    /// with all bodies after it, for the shell to read.
    #[must_use]
    pub fn script(&self) -> Option<String> {
        let Command::Shell(line) = &self.command else { return None };
        if let Some(only) = self.sole_heredoc() {
            return Some(only.text());
        }
        let mut script = line.clone();
        for doc in &self.heredocs {
            script.push('\n');
            script.push_str(&doc.body);
            script.push_str(&doc.name);
        }
        Some(script)
    }

    /// The heredoc that is all there is on the line: `RUN <<EOF`. If its text starts with `#!` it is a program to be
    /// run by that interpreter, else a script for the shell.
    #[must_use]
    pub fn sole_heredoc(&self) -> Option<&Heredoc> {
        match (&self.command, self.heredocs.as_slice()) {
            (Command::Shell(line), [doc]) if !line.trim().contains(char::is_whitespace) => {
                heredoc::opening(line.trim()).map(|_| doc)
            }
            _ => None,
        }
    }
}

/// `--network` of `RUN`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RunNetwork {
    /// The network of the build.
    #[default]
    Default,
    /// Loopback only.
    None,
    /// The host's.
    Host,
}

/// `--security` of `RUN`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RunSecurity {
    /// Docker's default sandbox.
    #[default]
    Sandbox,
    /// Privileged; the builder must be told to allow it.
    Insecure,
}

/// `--mount` of `RUN` as it is written: any value in it but that of `from` may have variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountText {
    /// The text; [`Mount::read`] reads it.
    pub text: String,
    /// `from=`: which stages are needed is known before any value is.
    pub from: Option<String>,
}

/// `--mount` of `RUN`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Which mount, and what only it has.
    pub kind: MountKind,
    /// Where it appears, if given.
    pub target: Option<String>,
    /// Writes fail.
    pub read_only: bool,
}

/// Kinds of `--mount`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MountKind {
    /// A folder of the context, a stage or an image. Writes are thrown away.
    Bind {
        /// Stage, image or named context; the build context if absent.
        from: Option<String>,
        /// Path in it; its root if absent.
        source: Option<String>,
    },
    /// A folder that outlives the build.
    Cache {
        /// Its name; the target if absent.
        id: Option<String>,
        /// Who may use it at once.
        sharing: CacheSharing,
        /// What it starts from.
        from: Option<String>,
        /// Path in `from`.
        source: Option<String>,
        /// Permission bits of a new folder.
        mode: Option<u32>,
        /// Owner of a new folder.
        uid: Option<u32>,
        /// Group of a new folder.
        gid: Option<u32>,
    },
    /// An empty folder in memory.
    Tmpfs {
        /// Bytes.
        size: Option<u64>,
    },
    /// A file with a secret, in an environment variable too if `env` is given.
    Secret {
        /// Which secret; the target's last part if absent.
        id: Option<String>,
        /// Variable to set.
        env: Option<String>,
        /// Fail if the build was not given it.
        required: bool,
        /// Permission bits, 0400 if absent.
        mode: Option<u32>,
        /// Owner.
        uid: Option<u32>,
        /// Group.
        gid: Option<u32>,
    },
    /// The SSH agent's socket.
    Ssh {
        /// Which agent.
        id: Option<String>,
        /// Fail if the build was not given it.
        required: bool,
        /// Permission bits of the socket, 0600 if absent.
        mode: Option<u32>,
        /// Owner.
        uid: Option<u32>,
        /// Group.
        gid: Option<u32>,
    },
}

/// `sharing=` of a cache mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CacheSharing {
    /// Many writers.
    #[default]
    Shared,
    /// A folder of one's own while another build has it.
    Private,
    /// Wait for the other build.
    Locked,
}

/// A key and its value, both unexpanded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// Key.
    pub key: String,
    /// Value, quotes included.
    pub value: String,
}

/// `ARG name[=default]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arg {
    /// Name.
    pub name: String,
    /// Default, unexpanded.
    pub default: Option<String>,
    /// Line of the instruction, from 1.
    pub line: u32,
}

/// `ADD` and `COPY`. All texts are unexpanded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AddCopy {
    /// What to copy; never empty.
    pub sources: Vec<Source>,
    /// Where to.
    pub target: String,
    /// `--from`: stage, image or named context. `COPY` only.
    pub from: Option<String>,
    /// `--chown`
    pub chown: Option<String>,
    /// `--chmod`
    pub chmod: Option<String>,
    /// `--link`
    pub link: bool,
    /// `--parents`
    pub parents: bool,
    /// `--exclude`, each one a pattern.
    pub exclude: Vec<String>,
    /// `--checksum`. `ADD` only.
    pub checksum: Option<String>,
    /// `--keep-git-dir`. `ADD` only.
    pub keep_git_dir: bool,
    /// `--unpack`. `ADD` only.
    pub unpack: Option<bool>,
}

/// One source of `ADD` or `COPY`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A path, a pattern or, for `ADD`, a URL.
    Path(String),
    /// A file whose text is in the Dockerfile.
    Inline(Heredoc),
}

/// `HEALTHCHECK`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Healthcheck {
    /// `HEALTHCHECK NONE`: the base image's check is off.
    None,
    /// `HEALTHCHECK [options] CMD …`
    Test(HealthcheckTest),
}

/// A health check; durations in nanoseconds, as the image's config has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthcheckTest {
    /// What to run.
    pub command: Command,
    /// `--interval`
    pub interval: Option<u64>,
    /// `--timeout`
    pub timeout: Option<u64>,
    /// `--start-period`
    pub start_period: Option<u64>,
    /// `--start-interval`
    pub start_interval: Option<u64>,
    /// `--retries`
    pub retries: Option<u32>,
}
