//! `docker rm`.

use tare_engine::{Error, RemoveOptions};

use crate::error::{Failure, report};
use crate::output::print_line;
use crate::session::Session;

#[derive(clap::Parser)]
struct Line {
    /// Force the removal of a running container (uses SIGKILL)
    #[arg(short, long)]
    force: bool,
    /// Remove anonymous volumes associated with the container
    #[arg(short, long)]
    volumes: bool,
    #[arg(short, long, hide = true)]
    link: bool,
    /// Containers
    #[arg(required = true, value_name = "CONTAINER")]
    names: Vec<String>,
}

/// `docker rm`.
pub(crate) fn main(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    use tare_engine::{AnonymousVolumes, WhenRunning};
    let line: Line = crate::flags::parse(&session.path("rm"), args)?;
    if line.link {
        return Err(Failure::new("rm --link is not supported: links end with their containers")
            .with_hint("leave --link out to remove the containers themselves; nothing was removed")
            .into());
    }
    let engine = session.engine()?;
    let options = RemoveOptions {
        running: if line.force { WhenRunning::Kill } else { WhenRunning::Refuse },
        volumes: if line.volumes { AnonymousVolumes::Remove } else { AnonymousVolumes::Keep },
    };
    let mut code = 0;
    for name in &line.names {
        match engine.remove(name, options) {
            Ok(()) => print_line(name)?,
            Err(error) => {
                // As in Docker, --force says that one is gone already, and does not mind.
                let gone = line.force && matches!(error, Error::NoSuchContainer(_));
                let reported = report(&error.into());
                code = if gone { code } else { reported.max(1) };
            }
        }
    }
    Ok(code)
}
