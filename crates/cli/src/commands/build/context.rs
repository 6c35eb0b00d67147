//! Where a build's files come from, as it is typed: what comes by standard input is read here, the rest is the builder's.

use std::fs::File;
use std::io::Write as _;

use anyhow::Context as _;
use tare_build::{Checkout, Place, Recipe, Request};
use tare_sys::bounded;

use super::Interruption;
use super::progress::Mode;
use crate::error::Failure;
use crate::output::note;

/// Fills in the Dockerfile, its name and the context. What comes back holds a repository's files, and takes them away
/// when the build is done.
pub(super) fn fill(
    request: &mut Request,
    context: &str,
    file: Option<&str>,
    mode: Mode,
) -> anyhow::Result<Option<Checkout>> {
    if (context, file) == ("-", Some("-")) {
        let text = "invalid argument: can't use stdin for both build context and dockerfile";
        return Err(Failure::new(text).into());
    }
    if tare_build::is_remote(context) && mode != Mode::Quiet {
        note(&format!("fetching {context}"));
    }
    let place = if context == "-" { Place::Stream(spool()?) } else { Place::Named(context) };
    let recipe = match file {
        Some("-") => Recipe::Text(stdin()?),
        Some(file) => Recipe::Named(file),
        None => Recipe::Usual,
    };
    let interruption = Interruption::watch()?;
    tare_build::locate(request, place, recipe, &interruption.cancel).map_err(|error| match error {
        tare_build::Error::Cancelled => interruption.failure(),
        error => error.into(),
    })
}

/// Standard input as a file: it is read twice, and may be large.
fn spool() -> anyhow::Result<File> {
    let mut input = std::io::stdin().lock();
    let mut file = unnamed()?;
    std::io::copy(&mut input, &mut file).context("cannot read stdin")?;
    file.flush()?;
    Ok(file)
}

/// A file that no folder shows.
fn unnamed() -> anyhow::Result<File> {
    use rustix::fs::{Mode, OFlags};
    let folder = std::env::temp_dir();
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let file = rustix::fs::open(&folder, flags, Mode::from_raw_mode(0o600));
    Ok(File::from(file.with_context(|| format!("cannot make a file in {}", folder.display()))?))
}

/// A Dockerfile that comes as standard input.
fn stdin() -> anyhow::Result<String> {
    let bytes = bounded::read(std::io::stdin(), bounded::TEXT).context("cannot read stdin")?;
    String::from_utf8(bytes).map_err(|_| Failure::new("- is not UTF-8 text").into())
}
