//! `compose pull` and `compose push`.

use clap::Args;
use tare_compose::observe_engine;
use tare_compose::session::{PullNews, Wanted};
use tare_compose_model::Project;

use super::project::Context;
use super::work::Work;
use crate::commands::image::push::{self, News};
use crate::commands::image::tag;
use crate::error::{Failure, report};

/// Flags of `pull`.
#[derive(Debug, Args)]
pub(super) struct PullArgs {
    /// Ignore images that can be built
    #[arg(long)]
    ignore_buildable: bool,
    /// Pull what it can and ignore images with pull failures
    #[arg(long)]
    ignore_pull_failures: bool,
    /// Also pull what the services depend on
    #[arg(long)]
    include_deps: bool,
    /// Pull policy: missing or always
    #[arg(long, value_parser = ["missing", "always"])]
    policy: Option<String>,
    /// Pull without printing progress information
    #[arg(short = 'q', long)]
    quiet: bool,
    /// Services whose images to pull (default: all)
    services: Vec<String>,
}

/// Flags of `push`.
#[derive(Debug, Args)]
pub(super) struct PushArgs {
    /// Push what it can and ignore images with push failures
    #[arg(long)]
    ignore_push_failures: bool,
    /// Also push images of services that the given ones depend on
    #[arg(long)]
    include_deps: bool,
    /// Push without printing progress information
    #[arg(short = 'q', long)]
    quiet: bool,
    /// Services whose images to push (default: all with a build section)
    services: Vec<String>,
}

/// The given services, with what they depend on if asked; all without any.
fn meant(project: &Project, given: &[String], with_dependencies: bool) -> Vec<String> {
    if given.is_empty() {
        return project.services.keys().cloned().collect();
    }
    let mut names = given.to_vec();
    let mut next = 0;
    while with_dependencies && next < names.len() {
        let service = project.services.get(&names[next]);
        let further: Vec<String> =
            service.iter().flat_map(|service| service.depends_on.keys()).cloned().collect();
        for name in further {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        next += 1;
    }
    names
}

/// `compose pull`.
pub(super) fn pull(context: &Context<'_>, args: &PullArgs) -> anyhow::Result<u8> {
    let project = context.load(&args.services)?;
    let mut work = Work::new(context, &project, "Pulling");
    if args.quiet {
        work.settings.pulls = PullNews::Omitted;
    }
    let there = observe_engine::images(context.engine()?, &project)?;
    let mut wanted: Vec<Wanted> = Vec::new();
    for name in meant(&project, &args.services, args.include_deps) {
        let Some(service) = project.services.get(&name) else { continue };
        let Some(image) = &service.image else { continue };
        let present = args.policy.as_deref() == Some("missing") && there.contains_key(image);
        let never = matches!(service.pull_policy.as_deref(), Some("never" | "build"));
        if wanted.iter().any(|known| known.image == *image)
            || present
            || never
            || (args.ignore_buildable && service.build.is_some())
        {
            continue;
        }
        wanted.push(Wanted { service: name.clone(), image: image.clone() });
    }
    if context.options.dry_run {
        return wanted
            .iter()
            .try_for_each(|wanted| crate::output::print_line(&format!("pull image {}", wanted.image)))
            .map(|()| 0);
    }
    let mut failed = false;
    let results = work.session(|session| Ok(session.pull_all(&wanted)))?;
    for result in results {
        let Err(error) = result else { continue };
        report(&error.into());
        failed |= !args.ignore_pull_failures;
    }
    if failed { Err(Failure::silent(1).into()) } else { Ok(0) }
}

/// `compose push`.
pub(super) fn push(context: &Context<'_>, args: &PushArgs) -> anyhow::Result<u8> {
    let project = context.load(&args.services)?;
    let mut code = 0;
    for name in meant(&project, &args.services, args.include_deps) {
        let Some(service) = project.services.get(&name).filter(|service| service.build.is_some()) else {
            continue;
        };
        let Some(image) = &service.image else { continue };
        if context.options.dry_run {
            crate::output::print_line(&format!("push image {image}"))?;
            continue;
        }
        let news = if args.quiet { News::Omitted } else { News::Told };
        let pushed = tag::reference(image)
            .and_then(|name| push::push(context.engine()?, &name, &crate::commands::pull_options(), news));
        match pushed {
            Ok(()) => {}
            Err(error) if args.ignore_push_failures => drop(report(&error)),
            Err(error) => code = report(&error).max(1),
        }
    }
    Ok(code)
}
