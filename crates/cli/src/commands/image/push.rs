//! `docker push`.

use tare_engine::{Engine, Error};
use tare_image::{PullOptions, PullProgress, Silent};
use tare_oci::Reference;

use crate::commands::image::pull::progress::{Sink, TransferProgress};
use crate::error::Failure;
use crate::output::print_line;
use crate::session::Session;

#[derive(clap::Parser)]
struct Line {
    /// Push all tags of an image to the repository
    #[arg(short, long)]
    all_tags: bool,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    disable_content_trust: Option<bool>,
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
    crate::refused::content_trust(line.disable_content_trust)?;
    let platform = crate::commands::image::pull::platform_of(line.platform.as_deref().unwrap_or_default())?;
    let reference = crate::commands::image::tag::reference(&line.name)?;
    if reference.digest().is_some() {
        return Err(Failure::new("cannot push a digest reference").into());
    }
    let named = crate::commands::image::pull::names_a_tag(&line.name);
    if line.all_tags && named {
        return Err(Failure::new("tag can't be used with --all-tags/-a").into());
    }
    if !line.all_tags && !named && !line.quiet {
        print_line("Using default tag: latest")?;
    }
    let wanted = if line.all_tags { tags(engine, &reference)? } else { vec![reference.clone()] };
    if wanted.is_empty() {
        return Err(not_here(&reference.repository()).into());
    }
    let options = crate::commands::pull_options();
    for name in &wanted {
        if let Some(platform) = &platform
            && let Some(image) = engine.images()?.find(&name.canonical())?
        {
            crate::refused::other_platform(&name.familiar(), image.config.platform(), platform)?;
        }
        push(engine, name, &options, if line.quiet { News::Omitted } else { News::Told })?;
        if line.quiet {
            print_line(&name.canonical())?;
        }
    }
    Ok(0)
}

/// All names that images here have in a repository.
fn tags(engine: &Engine, repository: &Reference) -> anyhow::Result<Vec<Reference>> {
    let images = engine.images()?.list()?;
    let names = images.iter().flat_map(|image| &image.repo_tags).filter_map(|tag| tag.parse().ok());
    let mut names: Vec<Reference> =
        names.filter(|name: &Reference| name.repository() == repository.repository()).collect();
    names.sort();
    Ok(names)
}

/// What is told of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum News {
    /// How far it is.
    Told,
    /// Nothing.
    Omitted,
}

/// Pushes one name.
pub(crate) fn push(
    engine: &Engine,
    name: &Reference,
    options: &PullOptions,
    news: News,
) -> anyhow::Result<()> {
    let live = TransferProgress::new(Sink::Stdout);
    let progress: &dyn PullProgress = if news == News::Omitted { &Silent } else { &live };
    let pushed = engine.image_push(name, options, progress);
    live.finish();
    match pushed {
        Err(Error::Image(tare_image::Error::NoSuchImage(_))) => Err(not_here(&name.repository()).into()),
        other => Ok(other.map(drop)?),
    }
}

/// Docker's words; they name the repository.
fn not_here(repository: &str) -> Failure {
    Failure::new(format!("An image does not exist locally with the tag: {repository}"))
        .with_hint("`docker images` lists what is here; `docker tag IMAGE NAME` names one for a registry")
}
