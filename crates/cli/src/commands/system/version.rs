//! `docker version` and `--version`.

use serde_json::Value as Json;

use crate::error::{Failure, UNREADABLE_TEMPLATE};
use crate::output::{print, print_line};
use crate::session::Session;
use tare_template::{Format, Missing, record};

#[derive(clap::Parser)]
struct Line {
    /// Format output using a custom template
    #[arg(short, long)]
    format: Option<String>,
}

/// tare's version.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The line of `--version`.
pub(crate) fn line(session: &Session) -> String {
    match session.program {
        "docker" => format!("Docker version 28.5.0, build tare-{VERSION}"),
        _ => format!("tare version {VERSION}"),
    }
}

/// `docker version`.
pub(crate) fn main(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Line = crate::flags::parse(&session.path("version"), args)?;
    session.destination.require_here()?;
    let facts = facts(&session.destination.context_name());
    match line.format.as_deref() {
        None | Some("") => print(&table(&facts))?,
        Some("json") => print_line(&facts.to_string())?,
        Some(source) => {
            let format = Format::parse(source)
                .map_err(|error| Failure::new(error.to_string()).with_code(UNREADABLE_TEMPLATE))?;
            print_line(&format.render(&record(&facts), Missing::NoValue)?)?;
        }
    }
    Ok(0)
}

fn facts(context: &str) -> Json {
    tare_api::version(VERSION, &rustix::system::uname().release().to_string_lossy(), context)
}

fn table(facts: &Json) -> String {
    let client = &facts["Server"];
    let text = |key: &str| client[key].as_str().unwrap_or_default().to_owned();
    format!(
        "Client: tare\n Version:           {}\n API version:       {}\n OS/Arch:           {}/{}\n Kernel version:    {}\n\
         \nServer: none is needed: every command works on its own\n",
        text("Version"),
        text("ApiVersion"),
        text("Os"),
        text("Arch"),
        text("KernelVersion")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_have_dockers_names() {
        let template = Format::parse("{{.Server.APIVersion}} {{.Server.Os}}").unwrap();
        let shown = template.render(&record(&facts("default")), Missing::NoValue).unwrap();
        assert_eq!(shown, format!("{} linux", tare_api::API_VERSION));
    }
}
