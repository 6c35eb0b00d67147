//! `compose create` and `compose scale`: `up` without starting, and `up` with counts.

use clap::Args;
use tare_compose::plan::{BuildMode, DependencyScope, Orphans, Recreate, StartMode, UpOptions};
use tare_compose::session::{ImagePolicy, PullNews};

use super::project::Context;
use super::work::{self, Work};

/// Flags of `create`.
#[derive(Debug, Args)]
pub(super) struct CreateArgs {
    /// Build images before creating containers
    #[arg(long, conflicts_with = "no_build")]
    build: bool,
    /// Don't build an image, even if it's policy
    #[arg(long)]
    no_build: bool,
    /// Recreate containers even if nothing has changed
    #[arg(long, conflicts_with = "no_recreate")]
    force_recreate: bool,
    /// Leave existing containers as they are
    #[arg(long)]
    no_recreate: bool,
    /// Pull images first (always, missing, never, build)
    #[arg(long, value_name = "POLICY")]
    pull: Option<String>,
    /// Pull without printing progress information
    #[arg(long)]
    quiet_pull: bool,
    /// Remove containers of services that the Compose file no longer defines
    #[arg(long)]
    remove_orphans: bool,
    /// Scale SERVICE to NUM instances
    #[arg(long, value_name = "SERVICE=NUM")]
    scale: Vec<String>,
    /// Answer yes to every question
    #[arg(short = 'y', long = "yes")]
    assume_yes: bool,
    /// Services to create, with what they depend on
    services: Vec<String>,
}

/// Flags of `scale`.
#[derive(Debug, Args)]
pub(super) struct ScaleArgs {
    /// Don't start linked services
    #[arg(long)]
    no_deps: bool,
    /// SERVICE=NUM
    #[arg(required = true, value_name = "SERVICE=NUM")]
    scale: Vec<String>,
}

/// `compose create`.
pub(super) fn create(context: &Context<'_>, args: &CreateArgs) -> anyhow::Result<u8> {
    let project = context.load(&args.services)?;
    let mut work = Work::new(context, &project, "Creating");
    if args.quiet_pull {
        work.settings.pulls = PullNews::Omitted;
    }
    let build = match (args.build, args.no_build) {
        (true, _) => BuildMode::Always,
        (_, true) => BuildMode::Never,
        _ => BuildMode::Missing,
    };
    let policy = ImagePolicy { build, pull: work::pull_mode(args.pull.as_deref())? };
    let options = UpOptions {
        services: args.services.clone(),
        recreate: match (args.force_recreate, args.no_recreate) {
            (true, _) => Recreate::Force,
            (_, true) => Recreate::Never,
            _ => Recreate::Changed,
        },
        scale: work::scale(&args.scale)?,
        orphans: if args.remove_orphans { Orphans::Remove } else { Orphans::Keep },
        start: StartMode::CreateOnly,
        ..UpOptions::default()
    };
    bring(&work, &options, policy)
}

/// `compose scale`.
pub(super) fn scale(context: &Context<'_>, args: &ScaleArgs) -> anyhow::Result<u8> {
    let scale = work::scale(&args.scale)?;
    let services: Vec<String> = scale.keys().cloned().collect();
    let project = context.load(&services)?;
    let work = Work::new(context, &project, "Running");
    let dependencies = if args.no_deps { DependencyScope::Exclude } else { DependencyScope::Include };
    let options =
        UpOptions { services, dependencies, scale, recreate: Recreate::Never, ..UpOptions::default() };
    bring(&work, &options, ImagePolicy::default())
}

fn bring(work: &Work<'_>, options: &UpOptions, policy: ImagePolicy) -> anyhow::Result<u8> {
    work.session(|session| {
        work.get_images(session, &options.services, options.dependencies, policy)?;
        work.cancel_on_signals()?;
        Ok(session.create(options)?)
    })?;
    Ok(0)
}
