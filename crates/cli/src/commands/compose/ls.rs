//! `compose ls`.

use clap::Args;
use serde_json::json;
use tare_compose::projects::{Known, Which, projects};
use tare_engine::filter::name_matches;

use super::columns;
use super::project::{Context, Remarks};
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
    let which = if args.all { Which::All } else { Which::Active };
    let mut projects = projects(context.engine()?, which, &Remarks)?;
    projects.retain(|known| {
        patterns.is_empty() || patterns.iter().any(|pattern| name_matches(pattern, &known.name))
    });
    if args.quiet {
        return print(&projects.iter().map(|known| format!("{}\n", known.name)).collect::<String>())
            .map(|()| 0);
    }
    let status = |known: &Known| {
        known.states.iter().map(|(state, count)| format!("{state}({count})")).collect::<Vec<_>>().join(", ")
    };
    if args.format == "json" {
        let row =
            |known: &Known| json!({"Name": known.name, "Status": status(known), "ConfigFiles": known.files});
        let rows: Vec<_> = projects.iter().map(row).collect();
        return print_line(&serde_json::Value::Array(rows).to_string()).map(|()| 0);
    }
    let row = |known: &Known| [known.name.clone(), status(known), known.files.clone()];
    let rows: Vec<[String; 3]> = projects.iter().map(row).collect();
    print(&columns::table(["NAME", "STATUS", "CONFIG FILES"], &rows))?;
    Ok(0)
}
