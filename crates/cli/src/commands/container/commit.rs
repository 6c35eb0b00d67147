//! `docker commit`.

use tare_engine::commit::{CommitOptions, Meanwhile};

use crate::output::print_line;
use crate::session::Session;

#[derive(clap::Parser)]
pub(crate) struct Line {
    /// Author
    #[arg(short, long, default_value = "")]
    pub(crate) author: String,
    /// Apply Dockerfile instruction to the created image
    #[arg(short, long, value_name = "list")]
    pub(crate) change: Vec<String>,
    /// Commit message
    #[arg(short, long, default_value = "")]
    pub(crate) message: String,
    /// Pause container during commit
    #[arg(short, long, default_value = "true", num_args = 0..=1, require_equals = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    pub(crate) pause: bool,
    /// Container
    #[arg(value_name = "CONTAINER")]
    pub(crate) name: String,
    /// Name
    #[arg(value_name = "REPOSITORY[:TAG]")]
    pub(crate) image: Option<String>,
}

/// `docker commit`.
pub(crate) fn main(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Line = crate::flags::parse(&session.path("commit"), args)?;
    run_line(session, &line)
}

/// Makes an image of a container.
pub(crate) fn run_line(session: &Session, line: &Line) -> anyhow::Result<u8> {
    let engine = session.engine()?;
    let reference = line.image.as_deref().map(crate::commands::image::tag::reference).transpose()?;
    let mut config = engine.commit_base(&line.name)?;
    tare_build::apply_changes(&mut config, &line.change)?;
    let meanwhile = if line.pause { Meanwhile::Paused } else { Meanwhile::Running };
    let (author, message) = (line.author.clone(), line.message.clone());
    let options = CommitOptions { reference, author, message, config: Some(config), meanwhile };
    print_line(&engine.commit(&line.name, options)?.to_string())?;
    Ok(0)
}
