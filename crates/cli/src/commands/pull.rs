//! `docker pull`, and the pull that `run`, `build` and Compose share: options from the environment, progress on stderr
//! or stdout.

mod environment;
pub(crate) mod progress;

use anyhow::Context as _;
use tare_engine::Engine;
use tare_engine::event::{Action, Kind};
use tare_image::{PullOptions, PullOutcome, PullProgress, Silent};
use tare_oci::{Platform, Reference};

pub(crate) use environment::{ca_bundle, config_path, credentials, proxies, registries};
use progress::{Sink, TransferProgress};

use crate::output::print_line;
use crate::session::Session;

#[derive(clap::Parser)]
struct Line {
    #[arg(short, long, hide = true)]
    all_tags: bool,
    #[arg(long, hide = true)]
    disable_content_trust: bool,
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
    if line.all_tags {
        return Err(crate::error::Failure::new("pull --all-tags is not supported: name the tags").into());
    }
    let reference = super::tag::reference(&line.name)?;
    if !line.quiet && !line.name.contains([':', '@']) {
        print_line(&format!("Using default tag: {}", reference.tag().unwrap_or("latest")))?;
    }
    let platform = line.platform.as_deref().unwrap_or_default();
    transfer(session.engine()?, &reference, platform, line.quiet, Sink::Stdout)?;
    print_line(&reference.canonical())?;
    Ok(0)
}

/// Pulls an image that a command needs, with progress on stderr.
pub(crate) fn pull_image(engine: &Engine, name: &str, platform: &str, quiet: bool) -> anyhow::Result<()> {
    let reference = super::tag::reference(name)?;
    transfer(engine, &reference, platform, quiet, Sink::Stderr).map(drop)
}

fn transfer(
    engine: &Engine,
    reference: &Reference,
    platform: &str,
    quiet: bool,
    sink: Sink,
) -> anyhow::Result<PullOutcome> {
    let mut options = pull_options()?;
    options.platform = platform_of(platform)?;
    let live = TransferProgress::new(sink);
    let progress: &dyn PullProgress = if quiet { &Silent } else { &live };
    let outcome = engine.images()?.pull(reference, &options, progress);
    live.finish();
    let outcome = outcome?;
    let name = reference.familiar();
    engine.emit(Kind::Image, Action::Pull, &name, &[("name", &name)]);
    Ok(outcome)
}

/// Reads `linux/arm64`; empty is the host's.
pub(crate) fn platform_of(text: &str) -> anyhow::Result<Option<Platform>> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).with_context(|| format!("invalid platform {text:?}"))
}

/// How to reach registries, from the environment and Docker's config.json.
pub(crate) fn pull_options() -> anyhow::Result<PullOptions> {
    Ok(PullOptions { platform: None, credentials: credentials()?, registries: registries() })
}
