//! `docker rm`.

use tare_engine::{Error, RemoveOptions};

use super::each::each;
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
    let engine = session.engine()?;
    let options = RemoveOptions {
        running: if line.force { WhenRunning::Kill } else { WhenRunning::Refuse },
        volumes: if line.volumes { AnonymousVolumes::Remove } else { AnonymousVolumes::Keep },
    };
    each(&line.names, |name| match engine.remove(name, options) {
        // As in Docker, --force does not mind one that is gone already.
        Err(Error::NoSuchContainer(_)) if line.force => Ok(()),
        other => Ok(other?),
    })
}
