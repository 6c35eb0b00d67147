//! The images that a session builds: several at once, one after what it starts from.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use tare_build::{Cancel, Event as Step, Processes, Progress as Steps};
use tare_runtime::spawner::Spawner;

use super::{Error, Listener, Session, Wanted};
use crate::build::{self, BuildError, BuildOutput, Options, Prepared, Site};
use crate::progress::{Event, Kind, Verb};
use crate::schedule::{self, Node, Outcome};

/// Builds at the same time, unless the settings say otherwise: each mostly waits for its own programs.
const AT_ONCE: usize = 8;
/// How often it is looked whether the work was cancelled.
const BEAT: Duration = Duration::from_millis(50);

/// An image to build, and the places in the list of those that it is built from.
pub(super) struct Build {
    pub(super) wanted: Wanted,
    pub(super) after: Vec<usize>,
}

/// Passes a build's events on, with its service's name.
struct Named<'a, L> {
    listener: &'a L,
    service: &'a str,
}

impl<L: BuildOutput> Steps for Named<'_, L> {
    fn event(&self, event: Step<'_>) {
        self.listener.step(self.service, event);
    }
}

impl<L: Listener> Session<'_, L> {
    /// Builds all of them. The first that fails ends the others.
    pub(super) fn build_all(&self, builds: &[Build], options: &Options) -> Result<(), Error> {
        if builds.is_empty() {
            return Ok(());
        }
        self.engine.require_root()?;
        let site = Site::new(self.engine)?;
        if let Some(note) = &site.note {
            self.remark(note.message.clone(), note.hint.as_deref());
        }
        // Threads would start one each.
        let spawner = self.engine.spawner()?;
        let nodes: Vec<Node> =
            builds.iter().map(|build| Node { after: build.after.clone(), waits: false }).collect();
        let workers = self.settings.parallel.unwrap_or(AT_ONCE);
        let outcomes = self.listener.builds(|cancel| {
            until_over(
                || {
                    schedule::run(&nodes, workers, &self.cancel, |index| {
                        let built = self.build_one(&site, &builds[index].wanted, (spawner, options), cancel);
                        if built.is_err() {
                            cancel.cancel();
                        }
                        built
                    })
                },
                || {
                    if self.cancel.is_cancelled() {
                        cancel.cancel();
                    }
                },
            )
        });
        let mut failures = Vec::new();
        for (build, outcome) in builds.iter().zip(outcomes) {
            match outcome {
                Outcome::Done => {}
                Outcome::Failed(error) => failures.push((build, error)),
                Outcome::Skipped => {}
            }
        }
        // Those that were ended by the one that failed have nothing to say.
        let first = failures.iter().position(|(_, error)| !is_cancelled(error)).unwrap_or(0);
        if failures.is_empty() {
            return if self.cancel.is_cancelled() { Err(Error::Cancelled) } else { Ok(()) };
        }
        let (Build { wanted, .. }, source) = failures.swap_remove(first);
        let Wanted { service, image } = wanted.clone();
        Err(Error::Build { service, image, source: Box::new(source) })
    }

    fn build_one(
        &self,
        site: &Site<'_>,
        wanted: &Wanted,
        (spawner, options): (&Spawner, &Options),
        cancel: &Cancel,
    ) -> Result<(), BuildError> {
        let Wanted { service, image } = wanted;
        let began = Instant::now();
        let Some(mut prepared) = build::prepare(
            self.engine.paths(),
            self.project,
            service,
            self.surroundings.of_builds(),
            options,
            cancel,
        )?
        else {
            return Ok(());
        };
        self.tell_ignored(service, &prepared);
        let events = Named { listener: self.listener, service };
        let outcome = site.build(&mut prepared.request, Processes::Spawner(spawner), &events, cancel);
        self.listener.over(service, &prepared.request, &outcome);
        outcome.map_err(|error| BuildError::Build(Box::new(error)))?;
        let (kind, verb, took) = (Kind::Image, Verb::Build, began.elapsed());
        self.listener.event(&Event::Took { kind, name: image, verb, took });
        Ok(())
    }

    /// The requests that the services would be built by.
    ///
    /// # Errors
    /// No plan, and what [`build::prepare`] says.
    pub fn build_requests(
        &self,
        wanted: &[Wanted],
        options: &Options,
    ) -> Result<Vec<(String, Prepared)>, Error> {
        let cancel = Cancel::default();
        let mut requests = Vec::new();
        for Wanted { service, image } in wanted {
            let prepared = build::prepare(
                self.engine.paths(),
                self.project,
                service,
                self.surroundings.of_builds(),
                options,
                &cancel,
            );
            let failed = |source| Error::Build {
                service: service.clone(),
                image: image.clone(),
                source: Box::new(source),
            };
            if let Some(prepared) = prepared.map_err(failed)? {
                self.tell_ignored(service, &prepared);
                requests.push((service.clone(), prepared));
            }
        }
        Ok(requests)
    }

    fn tell_ignored(&self, service: &str, prepared: &Prepared) {
        if !prepared.without_effect.is_empty() {
            let message = format!("build: no effect here: {}", prepared.without_effect.join(", "));
            self.listener.event(&Event::Warning { about: service, message, hint: None });
        }
    }
}

fn is_cancelled(error: &BuildError) -> bool {
    matches!(error, BuildError::Build(error) if matches!(**error, tare_build::Error::Cancelled))
}

/// Does `work`, and `look`s now and then meanwhile.
fn until_over<T>(work: impl FnOnce() -> T, look: impl Fn() + Send) -> T {
    std::thread::scope(|scope| {
        // Dropped when the work is over, also by a panic; the thread ends at once.
        let (_over, beats) = mpsc::channel::<()>();
        scope.spawn(move || {
            while beats.recv_timeout(BEAT) == Err(RecvTimeoutError::Timeout) {
                look();
            }
        });
        work()
    })
}
