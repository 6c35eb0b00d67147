//! `compose watch`.

use std::sync::Arc;

use clap::Args;
use tare_compose::schedule::Cancel;
use tare_compose::watch::{Replaced, Watch};

use super::project::Context;
use super::up::{self, UpArgs};
use super::watching::Terminal;
use super::work::Work;

/// Flags of `watch`.
#[derive(Debug, Args)]
pub(super) struct WatchArgs {
    /// Do not build and start services before watching
    #[arg(long)]
    no_up: bool,
    /// Remove the images that rebuilding replaces
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    prune: bool,
    /// Hide the build's output
    #[arg(long)]
    quiet: bool,
    /// Services to watch (default: all)
    services: Vec<String>,
}

/// `compose watch`.
pub(super) fn main(context: &Context<'_>, args: &WatchArgs) -> anyhow::Result<u8> {
    let project = context.load(&args.services)?;
    let replaced = if args.prune { Replaced::Remove } else { Replaced::Keep };
    Work::watching(context, &project, args.quiet).session(|session| {
        let watch = Watch::new(session, &args.services, &Terminal, replaced)?;
        if context.options.dry_run {
            return crate::output::print(&watch.describe()).map(|()| 0);
        }
        let cancel: Arc<Cancel> = Arc::default();
        if args.no_up {
            let mut work = Work::new(context, &project, "Running");
            work.cancel = Arc::clone(&cancel);
            work.cancel_on_signals()?;
        } else {
            let code = up::run(context, &UpArgs::for_watch(&args.services, args.quiet), &cancel)?;
            if code != 0 {
                return Ok(code);
            }
        }
        watch.run(&|| cancel.is_cancelled())?;
        // As a shell has it of a program that Ctrl-C ended.
        Ok(130)
    })
}
