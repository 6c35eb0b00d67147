//! `docker stop`.

use tare_engine::{Engine, StopOptions, StopOutcome};

use crate::error::{report, warn};
use crate::output::print_line;
use crate::session::Session;

/// How `stop` and `restart` stop.
#[derive(clap::Args)]
pub(crate) struct StopFlags {
    /// Signal to send to the container
    #[arg(short, long)]
    signal: Option<String>,
    /// Seconds to wait before killing the container
    #[arg(short, long, visible_alias = "time", allow_hyphen_values = true)]
    timeout: Option<i64>,
}

impl StopFlags {
    /// The same for the engine.
    pub(crate) fn options(self) -> StopOptions {
        StopOptions { signal: self.signal, timeout: self.timeout }
    }
}

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    how: StopFlags,
    /// Containers
    #[arg(required = true, value_name = "CONTAINER")]
    names: Vec<String>,
}

/// `docker stop`: every container is asked at once, then each is waited for.
pub(crate) fn main(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Line = crate::flags::parse(&session.path("stop"), args)?;
    let engine = session.engine()?;
    let options = line.how.options();
    let begun: Vec<_> = line.names.iter().map(|name| engine.begin_stop(name, &options)).collect();
    let mut code = 0;
    for (name, pending) in line.names.iter().zip(begun) {
        let outcome = match pending {
            Ok(Some(pending)) => engine.finish_stop(pending),
            Ok(None) => Ok(StopOutcome::WasStopped),
            Err(error) => Err(error),
        };
        match outcome {
            Ok(outcome) => {
                remark(engine, name, &outcome);
                print_line(name)?;
            }
            Err(error) => code = report(&error.into()),
        }
    }
    Ok(code)
}

/// Says so when a container ignored its stop signal for the whole grace time.
pub(crate) fn remark(engine: &Engine, name: &str, outcome: &StopOutcome) {
    let StopOutcome::Killed { after } = outcome else { return };
    let program = engine.container(name).ok().and_then(|container| container.argv().first().cloned());
    let program = program.map(|program| format!(" ({program})")).unwrap_or_default();
    warn(
        &format!("{name} did not end within {} s of its stop signal and was killed", after.as_secs()),
        Some(&format!(
            "its first process{program} ignores the signal: `exec` it from the shell script, run with --init, or name \
             another --stop-signal"
        )),
    );
}
