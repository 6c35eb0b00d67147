//! `compose images`.

use clap::Args;
use serde_json::json;
use tare_compose::select::OneOffs;

use super::columns;
use super::project::Context;
use crate::output::{human, print, print_line};

/// Flags of `images`.
#[derive(Debug, Args)]
pub(super) struct ImagesArgs {
    /// table or json
    #[arg(long, default_value = "table", value_parser = ["table", "json"])]
    format: String,
    /// Only display ids
    #[arg(short = 'q', long)]
    quiet: bool,
    /// Services (default: all)
    services: Vec<String>,
}

/// `compose images`.
pub(super) fn main(context: &Context<'_>, args: &ImagesArgs) -> anyhow::Result<u8> {
    let target = context.target()?;
    let mut containers = context.listed(&target, &args.services, OneOffs::Include)?;
    containers.sort_by(|left, right| left.name.cmp(&right.name));
    let images = context.engine()?.images()?;
    let mut ids: Vec<String> = Vec::new();
    let mut rows = Vec::new();
    let mut lines = Vec::new();
    for container in &containers {
        let Some(image) = images.find(&container.image_id)? else { continue };
        let id = image.id.to_string();
        if !ids.contains(&id) {
            ids.push(id.clone());
        }
        let name =
            image.repo_tags.iter().find(|tag| **tag == container.image_ref).or(image.repo_tags.first());
        let (repository, tag) = name.and_then(|name| name.rsplit_once(':')).unwrap_or(("<none>", "<none>"));
        let short = image.id.short();
        let platform = format!("{}/{}", image.config.os, image.config.architecture);
        let created = jiff::Timestamp::from_second(image.created).unwrap_or_default();
        let (size, ago) = (human::size_short(image.size), human::ago(created));
        lines.push([
            container.name.clone(),
            repository.to_owned(),
            tag.to_owned(),
            platform.clone(),
            short,
            size,
            ago,
        ]);
        rows.push(json!({
            "ID": id, "ContainerName": container.name, "Repository": repository, "Tag": tag, "Platform": platform,
            "Size": image.size, "LastTagTime": created.to_string(),
        }));
    }
    if args.quiet {
        let text: String = ids.iter().map(|id| format!("{}\n", id.trim_start_matches("sha256:"))).collect();
        return print(&text).map(|()| 0);
    }
    match args.format.as_str() {
        // As Go prints a list that was never made.
        "json" if rows.is_empty() => print_line("null")?,
        "json" => print_line(&serde_json::Value::Array(rows).to_string())?,
        _ => {
            let heading = ["CONTAINER", "REPOSITORY", "TAG", "PLATFORM", "IMAGE ID", "SIZE", "CREATED"];
            print(&columns::table(heading, &lines))?;
        }
    }
    Ok(0)
}
