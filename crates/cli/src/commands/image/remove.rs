//! `docker rmi`.

use tare_engine::Engine;
use tare_engine::event::{Action, Kind};
use tare_image::{ImageUser, RemoveOptions, Removed};
use tare_oci::Digest;

use crate::error::report;
use crate::output::print_line;
use crate::session::Session;

#[derive(clap::Parser)]
struct Line {
    /// Force removal of the image
    #[arg(short, long)]
    force: bool,
    /// Do not delete untagged parents
    #[arg(long)]
    no_prune: bool,
    #[arg(long, hide = true)]
    platform: Option<String>,
    /// Images
    #[arg(required = true, value_name = "IMAGE")]
    names: Vec<String>,
}

/// `docker rmi`.
pub(crate) fn main(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Line = crate::flags::parse(&session.path("rmi"), args)?;
    let engine = session.engine()?;
    let users = users(engine)?;
    let in_use = |id: &Digest| {
        users.iter().filter(|(image, _)| *image == id.to_string()).map(|(_, user)| user.clone()).collect()
    };
    let mut code = 0;
    for name in &line.names {
        let image = engine.images()?.find(name)?.map(|image| image.id.to_string());
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

/// Tells of what became of an image; of its layers nothing is told.
fn tell(engine: &Engine, image: &str, removed: &Removed) {
    let action = match removed {
        Removed::Untagged(_) => Action::Untag,
        Removed::Deleted(id) if id.to_string() == image => Action::Delete,
        Removed::Deleted(_) => return,
    };
    engine.emit(Kind::Image, action, image, &[("name", image)]);
}

/// Which containers use which images: (image ID, user).
pub(crate) fn users(engine: &Engine) -> anyhow::Result<Vec<(String, ImageUser)>> {
    let containers = engine.containers()?;
    Ok(containers
        .into_iter()
        .map(|container| {
            let user = ImageUser {
                container: container.short_id().to_owned(),
                running: container.state.is_active(),
            };
            (container.image_id, user)
        })
        .collect())
}

/// One line of what was removed.
pub(crate) fn text(removed: &Removed) -> String {
    match removed {
        Removed::Untagged(name) => format!("Untagged: {name}"),
        Removed::Deleted(digest) => format!("Deleted: {digest}"),
    }
}
