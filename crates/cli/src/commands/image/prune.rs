//! `docker image prune`.

use tare_engine::filter::{Filters, ImagePrune, UnusedImages};
use tare_image::Pruned;

use crate::output::{confirm, human, print};
use crate::session::Session;

#[derive(clap::Parser)]
struct Line {
    /// Remove all unused images, not just dangling ones
    #[arg(short, long)]
    all: bool,
    /// Provide filter values (e.g. "until=<timestamp>")
    #[arg(long, value_parser = crate::flags::filter)]
    filter: Vec<String>,
    /// Do not prompt for confirmation
    #[arg(short, long)]
    force: bool,
}

/// `docker image prune`.
pub(crate) fn main(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Line = crate::flags::parse(&session.path("image prune"), args)?;
    let which = if line.all { UnusedImages::All } else { UnusedImages::Dangling };
    let chosen = ImagePrune::new(Filters::from_texts(&line.filter)?, which, &jiff::Zoned::now())?;
    let question = match chosen.which {
        UnusedImages::All => {
            "WARNING! This will remove all images without at least one container associated to them."
        }
        UnusedImages::Dangling => "WARNING! This will remove all dangling images.",
    };
    if !line.force && !confirm(question)? {
        return Ok(0);
    }
    let pruned = session.engine()?.images_prune(&|image| chosen.takes(image))?;
    print(&summary(&pruned))?;
    Ok(0)
}

fn summary(pruned: &Pruned) -> String {
    let mut text = String::new();
    if !pruned.removed.is_empty() {
        text.push_str("Deleted Images:\n");
        for removed in &pruned.removed {
            text.push_str(&crate::commands::image::remove::text(removed).to_lowercase());
            text.push('\n');
        }
        text.push('\n');
    }
    text.push_str(&format!("Total reclaimed space: {}\n", human::size(pruned.reclaimed)));
    text
}
