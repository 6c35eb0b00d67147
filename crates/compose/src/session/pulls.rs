//! The images that services need: what is pulled and what is built, several at once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tare_engine::Engine;
use tare_image::{LayerStatus, PullProgress};
use tare_oci::Reference;

use super::builds::Build;
use super::{Error, Listener, PullError, PullNews, Session};
use crate::build;
use crate::observe::Observed;
use crate::observe_engine;
use crate::plan::{self, Action, BuildMode, Cause, DependencyScope, ImageOptions, Plan, PullMode};
use crate::progress::{Event, Kind, Progress, Quiet, Verb};

/// Pulls at the same time, unless the settings say otherwise.
const AT_ONCE: usize = 4;

/// An image that a service needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The service.
    pub service: String,
    /// The image, as the file names it.
    pub image: String,
}

/// How images are got.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ImagePolicy {
    /// When they are built.
    pub build: BuildMode,
    /// When they are pulled.
    pub pull: PullMode,
}

impl<L: Listener> Session<'_, L> {
    /// Pulls what the services need, then builds what they need.
    ///
    /// # Errors
    /// No plan, the first failed pull or build.
    pub fn get_images(
        &self,
        services: &[String],
        dependencies: DependencyScope,
        policy: ImagePolicy,
        building: &build::Options,
    ) -> Result<(), Error> {
        let images = observe_engine::images(self.engine, self.project)?;
        let age = |name: &String| Some((name.clone(), age_of(self.engine, name)?));
        let options = ImageOptions {
            services: services.to_vec(),
            dependencies,
            build: policy.build,
            pull: policy.pull,
            ages: images.keys().filter_map(age).collect(),
        };
        let observed = Observed { images, ..Observed::default() };
        let plan = plan::images(self.project, &observed, &options)?;
        if !self.acts() {
            // Missing ones stand in the plan that follows.
            let told = plan.steps.iter().filter(|step| step.cause != Cause::Missing);
            let text: String = told.map(|step| format!("{} ({})\n", step.action, step.cause)).collect();
            self.listener.event(&Event::Planned { text: &text });
            return Ok(());
        }
        self.engine.require_root()?;
        let pulls: Vec<Wanted> = plan
            .steps
            .iter()
            .filter_map(|step| match &step.action {
                Action::PullImage { service, image } => {
                    Some(Wanted { service: service.clone(), image: image.clone() })
                }
                _ => None,
            })
            .collect();
        self.pull_all(&pulls).into_iter().collect::<Result<(), Error>>()?;
        self.build_all(&builds_of(&plan), building)
    }

    /// Builds the images of services, and says of which.
    ///
    /// # Errors
    /// No plan, the first failed build.
    pub fn build(
        &self,
        services: &[String],
        dependencies: DependencyScope,
        building: &build::Options,
    ) -> Result<Vec<Wanted>, Error> {
        let plan = self.plan_builds(services, dependencies)?;
        if !self.acts() {
            self.listener.event(&Event::Planned { text: &plan.to_string() });
            return Ok(Vec::new());
        }
        let builds = builds_of(&plan);
        self.build_all(&builds, building)?;
        Ok(builds.into_iter().map(|build| build.wanted).collect())
    }

    /// What [`Self::build`] would build.
    ///
    /// # Errors
    /// No plan.
    pub fn buildable(
        &self,
        services: &[String],
        dependencies: DependencyScope,
    ) -> Result<Vec<Wanted>, Error> {
        let plan = self.plan_builds(services, dependencies)?;
        Ok(builds_of(&plan).into_iter().map(|build| build.wanted).collect())
    }

    fn plan_builds(&self, services: &[String], dependencies: DependencyScope) -> Result<Plan, Error> {
        let options = ImageOptions {
            services: services.to_vec(),
            dependencies,
            build: BuildMode::Always,
            pull: PullMode::Omit,
            ..ImageOptions::default()
        };
        Ok(plan::images(self.project, &Observed::default(), &options)?)
    }

    /// Pulls all of them; what became of each, in order.
    pub fn pull_all(&self, wanted: &[Wanted]) -> Vec<Result<(), Error>> {
        let next = AtomicUsize::new(0);
        let results: Mutex<BTreeMap<usize, Result<(), Error>>> = Mutex::default();
        let progress: &dyn Progress = match self.settings.pulls {
            PullNews::Told => self.listener,
            PullNews::Omitted => &Quiet,
        };
        let work = || {
            while let Some((index, image)) = take(wanted, &next) {
                let result = self.pull_one(image, progress);
                results.lock().unwrap_or_else(PoisonError::into_inner).insert(index, result);
            }
        };
        let bound = self.settings.parallel.unwrap_or(AT_ONCE).max(1);
        self.listener.phase(|| {
            std::thread::scope(|scope| {
                for _ in 0..bound.min(wanted.len()) {
                    scope.spawn(work);
                }
            });
        });
        results.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect()
    }

    fn pull_one(&self, wanted: &Wanted, progress: &dyn Progress) -> Result<(), Error> {
        let (kind, name, verb) = (Kind::Image, wanted.image.as_str(), Verb::Pull);
        progress.event(&Event::Begin { kind, name, verb, why: None });
        let row = Row { progress, image: name, layers: Mutex::default() };
        let pulled = self.transfer(wanted, &row).and_then(|()| note_pull(self.engine, name));
        match &pulled {
            Ok(()) => progress.event(&Event::Done { kind, name, verb, why: None }),
            Err(error) => progress.event(&Event::Failed { kind, name, verb, error: error.to_string() }),
        }
        pulled.map_err(|error| Error::Pull {
            service: wanted.service.clone(),
            image: wanted.image.clone(),
            source: Box::new(error),
        })
    }

    /// Pulls without a row of its own, as a step of a plan does.
    pub(super) fn fetch(&self, wanted: &Wanted) -> Result<(), PullError> {
        self.transfer(wanted, &Row { progress: &Quiet, image: &wanted.image, layers: Mutex::default() })
    }

    fn transfer(&self, wanted: &Wanted, row: &Row<'_>) -> Result<(), PullError> {
        let service = self.project.services.get(&wanted.service);
        let reference = reference(&wanted.image)?;
        let mut options = (self.surroundings.registries)();
        options.platform = match service.and_then(|service| service.platform.as_deref()) {
            None | Some("") => None,
            Some(text) => {
                Some(text.parse().map_err(|source| PullError::Platform { text: text.to_owned(), source })?)
            }
        };
        let pulled = self.engine.image_pull(&reference, &options, row);
        pulled.map(drop).map_err(|error| PullError::Engine(Box::new(error)))
    }
}

/// The builds of a plan, each with those before it.
fn builds_of(plan: &Plan) -> Vec<Build> {
    let mut places: BTreeMap<usize, usize> = BTreeMap::new();
    let mut builds: Vec<Build> = Vec::new();
    for step in &plan.steps {
        if let Action::BuildImage { service, image } = &step.action {
            let after = step.after.iter().filter_map(|id| places.get(&id.0)).copied().collect();
            places.insert(step.id.0, builds.len());
            builds.push(Build { wanted: Wanted { service: service.clone(), image: image.clone() }, after });
        }
    }
    builds
}

/// The name with its tag: `latest` without one.
fn reference(text: &str) -> Result<Reference, PullError> {
    let invalid = |source| PullError::Name { text: text.to_owned(), source };
    let reference: Reference = text.parse().map_err(invalid)?;
    match (reference.tag(), reference.digest()) {
        (None, None) => reference.with_tag("latest").map_err(invalid),
        _ => Ok(reference),
    }
}

fn take<'w>(wanted: &'w [Wanted], next: &AtomicUsize) -> Option<(usize, &'w Wanted)> {
    let index = next.fetch_add(1, Ordering::SeqCst);
    Some((index, wanted.get(index)?))
}

/// The bytes of an image's layers, added up.
struct Row<'a> {
    progress: &'a dyn Progress,
    image: &'a str,
    /// Bytes here and in all, by layer.
    layers: Mutex<BTreeMap<String, (u64, u64)>>,
}

impl PullProgress for Row<'_> {
    fn layer(&self, id: &str, status: LayerStatus) {
        let mut layers = self.layers.lock().unwrap_or_else(PoisonError::into_inner);
        match status {
            LayerStatus::Downloading { done, total } => drop(layers.insert(id.to_owned(), (done, total))),
            LayerStatus::Verifying | LayerStatus::Extracting { .. } | LayerStatus::Complete => {
                if let Some((done, total)) = layers.get_mut(id) {
                    *done = *total;
                }
            }
            _ => return,
        }
        let (done, total) = layers.values().fold((0, 0), |sum, layer| (sum.0 + layer.0, sum.1 + layer.1));
        self.progress.event(&Event::Bytes { image: self.image, done, total });
    }

    fn message(&self, _: &str) {}
}

/// Where it is kept when Compose last pulled an image: the time of an empty file.
fn pull_mark(root: &Path, image: &str) -> PathBuf {
    let safe = |c: char| if c.is_ascii_alphanumeric() || ".-".contains(c) { c } else { '_' };
    root.join("compose-pulls").join(image.chars().map(safe).collect::<String>())
}

fn note_pull(engine: &Engine, image: &str) -> Result<(), PullError> {
    let path = pull_mark(&engine.paths().root, image);
    let folder = path.parent().unwrap_or(Path::new("/"));
    let failed = |action, path: &Path| {
        let path = path.to_owned();
        move |source| PullError::Note { action, path, source }
    };
    std::fs::create_dir_all(folder).map_err(failed("make", folder))?;
    std::fs::write(&path, "").map_err(failed("write", &path))
}

/// How long ago Compose pulled an image; `None` if it never did.
fn age_of(engine: &Engine, image: &str) -> Option<Duration> {
    let mark = pull_mark(&engine.paths().root, image);
    let pulled = std::fs::metadata(mark).and_then(|meta| meta.modified()).ok()?;
    SystemTime::now().duration_since(pulled).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keeps what it was told last.
    #[derive(Default)]
    struct Last(Mutex<Option<(u64, u64)>>);

    impl Progress for Last {
        fn event(&self, event: &Event<'_>) {
            if let Event::Bytes { done, total, .. } = event {
                *self.0.lock().unwrap() = Some((*done, *total));
            }
        }
    }

    #[test]
    fn bytes_of_layers_add_up() {
        let last = Last::default();
        let row = Row { progress: &last, image: "a", layers: Mutex::default() };
        row.layer("1", LayerStatus::Downloading { done: 1, total: 10 });
        row.layer("2", LayerStatus::Downloading { done: 2, total: 20 });
        assert_eq!(*last.0.lock().unwrap(), Some((3, 30)));
        row.layer("1", LayerStatus::Complete);
        assert_eq!(*last.0.lock().unwrap(), Some((12, 30)));
    }

    #[test]
    fn a_mark_is_a_file_in_one_folder() {
        let mark = pull_mark(Path::new("/r"), "ghcr.io/a/b:1@sha256:0");
        assert_eq!(mark, Path::new("/r/compose-pulls/ghcr.io_a_b_1_sha256_0"));
    }

    #[test]
    fn names_get_the_default_tag() {
        assert_eq!(reference("a/b").unwrap().tag(), Some("latest"));
        assert!(matches!(reference("A B"), Err(PullError::Name { .. })));
    }
}
