//! `docker context export` and `import`.

use std::fs::File;
use std::io::{IsTerminal as _, Read};

use anyhow::Context as _;

use crate::contexts::{Contexts, check_name};
use crate::error::Failure;
use crate::output::{note, print_line};
use crate::session::Session;

#[derive(clap::Parser)]
struct Export {
    /// Context
    #[arg(value_name = "CONTEXT")]
    name: String,
    /// File, or - for stdout
    #[arg(value_name = "FILE|-", allow_hyphen_values = true)]
    file: Option<String>,
}

#[derive(clap::Parser)]
struct Import {
    /// Context
    #[arg(value_name = "CONTEXT")]
    name: String,
    /// File, or - for stdin
    #[arg(value_name = "FILE|-", allow_hyphen_values = true)]
    file: String,
}

/// `docker context export`.
pub(crate) fn export(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Export = crate::flags::parse(&session.path("context export"), args)?;
    check_name(&line.name)?;
    let contexts = Contexts::open()?;
    let context = contexts.require(&line.name)?;
    let file = line.file.unwrap_or_else(|| format!("{}.dockercontext", line.name));
    if file == "-" {
        let out = std::io::stdout();
        if out.is_terminal() {
            return Err(Failure::new("cowardly refusing to export to a terminal")
                .with_hint("name a file or redirect")
                .into());
        }
        contexts.export(&context, out.lock())?;
        return Ok(0);
    }
    // A file that is there stays: it may be another export.
    let out = File::options().write(true).create_new(true).open(&file);
    contexts.export(&context, out.with_context(|| format!("create {file}"))?)?;
    note(&format!("Written file {file:?}"));
    Ok(0)
}

/// `docker context import`.
pub(crate) fn import(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Import = crate::flags::parse(&session.path("context import"), args)?;
    check_name(&line.name)?;
    let contexts = Contexts::open()?;
    if contexts.find(&line.name)?.is_some() {
        return Err(Failure::new(format!("context {:?} already exists", line.name)).into());
    }
    let input: Box<dyn Read> = match line.file.as_str() {
        "-" => Box::new(std::io::stdin()),
        path => Box::new(File::open(path).with_context(|| format!("open {path}"))?),
    };
    contexts.import(&line.name, input).with_context(|| format!("import of {}", line.file))?;
    print_line(&line.name)?;
    note(&format!("Successfully imported context \"{}\"", line.name));
    Ok(0)
}
