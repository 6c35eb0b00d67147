//! `compose build`.

use clap::Args;
use tare_build::{CachePolicy, PullPolicy};
use tare_compose::build::{Options, bake};
use tare_compose::plan::DependencyScope;
use tare_compose::session::Wanted;
use tare_compose_model::Project;

use super::project::Context;
use super::work::Work;
use crate::commands::build::progress::{Mode, Printer};
use crate::commands::build::{check, ssh_words};
use crate::commands::container::run_flags::resources::LimitFlags;
use crate::commands::image::{push, tag};
use crate::error::Failure;
use crate::output::{note, print_line};
use crate::refused::{self, Flag};

/// Flags of `build`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "Docker's flags")]
pub(super) struct BuildArgs {
    /// Set build-time variables
    #[arg(long, value_name = "KEY=VALUE")]
    build_arg: Vec<String>,
    /// The builder: there is one, default
    #[arg(long, value_name = "NAME")]
    builder: Option<String>,
    /// Show the warnings of the builds, and build nothing
    #[arg(long)]
    check: bool,
    /// Don't use the build cache
    #[arg(long)]
    no_cache: bool,
    /// Print the builds as a bake file, and build nothing
    #[arg(long)]
    print: bool,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    provenance: Option<String>,
    /// Always try to pull a newer version of the base images
    #[arg(long)]
    pull: bool,
    /// Push the built images
    #[arg(long)]
    push: bool,
    /// Don't print the build's output
    #[arg(short = 'q', long)]
    quiet: bool,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    sbom: Option<String>,
    /// SSH agents for the builds ('default' is that of SSH_AUTH_SOCK)
    #[arg(long, value_name = "ID[=SOCKET]")]
    ssh: Vec<String>,
    /// Build what the services depend on too
    #[arg(long)]
    with_dependencies: bool,
    /// Memory limit of each step
    #[arg(short = 'm', long, value_name = "bytes")]
    memory: Option<String>,
    #[command(flatten)]
    earlier: Earlier,
    /// Services to build (default: all with a build section)
    services: Vec<String>,
}

/// What earlier versions of Compose had, and later ones take without a word.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "Docker's flags")]
struct Earlier {
    #[arg(long, hide = true)]
    parallel: bool,
    #[arg(long, hide = true)]
    compress: bool,
    #[arg(long, hide = true)]
    force_rm: bool,
    #[arg(long, hide = true)]
    no_rm: bool,
    #[arg(long, hide = true)]
    progress: Option<String>,
}

impl BuildArgs {
    fn refuse(&self) -> anyhow::Result<()> {
        let asks = |text: &Option<String>| {
            text.as_deref().is_some_and(|text| !["", "false", "disabled=true"].contains(&text))
        };
        let why = "images get no attestations";
        refused::builder(self.builder.as_deref())?;
        refused::refuse(&[
            Flag { name: "--provenance", given: asks(&self.provenance), why },
            Flag { name: "--sbom", given: asks(&self.sbom), why },
            Flag { name: "--no-rm", given: self.earlier.no_rm, why: "no containers stay behind builds" },
        ])
    }

    fn options(&self, context: &Context<'_>) -> anyhow::Result<Options> {
        let argument = |text: &String| match text.split_once('=') {
            Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
            None => (text.clone(), context.process.get(text).cloned()),
        };
        let mut limits = tare_engine::config::Resources::default();
        LimitFlags { memory: self.memory.clone(), ..LimitFlags::default() }.apply(&mut limits)?;
        if let Some(wrong) = limits.contradiction() {
            return Err(Failure::new(wrong).into());
        }
        Ok(Options {
            cache: if self.no_cache { CachePolicy::Ignore } else { CachePolicy::Use },
            pull: if self.pull { PullPolicy::Always } else { PullPolicy::Missing },
            args: self.build_arg.iter().map(argument).collect(),
            ssh: self.ssh.iter().map(|text| ssh_words(text)).collect(),
            memory: Some(limits.memory).filter(|bytes| *bytes > 0),
        })
    }
}

/// `compose build`.
pub(super) fn main(context: &Context<'_>, args: &BuildArgs) -> anyhow::Result<u8> {
    args.refuse()?;
    let options = args.options(context)?;
    let project = context.load(&args.services)?;
    let mut work = Work::new(context, &project, "Building");
    if args.quiet {
        work.list.omit_builds();
    } else if let Some(kind) = &args.earlier.progress {
        work.list.builds = Printer::new(Mode::choose(Some(kind), false)?);
    }
    let dependencies =
        if args.with_dependencies { DependencyScope::Include } else { DependencyScope::Exclude };
    work.session(|session| {
        if args.print {
            let wanted = session.buildable(&args.services, dependencies)?;
            let names: Vec<String> = wanted.into_iter().map(|wanted| wanted.service).collect();
            return print_line(&bake(&project, &names, &options)).map(|()| 0);
        }
        if args.check {
            let wanted = session.buildable(&args.services, dependencies)?;
            let mut code = 0;
            for (_, prepared) in session.build_requests(&wanted, &options)? {
                code = code.max(check::main(context.engine()?, &prepared.request, check::Form::Text)?);
            }
            return Ok(code);
        }
        let built = session
            .build(&args.services, dependencies, &options)
            .map_err(|error| work.list.interrupted(error))?;
        if built.is_empty() && !context.options.dry_run {
            note("No services to build");
        }
        if args.push {
            push_all(context, &project, &built)?;
        }
        Ok(0)
    })
}

/// `build --push`: what was built and has a name of its own goes to its registry.
fn push_all(context: &Context<'_>, project: &Project, built: &[Wanted]) -> anyhow::Result<()> {
    let options = crate::commands::pull_options();
    let is_named =
        |service: &str| project.services.get(service).is_some_and(|service| service.image.is_some());
    for Wanted { image, .. } in built.iter().filter(|wanted| is_named(&wanted.service)) {
        push::push(context.engine()?, &tag::reference(image)?, &options, push::News::Told)?;
    }
    Ok(())
}
