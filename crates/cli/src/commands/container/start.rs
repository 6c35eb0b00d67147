//! `docker start`.

use tare_engine::attach::AttachOptions;
use tare_engine::{Container, Engine};
use tare_monitor::attach::{Input, Output};

use crate::attach::{self, Settings};
use crate::commands::container::run;
use crate::commands::each::each;
use crate::error::{Failure, with_code};
use crate::session::Session;
use crate::terminal::DetachKeys;

#[derive(clap::Parser)]
pub(crate) struct Line {
    /// Attach STDOUT/STDERR and forward signals
    #[arg(short, long)]
    pub(crate) attach: bool,
    /// Attach container's STDIN
    #[arg(short, long)]
    pub(crate) interactive: bool,
    /// Override the key sequence for detaching a container
    #[arg(long, default_value = "")]
    pub(crate) detach_keys: String,
    /// Containers
    #[arg(required = true, value_name = "CONTAINER")]
    pub(crate) names: Vec<String>,
}

/// Starts what does not run yet, and passes its monitor's remarks on.
fn start(engine: &Engine, name: &str) -> anyhow::Result<()> {
    let container = engine.container(name)?;
    refuse_paused(&container)?;
    if !container.state.is_active() {
        engine.start(&container.id)?;
        run::show_notes(engine, &container.id, 0);
    }
    Ok(())
}

fn refuse_paused(container: &Container) -> anyhow::Result<()> {
    match container.running() {
        Ok(run) if run.paused => {
            Err(Failure::new("cannot start a paused container, try unpause instead").into())
        }
        _ => Ok(()),
    }
}

/// `docker start`.
pub(crate) fn main(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Line = crate::flags::parse(&session.path("start"), args)?;
    run_line(session, &line)
}

/// Starts containers, and may attach to one.
pub(crate) fn run_line(session: &Session, line: &Line) -> anyhow::Result<u8> {
    let engine = session.engine()?;
    if !line.attach && !line.interactive {
        return each(&line.names, |name| start(engine, name));
    }
    let [name] = line.names.as_slice() else {
        return Err(Failure::new("you cannot start and attach multiple containers at once").into());
    };
    let container = engine.container(name)?;
    refuse_paused(&container)?;
    if container.state.is_active() {
        return Ok(0);
    }
    let tty = container.config.tty;
    let stdin = line.interactive && container.config.open_stdin;
    crate::terminal::require_input(tty, stdin)?;
    let signals = attach::signals(tty, true)?;
    let options =
        AttachOptions { stdin: if stdin { Input::Send } else { Input::None }, output: Output::Both };
    let attachment = engine.start_attached(&container.id, options);
    let attachment = attachment.map_err(|error| with_code(error.into(), 1))?;
    let keys = DetachKeys::parse(&line.detach_keys)?;
    let settings = Settings { stdin, stdout: true, stderr: true, tty, proxy: true, keys, exited: None };
    Ok(run::follow(engine, attachment, settings, &signals)?.unwrap_or_else(run::left))
}
