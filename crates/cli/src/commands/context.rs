//! `docker context`: there is one, this machine.

use crate::error::Failure;
use crate::output::view::{Row, Shape, View};
use crate::output::{print, print_line};
use crate::session::Session;

#[derive(clap::Parser)]
struct List {
    /// Format output using a custom template
    #[arg(long)]
    format: Option<String>,
    /// Only show context names
    #[arg(short, long)]
    quiet: bool,
}

const VIEW: View = View {
    headers: &[
        ("Name", "NAME"),
        ("Description", "DESCRIPTION"),
        ("DockerEndpoint", "DOCKER ENDPOINT"),
        ("Current", "CURRENT"),
        ("Error", "ERROR"),
    ],
    default: "table {{.Name}}{{if eq .Current \"true\"}} *{{end}}\t{{.Description}}\t{{.DockerEndpoint}}\t{{.Error}}",
    quiet: "{{.Name}}",
};

/// `docker context ls`.
pub(crate) fn list(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: List = crate::flags::parse(&session.path("context ls"), args)?;
    let row = Row::new([
        ("Name", "default".to_owned()),
        ("Description", "This machine, without a daemon".to_owned()),
        ("DockerEndpoint", "none".to_owned()),
        ("Current", "true".to_owned()),
        ("Error", String::new()),
    ]);
    print(&VIEW.render(&[row], Shape { format: line.format.as_deref(), quiet: line.quiet })?)?;
    Ok(0)
}

#[derive(clap::Parser)]
struct Inspect {
    /// Format output using a custom template
    #[arg(short, long)]
    format: Option<String>,
    /// Contexts
    #[arg(value_name = "CONTEXT")]
    names: Vec<String>,
}

/// `docker context inspect`.
pub(crate) fn inspect(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Inspect = crate::flags::parse(&session.path("context inspect"), args)?;
    if let Some(other) = line.names.iter().find(|name| *name != "default") {
        return Err(Failure::new(format!("context {other:?}: context not found")).into());
    }
    let context = serde_json::json!({
        "Name": "default",
        "Metadata": {},
        // Nobody listens: every command works by itself.
        "Endpoints": {"docker": {"Host": "", "SkipTLSVerify": false}},
        "TLSMaterial": {},
        "Storage": {"MetadataPath": "<IN MEMORY>", "TLSPath": "<IN MEMORY>"},
    });
    print(&super::inspect::render(&[context], line.format.as_deref())?)?;
    Ok(0)
}

/// `docker context show`.
pub(crate) fn show(_: &Session, _: &[String]) -> anyhow::Result<u8> {
    print_line("default")?;
    Ok(0)
}
