//! `docker exec`: the process is a child of this one; nothing stands between it and the terminal.

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::os::unix::ffi::OsStringExt as _;

use anyhow::Context as _;
use rustix::fd::{AsFd as _, OwnedFd};
use tare_engine::Engine;
use tare_engine::exec::{Bond, ExecConfig, Executing};
use tare_runtime::Stdio;
use tare_sys::exec::ExecArgs;
use tare_sys::selfexe;
use tare_sys::signal::Signal;

use crate::attach::{self, Channel, Ended, Peer, Settings};
use crate::commands::container::run::{escaped, exit_code};
use crate::commands::container::run_flags::{Host, environment};
use crate::error::{Failure, with_code};
use crate::output::print;
use crate::session::Session;
use crate::terminal::{self, DetachKeys, RawMode};

#[derive(clap::Parser)]
pub(crate) struct Line {
    /// Detached mode: run command in the background
    #[arg(short, long)]
    pub(crate) detach: bool,
    /// Override the key sequence for detaching a container
    #[arg(long, default_value = "")]
    pub(crate) detach_keys: String,
    /// Set environment variables
    #[arg(short, long, value_name = "list")]
    pub(crate) env: Vec<String>,
    /// Read in a file of environment variables
    #[arg(long, value_name = "list")]
    pub(crate) env_file: Vec<String>,
    /// Keep STDIN open even if not attached
    #[arg(short, long)]
    pub(crate) interactive: bool,
    /// Give extended privileges to the command
    #[arg(long)]
    pub(crate) privileged: bool,
    /// Allocate a pseudo-TTY
    #[arg(short, long)]
    pub(crate) tty: bool,
    /// Username or UID (format: "<name|uid>[:<group|gid>]")
    #[arg(short, long)]
    pub(crate) user: Option<String>,
    /// Working directory inside the container
    #[arg(short, long)]
    pub(crate) workdir: Option<String>,
    /// Container and command
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "CONTAINER COMMAND [ARG...]")]
    pub(crate) words: Vec<String>,
}

/// Goes on as the same program from a read-only mount that is attached nowhere: for a moment this process is one of the
/// container's, which must not get to write to our binary through `/proc/PID/exe` (CVE-2019-5736).
fn protect() -> anyhow::Result<()> {
    if !rustix::process::geteuid().is_root() || selfexe::is_protected().context("look at /proc/self/exe")? {
        return Ok(());
    }
    let variables = std::env::vars_os().map(|(name, value)| {
        let mut entry = name;
        entry.push("=");
        entry.push(value);
        entry.into_vec()
    });
    let args = ExecArgs::new(std::env::args_os().map(OsString::into_vec), variables)
        .context("a NUL byte in the arguments")?;
    Err(selfexe::reexec(&args)).context("cannot execute tare from a read-only mount")
}

/// `docker exec`.
pub(crate) fn main(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let path = session.path("exec");
    let line: Line = crate::flags::parse(&path, args)?;
    run_line(session, &line)
}

/// Runs a process in a container.
pub(crate) fn run_line(session: &Session, line: &Line) -> anyhow::Result<u8> {
    let path = session.path("exec");
    crate::flags::refuse_leading_flag(&path, &line.words)?;
    let (name, argv) = match line.words.split_first() {
        Some((name, argv)) if !argv.is_empty() => (name, argv),
        _ => {
            let text = format!(
                "{}: '{path}' requires at least 2 arguments\n\nUsage:  {path} [OPTIONS] CONTAINER COMMAND [ARG...]\n\n\
                 Run '{path} --help' for more information",
                session.program
            );
            return Err(Failure::usage(1, text).into());
        }
    };
    if !line.detach {
        terminal::require_input(line.tty, line.interactive)?;
    }
    let keys = DetachKeys::parse(&line.detach_keys)?;
    if line.workdir.as_deref().is_some_and(|folder| !folder.is_empty() && !folder.starts_with('/')) {
        print("OCI runtime exec failed: exec failed: Cwd must be an absolute path\r\n")?;
        return Err(Failure::silent(128).into());
    }
    let config = ExecConfig {
        argv: argv.to_vec(),
        env: env(line)?,
        user: line.user.clone().unwrap_or_default(),
        working_dir: line.workdir.clone().unwrap_or_default(),
        tty: line.tty && !line.detach,
        privileged: line.privileged,
    };
    protect()?;
    let engine = session.engine()?;
    if line.detach {
        engine
            .exec(name, &config, null_streams()?, Bond::Detached)
            .map_err(|error| with_code(error.into(), 1))?;
        return Ok(0);
    }
    if !config.tty {
        let executing = engine.exec(name, &config, own_streams(line.interactive)?, Bond::Tied);
        let executing = executing.map_err(told)?;
        return Ok(exit_code(engine.wait_exec(&executing)));
    }
    let signals = attach::signals(true, false)?;
    let executing = engine.exec(name, &config, Stdio::Terminal, Bond::Tied).map_err(told)?;
    on_terminal(engine, &executing, line.interactive, keys, &signals)
}

/// What kept a program from running is on standard output with Docker, where scripts find it.
fn told(error: tare_engine::Error) -> anyhow::Error {
    let error = anyhow::Error::from(error);
    let code = crate::hints::code(&error);
    let text = match error.downcast_ref::<tare_engine::Error>() {
        Some(tare_engine::Error::Runtime(tare_runtime::Error::WorkingFolder { path, source })) => {
            let why = match source.kind() {
                std::io::ErrorKind::NotFound => "no such file or directory".to_owned(),
                other => other.to_string(),
            };
            format!("chdir to cwd ({path:?}) set in config.json failed: {why}")
        }
        Some(tare_engine::Error::Runtime(tare_runtime::Error::PermissionDenied { program, source })) => {
            let is_folder = source.kind() == std::io::ErrorKind::IsADirectory;
            let why = if is_folder { "is a directory: permission denied" } else { "permission denied" };
            format!("exec: {program:?}: {why}")
        }
        Some(tare_engine::Error::Runtime(other)) if code != 1 => other.to_string(),
        _ => return error,
    };
    if let Err(unwritten) =
        print(&format!("OCI runtime exec failed: exec failed: unable to start container process: {text}\r\n"))
    {
        return unwritten;
    }
    let code = if code == 1 { 127 } else { code };
    crate::hints::hints(&error).into_iter().fold(Failure::silent(code), Failure::with_hint).into()
}

fn env(line: &Line) -> anyhow::Result<Vec<String>> {
    let variable = |name: &str| std::env::var_os(name).map(crate::invocation::word);
    let host = Host { variable: &variable, directory: None };
    let mut env = Vec::new();
    for file in &line.env_file {
        for text in environment::read(file)? {
            environment::push_line(&mut env, &text, &host)?;
        }
    }
    for text in &line.env {
        environment::push(&mut env, text, &host)?;
    }
    Ok(env)
}

/// This process's own streams; stdin only with `-i`.
fn own_streams(interactive: bool) -> anyhow::Result<Stdio> {
    let stdin = if interactive { std::io::stdin().as_fd().try_clone_to_owned()? } else { null()? };
    Ok(Stdio::Streams {
        stdin,
        stdout: std::io::stdout().as_fd().try_clone_to_owned()?,
        stderr: std::io::stderr().as_fd().try_clone_to_owned()?,
    })
}

fn null_streams() -> anyhow::Result<Stdio> {
    Ok(Stdio::Streams { stdin: null()?, stdout: null()?, stderr: null()? })
}

fn null() -> anyhow::Result<OwnedFd> {
    let file =
        std::fs::File::options().read(true).write(true).open("/dev/null").context("cannot open /dev/null")?;
    Ok(file.into())
}

/// The terminal's master side at the other end of the attach loop.
struct Terminal<'a>(&'a OwnedFd);

impl Peer for Terminal<'_> {
    // A terminal whose process just ended takes no size.
    fn resize(&self, rows: u16, columns: u16) {
        let size = rustix::termios::Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let _ = rustix::termios::tcsetwinsize(self.0, size);
    }

    fn signal(&self, _: Signal) {}
}

fn on_terminal(
    engine: &Engine,
    executing: &Executing,
    interactive: bool,
    keys: DetachKeys,
    signals: &tare_sys::signal::SignalFd,
) -> anyhow::Result<u8> {
    let master = executing.terminal.as_ref().context("the process was given no terminal")?;
    let raw = if interactive && std::io::stdin().is_terminal() { RawMode::enter()? } else { None };
    let settings = Settings {
        stdin: interactive,
        stdout: true,
        stderr: true,
        tty: true,
        proxy: false,
        keys,
        exited: Some(executing.pidfd.try_clone()?),
    };
    let channel = Channel::Terminal(master.try_clone()?);
    let ended = attach::run(channel, settings, signals, &Terminal(master));
    drop(raw);
    match ended? {
        Ended::Closed => Ok(exit_code(engine.wait_exec(executing))),
        Ended::Detached => escaped(),
        Ended::Signalled(signal) => Ok(exit_code(128 + signal.number())),
    }
}
