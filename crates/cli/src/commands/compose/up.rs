//! `compose up`.
//!
//! Detached: one plan, carried out with a live list. Attached: a plan that only creates, then one that starts, while
//! the logs run on the terminal; Ctrl-C stops in the reverse order and a second one kills.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::ScopedJoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use rustix::fd::AsFd as _;
use tare_compose::execute::ExecuteError;
use tare_compose::follow::Merged;
use tare_compose::infer::Inferred;
use tare_compose::observe::Observed;
use tare_compose::observe_engine::{is_oneoff, label_of, of_project, service_of};
use tare_compose::plan::{
    self, AnonymousVolumes, BuildMode, DependencyScope, Orphans, Plan, Recreate, StartMode, UpOptions,
};
use tare_compose::schedule::Cancel;
use tare_compose::select::NoSuchService;
use tare_compose::session::{self, ImagePolicy, PullNews, Readiness, Session};
use tare_compose::watch::{Replaced, Watch};
use tare_compose_model::{Condition, Project};
use tare_engine::logs::LogOptions;
use tare_engine::{Container, State};
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
                AnonymousVolumes::Renew
            } else {
                AnonymousVolumes::Keep
            },
            renew_volumes: Vec::new(),
        })
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
    let mut shown = args.exit_code_from.iter().chain(&args.attach);
    if let Some(unknown) = shown.find(|name| !project.services.contains_key(*name)) {
        return Err(NoSuchService::of(&project, unknown).into());
    }
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

/// Creates with a live list, then starts with the logs on the terminal.
fn attached(
    work: &Work<'_>,
    session: &Session<'_, List>,
    args: &UpArgs,
    watching: Option<&Watch<'_, List>>,
) -> anyhow::Result<u8> {
    let context = work.context;
    let since = jiff::Timestamp::now();
    let signals = SignalFd::new(&SignalSet::of(&[Signal::INT, Signal::TERM, Signal::HUP]))
        .context("cannot open a signalfd")?;
    let observed = session.observe()?;
    let renew_volumes = session.renewed_volumes(&observed);
    let options = args.plan_options(work, StartMode::CreateOnly)?;
    let create = session.plan_up(&observed, &UpOptions { renew_volumes, ..options })?;
    session.execute(&observed, &create)?;
    let observed = session.observe()?;
    let mut options = args.plan_options(work, StartMode::Start)?;
    options.recreate = Recreate::Never;
    let start = plan::up(work.project, &observed, &options)?;
    let followed = followed(work, args)?;
    let names: Vec<String> = followed.iter().map(label_of).collect();
    note(&format!("Attaching to {}", names.join(", ")));
    let look = Look::new(context, args.no_color, args.no_log_prefix, args.timestamps);
    let look = Look { errors: Errors::Stderr, ..look };
    let log = LogOptions { tail: None, since: Some(since), until: None };
    let merged = Merged::begin(work.engine()?, &followed, &log, |said| look.show(said))?.ends_from(since);
    let following = Following { work, session, args, watching, signals: &signals };
    following.follow(&observed, &start, merged)
}

/// The containers whose logs are shown.
fn followed(work: &Work<'_>, args: &UpArgs) -> anyhow::Result<Vec<Container>> {
    let mut all = of_project(work.engine()?, &work.project.name)?;
    all.retain(|container| {
        let name = service_of(container);
        let Some(service) = work.project.services.get(name) else { return false };
        let named = |list: &[String]| list.iter().any(|given| given == name);
        let meant = if !args.attach.is_empty() {
            return named(&args.attach) && !is_oneoff(container) && !named(&args.no_attach);
        } else {
            let closure = args.attach_dependencies && is_needed(work.project, &args.services, name);
            args.services.is_empty() || closure || named(&args.services)
        };
        meant && !is_oneoff(container) && !named(&args.no_attach) && service.attach.unwrap_or(true)
    });
    Ok(all)
}

/// Whether the services depend on another one, directly or not.
fn is_needed(project: &Project, services: &[String], name: &str) -> bool {
    let mut open: Vec<&str> = services.iter().map(String::as_str).collect();
    let mut seen = BTreeSet::new();
    while let Some(service) = open.pop() {
        if seen.insert(service) {
            let edges = project.services.get(service).map(|service| service.depends_on.keys());
            open.extend(edges.into_iter().flatten().map(String::as_str));
        }
    }
    seen.contains(name)
}

/// An `up` on the terminal, once its containers are made.
struct Following<'a> {
    work: &'a Work<'a>,
    session: &'a Session<'a, List>,
    args: &'a UpArgs,
    watching: Option<&'a Watch<'a, List>>,
    signals: &'a SignalFd,
}

impl Following<'_> {
    /// Starts on another thread while this one prints logs and takes signals.
    fn follow(
        &self,
        observed: &Observed,
        start: &Plan,
        mut merged: Merged<'_, anyhow::Error>,
    ) -> anyhow::Result<u8> {
        let Self { work, session, args, signals, .. } = *self;
        let mut quiet = Work::quiet(work.context, work.project);
        quiet.list.hooks = hook_output(args);
        quiet.cancel = Arc::clone(&work.cancel);
        quiet.settings.stop_timeout = args.timeout;
        let (started, over) = (AtomicBool::new(false), AtomicBool::new(false));
        let ended = quiet.session(|starting| {
            starting.with_executor(observed, |executor| {
                std::thread::scope(|scope| -> anyhow::Result<End> {
                    let mut starting = Some(scope.spawn(|| {
                        let result = executor.run(start);
                        started.store(true, Ordering::SeqCst);
                        result
                    }));
                    if let Some(watching) = self.watching {
                        scope.spawn(|| watch_once_started(watching, &started, &over));
                    }
                    let end = self.look(&mut merged, &mut starting);
                    over.store(true, Ordering::SeqCst);
                    if !matches!(end, Ok(End::Over)) {
                        work.cancel.cancel();
                    }
                    end
                })
            })
        })?;
        match ended {
            End::Over => Ok(0),
            End::Interrupted => {
                note("Gracefully stopping... (press Ctrl+C again to force)");
                stop_all(work, session, args, &mut merged, signals)?;
                Ok(work.context.code_of_interrupt())
            }
            End::Aborted(code) => {
                note("Aborting on container exit...");
                stop_all(work, session, args, &mut merged, signals)?;
                Ok(exit_code(work, args, code)?)
            }
        }
    }

    /// Prints until the end. Containers that are started again or made anew meanwhile are followed too.
    fn look(
        &self,
        merged: &mut Merged<'_, anyhow::Error>,
        starting: &mut Option<ScopedJoinHandle<'_, Result<(), ExecuteError>>>,
    ) -> anyhow::Result<End> {
        let args = self.args;
        let abort = args.abort_on_container_exit || args.exit_code_from.is_some();
        let (_, mut events) = self.work.engine()?.events(None)?;
        loop {
            if let Some(finished) = starting.take_if(|thread| thread.is_finished())
                && let Ok(Err(error)) = finished.join()
            {
                // What runs goes on in the background, as it would after `up -d`.
                merged.turn(None)?;
                return Err(session::Error::from(error).into());
            }
            let all_started = starting.is_none();
            for ended in merged.turn(Some(self.signals.as_fd()))? {
                announce(&ended)?;
                // A job that others wait for has done its part.
                if ended.code() == 0 && self.is_job(&ended.label) {
                    continue;
                }
                if abort || (args.abort_on_container_failure && ended.code() != 0) {
                    return Ok(End::Aborted(ended.code()));
                }
            }
            if self.signals.read()?.is_some() {
                return Ok(End::Interrupted);
            }
            if all_started && !events.read()?.is_empty() {
                merged.resume(&followed(self.work, args)?)?;
            }
            if all_started && self.watching.is_none() && merged.is_over() {
                return Ok(End::Over);
            }
        }
    }
}

impl Following<'_> {
    /// Whether the service of this label is one that others want to end well.
    fn is_job(&self, label: &str) -> bool {
        let services = &self.work.project.services;
        let service = services.keys().find(|name| {
            label.strip_prefix(name.as_str()).and_then(|rest| rest.strip_prefix('-')).is_some_and(is_number)
                || services[*name].container_name.as_deref() == Some(label)
        });
        let edges = services.values().filter_map(|other| other.depends_on.get(service?));
        edges.into_iter().any(|edge| edge.condition == Condition::ServiceCompletedSuccessfully)
    }
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The watch's thread: it begins when the containers run.
fn watch_once_started(watching: &Watch<'_, List>, started: &AtomicBool, over: &AtomicBool) {
    let is_over = || over.load(Ordering::SeqCst);
    while !started.load(Ordering::SeqCst) && !is_over() {
        std::thread::sleep(Duration::from_millis(50));
    }
    if let Err(error) = watching.run(&is_over) {
        crate::error::report(&error.into());
    }
}

/// What hooks print is shown among the logs.
fn hook_output(args: &UpArgs) -> HookLines {
    if args.no_log_prefix { HookLines::Plain } else { HookLines::Labelled }
}

/// How an attached `up` ends.
enum End {
    /// All containers have ended.
    Over,
    /// By Ctrl-C.
    Interrupted,
    /// By a container's end, with this exit code.
    Aborted(i32),
}

/// Stops everything, logs still shown; another Ctrl-C kills.
fn stop_all(
    work: &Work<'_>,
    session: &Session<'_, List>,
    args: &UpArgs,
    merged: &mut Merged<'_, anyhow::Error>,
    signals: &SignalFd,
) -> anyhow::Result<()> {
    let observed = session.observe()?;
    let plan = plan::stop(work.project, &observed, &args.services)?;
    let mut stopping = Work::new(work.context, work.project, "Stopping");
    stopping.list = List::beside_logs(&work.context.options, "Stopping");
    stopping.list.hooks = hook_output(args);
    stopping.settings.stop_timeout = args.timeout;
    let engine = work.engine()?;
    stopping.session(|stopping| {
        stopping.with_executor(&observed, |executor| {
            std::thread::scope(|scope| -> anyhow::Result<()> {
                let stop = scope.spawn(|| executor.run(&plan));
                while !stop.is_finished() {
                    for ended in merged.turn(Some(signals.as_fd()))? {
                        announce(&ended)?;
                    }
                    if signals.read()?.is_some() {
                        note("Killing...");
                        for container in
                            observed.containers.iter().filter(|container| container.state.is_alive())
                        {
                            // One that ended meanwhile needs no killing.
                            let _ = engine.kill(&container.id, "SIGKILL");
                        }
                    }
                }
                // What ended between the last look and the end of the stop.
                for ended in merged.gather()? {
                    announce(&ended)?;
                }
                match stop.join() {
                    Ok(Err(error)) => Err(session::Error::from(error).into()),
                    _ => Ok(()),
                }
            })
        })
    })
}

/// The exit code of `--exit-code-from`'s service, else of the container that ended first.
fn exit_code(work: &Work<'_>, args: &UpArgs, first: i32) -> anyhow::Result<u8> {
    let Some(service) = &args.exit_code_from else {
        return Ok(u8::try_from(first & 0xff).unwrap_or(1));
    };
    let all = of_project(work.engine()?, &work.project.name)?;
    let code =
        all.iter().filter(|container| service_of(container) == service).find_map(
            |container| match &container.state {
                State::Exited(exit) => Some(exit.code),
                _ => None,
            },
        );
    Ok(u8::try_from(code.unwrap_or(first) & 0xff).unwrap_or(1))
}
