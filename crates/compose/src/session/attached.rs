//! An `up` whose caller looks on: containers are made, then started while their logs are shown, and stopped when the
//! caller has enough.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use rustix::fd::BorrowedFd;
use tare_compose_model::{Condition, Project};
use tare_engine::logs::LogOptions;
use tare_engine::{Container, State};

use super::{Error, Listener, Session};
use crate::execute::{ExecuteError, Executor};
use crate::follow::{Ended, Merged, Said};
use crate::observe::Observed;
use crate::observe_engine::{is_oneoff, label_of, of_project, service_of};
use crate::plan::{self, Plan, Recreate, StartMode, UpOptions};
use crate::schedule::Cancel;
use crate::select::NoSuchService;

/// Whose logs are shown, and what ends the looking on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attach {
    /// These services' alone.
    pub only: Vec<String>,
    /// Not these services'.
    pub except: Vec<String>,
    /// Those of dependencies.
    pub dependencies: Dependencies,
    /// When all is stopped.
    pub until: EndsAt,
    /// The service whose exit code is that of the whole.
    pub exit_code_from: Option<String>,
}

impl Attach {
    /// Whether the project has the services that are named.
    ///
    /// # Errors
    /// The first that it does not have.
    pub fn check(&self, project: &Project) -> Result<(), NoSuchService> {
        let mut named = self.exit_code_from.iter().chain(&self.only);
        let unknown = named.find(|name| !project.services.contains_key(*name));
        unknown.map_or(Ok(()), |name| Err(NoSuchService::of(project, name)))
    }
}

/// Whether logs of services are shown that were not named, and that those depend on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Dependencies {
    /// They are not.
    #[default]
    Omitted,
    /// They are.
    Shown,
}

/// When an attached `up` ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum EndsAt {
    /// When all have ended.
    #[default]
    AllEnded,
    /// When one ends.
    FirstEnd,
    /// When one fails.
    FirstFailure,
}

/// What the one who looks on is told.
#[derive(Debug)]
pub enum Sight<'a> {
    /// From now on logs of these are shown, by their labels.
    Attaching(&'a [String]),
    /// The logs say something.
    Said(Said<'a>),
    /// A container ended.
    Ended(&'a Ended),
    /// Everything is being stopped, as was asked for.
    Stopping,
    /// Everything is being stopped, as a container ended.
    Aborting,
    /// What still runs is killed, as was asked for again.
    Killing,
}

/// Work that goes on beside the logs once all has started, until the function that it is given says that it is over.
pub type Beside<'a> = &'a (dyn Fn(&(dyn Fn() -> bool + Sync)) + Sync);

/// The one who looks on.
pub struct Onlooker<'a, L, E> {
    /// Hears of the starts, beside the logs.
    pub starts: &'a L,
    /// Hears of the stops, beside the logs.
    pub stops: &'a L,
    /// Takes what there is to see; an error ends the looking on.
    pub show: &'a dyn Fn(&Sight<'_>) -> Result<(), E>,
    /// Readable when `interrupted` has something to say.
    pub wake: BorrowedFd<'a>,
    /// Whether the one who looks on has asked for the end since it was asked last.
    pub interrupted: &'a dyn Fn() -> Result<bool, E>,
    /// What goes on beside.
    pub beside: Option<Beside<'a>>,
}

impl<L, E> fmt::Debug for Onlooker<'_, L, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Onlooker").finish_non_exhaustive()
    }
}

/// How an attached `up` ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// All containers have ended.
    Over,
    /// The one who looked on asked for it; everything is stopped.
    Interrupted,
    /// A container ended; everything is stopped.
    Aborted {
        /// The exit code of the service that was to give it, else of the container.
        code: i32,
    },
}

impl<'a, L: Listener> Session<'a, L> {
    /// Brings the project up, shows its logs, and stops it when it is to end.
    ///
    /// # Errors
    /// No plan, all failures of its steps in one, and what the one who looks on says. What runs by then goes on.
    pub fn up_attached<E: From<Error>>(
        &self,
        options: &UpOptions,
        attach: &Attach,
        onlooker: &Onlooker<'_, L, E>,
    ) -> Result<End, E> {
        let since = Timestamp::now();
        let observed = self.observe()?;
        let renew_volumes = self.renewed_volumes(&observed);
        let create = UpOptions { renew_volumes, start: StartMode::CreateOnly, ..options.clone() };
        let create = self.plan_up(&observed, &create)?;
        self.execute(&observed, &create)?;
        let observed = self.observe()?;
        let start = UpOptions { start: StartMode::Start, recreate: Recreate::Never, ..options.clone() };
        let start = plan::up(self.project, &observed, &start).map_err(Error::from)?;
        let scene = Scene { session: self, services: &options.services, attach, onlooker };
        let followed = scene.followed()?;
        let labels: Vec<String> = followed.iter().map(label_of).collect();
        (onlooker.show)(&Sight::Attaching(&labels))?;
        let log = LogOptions { since: Some(since), ..LogOptions::default() };
        let show = |said: &Said<'_>| (onlooker.show)(&Sight::Said(*said));
        let mut merged = Merged::begin(self.engine, &followed, &log, show)?.ends_from(since);
        let end = scene.start(&observed, &start, &mut merged)?;
        match end {
            End::Over => return Ok(end),
            End::Interrupted => (onlooker.show)(&Sight::Stopping)?,
            End::Aborted { .. } => (onlooker.show)(&Sight::Aborting)?,
        }
        scene.stop(&mut merged)?;
        match end {
            End::Aborted { code } => Ok(End::Aborted { code: scene.exit_code(code)? }),
            end => Ok(end),
        }
    }

    /// A session of the same kind that tells another listener.
    fn telling<'b>(&'b self, listener: &'b L, cancel: &Arc<Cancel>) -> Session<'b, L> {
        let settings = self.settings.clone();
        Session::new(self.engine, self.project, self.surroundings, settings, listener, cancel)
    }
}

/// What starts came to; nothing while they go on.
type Outcome = Mutex<Option<Result<(), ExecuteError>>>;

/// An attached `up`, once its containers are made.
struct Scene<'s, 'a, 'o, L, E> {
    session: &'s Session<'a, L>,
    services: &'s [String],
    attach: &'s Attach,
    onlooker: &'s Onlooker<'o, L, E>,
}

impl<L: Listener, E: From<Error>> Scene<'_, '_, '_, L, E> {
    /// The containers whose logs are shown.
    fn followed(&self) -> Result<Vec<Container>, Error> {
        let Session { engine, project, .. } = self.session;
        let mut all = of_project(engine, &project.name)?;
        all.retain(|container| {
            !is_oneoff(container) && is_shown(project, self.services, self.attach, service_of(container))
        });
        Ok(all)
    }

    /// Starts on another thread while this one shows logs and looks for the end.
    fn start(&self, observed: &Observed, plan: &Plan, merged: &mut Merged<'_, E>) -> Result<End, E> {
        let cancel = &self.session.cancel;
        let starting = self.session.telling(self.onlooker.starts, cancel);
        let (outcome, over) = (Outcome::default(), AtomicBool::new(false));
        let beside = self.onlooker.beside;
        starting.with_executor(observed, |executor| {
            std::thread::scope(|scope| {
                scope.spawn(|| carry_out(executor, plan, beside, &outcome, &over));
                let end = self.look(merged, &outcome);
                over.store(true, Ordering::SeqCst);
                if !matches!(end, Ok(End::Over)) {
                    cancel.cancel();
                }
                end
            })
        })
    }

    /// Shows until the end. Containers that are started again or made anew meanwhile are followed too.
    fn look(&self, merged: &mut Merged<'_, E>, outcome: &Outcome) -> Result<End, E> {
        let mut events = self.session.engine.follow_events(None).map_err(Error::from)?;
        let mut all_started = false;
        loop {
            if let Some(result) = outcome.lock().unwrap_or_else(PoisonError::into_inner).take() {
                if let Err(error) = result {
                    // What runs goes on in the background, as it would after `up -d`.
                    merged.turn(None)?;
                    return Err(Error::from(error).into());
                }
                all_started = true;
            }
            for ended in merged.turn(Some(self.onlooker.wake))? {
                (self.onlooker.show)(&Sight::Ended(&ended))?;
                if self.ends_with(&ended) {
                    return Ok(End::Aborted { code: ended.code() });
                }
            }
            if (self.onlooker.interrupted)()? {
                return Ok(End::Interrupted);
            }
            if all_started && !events.read().map_err(Error::from)?.is_empty() {
                merged.resume(&self.followed()?)?;
            }
            if all_started && self.onlooker.beside.is_none() && merged.is_over() {
                return Ok(End::Over);
            }
        }
    }

    fn ends_with(&self, ended: &Ended) -> bool {
        // A job that others wait for has done its part.
        if ended.code() == 0 && is_job(self.session.project, &ended.service) {
            return false;
        }
        match self.attach.until {
            _ if self.attach.exit_code_from.is_some() => true,
            EndsAt::AllEnded => false,
            EndsAt::FirstEnd => true,
            EndsAt::FirstFailure => ended.code() != 0,
        }
    }

    /// Stops everything, logs still shown; who asks again has it killed.
    fn stop(&self, merged: &mut Merged<'_, E>) -> Result<(), E> {
        let Self { session, onlooker, .. } = self;
        let observed = session.observe()?;
        let plan = plan::stop(session.project, &observed, self.services).map_err(Error::from)?;
        let stopping = session.telling(onlooker.stops, &Arc::default());
        stopping.with_executor(&observed, |executor| {
            std::thread::scope(|scope| -> Result<(), E> {
                let stop = scope.spawn(|| executor.run(&plan));
                while !stop.is_finished() {
                    for ended in merged.turn(Some(onlooker.wake))? {
                        (onlooker.show)(&Sight::Ended(&ended))?;
                    }
                    if (onlooker.interrupted)()? {
                        (onlooker.show)(&Sight::Killing)?;
                        self.kill(&observed);
                    }
                }
                // What ended between the last look and the end of the stop.
                for ended in merged.gather()? {
                    (onlooker.show)(&Sight::Ended(&ended))?;
                }
                match stop.join() {
                    Ok(Err(error)) => Err(Error::from(error).into()),
                    _ => Ok(()),
                }
            })
        })
    }

    fn kill(&self, observed: &Observed) {
        for container in observed.containers.iter().filter(|container| container.state.is_alive()) {
            // One that ended meanwhile needs no killing.
            let _ = self.session.engine.kill(&container.id, "SIGKILL");
        }
    }

    /// The exit code of the service that was to give it, else of the container that ended first.
    fn exit_code(&self, first: i32) -> Result<i32, Error> {
        let Some(service) = &self.attach.exit_code_from else { return Ok(first) };
        let all = of_project(self.session.engine, &self.session.project.name)?;
        let mut mine = all.iter().filter(|container| service_of(container) == service);
        let code = mine.find_map(|container| match &container.state {
            State::Exited(exit) => Some(exit.code),
            _ => None,
        });
        Ok(code.unwrap_or(first))
    }
}

/// The thread of the starts, and of what goes on beside.
fn carry_out(
    executor: &Executor<'_>,
    plan: &Plan,
    beside: Option<Beside<'_>>,
    outcome: &Outcome,
    over: &AtomicBool,
) {
    let started = executor.run(plan);
    let goes_on = started.is_ok();
    *outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(started);
    if let Some(beside) = beside.filter(|_| goes_on) {
        beside(&|| over.load(Ordering::SeqCst));
    }
}

/// Whether a service's logs are shown.
fn is_shown(project: &Project, services: &[String], attach: &Attach, name: &str) -> bool {
    let named = |list: &[String]| list.iter().any(|given| given == name);
    let Some(service) = project.services.get(name).filter(|_| !named(&attach.except)) else { return false };
    if !attach.only.is_empty() {
        return named(&attach.only);
    }
    let needed =
        || attach.dependencies == Dependencies::Shown && with_needed(project, services).contains(&name);
    service.attach.unwrap_or(true) && (services.is_empty() || named(services) || needed())
}

/// The services, and what they depend on, directly or not.
fn with_needed<'p>(project: &'p Project, services: &'p [String]) -> Vec<&'p str> {
    let mut all: Vec<&str> = services.iter().map(String::as_str).collect();
    let mut next = 0;
    while let Some(name) = all.get(next) {
        let edges = project.services.get(*name).map(|service| service.depends_on.keys());
        for further in edges.into_iter().flatten() {
            if !all.contains(&further.as_str()) {
                all.push(further);
            }
        }
        next += 1;
    }
    all
}

/// Whether others want the service to end well.
fn is_job(project: &Project, service: &str) -> bool {
    let mut edges = project.services.values().filter_map(|other| other.depends_on.get(service));
    edges.any(|edge| edge.condition == Condition::ServiceCompletedSuccessfully)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project() -> Project {
        serde_json::from_str(
            r#"{"name": "p", "services": {
                "db": {}, "quiet": {"attach": false},
                "job": {"depends_on": {"db": {"condition": "service_started"}}},
                "web": {"depends_on": {"job": {"condition": "service_completed_successfully"}}}}}"#,
        )
        .unwrap()
    }

    fn shown(services: &[&str], attach: &Attach) -> Vec<String> {
        let project = project();
        let services: Vec<String> = services.iter().map(|name| (*name).to_owned()).collect();
        let names = project.services.keys().filter(|name| is_shown(&project, &services, attach, name));
        names.cloned().collect()
    }

    #[test]
    fn logs_are_shown_of_what_is_named() {
        let all = Attach::default();
        assert_eq!(shown(&[], &all), ["db", "job", "web"]);
        assert_eq!(shown(&["web"], &all), ["web"]);
        let needed = Attach { dependencies: Dependencies::Shown, ..Attach::default() };
        assert_eq!(shown(&["web"], &needed), ["db", "job", "web"]);
        let only = Attach { only: vec!["quiet".to_owned(), "db".to_owned()], ..Attach::default() };
        assert_eq!(shown(&["web"], &only), ["db", "quiet"]);
        let except = Attach { except: vec!["db".to_owned()], ..only };
        assert_eq!(shown(&[], &except), ["quiet"]);
    }

    #[test]
    fn jobs_are_what_others_want_to_end_well() {
        let project = project();
        assert!(is_job(&project, "job") && !is_job(&project, "db") && !is_job(&project, "web"));
    }
}
