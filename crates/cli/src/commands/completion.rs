//! `docker completion SHELL`: the lines that make a shell ask tare what may follow.

use crate::completion::registration::{Shell, lines, own_names};
use crate::output::print;
use crate::session::Session;

#[derive(clap::Parser)]
struct Line {
    /// bash, zsh or fish
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
    /// Program to complete for (default: the names on PATH that are tare)
    #[arg(long = "for", value_name = "NAME")]
    names: Vec<String>,
}

/// `docker completion`.
pub(crate) fn main(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Line = crate::flags::parse(&session.path("completion"), args)?;
    let given: Vec<&str> = line.names.iter().map(String::as_str).collect();
    let names = if given.is_empty() { own_names(session.program) } else { given };
    print(&lines(line.shell, &names)?)?;
    Ok(0)
}
