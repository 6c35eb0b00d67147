//! Pulls of several images at once, each a row of the list.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use tare_compose::progress::{Event, Kind, Progress as _, Verb};
use tare_engine::Engine;
use tare_engine::event::{Action, Kind as EventKind};
use tare_image::{LayerStatus, PullProgress};

use super::progress::List;
use super::work::Work;
use crate::commands;
use crate::output::human;

/// An image that a service needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) service: String,
    pub(super) image: String,
}

/// Pulls at the same time, unless `--parallel` says otherwise.
const AT_ONCE: usize = 4;

impl Work<'_> {
    /// Pulls all of them; what became of each, in order.
    pub(super) fn pull_all(&self, wanted: &[Wanted]) -> anyhow::Result<Vec<anyhow::Result<()>>> {
        let engine = self.engine()?;
        let next = AtomicUsize::new(0);
        let results: Mutex<BTreeMap<usize, anyhow::Result<()>>> = Mutex::default();
        let quiet = List::quiet();
        let list = if self.quiet_pull { &quiet } else { &self.list };
        let work = || {
            while let Some((index, image)) = take(wanted, &next) {
                let result = self.pull_one(engine, image, list);
                results.lock().unwrap_or_else(PoisonError::into_inner).insert(index, result);
            }
        };
        let bound = usize::try_from(self.parallel()).unwrap_or(AT_ONCE).max(1);
        list.ticking(|| {
            std::thread::scope(|scope| {
                for _ in 0..bound.min(wanted.len()) {
                    scope.spawn(work);
                }
            });
        });
        list.finish();
        Ok(results.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect())
    }

    fn pull_one(&self, engine: &Engine, wanted: &Wanted, list: &List) -> anyhow::Result<()> {
        let (kind, name, verb) = (Kind::Image, wanted.image.as_str(), Verb::Pull);
        list.event(&Event::Begin { kind, name, verb, why: None });
        let pulled = self.transfer(engine, wanted, list);
        match &pulled {
            Ok(()) => list.event(&Event::Done { kind, name, verb, why: None }),
            Err(error) => list.event(&Event::Failed { kind, name, verb, error: error.to_string() }),
        }
        pulled.with_context(|| format!("service {}: cannot pull {name}", wanted.service))
    }

    fn transfer(&self, engine: &Engine, wanted: &Wanted, list: &List) -> anyhow::Result<()> {
        let service = self.project.services.get(&wanted.service);
        let platform = service.and_then(|service| service.platform.as_deref()).unwrap_or_default();
        let reference = commands::image::tag::reference(&wanted.image)?;
        let mut options = commands::pull_options()?;
        options.platform = commands::image::pull::platform_of(platform)?;
        let row = Row { list, image: &wanted.image, layers: Mutex::default() };
        engine.images()?.pull(&reference, &options, &row)?;
        let name = reference.familiar();
        engine.emit(EventKind::Image, Action::Pull, &name, &[("name", &name)]);
        note_pull(engine, &wanted.image)
    }
}

fn take<'w>(wanted: &'w [Wanted], next: &AtomicUsize) -> Option<(usize, &'w Wanted)> {
    let index = next.fetch_add(1, Ordering::SeqCst);
    Some((index, wanted.get(index)?))
}

/// The bytes of an image's layers, added up in its row.
struct Row<'a> {
    list: &'a List,
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
        let word = match done {
            done if done == total => "Extracting".to_owned(),
            done => format!("Pulling {} / {}", human::size_short(done), human::size_short(total)),
        };
        self.list.working(Kind::Image, self.image, word);
    }

    fn message(&self, _: &str) {}
}

/// Where it is kept when Compose last pulled an image: the time of an empty file.
fn pull_mark(engine: &Engine, image: &str) -> PathBuf {
    let safe = |c: char| if c.is_ascii_alphanumeric() || ".-".contains(c) { c } else { '_' };
    engine.paths().root.join("compose-pulls").join(image.chars().map(safe).collect::<String>())
}

fn note_pull(engine: &Engine, image: &str) -> anyhow::Result<()> {
    let path = pull_mark(engine, image);
    let folder = path.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    std::fs::write(&path, "").with_context(|| format!("cannot write {}", path.display()))
}

/// How long ago Compose pulled an image; `None` if it never did.
pub(super) fn age_of(engine: &Engine, image: &str) -> Option<Duration> {
    let pulled = std::fs::metadata(pull_mark(engine, image)).and_then(|meta| meta.modified()).ok()?;
    SystemTime::now().duration_since(pulled).ok()
}
