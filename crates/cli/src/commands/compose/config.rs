//! `compose config`.

use std::fmt::Write as _;

use anyhow::Context as _;
use clap::Args;
use serde_json::{Value, json};
use tare_compose::select::NoSuchService;
use tare_compose_model::{Project, Stage, Stages, canonical_json, config_hash, to_yaml};

use super::columns;
use super::project::{Context, print_warnings};
use crate::error::Failure;
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
    /// Print an override file that pins the images' digests
    #[arg(long)]
    lock_image_digests: bool,
    /// Print the model names
    #[arg(long)]
    models: bool,
    /// Print the network names
    #[arg(long)]
    networks: bool,
    /// Don't check references between the parts; the output may be invalid
    #[arg(long)]
    no_consistency: bool,
    /// Don't read the services' env files
    #[arg(long)]
    no_env_resolution: bool,
    /// Don't replace variables
    #[arg(long)]
    no_interpolate: bool,
    /// Don't fill names, networks and defaults in
    #[arg(long)]
    no_normalize: bool,
    /// Don't make paths absolute
    #[arg(long)]
    no_path_resolution: bool,
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

impl ConfigArgs {
    fn stages(&self) -> Stages {
        let stage = |skipped| if skipped { Stage::Skip } else { Stage::Run };
        Stages {
            interpolation: stage(self.no_interpolate),
            normalization: stage(self.no_normalize),
            paths: stage(self.no_path_resolution),
            env_files: stage(self.no_env_resolution),
            consistency: stage(self.no_consistency),
            // It prints what the files say; whoever runs it refuses what cannot be run.
            values: Stage::Skip,
        }
    }
}

/// `compose config`.
pub(super) fn main(context: &Context<'_>, args: &ConfigArgs) -> anyhow::Result<u8> {
    let text = match environment(context, args)? {
        Some(text) => text,
        None => render(context, args)?,
    };
    match &args.output {
        _ if args.quiet => {}
        Some(path) => {
            std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        None => print(&text)?,
    }
    Ok(0)
}

/// What is printed of the surroundings, without a project.
fn environment(context: &Context<'_>, args: &ConfigArgs) -> anyhow::Result<Option<String>> {
    if args.environment {
        let stages = args.stages();
        let all = context.find(|finder| finder.load(&args.only, &[], stages).and(finder.environment()))?;
        return Ok(Some(all.iter().map(|(key, value)| format!("{key}={value}\n")).collect()));
    }
    if args.variables {
        let found = context.find(|finder| finder.named_variables())?;
        if args.format.as_deref() == Some("json") {
            let entry = |v: &tare_compose_model::Variable| {
                let value = json!({"Name": v.name, "DefaultValue": v.default, "PresenceValue": v.alternate,
                    "Required": v.required});
                (v.name.clone(), value)
            };
            return pretty(&found.iter().map(entry).collect::<serde_json::Map<_, _>>().into()).map(Some);
        }
        let row = |v: tare_compose_model::Variable| [v.name, v.required.to_string(), v.default, v.alternate];
        let rows: Vec<[String; 4]> = found.into_iter().map(row).collect();
        let heading = ["NAME", "REQUIRED", "DEFAULT VALUE", "ALTERNATE VALUE"];
        return Ok(Some(columns::table(heading, &rows)));
    }
    if args.no_interpolate && args.services {
        let (value, _) = context.find(|finder| finder.load_uninterpolated(&[], args.stages()))?;
        let services = value.get("services").and_then(Value::as_object);
        return Ok(Some(
            services.into_iter().flat_map(|map| map.keys()).map(|name| format!("{name}\n")).collect(),
        ));
    }
    if args.no_interpolate && !args.is_list() {
        let (value, warnings) =
            context.find(|finder| finder.load_uninterpolated(&args.only, args.stages()))?;
        print_warnings(&warnings);
        return match args.format.as_deref() {
            Some("json") => pretty(&value).map(Some),
            _ => Ok(Some(to_yaml(&value))),
        };
    }
    Ok(None)
}

fn pretty(value: &Value) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(value).context("cannot write the project")? + "\n")
}

impl ConfigArgs {
    /// Whether names are printed instead of the project.
    fn is_list(&self) -> bool {
        self.services
            || self.volumes
            || self.networks
            || self.images
            || self.profiles
            || self.models
            || self.hash.is_some()
    }
}

fn render(context: &Context<'_>, args: &ConfigArgs) -> anyhow::Result<String> {
    let (mut project, warnings) = context.find(|finder| finder.load(&args.only, &[], args.stages()))?;
    if !args.no_consistency
        && let Some((first, second)) = project.same_container_name()
    {
        let message = format!("services {first} and {second} have the same container_name");
        return Err(Failure::new(message).into());
    }
    if !args.quiet {
        print_warnings(&warnings);
    }
    if let Some(wanted) = &args.hash {
        return hashes(&project, wanted);
    }
    if let Some(names) = names(args, &project) {
        return Ok(names.into_iter().map(|name| name + "\n").collect());
    }
    if !args.only.is_empty() {
        narrow(&mut project, &args.only);
    }
    if args.resolve_image_digests || args.lock_image_digests {
        pin(context, &mut project)?;
    }
    if args.lock_image_digests {
        let image = |(name, service): (&String, &tare_compose_model::Service)| {
            (name.clone(), json!({ "image": service.image_name(&project.name, name) }))
        };
        let services: serde_json::Map<String, Value> = project.services.iter().map(image).collect();
        return Ok(to_yaml(&json!({ "services": services })));
    }
    Ok(match args.format.as_deref() {
        Some("json") => project.to_json(),
        _ => project.to_yaml(),
    })
}

/// The names that a flag asks for.
fn names(args: &ConfigArgs, project: &Project) -> Option<Vec<String>> {
    let keys = |used: std::collections::BTreeSet<&str>| used.into_iter().map(str::to_owned).collect();
    if args.services {
        Some(project.services.keys().cloned().collect())
    } else if args.volumes {
        Some(keys(project.used_volumes()))
    } else if args.networks {
        Some(keys(project.used_networks()))
    } else if args.images {
        Some(project.images())
    } else if args.profiles {
        Some(project.all_profiles())
    } else if args.models {
        let models = project.extensions.get("models").and_then(Value::as_object);
        Some(models.into_iter().flat_map(|map| map.keys().cloned()).collect())
    } else {
        None
    }
}

fn hashes(project: &Project, wanted: &str) -> anyhow::Result<String> {
    let mut text = String::new();
    if wanted == "*" {
        for (name, hash) in project.hashes() {
            let _ = writeln!(text, "{name} {hash}");
        }
        return Ok(text);
    }
    for name in wanted.split(',').map(str::trim) {
        let service = project.services.get(name).ok_or_else(|| NoSuchService::of(project, name))?;
        let _ = writeln!(text, "{name} {}", config_hash(service));
    }
    Ok(text)
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
        let pinned = found.ok_or_else(|| {
            let failure = Failure::new(format!("the digest of {name} is not known here"));
            failure.with_hint(format!("`docker pull {name}` asks the registry for it"))
        });
        service.image = Some(pinned?);
    }
    Ok(())
}
