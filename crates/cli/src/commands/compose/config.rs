//! `compose config`.

use anyhow::Context as _;
use clap::Args;
use serde_json::Value;
use tare_compose_model::{Project, canonical_json, config_hash, to_yaml};

use super::project::Context;
use crate::output::print;

/// Flags of `config`.
#[derive(Debug, Args)]
pub(super) struct ConfigArgs {
    /// Print the variables of the environment used for interpolation
    #[arg(long)]
    environment: bool,
    /// yaml or json
    #[arg(long, value_parser = ["yaml", "json"])]
    format: Option<String>,
    /// Print the services' config hashes (`*` for all, or names with commas)
    #[arg(long, value_name = "SERVICES")]
    hash: Option<String>,
    /// Print the image names
    #[arg(long)]
    images: bool,
    /// Print the network names
    #[arg(long)]
    networks: bool,
    /// Save to a file
    #[arg(short = 'o', long, value_name = "FILE")]
    output: Option<std::path::PathBuf>,
    /// Print the profile names
    #[arg(long)]
    profiles: bool,
    /// Only validate, print nothing
    #[arg(short = 'q', long)]
    quiet: bool,
    /// Pin image tags to digests
    #[arg(long)]
    resolve_image_digests: bool,
    /// Print the service names
    #[arg(long)]
    services: bool,
    /// Print the model variables and default values
    #[arg(long)]
    variables: bool,
    /// Print the volume names
    #[arg(long)]
    volumes: bool,
    /// Services to show (default: all)
    #[arg(value_name = "SERVICE")]
    only: Vec<String>,
}

/// `compose config`.
pub(super) fn main(context: &Context<'_>, args: &ConfigArgs) -> anyhow::Result<u8> {
    let project =
        if args.quiet { context.load_quietly(&args.only, &[])?.0 } else { context.load(&args.only)? };
    if args.quiet {
        return Ok(0);
    }
    let text = render(context, args, project)?;
    match &args.output {
        Some(path) => {
            std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?
        }
        None => print(&text)?,
    }
    Ok(0)
}

fn render(context: &Context<'_>, args: &ConfigArgs, mut project: Project) -> anyhow::Result<String> {
    if !args.only.is_empty() {
        narrow(&mut project, &args.only);
    }
    let lines = |names: Vec<String>| names.into_iter().map(|name| name + "\n").collect::<String>();
    if args.services {
        return Ok(lines(project.services.keys().cloned().collect()));
    }
    if args.volumes {
        return Ok(lines(project.volumes.keys().cloned().collect()));
    }
    if args.networks {
        return Ok(lines(project.networks.keys().cloned().collect()));
    }
    if args.images {
        let image = |(name, service): (&String, &tare_compose_model::Service)| {
            service.image_name(&project.name, name)
        };
        return Ok(lines(project.services.iter().map(image).collect()));
    }
    if args.profiles {
        let all = project.services.values().chain(project.disabled_services.values());
        let mut names: Vec<String> = all.flat_map(|service| service.profiles.clone()).collect();
        names.sort();
        names.dedup();
        return Ok(lines(names));
    }
    if let Some(wanted) = &args.hash {
        let meant = |name: &str| wanted == "*" || wanted.split(',').any(|given| given.trim() == name);
        let hashes = project.services.iter().filter(|(name, _)| meant(name));
        return Ok(hashes.map(|(name, service)| format!("{name} {}\n", config_hash(service))).collect());
    }
    if args.environment {
        return Ok(context.environment()?.iter().map(|(key, value)| format!("{key}={value}\n")).collect());
    }
    if args.variables {
        return variables(context);
    }
    if args.resolve_image_digests {
        pin(context, &mut project)?;
    }
    let value = serde_json::to_value(&project).context("cannot write the project")?;
    Ok(match args.format.as_deref() {
        Some("json") => {
            format!("{}\n", serde_json::to_string_pretty(&value).context("cannot write the project")?)
        }
        _ => to_yaml(&escaped(value)),
    })
}

/// Only the given services and what they depend on.
fn narrow(project: &mut Project, only: &[String]) {
    let mut names = only.to_vec();
    let mut next = 0;
    while let Some(name) = names.get(next).cloned() {
        let further = project.services.get(&name).map(|service| service.depends_on.keys().cloned().collect());
        let further: Vec<String> = further.unwrap_or_default();
        names.extend(further.into_iter().filter(|name| !names.contains(name)).collect::<Vec<_>>());
        next += 1;
    }
    project.services.retain(|name, _| names.contains(name));
    let text: Vec<String> = project.services.values().map(canonical_json).collect();
    let used = |key: &str| text.iter().any(|text| text.contains(&format!("\"{key}\"")));
    project.networks.retain(|key, _| used(key));
    project.volumes.retain(|key, _| used(key));
    project.configs.retain(|key, _| used(key));
    project.secrets.retain(|key, _| used(key));
}

/// Images by the digests that their names stand for here.
fn pin(context: &Context<'_>, project: &mut Project) -> anyhow::Result<()> {
    let images = context.engine()?.images()?;
    for service in project.services.values_mut() {
        let Some(name) = service.image.clone().filter(|name| !name.contains('@')) else { continue };
        let found = images.find(&name)?.and_then(|image| image.repo_digests.first().cloned());
        service.image =
            Some(found.with_context(|| format!("the digest of {name} is not known; pull it first"))?);
    }
    Ok(())
}

/// `$` doubled, so that the output can be read as a Compose file again.
fn escaped(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace('$', "$$")),
        Value::Array(items) => Value::Array(items.into_iter().map(escaped).collect()),
        Value::Object(map) => {
            Value::Object(map.into_iter().map(|(key, value)| (key, escaped(value))).collect())
        }
        other => other,
    }
}

/// The variables that the files name, with their defaults.
fn variables(context: &Context<'_>) -> anyhow::Result<String> {
    let mut rows: Vec<(String, String)> = Vec::new();
    for text in context.file_texts()? {
        let mut rest = text.as_str();
        while let Some(at) = rest.find("${") {
            rest = &rest[at + 2..];
            let end = rest.find('}').unwrap_or(rest.len());
            let inner = &rest[..end];
            let cut = inner.find([':', '-', '?', '+']).unwrap_or(inner.len());
            let default = inner[cut..].trim_start_matches(':').strip_prefix('-').unwrap_or_default();
            let row = (inner[..cut].to_owned(), default.to_owned());
            if !row.0.is_empty() && !rows.iter().any(|known| known.0 == row.0) {
                rows.push(row);
            }
        }
    }
    rows.sort();
    let mut table = "NAME\tDEFAULT VALUE\n".to_owned();
    rows.iter().for_each(|(name, default)| table.push_str(&format!("{name}\t{default}\n")));
    Ok(crate::output::table::align(&table))
}
