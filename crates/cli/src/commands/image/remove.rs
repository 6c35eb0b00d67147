//! `docker rmi`.

use tare_engine::{Error, ImageRemoval, WhenNamedTwice};
use tare_image::Removed;
use tare_oci::Platform;

use crate::error::report;
use crate::output::print_line;
use crate::session::Session;

#[derive(clap::Parser)]
struct Line {
    /// Force removal of the image
    #[arg(short, long)]
    force: bool,
    /// Do not delete untagged parents (there are none: an image is removed by itself)
    #[arg(long)]
    no_prune: bool,
    /// Remove only the given platform variant
    #[arg(long, value_name = "strings", value_delimiter = ',')]
    platform: Vec<String>,
    /// Images
    #[arg(required = true, value_name = "IMAGE")]
    names: Vec<String>,
}

/// `docker rmi`.
pub(crate) fn main(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Line = crate::flags::parse(&session.path("rmi"), args)?;
    let platforms = line.platform.iter().map(|text| text.parse()).collect::<Result<Vec<Platform>, _>>()?;
    let engine = session.engine()?;
    let force = if line.force { WhenNamedTwice::Remove } else { WhenNamedTwice::Refuse };
    let removal = ImageRemoval { force, platforms };
    let mut code = 0;
    for name in &line.names {
        match engine.image_remove(name, &removal) {
            Ok(removed) => removed.iter().try_for_each(|gone| print_line(&text(gone)))?,
            Err(Error::Image(tare_image::Error::NoSuchImage(_))) if line.force => {}
            Err(error) => code = report(&error.into()),
        }
    }
    Ok(code)
}

/// One line of what was removed.
pub(crate) fn text(removed: &Removed) -> String {
    match removed {
        Removed::Untagged(name) => format!("Untagged: {name}"),
        Removed::Deleted(digest) => format!("Deleted: {digest}"),
    }
}
