//! `docker manifest inspect`: what a registry has, without pulling it.

use anyhow::Context as _;
use serde::Serialize as _;
use tare_image::RegistryError;

use crate::error::Failure;
use crate::output::print_line;
use crate::session::Session;

#[derive(clap::Parser)]
struct Line {
    /// Allow communication with an insecure registry
    #[arg(long)]
    insecure: bool,
    /// Manifest
    #[arg(value_name = "MANIFEST")]
    name: String,
}

/// `docker manifest inspect`.
pub(crate) fn inspect(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Line = crate::flags::parse(&session.path("manifest inspect"), args)?;
    let name = crate::commands::image::tag::reference(&line.name)?;
    let mut options = crate::commands::pull_options();
    if line.insecure {
        options.registries.insecure.push(name.domain().to_owned());
    }
    let found = match tare_image::registry::manifest(&name, &options) {
        Err(tare_image::Error::Registry(RegistryError::ManifestUnknown { .. })) => {
            return Err(Failure::new(format!("no such manifest: {}", name.canonical())).into());
        }
        other => other?,
    };
    let json: serde_json::Value =
        serde_json::from_slice(&found.json).with_context(|| format!("the manifest of {name} is no JSON"))?;
    let mut text = Vec::new();
    let tabs = serde_json::ser::PrettyFormatter::with_indent(b"\t");
    json.serialize(&mut serde_json::Serializer::with_formatter(&mut text, tabs))?;
    print_line(&String::from_utf8_lossy(&text))?;
    Ok(0)
}
