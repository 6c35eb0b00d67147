//! `docker rmi`.

use tare_engine::Engine;
use tare_engine::event::{Action, Kind};
use tare_image::{Image, RemoveOptions, Removed};
use tare_oci::{Digest, Platform};

use crate::error::{Failure, report};
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
    let in_use = |id: &Digest| engine.image_users(id);
    let mut code = 0;
    for name in &line.names {
        let image = engine.images()?.find(name)?;
        if let Some(other) = image.as_ref().and_then(|image| other_platform(image, &platforms)) {
            code = report(
                &Failure::new(format!(
                    "image with reference {name} was found but its platform ({other}) does not match the specified platform ({})",
                    line.platform.join(", ")
                ))
                .into(),
            );
            continue;
        }
        let image = image.map(|image| image.id.to_string());
        match engine.images()?.remove(name, &RemoveOptions { force: line.force, in_use: &in_use }) {
            Ok(removed) => {
                for gone in &removed {
                    print_line(&text(gone))?;
                    tell(engine, image.as_deref().unwrap_or(name), gone);
                }
            }
            Err(tare_image::Error::NoSuchImage(_)) if line.force => {}
            Err(error) => code = report(&error.into()),
        }
    }
    Ok(code)
}

/// The image's platform, if it is none of those that may go.
fn other_platform(image: &Image, wanted: &[Platform]) -> Option<Platform> {
    let own = image.config.platform().normalised();
    let fits = wanted.is_empty() || wanted.iter().any(|wanted| wanted.clone().normalised() == own);
    (!fits).then_some(own)
}

/// Tells of what became of an image; of its layers nothing is told.
fn tell(engine: &Engine, image: &str, removed: &Removed) {
    let action = match removed {
        Removed::Untagged(_) => Action::Untag,
        Removed::Deleted(id) if id.to_string() == image => Action::Delete,
        Removed::Deleted(_) => return,
    };
    engine.emit(Kind::Image, action, image, &[("name", image)]);
}

/// One line of what was removed.
pub(crate) fn text(removed: &Removed) -> String {
    match removed {
        Removed::Untagged(name) => format!("Untagged: {name}"),
        Removed::Deleted(digest) => format!("Deleted: {digest}"),
    }
}
