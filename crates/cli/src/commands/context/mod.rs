//! `docker context`: stored as Docker stores them. This machine is the one that commands act on; another that Docker was told
//! to use is shown, and refused by every command that would act there.

mod change;
mod transfer;

pub(crate) use change::{create, remove, update, use_one};
pub(crate) use transfer::{export, import};

use serde_json::json;

use crate::contexts::{Contexts, DEFAULT, Stored};
use crate::error::Failure;
use crate::output::view::{Row, Shape, View};
use crate::output::{print, print_line};
use crate::session::Session;
use tare_template::{Data, record};

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
    default: "table {{.Name}}{{if .Current}} *{{end}}\t{{.Description}}\t{{.DockerEndpoint}}\t{{.Error}}",
    quiet: "{{.Name}}",
    raw: None,
};

/// Where Docker's daemon would listen; tare takes its place without listening.
const OWN_SOCKET: &str = "unix:///var/run/docker.sock";

/// `docker context ls`.
pub(crate) fn list(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: List = crate::flags::parse(&session.path("context ls"), args)?;
    let current = session.destination.context_name();
    let row = |name: &str, description: &str, endpoint: &str, error: &str| {
        let mut row = Row::new([
            ("Name", name.to_owned()),
            ("Description", description.to_owned()),
            ("DockerEndpoint", endpoint.to_owned()),
            ("Error", error.to_owned()),
        ]);
        row.set("Current", Data::Bool(name == current));
        row
    };
    let mut rows = vec![row(DEFAULT, "This machine, without a daemon", &own_host(), "")];
    let stored = Contexts::open()?.list()?;
    if current != DEFAULT && !stored.iter().any(|context| context.name == current) {
        rows.push(row(&current, "", "", "context not found"));
    }
    rows.extend(stored.iter().map(|context| row(&context.name, context.description(), &context.host, "")));
    print(&VIEW.render(&rows, Shape { format: line.format.as_deref(), quiet: line.quiet })?)?;
    Ok(0)
}

/// What the default context's endpoint is called.
pub(super) fn own_host() -> String {
    std::env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty()).unwrap_or_else(|| OWN_SOCKET.to_owned())
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
    let names = if line.names.is_empty() { vec![session.destination.context_name()] } else { line.names };
    let contexts = Contexts::open()?;
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for name in &names {
        match details(&contexts, name)? {
            Some(context) => found.push(context),
            None => missing.push(name),
        }
    }
    print(&super::inspect::render(&found, line.format.as_deref())?)?;
    match missing.first() {
        None => Ok(0),
        Some(name) => Err(Failure::new(format!("context {name:?}: context not found")).into()),
    }
}

/// All that is known of a context.
fn details(contexts: &Contexts, name: &str) -> anyhow::Result<Option<Data>> {
    let in_memory = "<IN MEMORY>".to_owned();
    let (context, metadata, tls) = if name == DEFAULT {
        let context = Stored {
            name: DEFAULT.to_owned(),
            metadata: serde_json::Map::new(),
            host: own_host(),
            skips_verification: false,
        };
        (context, in_memory.clone(), in_memory)
    } else {
        let Some(context) = contexts.find(name)? else { return Ok(None) };
        let shown = |path: std::path::PathBuf| path.to_string_lossy().into_owned();
        (context, shown(contexts.metadata(name)), shown(contexts.tls(name)))
    };
    let files: Vec<&str> = contexts.tls_files(name).into_iter().map(|(file, _)| file).collect();
    let mut json = context.json();
    json["TLSMaterial"] = if files.is_empty() { json!({}) } else { json!({"docker": files}) };
    json["Storage"] = json!({"MetadataPath": metadata, "TLSPath": tls});
    Ok(Some(record(&json)))
}

/// `docker context show`.
pub(crate) fn show(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let _: crate::flags::Nothing = crate::flags::parse(&session.path("context show"), args)?;
    let name = session.destination.context_name();
    print_line(&name)?;
    Ok(0)
}
