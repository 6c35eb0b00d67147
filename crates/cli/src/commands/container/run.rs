//! `docker run`: create, attach, start, wait.

use tare_engine::Engine;
use tare_engine::attach::{AttachOptions, Attachment};
use tare_monitor::attach::{Input, Output};
use tare_sys::signal::{Signal, SignalFd};

use crate::attach::{self, Channel, Ended, Peer, Settings};
use crate::commands::container::create::{self, Client, MakeFlags};
use crate::commands::container::run_flags::ContainerFlags;
use crate::error::{Failure, as_own_failure};
use crate::output::print_line;
use crate::session::Session;
use crate::terminal::{self, DetachKeys, RawMode};

#[derive(clap::Parser)]
struct Line {
    /// Run container in background and print container ID
    #[arg(short, long)]
    detach: bool,
    /// Override the key sequence for detaching a container
    #[arg(long, value_name = "string", default_value = "")]
    detach_keys: String,
    /// Proxy received signals to the process
    #[arg(long, value_name = "bool", default_value = "true", num_args = 0..=1, require_equals = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    sig_proxy: bool,
    #[command(flatten)]
    make: MakeFlags,
    #[command(flatten)]
    container: ContainerFlags,
}

/// `docker run`.
pub(crate) fn main(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let path = session.path("run");
    let line: Line = crate::flags::parse(&path, args)?;
    let keys = DetachKeys::parse(&line.detach_keys)?;
    let process = &line.container.process;
    let wishes = Wishes::of(&process.attach, process.interactive);
    if !line.detach {
        terminal::require_input(process.tty, wishes.stdin)?;
    }
    if line.detach && !process.attach.is_empty() {
        return Err(Failure::usage(1, "Conflicting options: -a and -d").into());
    }
    let client = if line.detach { Client::Detached } else { Client::Attached };
    let created =
        create::make(session, &path, &line.make, &line.container, client).map_err(as_own_failure)?;
    let engine = session.engine()?;
    if line.detach {
        // Scripts get the ID of what could not be started too, as from Docker: it is there to be looked at.
        let started = engine.start(&created.id);
        if started.is_ok() {
            show_notes(engine, &created.id, 0);
        }
        print_line(&created.id)?;
        return started.map(|()| 0).map_err(|error| as_own_failure(error.into()));
    }
    let signals = attach::signals(process.tty, line.sig_proxy)?;
    let options =
        AttachOptions { stdin: if wishes.stdin { Input::Send } else { Input::None }, output: Output::Both };
    let attachment =
        engine.start_attached(&created.id, options).map_err(|error| as_own_failure(error.into()))?;
    let settings = Settings {
        stdin: wishes.stdin,
        stdout: wishes.stdout,
        stderr: wishes.stderr,
        tty: process.tty,
        proxy: line.sig_proxy,
        keys,
        exited: None,
    };
    Ok(follow(engine, attachment, settings, &signals)?.unwrap_or_else(left))
}

/// The exit code of who left a container that goes on by the detach keys; ends the line that the keys were typed in.
pub(crate) fn left() -> u8 {
    crate::output::note("");
    0
}

/// The same of `attach` and `exec`, which fail by it.
pub(crate) fn escaped() -> anyhow::Result<u8> {
    Err(Failure::usage(1, "read escape sequence").into())
}

/// Which streams to attach.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wishes {
    pub(crate) stdin: bool,
    pub(crate) stdout: bool,
    pub(crate) stderr: bool,
}

impl Wishes {
    /// `-a` if given; else both outputs, and the input with `-i`.
    pub(crate) fn of(attach: &[String], interactive: bool) -> Wishes {
        let has = |name: &str| attach.iter().any(|stream| stream.eq_ignore_ascii_case(name));
        if attach.is_empty() {
            return Wishes { stdin: interactive, stdout: true, stderr: true };
        }
        Wishes { stdin: has("stdin"), stdout: has("stdout"), stderr: has("stderr") }
    }
}

/// The container at the other end of an attach loop.
struct Container<'a> {
    engine: &'a Engine,
    id: String,
}

impl Peer for Container<'_> {
    // A container that just ended has no terminal to resize and no process to signal.
    fn resize(&self, rows: u16, columns: u16) {
        let _ = self.engine.resize(&self.id, rows, columns);
    }

    fn signal(&self, signal: Signal) {
        let _ = self.engine.kill(&self.id, &signal.name());
    }
}

/// Runs the attach loop to its end; the container's exit code, or `None` if the user detached.
pub(crate) fn follow(
    engine: &Engine,
    mut attachment: Attachment,
    settings: Settings,
    signals: &SignalFd,
) -> anyhow::Result<Option<u8>> {
    let peer = Container { engine, id: attachment.id().to_owned() };
    let shown = show_notes(engine, &peer.id, 0);
    let raw = if settings.tty && settings.stdin { RawMode::enter()? } else { None };
    let proxied = settings.proxy && !settings.tty;
    let stream = attachment.stream.try_clone()?;
    let channel = if attachment.terminal { Channel::Raw(stream) } else { Channel::Framed(stream) };
    let ended = attach::run(channel, settings, signals, &peer);
    drop(raw);
    match ended? {
        Ended::Detached => Ok(None),
        Ended::Signalled(_) if proxied => Err(insisted(engine, &peer.id).into()),
        Ended::Signalled(signal) => {
            Err(Failure::silent(u8::try_from(128 + signal.number()).unwrap_or(255)).into())
        }
        Ended::Closed => {
            let ended = engine.see_off(&mut attachment)?;
            if let Some(container) = &ended.container {
                show(engine, container, shown);
            }
            if let Some(cause) = &ended.cause {
                crate::error::warn(&cause.message, cause.hint.as_deref());
            }
            Ok(Some(exit_code(ended.exit.code)))
        }
    }
}

/// What to say when the user pressed Ctrl-C until the container was left alone: it runs on.
fn insisted(engine: &Engine, id: &str) -> Failure {
    let failure = Failure::usage(1, "\ngot 3 SIGTERM/SIGINTs, forcefully exiting");
    match engine.container(id) {
        Ok(container) if container.state.is_active() => failure.with_hint(format!(
            "the container runs on, for its first process ignores the signal: `tare stop {}`; `run --init` hands signals on",
            container.name
        )),
        _ => failure,
    }
}

/// Prints the remarks of a container's monitor after the first `shown` ones; returns how many there are.
pub(crate) fn show_notes(engine: &Engine, id: &str, shown: usize) -> usize {
    // With --rm the container may be gone already, and its remarks with it.
    let Ok(container) = engine.container(id) else { return shown };
    show(engine, &container, shown);
    container.notes.len()
}

fn show(engine: &Engine, container: &tare_engine::Container, shown: usize) {
    for remark in engine.unsaid(container, shown) {
        crate::error::warn(&remark.message, remark.hint.as_deref());
    }
}

/// An exit code as this process can give it.
pub(crate) fn exit_code(code: i32) -> u8 {
    u8::try_from(code & 0xff).unwrap_or(255)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attached_streams() {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(Wishes::of(&[], true), Wishes { stdin: true, stdout: true, stderr: true });
        assert_eq!(
            Wishes::of(&list(&["STDERR"]), true),
            Wishes { stdin: false, stdout: false, stderr: true }
        );
    }

    #[test]
    fn exit_codes_wrap_like_the_kernels() {
        assert_eq!((exit_code(137), exit_code(256), exit_code(-1)), (137, 0, 255));
    }
}
