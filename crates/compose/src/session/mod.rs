//! One command's work on one project, as a flow: images, what exists, a plan, its execution.
//!
//! Control goes down once: the caller hands a project, [`Settings`] and a [`Listener`] in and calls one function. What
//! happens comes up as [events](crate::progress::Event). A session holds the project's lock from its first look at what
//! exists; two of one project at the same time work, but only the one with the lock settles what an earlier one left.

mod attached;
mod builds;
mod error;
mod existing;
mod oneoff;
mod pulls;
mod up;

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::{Arc, OnceLock};

use tare_build::HostTrust;
use tare_compose_model::{Condition, Project};
use tare_engine::Engine;
use tare_image::PullOptions;

pub use attached::{Attach, Beside, Dependencies, End, EndsAt, Onlooker, Sight};
pub use error::{Error, PullError};
pub use existing::{Removal, project_of, with_followers};
pub use oneoff::{FromService, OneOff, Overrides};
pub use pulls::{ImagePolicy, Wanted};
pub use up::{Readiness, difference};

use crate::build::{self, BuildOutput};
use crate::execute::{self, Awaited, Executor, HookOutput, ImageError, Images, Until};
use crate::observe::Observed;
use crate::observe_engine;
use crate::plan::{ChangedVolume, Plan};
use crate::progress::{Event, Progress, Quiet};
use crate::schedule::Cancel;

/// Hears of the work and answers what it asks.
pub trait Listener: Progress + HookOutput + BuildOutput {
    /// Wraps a part of the work that tells events: clocks may run meanwhile, in threads that end with it.
    fn phase<T>(&self, work: impl FnOnce() -> T) -> T
    where
        Self: Sized,
    {
        work()
    }

    /// Wraps builds, which tell what they do at length, and hands them a way to be ended early.
    fn builds<T>(&self, work: impl FnOnce(&tare_build::Cancel) -> T) -> T
    where
        Self: Sized,
    {
        work(&tare_build::Cancel::default())
    }

    /// Whether a volume that exists with another configuration is made anew, and loses its data.
    fn renews(&self, _: &ChangedVolume) -> bool {
        false
    }
}

/// Whether plans are carried out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Conduct {
    /// They are.
    #[default]
    Act,
    /// They are told, and nothing changes (`--dry-run`).
    Tell,
}

/// What is told of containers of services that the file no longer has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OrphanNews {
    /// Their names.
    #[default]
    Named,
    /// Nothing.
    Omitted,
}

/// What is told of pulls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PullNews {
    /// How far they are.
    #[default]
    Told,
    /// Nothing.
    Omitted,
}

/// How a session goes about its work.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Whether plans are carried out.
    pub conduct: Conduct,
    /// Grace time of stops in seconds, in place of the containers' own.
    pub stop_timeout: Option<i64>,
    /// Pulls and steps at the same time; each has its own default.
    pub parallel: Option<usize>,
    /// What is told of pulls.
    pub pulls: PullNews,
    /// What is told of orphans.
    pub orphans: OrphanNews,
}

/// What a session takes from its surroundings.
pub struct Surroundings<'a> {
    /// The caller's variables, for configs, secrets and hooks.
    pub variables: &'a BTreeMap<String, String>,
    /// How registries are reached, asked once for each pull.
    pub registries: &'a (dyn Fn() -> PullOptions + Sync),
    /// What builds get of the host's trust in certificates and proxies.
    pub trust: &'a (dyn Fn() -> HostTrust + Sync),
}

impl<'a> Surroundings<'a> {
    fn of_builds(&self) -> build::Surroundings<'a> {
        let Self { variables, registries, trust } = *self;
        build::Surroundings { variables, registries, trust }
    }
}

/// The work of one command on one project.
pub struct Session<'a, L> {
    engine: &'a Engine,
    project: &'a Project,
    surroundings: &'a Surroundings<'a>,
    settings: Settings,
    listener: &'a L,
    cancel: Arc<Cancel>,
    lock: OnceLock<Option<File>>,
    looked: OnceLock<()>,
}

impl<'a, L: Listener> Session<'a, L> {
    /// Begins. `cancel` ends the work early.
    pub fn new(
        engine: &'a Engine,
        project: &'a Project,
        surroundings: &'a Surroundings<'a>,
        settings: Settings,
        listener: &'a L,
        cancel: &Arc<Cancel>,
    ) -> Self {
        let cancel = Arc::clone(cancel);
        Self {
            engine,
            project,
            surroundings,
            settings,
            listener,
            cancel,
            lock: OnceLock::new(),
            looked: OnceLock::new(),
        }
    }

    /// A session of the same kind that does not have the lock yet.
    #[must_use]
    pub fn anew(&self) -> Self {
        let settings = self.settings.clone();
        let Self { engine, project, surroundings, listener, cancel, .. } = self;
        Self::new(engine, project, surroundings, settings, listener, cancel)
    }

    /// The engine.
    #[must_use]
    pub fn engine(&self) -> &'a Engine {
        self.engine
    }

    /// The project.
    #[must_use]
    pub fn project(&self) -> &'a Project {
        self.project
    }

    /// One of the caller's variables.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<String> {
        let variables = [self.surroundings.variables, &self.project.environment];
        variables.iter().find_map(|table| table.get(name).cloned())
    }

    /// What exists of the project, once replacements that were cut short are settled.
    ///
    /// # Errors
    /// Those of the engine, and a lock that cannot be made.
    pub fn observe(&self) -> Result<Observed, Error> {
        if self.acts() && self.lock()? {
            observe_engine::converge(self.engine, &self.project.name)?;
        }
        // What cannot be read is told once.
        let progress: &dyn Progress = match self.looked.set(()) {
            Ok(()) => self.listener,
            Err(()) => &Quiet,
        };
        Ok(observe_engine::observe(self.engine, self.project, progress)?)
    }

    /// Takes the project's lock, held as long as the session; no if another one has it: then what looks left over may
    /// be that one's work in progress.
    fn lock(&self) -> Result<bool, Error> {
        if let Some(lock) = self.lock.get() {
            return Ok(lock.is_some());
        }
        self.engine.require_root()?;
        let folder = self.engine.make_run_folder("compose")?;
        let path = folder.join(format!("{}.lock", self.project.name));
        let file = File::create(&path).map_err(|error| Error::io("make", &path, error))?;
        let taken = file.try_lock().is_ok();
        Ok(self.lock.get_or_init(|| taken.then_some(file)).is_some())
    }

    /// Carries a plan out, or tells it with [`Conduct::Tell`].
    ///
    /// # Errors
    /// All failures of its steps in one.
    pub fn execute(&self, observed: &Observed, plan: &Plan) -> Result<(), Error> {
        if !self.acts() {
            self.listener.event(&Event::Planned { text: &plan.to_string() });
            return Ok(());
        }
        Ok(self.with_executor(observed, |executor| executor.run(plan))?)
    }

    /// Hands an executor out, for a phase of the work.
    pub fn with_executor<T>(&self, observed: &Observed, work: impl FnOnce(&Executor<'_>) -> T) -> T {
        let variable = |name: &str| self.variable(name);
        let mut settings = execute::Settings::new(self.engine, &self.project.name);
        settings.stop_timeout = self.settings.stop_timeout;
        if let Some(workers) = self.settings.parallel {
            settings.workers = workers.max(1);
        }
        let fetch = Fetch { session: self };
        let executor = Executor {
            engine: self.engine,
            project: self.project,
            observed,
            images: &fetch,
            hook_output: self.listener,
            progress: self.listener,
            cancel: &self.cancel,
            variable: &variable,
            settings,
        };
        self.listener.phase(|| work(&executor))
    }

    /// Waits until containers are healthy, or ready where they have no check.
    fn wait_ready(&self, readiness: Readiness, services: &[String]) -> Result<(), Error> {
        let Readiness::Awaited { bound } = readiness else { return Ok(()) };
        if !self.acts() {
            return Ok(());
        }
        let observed = self.observe()?;
        let list = meant(self.project, &observed, services);
        Ok(self.with_executor(&observed, |executor| executor.wait_all(&list, bound))?)
    }

    fn acts(&self) -> bool {
        self.settings.conduct == Conduct::Act
    }

    fn remark(&self, message: impl Into<String>, hint: Option<&str>) {
        let hint = hint.map(str::to_owned);
        self.listener.event(&Event::Remark { message: message.into(), hint });
    }

    /// Orphans that stay are named, as the file may have lost a service by accident; and what else the plan leaves open.
    fn tell_remarks(&self, plan: &Plan) {
        if !plan.orphans.is_empty() && self.settings.orphans == OrphanNews::Named {
            let names = plan.orphans.join(", ");
            let message = format!("containers of services that the file no longer has: {names}");
            self.remark(message, Some("--remove-orphans removes them"));
        }
        for remark in &plan.remarks {
            self.remark(remark, Some("`up` without the names of services brings it up to date"));
        }
    }
}

/// The lasting containers of the given services, or of all that were observed, and what is waited for: those whose
/// dependents want them to end well are to end, all others to be ready.
fn meant(project: &Project, observed: &Observed, services: &[String]) -> Vec<Awaited> {
    let ends = |name: &str| {
        let edges = project.services.values().filter_map(|service| service.depends_on.get(name));
        edges.into_iter().any(|edge| edge.condition == Condition::ServiceCompletedSuccessfully)
    };
    let mine = observed.containers.iter().filter(|container| {
        !container.oneoff && (services.is_empty() || services.contains(&container.service))
    });
    mine.map(|container| Awaited {
        id: container.id.clone(),
        name: container.name.clone(),
        service: container.service.clone(),
        until: if ends(&container.service) { Until::Completed } else { Until::Ready },
    })
    .collect()
}

/// Images that turn out to be missing while a plan is carried out: they can be pulled there, but not built.
struct Fetch<'s, 'a, L> {
    session: &'s Session<'a, L>,
}

impl<L: Listener> Images for Fetch<'_, '_, L> {
    fn pull(&self, service: &str, image: &str) -> Result<(), ImageError> {
        let wanted = Wanted { service: service.to_owned(), image: image.to_owned() };
        self.session.fetch(&wanted).map_err(|error| tare_words::message::chain(&error).into())
    }

    fn build(&self, service: &str, image: &str) -> Result<(), ImageError> {
        Err(format!(
            "image {image} is missing and is not built (--no-build); `docker compose build {service}`"
        )
        .into())
    }
}
