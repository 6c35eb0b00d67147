//! `up`, `create` and `scale`: a plan of all that is missing or out of date, carried out.

use std::time::Duration;

use super::{Error, Listener, Session};
use crate::observe::{ContainerState, Observed};
use crate::plan::{self, ChangedVolume, Plan, StartMode, UpOptions};
use crate::progress::{Event, Kind, Verb};

/// Whether containers are waited for once they run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Readiness {
    /// No further than dependencies ask for.
    #[default]
    Assumed,
    /// Until all are healthy, or ready where they have no check.
    Awaited {
        /// The longest wait.
        bound: Option<Duration>,
    },
}

impl<L: Listener> Session<'_, L> {
    /// Brings the project up. Volumes that the file wants otherwise are the listener's to decide about; those that
    /// stay as they are, like the containers that do, are told.
    ///
    /// # Errors
    /// No plan, and all failures of its steps in one.
    pub fn up(&self, mut options: UpOptions, readiness: Readiness) -> Result<(), Error> {
        let observed = self.observe()?;
        options.renew_volumes = self.renewed_volumes(&observed);
        let plan = self.plan_up(&observed, &options)?;
        if self.acts() {
            self.tell_kept(&observed, &plan, &options.services);
        }
        self.execute(&observed, &plan)?;
        match options.start {
            StartMode::Start => self.wait_ready(readiness, &options.services),
            StartMode::CreateOnly => Ok(()),
        }
    }

    /// Makes what is missing, and tells nothing of what stays (`create`, `scale`).
    ///
    /// # Errors
    /// Those of [`Self::up`].
    pub fn create(&self, options: &UpOptions) -> Result<(), Error> {
        let observed = self.observe()?;
        let plan = self.plan_up(&observed, options)?;
        self.execute(&observed, &plan)
    }

    /// Plans an `up`, and tells what the plan leaves open.
    ///
    /// # Errors
    /// There is no plan.
    pub fn plan_up(&self, observed: &Observed, options: &UpOptions) -> Result<Plan, Error> {
        let plan = plan::up(self.project, observed, options)?;
        self.tell_remarks(&plan);
        Ok(plan)
    }

    /// Keys of the changed volumes that are made anew. Without the listener's word they stay as they are.
    pub fn renewed_volumes(&self, observed: &Observed) -> Vec<String> {
        let mut renewed = Vec::new();
        for volume in plan::changed_volumes(self.project, observed) {
            if self.listener.renews(&volume) {
                renewed.push(volume.key);
            } else {
                let message = format!("{}; it is used as it is", difference(&volume));
                self.remark(message, Some("`up --yes` makes it anew; its data is lost"));
            }
        }
        renewed
    }

    /// Containers that the plan leaves alone are told as they are.
    fn tell_kept(&self, observed: &Observed, plan: &Plan, services: &[String]) {
        for container in observed.containers.iter().filter(|container| !container.oneoff) {
            let meant = match services.is_empty() {
                true => self.project.services.contains_key(&container.service),
                false => services.contains(&container.service),
            };
            if !meant || plan.concerns(&container.id) {
                continue;
            }
            let verb = match container.state {
                ContainerState::Created => Verb::Create,
                state if state.is_alive() => Verb::Keep,
                _ => continue,
            };
            let (kind, name) = (Kind::Container, container.name.as_str());
            self.listener.event(&Event::Done { kind, name, verb, why: None });
        }
    }
}

/// What is wrong with a changed volume, as half a sentence.
#[must_use]
pub fn difference(volume: &ChangedVolume) -> String {
    let ChangedVolume { name, changes, .. } = volume;
    format!("volume {name} exists with another configuration ({})", changes.join(", "))
}
