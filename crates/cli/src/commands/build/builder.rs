//! `docker builder prune` and `docker buildx version`.

use std::path::Path;

use crate::error::Failure;
use crate::flags::Nothing;
use crate::output::{confirm, human, print_line};
use crate::session::Session;

#[derive(clap::Parser)]
struct Line {
    /// Include internal/frontend images
    #[arg(short, long)]
    all: bool,
    #[arg(long, hide = true, value_name = "FILTER", value_parser = crate::flags::filter)]
    filter: Vec<String>,
    #[arg(long, hide = true)]
    builder: Option<String>,
    #[arg(long, hide = true)]
    verbose: bool,
    /// Do not prompt for confirmation
    #[arg(short, long)]
    force: bool,
    #[arg(long, hide = true)]
    keep_storage: Option<String>,
    #[arg(long, hide = true)]
    reserved_space: Option<String>,
    #[arg(long, hide = true)]
    max_used_space: Option<String>,
    #[arg(long, hide = true)]
    min_free_space: Option<String>,
}

impl Line {
    /// What would keep a part of the cache; tare removes all of it.
    fn narrowing(&self) -> Option<&'static str> {
        let flags = [
            ("--filter", !self.filter.is_empty()),
            ("--keep-storage", self.keep_storage.is_some()),
            ("--reserved-space", self.reserved_space.is_some()),
            ("--max-used-space", self.max_used_space.is_some()),
            ("--min-free-space", self.min_free_space.is_some()),
        ];
        flags.into_iter().find_map(|(flag, given)| given.then_some(flag))
    }
}

/// `docker builder prune`.
pub(crate) fn prune(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Line = crate::flags::parse(&session.path("builder prune"), args)?;
    if let Some(flag) = line.narrowing() {
        return Err(Failure::new(format!(
            "builder prune {flag} is not supported: tare can only remove the whole build cache"
        ))
        .with_hint(format!("leave {flag} out to remove all of it; nothing was removed"))
        .into());
    }
    crate::refused::builder(line.builder.as_deref())?;
    let kind = if line.all { "all build cache" } else { "all dangling build cache" };
    if !line.force && !confirm(&format!("WARNING! This will remove {kind}."))? {
        return Ok(0);
    }
    let freed = session.engine()?.build_cache_prune(&clear)?;
    print_line(&format!("Total:\t{}", human::size(freed)))?;
    Ok(0)
}

/// The builder's part of forgetting its cache, as the engine asks for it.
pub(crate) fn clear(folder: &Path, run: &Path) -> anyhow::Result<()> {
    Ok(tare_build::clear(folder, run)?)
}

/// `docker buildx version`.
pub(crate) fn version(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let Nothing {} = crate::flags::parse(&session.path("buildx version"), args)?;
    print_line(&format!(
        "github.com/docker/buildx v0.29.1 (tare {})",
        crate::commands::system::version::VERSION
    ))?;
    Ok(0)
}
