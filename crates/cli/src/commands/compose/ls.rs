//! `compose ls`.

use clap::Args;
use std::collections::BTreeMap;

use serde_json::json;
use tare_compose::labels;

use super::columns;
use super::project::Context;
use crate::error::Failure;
use crate::output::{print, print_line};

/// Flags of `ls`.
#[derive(Debug, Args)]
pub(super) struct LsArgs {
    /// Show all stopped projects too
    #[arg(short = 'a', long)]
    all: bool,
    /// Filter: name=PATTERN
    #[arg(long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// table or json
    #[arg(long, default_value = "table", value_parser = ["table", "json"])]
    format: String,
    /// Only display names
    #[arg(short = 'q', long)]
    quiet: bool,
}

/// What is known of a project by its containers.
#[derive(Default)]
struct Known {
    states: BTreeMap<&'static str, usize>,
    files: String,
}

/// `compose ls`.
pub(super) fn main(context: &Context<'_>, args: &LsArgs) -> anyhow::Result<u8> {
    let mut patterns = Vec::new();
    for filter in &args.filter {
        match filter.split_once('=') {
            Some(("name", pattern)) => patterns.push(pattern),
            _ => {
                return Err(
                    Failure::new(format!("unknown filter {filter:?}; only name=… is supported")).into()
                );
            }
        }
    }
    let mut projects: BTreeMap<String, Known> = BTreeMap::new();
    for container in context.engine()?.containers()? {
        let all = &container.config.labels;
        let Some(name) = all.get(labels::PROJECT) else { continue };
        if !args.all && !container.state.is_active() {
            continue;
        }
        let known = projects.entry(name.clone()).or_default();
        *known.states.entry(container.state.word()).or_default() += 1;
        if let Some(files) = all.get(labels::CONFIG_FILES) {
            known.files.clone_from(files);
        }
    }
    projects.retain(|name, _| patterns.is_empty() || patterns.iter().any(|pattern| name.contains(pattern)));
    if args.quiet {
        return print(&projects.keys().map(|name| format!("{name}\n")).collect::<String>()).map(|()| 0);
    }
    let status = |known: &Known| {
        known.states.iter().map(|(state, count)| format!("{state}({count})")).collect::<Vec<_>>().join(", ")
    };
    if args.format == "json" {
        let row = |(name, known): (&String, &Known)| json!({"Name": name, "Status": status(known), "ConfigFiles": known.files});
        let rows: Vec<_> = projects.iter().map(row).collect();
        return print_line(&serde_json::Value::Array(rows).to_string()).map(|()| 0);
    }
    let row = |(name, known): (&String, &Known)| [name.clone(), status(known), known.files.clone()];
    let rows: Vec<[String; 3]> = projects.iter().map(row).collect();
    print(&columns::table(["NAME", "STATUS", "CONFIG FILES"], &rows))?;
    Ok(0)
}
