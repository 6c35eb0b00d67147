//! Builds: what a service's `build` section asks for becomes a request of `tare_build`, and a [`Site`] carries requests
//! out on this machine's engine, as many at once as are wanted.

mod bake;
mod network;
mod request;

use tare_build::{AtWork, Cancel, Event, Outcome, Processes, Progress, Request, Workshop};
use tare_engine::Engine;
use tare_image::Store;
use tare_monitor::status::Note;

pub use bake::bake;
pub use request::{BuildError, Options, Prepared, Surroundings, prepare};

use self::network::OfEngine;

/// Is told how the builds of services go; called from several threads.
pub trait BuildOutput: Sync {
    /// Something happened in a service's build.
    fn step(&self, service: &str, event: Event<'_>);

    /// A service's build is over.
    fn over(&self, service: &str, request: &Request, outcome: &Result<Outcome, tare_build::Error>);
}

/// Where builds of this process are carried out: an engine's machine.
pub struct Site<'e> {
    engine: &'e Engine,
    store: &'e Store,
    profile: Option<String>,
    others: AtWork,
    /// What there is to say of the machine.
    pub note: Option<Note>,
}

impl<'e> Site<'e> {
    /// Looks at the machine, and removes what builds left that were killed.
    ///
    /// # Errors
    /// The image store cannot be opened.
    pub fn new(engine: &'e Engine) -> Result<Self, tare_engine::Error> {
        let store = engine.images()?;
        // A build that was killed leaves its layer behind; nothing but the space is lost if that cannot be removed.
        let _ = store.sweep();
        let confined = engine.default_confinement();
        Ok(Self { engine, store, profile: confined.profile, others: AtWork::default(), note: confined.note })
    }

    /// Builds. With [`Processes::Caller`] the process must have one thread.
    ///
    /// # Errors
    /// Those of [`tare_build::build`].
    pub fn build(
        &self,
        request: &mut Request,
        processes: Processes<'_>,
        events: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<Outcome, tare_build::Error> {
        request.apparmor.clone_from(&self.profile);
        let networks = OfEngine::new(self.engine);
        let workshop = Workshop { store: self.store, networks: &networks, processes, others: &self.others };
        tare_build::build(workshop, request, events, cancel)
    }
}
