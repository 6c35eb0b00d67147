//! `compose export` and `compose commit`: Docker's own, for a service's container.

use clap::Args;

use super::project::Context;
use super::select;

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
    let mut words: Vec<String> =
        args.output.iter().flat_map(|path| ["-o".to_owned(), path.clone()]).collect();
    words.push(container.id);
    if context.options.dry_run {
        return crate::output::print_line(&format!("export container {}", container.name)).map(|()| 0);
    }
    select::docker(context, "export", &words)
}

/// `compose commit`.
pub(super) fn commit(context: &Context<'_>, args: &CommitArgs) -> anyhow::Result<u8> {
    let container = context.one(&args.service, args.index)?;
    let mut words = vec![format!("--pause={}", args.pause)];
    let changes = args.change.iter().map(|change| ("-c", change));
    let texts = [("-a", &args.author), ("-m", &args.message)];
    let texts = texts.into_iter().filter_map(|(flag, text)| Some((flag, text.as_ref()?)));
    words.extend(changes.chain(texts).flat_map(|(flag, text)| [flag.to_owned(), text.clone()]));
    words.push(container.id);
    words.extend(args.image.clone());
    if context.options.dry_run {
        return crate::output::print_line(&format!("commit container {}", container.name)).map(|()| 0);
    }
    select::docker(context, "commit", &words)
}
