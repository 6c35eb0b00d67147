//! `docker save`.

use std::fs::File;
use std::io::{BufWriter, IsTerminal as _, Write as _};

use anyhow::Context as _;

use crate::error::Failure;
use crate::session::Session;

#[derive(clap::Parser)]
struct Line {
    /// Write to a file, instead of STDOUT
    #[arg(short, long)]
    output: Option<String>,
    #[arg(long, hide = true)]
    platform: Option<String>,
    /// Images
    #[arg(required = true, value_name = "IMAGE")]
    names: Vec<String>,
}

/// `docker save`.
pub(crate) fn main(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Line = crate::flags::parse(&session.path("save"), args)?;
    let engine = session.engine()?;
    let names: Vec<&str> = line.names.iter().map(String::as_str).collect();
    if let Some(platform) =
        crate::commands::image::pull::platform_of(line.platform.as_deref().unwrap_or_default())?
    {
        for name in &names {
            crate::refused::other_platform(
                name,
                engine.images()?.require(name)?.config.platform(),
                &platform,
            )?;
        }
    }
    write_to(line.output.as_deref(), |out| Ok(engine.image_save(&names, out)?))?;
    Ok(0)
}

/// Writes an archive to stdout, never to a terminal, or to a file that appears when it is whole.
pub(crate) fn write_to(
    path: Option<&str>,
    write: impl FnOnce(&mut dyn std::io::Write) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let Some(path) = path.filter(|path| *path != "-") else {
        if std::io::stdout().is_terminal() {
            return Err(Failure::new("cowardly refusing to save to a terminal")
                .with_hint("use the -o flag or redirect")
                .into());
        }
        let mut out = BufWriter::new(std::io::stdout().lock());
        write(&mut out)?;
        return out.flush().context("cannot write to stdout");
    };
    let is_file = std::fs::metadata(path).map_or(true, |meta| meta.is_file());
    if !is_file {
        let mut out =
            BufWriter::new(File::options().write(true).open(path).with_context(|| format!("open {path}"))?);
        write(&mut out)?;
        return out.flush().with_context(|| format!("cannot write {path}"));
    }
    let partial = format!("{path}.tare-partial");
    let file = File::create(&partial).with_context(|| format!("create {partial}"))?;
    let mut out = BufWriter::new(file);
    let written =
        write(&mut out).and_then(|()| out.flush().with_context(|| format!("cannot write {partial}")));
    if let Err(error) =
        written.and_then(|()| std::fs::rename(&partial, path).with_context(|| format!("rename to {path}")))
    {
        let _ = std::fs::remove_file(&partial);
        return Err(error);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_archive_leaves_no_file() {
        let path = std::env::temp_dir().join(format!("tare-save-{}", std::process::id()));
        let path = path.to_str().unwrap();
        assert!(write_to(Some(path), |_| anyhow::bail!("no")).is_err());
        assert!(!std::path::Path::new(path).exists());
        assert!(!std::path::Path::new(&format!("{path}.tare-partial")).exists());
        write_to(Some(path), |out| Ok(out.write_all(b"x")?)).unwrap();
        assert_eq!(std::fs::read(path).unwrap(), b"x");
        std::fs::remove_file(path).unwrap();
    }
}
