//! `compose up`.
//!
//! Detached: one plan, carried out with a live list. Attached: a plan that only creates, then one that starts, while
//! the logs run on the terminal; Ctrl-C stops in the reverse order and a second one kills.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use rustix::fd::AsFd as _;
use tare_compose::infer::Inferred;
use tare_compose::plan::{
    BuildMode, DependencyScope, Orphans, Recreate, StartMode, UpOptions, VolumesAtRenewal,
};
use tare_compose::schedule::Cancel;
use tare_compose::session::{
    Attach, Beside, Dependencies, End, EndsAt, ImagePolicy, Onlooker, PullNews, Readiness, Session, Sight,
};
use tare_compose::watch::{Replaced, Watch};
use tare_sys::signal::{Signal, SignalFd, SignalSet};

use super::follow::{Errors, Look, announce};
use super::hooks::HookLines;
use super::progress::List;
use super::project::Context;
use super::watching::Terminal;
use super::work::{self, Work};
use crate::output::note;

/// Flags of `up`.
#[derive(Debug, Default, Args)]
pub(super) struct UpArgs {
    /// Detached mode: run containers in the background
    #[arg(short = 'd', long)]
    detach: bool,
    /// Build images before starting containers
    #[arg(long, conflicts_with = "no_build")]
    build: bool,
    /// Don't build an image, even if it's policy
    #[arg(long)]
    no_build: bool,
    /// Recreate containers even if nothing has changed
    #[arg(long, conflicts_with = "no_recreate")]
    force_recreate: bool,
    /// Recreate dependent containers too
    #[arg(long, conflicts_with = "no_recreate")]
    always_recreate_deps: bool,
    /// Leave existing containers as they are
    #[arg(long)]
    no_recreate: bool,
    /// Don't start linked services
    #[arg(long)]
    no_deps: bool,
    /// Scale SERVICE to NUM instances
    #[arg(long, value_name = "SERVICE=NUM")]
    scale: Vec<String>,
    /// Wait for services to be running|healthy; implies detached mode
    #[arg(long)]
    wait: bool,
    /// Maximum seconds to wait for the project to be running|healthy
    #[arg(long, value_name = "SECONDS")]
    wait_timeout: Option<u64>,
    /// Remove containers of services that the Compose file no longer defines
    #[arg(long)]
    remove_orphans: bool,
    /// Stop all containers if any container stopped
    #[arg(long, conflicts_with = "detach")]
    abort_on_container_exit: bool,
    /// Stop all containers if any container exited with failure
    #[arg(long, conflicts_with_all = ["detach", "abort_on_container_exit"])]
    abort_on_container_failure: bool,
    /// Return the exit code of this service's container; implies --abort-on-container-exit
    #[arg(long, value_name = "SERVICE", conflicts_with = "detach")]
    exit_code_from: Option<String>,
    /// Don't start the services after creating them
    #[arg(long)]
    no_start: bool,
    /// Pull images before running (always, missing, never, build)
    #[arg(long, value_name = "POLICY")]
    pull: Option<String>,
    /// Pull without printing progress information
    #[arg(long)]
    quiet_pull: bool,
    /// Build without printing the build's output
    #[arg(long)]
    quiet_build: bool,
    /// Recreate anonymous volumes instead of keeping the previous containers' data
    #[arg(short = 'V', long)]
    renew_anon_volumes: bool,
    /// Seconds to wait for containers to stop when they are stopped or recreated
    #[arg(short = 't', long, value_name = "SECONDS")]
    timeout: Option<i64>,
    /// Attach only to these services
    #[arg(long, value_name = "SERVICE", conflicts_with = "attach_dependencies")]
    attach: Vec<String>,
    /// Attach to the log output of dependent services too
    #[arg(long)]
    attach_dependencies: bool,
    /// Do not attach to these services
    #[arg(long, value_name = "SERVICE")]
    no_attach: Vec<String>,
    /// Don't print the prefix in logs
    #[arg(long)]
    no_log_prefix: bool,
    /// Produce monochrome output
    #[arg(long)]
    no_color: bool,
    /// Show timestamps
    #[arg(long)]
    timestamps: bool,
    /// Answer yes to every question
    #[arg(short = 'y', long = "yes")]
    assume_yes: bool,
    /// Watch source code and rebuild/refresh containers when files are updated
    #[arg(short = 'w', long, conflicts_with = "detach")]
    watch: bool,
    /// Refused when it is on: there is no menu
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    menu: Option<bool>,
    /// Services to bring up, with what they depend on
    services: Vec<String>,
}

impl UpArgs {
    /// What `watch` does first: build, and start in the background.
    pub(super) fn for_watch(services: &[String], quiet_build: bool) -> Self {
        Self { detach: true, build: true, quiet_build, services: services.to_vec(), ..Self::default() }
    }

    fn is_attached(&self) -> bool {
        !self.detach && !self.no_start && !self.wait
    }

    fn plan_options(&self, work: &Work<'_>, start: StartMode) -> anyhow::Result<UpOptions> {
        // New anonymous volumes want new containers.
        let recreate = match (self.force_recreate || self.renew_anon_volumes, self.no_recreate) {
            (_, true) => Recreate::Never,
            (true, _) => Recreate::Force,
            _ => Recreate::Changed,
        };
        let remove_orphans = self.remove_orphans || work.context.flag("COMPOSE_REMOVE_ORPHANS");
        Ok(UpOptions {
            services: self.services.clone(),
            dependencies: self.scope(),
            recreate,
            scale: work::scale(&self.scale)?,
            orphans: if remove_orphans { Orphans::Remove } else { Orphans::Keep },
            start,
            anonymous_volumes: if self.renew_anon_volumes {
                VolumesAtRenewal::Renew
            } else {
                VolumesAtRenewal::Keep
            },
            renew_volumes: Vec::new(),
        })
    }

    fn attach(&self) -> Attach {
        Attach {
            only: self.attach.clone(),
            except: self.no_attach.clone(),
            dependencies: if self.attach_dependencies { Dependencies::Shown } else { Dependencies::Omitted },
            until: match (self.abort_on_container_exit, self.abort_on_container_failure) {
                (true, _) => EndsAt::FirstEnd,
                (_, true) => EndsAt::FirstFailure,
                _ => EndsAt::AllEnded,
            },
            exit_code_from: self.exit_code_from.clone(),
        }
    }

    fn scope(&self) -> DependencyScope {
        match (self.no_deps, self.always_recreate_deps) {
            (true, _) => DependencyScope::Exclude,
            (_, true) => DependencyScope::Recreate,
            _ => DependencyScope::Include,
        }
    }
}

/// `compose up`.
pub(super) fn main(context: &Context<'_>, args: &UpArgs) -> anyhow::Result<u8> {
    let given = args.menu == Some(true);
    let why = "nothing listens to keys; `--watch` watches";
    crate::refused::refuse(&[crate::refused::Flag { name: "--menu", given, why }])?;
    run(context, args, &Arc::default())
}

/// `compose up`, with the flag that Ctrl-C sets while it works in the background.
pub(super) fn run(context: &Context<'_>, args: &UpArgs, cancel: &Arc<Cancel>) -> anyhow::Result<u8> {
    let mut project = context.load(&args.services)?;
    args.attach().check(&project)?;
    if !args.no_deps {
        for inferred in tare_compose::infer::dependencies(&mut project, &args.services) {
            let Inferred { service, target, variable } = inferred;
            note(&format!("{service} starts when {target} is ready: its {variable} names {target}"));
        }
    }
    let mut work = Work::new(context, &project, "Running");
    work.cancel = Arc::clone(cancel);
    work.settings.stop_timeout = args.timeout;
    if args.quiet_pull {
        work.settings.pulls = PullNews::Omitted;
    }
    work.ask_for_volumes(args.assume_yes);
    let build = match (args.build, args.no_build) {
        (true, _) => BuildMode::Always,
        (_, true) => BuildMode::Never,
        _ => BuildMode::Missing,
    };
    let policy = ImagePolicy { build, pull: work::pull_mode(args.pull.as_deref())? };
    if args.quiet_build {
        work.list.omit_builds();
    }
    work.session(|session| {
        work.get_images(session, &args.services, args.scope(), policy)?;
        if !args.watch {
            return bring_up(&work, session, args, None);
        }
        Work::watching(context, &project, args.quiet_build).session(|watched| {
            let watch = Watch::new(watched, &args.services, &Terminal, Replaced::Remove)?;
            bring_up(&work, session, args, Some(&watch))
        })
    })
}

/// [`run`], once images are there.
fn bring_up(
    work: &Work<'_>,
    session: &Session<'_, List>,
    args: &UpArgs,
    watching: Option<&Watch<'_, List>>,
) -> anyhow::Result<u8> {
    if args.is_attached() && !work.context.options.dry_run {
        return attached(work, session, args, watching);
    }
    work.cancel_on_signals()?;
    let start = if args.no_start { StartMode::CreateOnly } else { StartMode::Start };
    let readiness = match args.wait {
        true => Readiness::Awaited { bound: args.wait_timeout.map(Duration::from_secs) },
        false => Readiness::Assumed,
    };
    session.up(args.plan_options(work, start)?, readiness)?;
    Ok(0)
}

/// Shows the logs on the terminal, until Ctrl-C or the end.
fn attached(
    work: &Work<'_>,
    session: &Session<'_, List>,
    args: &UpArgs,
    watching: Option<&Watch<'_, List>>,
) -> anyhow::Result<u8> {
    let context = work.context;
    let signals = SignalFd::new(&SignalSet::of(&[Signal::INT, Signal::TERM, Signal::HUP]))
        .context("cannot open a signalfd")?;
    let look = Look::new(context, args.no_color, args.no_log_prefix, args.timestamps);
    let look = Look { errors: Errors::Stderr, ..look };
    let (mut starts, mut stops) = (List::quiet(), List::beside_logs(&context.options, "Stopping"));
    starts.hooks = if args.no_log_prefix { HookLines::Plain } else { HookLines::Labelled };
    stops.hooks = starts.hooks;
    let watch = |is_over: &(dyn Fn() -> bool + Sync)| {
        if let Some(Err(error)) = watching.map(|watching| watching.run(is_over)) {
            crate::error::report(&error.into());
        }
    };
    let onlooker = Onlooker {
        starts: &starts,
        stops: &stops,
        show: &|sight| show(look, sight),
        wake: signals.as_fd(),
        interrupted: &|| Ok(signals.read()?.is_some()),
        beside: watching.map(|_| &watch as Beside<'_>),
    };
    let options = args.plan_options(work, StartMode::Start)?;
    let end = session.up_attached(&options, &args.attach(), &onlooker)?;
    starts.printed()?;
    stops.printed()?;
    Ok(match end {
        End::Over => 0,
        End::Interrupted => context.code_of_interrupt(),
        End::Aborted { code } => u8::try_from(code & 0xff).unwrap_or(1),
    })
}

fn show(look: Look, sight: &Sight<'_>) -> anyhow::Result<()> {
    match sight {
        Sight::Said(said) => return look.show(said),
        Sight::Ended(ended) => return announce(ended),
        Sight::Attaching(labels) => note(&format!("Attaching to {}", labels.join(", "))),
        Sight::Stopping => note("Gracefully stopping... (press Ctrl+C again to force)"),
        Sight::Aborting => note("Aborting on container exit..."),
        Sight::Killing => note("Killing..."),
    }
    Ok(())
}
