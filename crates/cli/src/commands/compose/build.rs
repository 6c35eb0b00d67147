//! `compose build`.

use clap::Args;
use tare_compose::observe::Observed;
use tare_compose::plan::{Action, BuildMode, DependencyScope, ImageOptions, PullMode, images};

use super::project::Context;
use super::select;
use super::work::{BuildFlags, Work};
use crate::output::note;

/// Flags of `build`.
#[derive(Debug, Args)]
pub(super) struct BuildArgs {
    /// Set build-time variables
    #[arg(long, value_name = "KEY=VALUE")]
    build_arg: Vec<String>,
    /// Don't use the build cache
    #[arg(long)]
    no_cache: bool,
    /// Always try to pull a newer version of the base images
    #[arg(long)]
    pull: bool,
    /// Push the built images
    #[arg(long)]
    push: bool,
    /// Don't print the build's output
    #[arg(short = 'q', long)]
    quiet: bool,
    /// Build what the services depend on too
    #[arg(long)]
    with_dependencies: bool,
    /// Memory limit of each step
    #[arg(short = 'm', long, value_name = "bytes")]
    memory: Option<String>,
    /// Services to build (default: all with a build section)
    services: Vec<String>,
}

/// `compose build`.
pub(super) fn main(context: &Context<'_>, args: &BuildArgs) -> anyhow::Result<u8> {
    let project = context.load(&args.services)?;
    let work = Work::new(context, &project, "Building");
    let dependencies =
        if args.with_dependencies { DependencyScope::Include } else { DependencyScope::Exclude };
    let options = ImageOptions {
        services: args.services.clone(),
        dependencies,
        build: BuildMode::Always,
        pull: PullMode::Omit,
        ..ImageOptions::default()
    };
    let plan = images(&project, &Observed::default(), &options)?;
    if context.options.dry_run {
        return crate::output::print(&plan.to_string()).map(|()| 0);
    }
    let flags = BuildFlags {
        quiet: args.quiet,
        no_cache: args.no_cache,
        pull: args.pull,
        args: args.build_arg.clone(),
        memory: args.memory.clone(),
    };
    let mut built = false;
    for step in &plan.steps {
        let Action::BuildImage { service, image } = &step.action else { continue };
        built = true;
        work.build(service, image, &flags)?;
        if args.push {
            select::docker(context, "push", std::slice::from_ref(image))?;
        }
    }
    if !built {
        note("No services to build");
    }
    Ok(0)
}
