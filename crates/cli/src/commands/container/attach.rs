//! `docker attach`.

use tare_engine::attach::AttachOptions;
use tare_monitor::attach::{Input, Output};

use crate::attach::{self, Settings};
use crate::commands::container::run;
use crate::session::Session;
use crate::terminal::DetachKeys;

#[derive(clap::Parser)]
pub(crate) struct Line {
    /// Override the key sequence for detaching a container
    #[arg(long, default_value = "")]
    pub(crate) detach_keys: String,
    /// Do not attach STDIN
    #[arg(long)]
    pub(crate) no_stdin: bool,
    /// Proxy all received signals to the process
    #[arg(long, value_name = "bool", default_value = "true", num_args = 0..=1, require_equals = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    pub(crate) sig_proxy: bool,
    /// Container
    #[arg(value_name = "CONTAINER")]
    pub(crate) name: String,
}

/// `docker attach`.
pub(crate) fn main(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Line = crate::flags::parse(&session.path("attach"), args)?;
    run_line(session, &line)
}

/// Attaches to a container.
pub(crate) fn run_line(session: &Session, line: &Line) -> anyhow::Result<u8> {
    let engine = session.engine()?;
    let container = engine.container(&line.name)?;
    let tty = container.config.tty;
    let stdin = container.config.open_stdin && !line.no_stdin;
    crate::terminal::require_input(tty, stdin)?;
    let keys = DetachKeys::parse(&line.detach_keys)?;
    let signals = attach::signals(tty, line.sig_proxy)?;
    let options =
        AttachOptions { stdin: if stdin { Input::Send } else { Input::None }, output: Output::Both };
    let attachment = engine.attach(&container.id, options)?;
    let settings =
        Settings { stdin, stdout: true, stderr: true, tty, proxy: line.sig_proxy, keys, exited: None };
    run::follow(engine, attachment, settings, &signals)?.map_or_else(run::escaped, Ok)
}
