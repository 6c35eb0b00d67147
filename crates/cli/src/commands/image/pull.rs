//! `docker pull`, and the pull that `run`, `build` and Compose share: options from the environment, progress on stderr
//! or stdout.

mod environment;
pub(crate) mod progress;

use anyhow::Context as _;
use tare_engine::Engine;
use tare_image::{PullOptions, PullOutcome, PullProgress, Silent};
use tare_oci::{Platform, Reference};

pub(crate) use environment::{ca_bundle, credentials, proxies, registries};
use progress::{Sink, TransferProgress};

use crate::error::Failure;
use crate::output::print_line;
use crate::session::Session;

#[derive(clap::Parser)]
struct Line {
    /// Download all tagged images in the repository
    #[arg(short, long)]
    all_tags: bool,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    disable_content_trust: Option<bool>,
    /// Set platform if server is multi-platform capable
    #[arg(long)]
    platform: Option<String>,
    /// Suppress verbose output
    #[arg(short, long)]
    quiet: bool,
    /// Image
    #[arg(value_name = "NAME[:TAG|@DIGEST]")]
    name: String,
}

/// `docker pull`.
pub(crate) fn main(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Line = crate::flags::parse(&session.path("pull"), args)?;
    crate::refused::content_trust(line.disable_content_trust)?;
    let reference = crate::commands::image::tag::reference(&line.name)?;
    let named = names_a_tag(&line.name);
    if line.all_tags && named {
        return Err(Failure::new("tag can't be used with --all-tags/-a").into());
    }
    if !line.quiet && !line.all_tags && !named {
        print_line(&format!("Using default tag: {}", reference.tag().unwrap_or("latest")))?;
    }
    let platform = line.platform.as_deref().unwrap_or_default();
    let wanted = if line.all_tags { all_tags(&reference)? } else { vec![reference.clone()] };
    for name in &wanted {
        transfer(session.engine()?, name, platform, line.quiet, Sink::Stdout)?;
    }
    print_line(&if line.all_tags { reference.repository() } else { reference.canonical() })?;
    Ok(0)
}

/// The names of all that the registry has in a repository.
fn all_tags(reference: &Reference) -> anyhow::Result<Vec<Reference>> {
    let tags = tare_image::registry::tags(reference, &pull_options())?;
    if tags.is_empty() {
        return Err(Failure::new(format!("no tags in repository {}", reference.repository())).into());
    }
    Ok(tags.iter().map(|tag| reference.with_tag(tag)).collect::<Result<_, _>>()?)
}

/// Whether a name as typed has a tag or a digest; the colon of a port is none.
pub(crate) fn names_a_tag(text: &str) -> bool {
    text.contains('@') || text.rsplit('/').next().is_some_and(|last| last.contains(':'))
}

/// Pulls an image that a command needs, with progress on stderr.
pub(crate) fn pull_image(engine: &Engine, name: &str, platform: &str, quiet: bool) -> anyhow::Result<()> {
    let reference = crate::commands::image::tag::reference(name)?;
    transfer(engine, &reference, platform, quiet, Sink::Stderr).map(drop)
}

fn transfer(
    engine: &Engine,
    reference: &Reference,
    platform: &str,
    quiet: bool,
    sink: Sink,
) -> anyhow::Result<PullOutcome> {
    let mut options = pull_options();
    options.platform = platform_of(platform)?;
    let live = TransferProgress::new(sink);
    let progress: &dyn PullProgress = if quiet { &Silent } else { &live };
    let outcome = engine.image_pull(reference, &options, progress);
    live.finish();
    Ok(outcome?)
}

/// Reads `linux/arm64`; empty is the host's.
pub(crate) fn platform_of(text: &str) -> anyhow::Result<Option<Platform>> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).with_context(|| format!("invalid platform {text:?}"))
}

/// How to reach registries, from the environment and Docker's config.json.
pub(crate) fn pull_options() -> PullOptions {
    PullOptions { platform: None, credentials: credentials(), registries: registries() }
}

#[cfg(test)]
mod tests {
    use super::names_a_tag;

    #[test]
    fn ports_are_no_tags() {
        assert!(names_a_tag("localhost:5000/app:1") && names_a_tag("app:1") && names_a_tag("app@sha256:0"));
        assert!(!names_a_tag("localhost:5000/app") && !names_a_tag("app"));
    }
}
