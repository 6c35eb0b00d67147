//! `docker cp`: both directions, with Docker's rules on where things land, and tar streams as `-`.

use tare_engine::archive::{Links, Ownership};

use crate::error::Failure;
use crate::session::Session;

#[derive(clap::Parser)]
pub(crate) struct Line {
    /// Archive mode (copy all uid/gid information); owners are kept in any case
    #[arg(short, long)]
    pub(crate) archive: bool,
    /// Always follow symbol link in SRC_PATH
    #[arg(short = 'L', long)]
    pub(crate) follow_link: bool,
    #[arg(short, long, hide = true)]
    pub(crate) quiet: bool,
    /// CONTAINER:PATH, PATH or -
    #[arg(value_name = "SRC_PATH", allow_hyphen_values = true)]
    pub(crate) source: String,
    /// CONTAINER:PATH, PATH or -
    #[arg(value_name = "DEST_PATH", allow_hyphen_values = true)]
    pub(crate) destination: String,
}

/// One side of a copy.
#[derive(Debug, PartialEq, Eq)]
enum Side<'a> {
    Container { name: &'a str, path: &'a str },
    Local(&'a str),
}

impl Side<'_> {
    /// `name:path`; a path that begins with `/` or `.` is this machine's, colon or not.
    fn parse(text: &str) -> Side<'_> {
        match text.split_once(':') {
            Some((name, path)) if !name.is_empty() && !text.starts_with(['/', '.']) => {
                Side::Container { name, path }
            }
            _ => Side::Local(text),
        }
    }
}

/// `docker cp`.
pub(crate) fn main(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Line = crate::flags::parse(&session.path("cp"), args)?;
    run_line(session, &line)
}

/// Copies files in or out.
pub(crate) fn run_line(session: &Session, line: &Line) -> anyhow::Result<u8> {
    let engine = session.engine()?;
    // Docker keeps owners since 28, with `-a` and without it.
    let ownership = Ownership::Archive;
    let links = if line.follow_link { Links::Follow } else { Links::Keep };
    match (Side::parse(&line.source), Side::parse(&line.destination)) {
        (Side::Container { name, path }, Side::Local("-")) => {
            engine.archive_get(name, path, &mut std::io::stdout().lock())?;
        }
        (Side::Container { name, path }, Side::Local(to)) => {
            engine.copy_out(name, path, to, links)?;
        }
        (Side::Local("-"), Side::Container { name, path }) => {
            let mut input = tare_image::decompress(std::io::BufReader::new(std::io::stdin()))?;
            engine.archive_put(name, path, &mut input, ownership)?;
        }
        (Side::Local(from), Side::Container { name, path }) => {
            engine.copy_in(from, name, path, ownership, links)?;
        }
        (Side::Container { .. }, Side::Container { .. }) => {
            return Err(Failure::new("copying between containers is not supported")
                .with_hint(format!("{0} cp A:PATH - | {0} cp - B:FOLDER", session.program))
                .into());
        }
        (Side::Local(_), Side::Local(_)) => {
            return Err(Failure::new("must specify at least one container source").into());
        }
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides() {
        assert_eq!(Side::parse("web:/etc/x"), Side::Container { name: "web", path: "/etc/x" });
        assert_eq!(Side::parse("./a:b"), Side::Local("./a:b"));
        assert_eq!(Side::parse("-"), Side::Local("-"));
    }
}
