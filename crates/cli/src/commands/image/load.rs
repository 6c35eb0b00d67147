//! `docker load`.

use std::io::{IsTerminal as _, Read};

use anyhow::Context as _;
use tare_image::Silent;
use tare_oci::Platform;

use crate::error::Failure;
use crate::output::print_line;
use crate::refused::{Flag, refuse};
use crate::session::Session;

#[derive(clap::Parser)]
struct Line {
    /// Read from tar archive file, instead of STDIN
    #[arg(short, long)]
    input: Option<String>,
    /// Suppress the load output
    #[arg(short, long)]
    quiet: bool,
    #[arg(long, hide = true)]
    platform: Option<String>,
}

/// `docker load`.
pub(crate) fn main(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Line = crate::flags::parse(&session.path("load"), args)?;
    let wanted = crate::commands::image::pull::platform_of(line.platform.as_deref().unwrap_or_default())?;
    refuse(&[Flag {
        name: "--platform",
        given: wanted.is_some_and(|wanted| wanted.normalised() != Platform::host().normalised()),
        why: "of an archive with several platforms, this machine's is loaded",
    }])?;
    let mut input: Box<dyn Read + Send> = match line.input.as_deref() {
        Some(path) => Box::new(std::fs::File::open(path).with_context(|| format!("open {path}"))?),
        None if std::io::stdin().is_terminal() => {
            return Err(Failure::new("requested load from stdin, but stdin is empty")
                .with_hint("name an archive with -i, or redirect one to stdin")
                .into());
        }
        None => Box::new(std::io::stdin()),
    };
    for name in session.engine()?.image_load(&mut input, &Silent)? {
        let what = if name.starts_with("sha256:") { "Loaded image ID" } else { "Loaded image" };
        print_line(&format!("{what}: {name}"))?;
    }
    Ok(0)
}
