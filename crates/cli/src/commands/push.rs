//! `docker push`.

use tare_engine::event::{Action, Kind};
use tare_image::{PullProgress, Silent};

use super::pull::progress::{Sink, TransferProgress};
use crate::output::print_line;
use crate::session::Session;

#[derive(clap::Parser)]
struct Line {
    #[arg(short, long, hide = true)]
    all_tags: bool,
    #[arg(long, hide = true)]
    disable_content_trust: bool,
    #[arg(long, hide = true)]
    platform: Option<String>,
    /// Suppress verbose output
    #[arg(short, long)]
    quiet: bool,
    /// Image
    #[arg(value_name = "NAME[:TAG]")]
    name: String,
}

/// `docker push`.
pub(crate) fn main(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Line = crate::flags::parse(&session.path("push"), args)?;
    let engine = session.engine()?;
    let reference = super::tag::reference(&line.name)?;
    let live = TransferProgress::new(Sink::Stdout);
    let progress: &dyn PullProgress = if line.quiet { &Silent } else { &live };
    let pushed = engine.images()?.push(&reference, &super::pull_options()?, progress);
    live.finish();
    pushed?;
    let name = reference.familiar();
    engine.emit(Kind::Image, Action::Push, &name, &[("name", &name)]);
    if line.quiet {
        print_line(&reference.canonical())?;
    }
    Ok(0)
}
