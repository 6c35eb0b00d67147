//! `docker context`: there is one, this machine; another that Docker was told to use is shown, and refused elsewhere.

use crate::error::Failure;
use crate::flags::Nothing;
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
    let current = session.destination.context_name();
    let row = |name: &str, description: &str, error: &str| {
        Row::new([
            ("Name", name.to_owned()),
            ("Description", description.to_owned()),
            ("DockerEndpoint", "none".to_owned()),
            ("Current", (name == current).to_string()),
            ("Error", error.to_owned()),
        ])
    };
    let mut rows = vec![row("default", "This machine, without a daemon", "")];
    if current != "default" {
        rows.push(row(&current, "", "not this machine: tare refuses to act there"));
    }
    print(&VIEW.render(&rows, Shape { format: line.format.as_deref(), quiet: line.quiet })?)?;
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
    print(&super::inspect::render(
        &[crate::output::template::Data::from(&context)],
        line.format.as_deref(),
    )?)?;
    Ok(0)
}

/// `docker context show`.
pub(crate) fn show(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let Nothing {} = crate::flags::parse(&session.path("context show"), args)?;
    print_line(&session.destination.context_name())?;
    Ok(0)
}
