//! `compose export` and `compose commit`: Docker's own, for a service's container.

use clap::Args;

use super::project::Context;
use crate::commands::container::{commit, export};

/// Flags of `export`.
#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// Index of the container if the service has several
    #[arg(long, default_value_t = 0)]
    index: u32,
    /// Write to a file, instead of STDOUT
    #[arg(short, long)]
    output: Option<String>,
    /// The service
    service: String,
}

/// Flags of `commit`.
#[derive(Debug, Args)]
pub(super) struct CommitArgs {
    /// Author (e.g., "John Hannibal Smith <hannibal@a-team.com>")
    #[arg(short, long)]
    author: Option<String>,
    /// Apply Dockerfile instruction to the created image
    #[arg(short, long, value_name = "list")]
    change: Vec<String>,
    /// Index of the container if the service has several
    #[arg(long, default_value_t = 0)]
    index: u32,
    /// Commit message
    #[arg(short, long)]
    message: Option<String>,
    /// Pause container during commit
    #[arg(short, long, default_value = "true", num_args = 0..=1, require_equals = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    pause: bool,
    /// The service
    service: String,
    /// The image's name
    #[arg(value_name = "REPOSITORY[:TAG]")]
    image: Option<String>,
}

/// `compose export`.
pub(super) fn export(context: &Context<'_>, args: &ExportArgs) -> anyhow::Result<u8> {
    let container = context.one(&args.service, args.index)?;
    if context.options.dry_run {
        return crate::output::print_line(&format!("export container {}", container.name)).map(|()| 0);
    }
    let line = export::Line { output: args.output.clone(), name: container.record.id };
    export::run_line(context.session, &line)
}

/// `compose commit`.
pub(super) fn commit(context: &Context<'_>, args: &CommitArgs) -> anyhow::Result<u8> {
    let container = context.one(&args.service, args.index)?;
    if context.options.dry_run {
        return crate::output::print_line(&format!("commit container {}", container.name)).map(|()| 0);
    }
    let line = commit::Line {
        author: args.author.clone().unwrap_or_default(),
        change: args.change.clone(),
        message: args.message.clone().unwrap_or_default(),
        pause: args.pause,
        name: container.record.id,
        image: args.image.clone(),
    };
    commit::run_line(context.session, &line)
}
