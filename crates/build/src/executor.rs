//! A build from the Dockerfile's text to the image's record; the stages themselves are the schedule's.

use std::path::PathBuf;
use std::thread::JoinHandle;

use tare_dockerfile::{Checks, Dockerfile};
use tare_image::{Image, LayerStaging, Store};
use tare_oci::{Digest, ImageConfig, Platform};

use crate::cache::Cache;
use crate::event::{Event, Progress, StepId};
use crate::io_at::At as _;
use crate::layers::{Hashed, LayerId, Layers, hash};
use crate::mounts::Generated;
use crate::plan;
use crate::request::{CachePolicy, Networks, Request, Space};
use crate::scope::{Globals, Variables};
use crate::sources::{ContextFolder, SourceRoot};
use crate::trim::{self, Trim};
use crate::workshop::{Claims, Processes, Task, Workshop};
use crate::{Cancel, Error, Outcome, config};

/// What a build works with.
pub(crate) struct Builder<'a> {
    pub(crate) store: &'a Store,
    pub(crate) request: &'a Request,
    pub(crate) events: &'a dyn Progress,
    pub(crate) cancel: &'a Cancel,
    pub(crate) networks: &'a dyn Networks,
    pub(crate) processes: Processes<'a>,
    /// The steps' own network, once one has needed it.
    pub(crate) space: Option<Space>,
    pub(crate) file: Dockerfile,
    pub(crate) globals: Globals,
    pub(crate) cache: Cache,
    pub(crate) layers: Layers,
    pub(crate) context: SourceRoot,
    pub(crate) generated: Generated,
    pub(crate) stages: Vec<Option<Stage>>,
    pub(crate) platform: Platform,
    pub(crate) checks: Checks,
    /// Images that this build has pulled, by name and platform.
    pub(crate) pulled: Vec<(String, Platform, Image)>,
    /// Keys of the steps whose programs run.
    pub(crate) in_flight: Vec<Digest>,
    /// What this build does that another of this process may need as well.
    pub(crate) claims: Claims<'a>,
    /// Folders of cache mounts that this build has emptied.
    pub(crate) emptied: Vec<PathBuf>,
    /// Hashes new layers while programs run.
    pub(crate) hashing: Option<JoinHandle<Vec<Hashed>>>,
    /// A lower folder for a root that has none.
    empty: PathBuf,
    pub(crate) steps: usize,
    pub(crate) cached: usize,
}

/// A stage as far as it is built.
#[derive(Debug, Clone)]
pub(crate) struct Stage {
    pub(crate) index: usize,
    /// Stands for all its files.
    pub(crate) files_key: Digest,
    pub(crate) layers: Vec<LayerId>,
    pub(crate) config: ImageConfig,
    /// `ENV` and `ARG` as far as it is built.
    pub(crate) variables: Variables,
    /// `CMD` was given in this stage.
    pub(crate) has_cmd: bool,
    /// Time of the last layer.
    pub(crate) created: Option<String>,
    /// A step of it, or of a stage beneath, was done again although there was a result: what follows is done again, too.
    pub(crate) is_anew: bool,
}

/// The step that is being carried out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    pub(crate) id: StepId,
    pub(crate) line: u32,
}

pub(crate) fn build(
    workshop: Workshop<'_>,
    request: &mut Request,
    events: &dyn Progress,
    cancel: &Cancel,
) -> Result<Outcome, Error> {
    let name = request.dockerfile_name.clone();
    let file = tare_dockerfile::parse(&request.dockerfile)
        .map_err(|source| Error::Parse { name: name.clone(), source })?;
    let checks = checks(request, &file);
    let mut count = 0;
    for warning in file.warnings.iter().filter(|warning| !checks.skips(warning.lint)) {
        let hint = warning.hint.as_deref();
        events.event(Event::Warning { line: warning.line, text: &warning.message, hint });
        count += 1;
    }
    if checks.is_error && count > 0 {
        return Err(Error::Warned { count });
    }
    let target = match request.target.as_ref().filter(|target| !target.is_empty()) {
        None => file.stages.len() - 1,
        Some(target) => file.stage(target).map(|stage| stage.index).ok_or_else(|| Error::NoSuchTarget {
            target: target.clone(),
            stages: file.stages.iter().map(stage_name).collect(),
        })?,
    };
    crate::leftovers::sweep(&request.run_root, &request.cache_root);
    let folder = ContextFolder::open(&mut request.context, &request.cache_root, &request.run_root, cancel)?;
    let host = Platform::host();
    let platform = request.platform.clone().unwrap_or_else(|| host.clone());
    let target_name = request.target.as_deref().unwrap_or("default");
    let globals = Globals::new(&file, &request.build_args, (&host, &platform), target_name)
        .map_err(|(line, source)| Error::Expand { line, instruction: "ARG", source })?;
    let needed = plan::needed(&file, target, &globals, &request.contexts)
        .map_err(|(line, source)| Error::Expand { line, instruction: "FROM", source })?;
    let empty = request.cache_root.join("empty");
    std::fs::create_dir_all(&empty).at("make", &empty)?;
    let mut builder = Builder {
        store: workshop.store,
        request,
        events,
        cancel,
        networks: workshop.networks,
        processes: workshop.processes,
        space: None,
        cache: Cache::open(&request.cache_root)?,
        layers: Layers::default(),
        context: folder.source_root(&name)?,
        generated: Generated::new(&request.run_root)?,
        stages: vec![None; file.stages.len()],
        file,
        globals,
        platform,
        checks,
        pulled: Vec::new(),
        in_flight: Vec::new(),
        claims: Claims::new(workshop.others),
        emptied: Vec::new(),
        hashing: None,
        empty,
        steps: 0,
        cached: 0,
    };
    builder.warn_unused_args(&needed);
    let built = builder.fetch_images(&needed).and_then(|()| builder.carry_out(&needed));
    // What was made before a failure serves the next build.
    let settled = builder.settle();
    built.and(settled)?;
    let outcome = builder.export(target)?;
    if outcome.cached < outcome.steps {
        // Should it fail, the next build tries again.
        let _ = trim::apply(builder.store, &builder.cache, Trim { keep: Some(trim::LIMIT), since: None });
    }
    Ok(outcome)
}

/// What is to be done with warnings; a build argument counts more than the file.
fn checks(request: &Request, file: &Dockerfile) -> Checks {
    let given = request.build_args.get("BUILDKIT_DOCKERFILE_CHECK").cloned().flatten();
    given.or_else(|| file.directives.check.clone()).map(|text| Checks::parse(&text)).unwrap_or_default()
}

pub(crate) fn stage_name(stage: &tare_dockerfile::Stage) -> String {
    stage.from.alias.clone().unwrap_or_else(|| stage.index.to_string())
}

/// The time now, RFC 3339.
pub(crate) fn now() -> String {
    jiff::Timestamp::now().to_string()
}

impl Builder<'_> {
    /// The layers of a root, topmost first; overlayfs wants one at least.
    pub(crate) fn lowers(&self, layers: &[LayerId]) -> Vec<PathBuf> {
        let lowers = self.layers.lowers(layers);
        if lowers.is_empty() { vec![self.empty.clone()] } else { lowers }
    }

    /// An earlier result for a key.
    pub(crate) fn find_result(
        &mut self,
        stage: &Stage,
        key: &Digest,
    ) -> Result<Option<(LayerId, String)>, Error> {
        if let Some((layer, created)) = self.layers.made_for(key) {
            return Ok(Some((layer, created)));
        }
        if stage.is_anew || self.ignores_cache(stage.index) {
            return Ok(None);
        }
        let Some(result) = self.cache.step(key)? else { return Ok(None) };
        let Some(diff_id) = result.diff_id else { return Ok(None) };
        let layer = self
            .store
            .pinned_layer(&diff_id)
            .map_err(|source| Error::image(format!("looking up layer {}", diff_id.short()), source))?;
        // A layer that was removed meanwhile is made again.
        Ok(layer.map(|layer| (self.layers.stored(layer), result.created)))
    }

    /// Whether a stage is to be built anew.
    pub(crate) fn ignores_cache(&self, stage: usize) -> bool {
        match &self.request.cache {
            CachePolicy::Use => false,
            CachePolicy::Ignore => true,
            CachePolicy::IgnoreStages(names) => {
                let alias = self.file.stages[stage].from.alias.as_deref();
                alias.is_some_and(|alias| names.iter().any(|name| name.eq_ignore_ascii_case(alias)))
            }
        }
    }

    /// Takes an earlier result as this step's.
    pub(crate) fn reuse(
        &mut self,
        stage: &mut Stage,
        key: Digest,
        (layer, created): (LayerId, String),
        step: Step,
    ) {
        self.cached += 1;
        self.events.event(Event::StepCached { id: step.id });
        stage.layers.push(layer);
        stage.files_key = key;
        stage.created = Some(created);
    }

    /// Takes a new layer as this step's.
    pub(crate) fn add_layer(&mut self, stage: &mut Stage, key: Digest, staging: LayerStaging) {
        let created = now();
        stage.is_anew |= self.ignores_cache(stage.index);
        stage.files_key = key;
        stage.created = Some(created.clone());
        stage.layers.push(self.layers.pending(staging, key, created));
    }

    /// Waits for the thread that hashes, and moves the layers into the store. Folders of layers may be elsewhere then.
    pub(crate) fn join_hashing(&mut self) -> Result<(), Error> {
        let Some(thread) = self.hashing.take() else { return Ok(()) };
        match thread.join() {
            Ok(hashed) => self.keep(hashed),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    /// Moves hashed layers into the store, where other builds find them.
    fn keep(&mut self, hashed: Vec<Hashed>) -> Result<(), Error> {
        self.layers.settle(self.store, &self.cache, hashed)?;
        let layers = &self.layers;
        self.claims.release(|task| matches!(task, Task::Step(key) if layers.is_settled(key)));
        Ok(())
    }

    /// Hashes what is left and moves it into the store.
    fn settle(&mut self) -> Result<(), Error> {
        self.join_hashing()?;
        let mut first = self.layers.to_hash();
        let second = first.split_off(first.len() / 2);
        let hashed = std::thread::scope(|scope| {
            let other = (!first.is_empty()).then(|| scope.spawn(|| hash(first)));
            let mut hashed = hash(second);
            if let Some(other) = other {
                match other.join() {
                    Ok(more) => hashed.extend(more),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            hashed
        });
        self.keep(hashed)
    }

    fn export(&mut self, target: usize) -> Result<Outcome, Error> {
        self.events.event(Event::Exporting);
        let mut stage = self.stages[target].clone().unwrap_or_else(|| self.scratch());
        let labels = self.request.labels.iter().map(|(key, value)| (key.clone(), value.clone()));
        stage.config.config.labels.extend(labels);
        let layers = self.layers.diff_ids(&stage.layers);
        stage.config.rootfs.diff_ids.clone_from(&layers);
        stage.config.created = None;
        let json = stage.config.to_json().map_err(Error::Config)?;
        let now = stage.created.clone().filter(|_| stage.config.history.iter().any(|h| !h.empty_layer));
        let created = match self.request.cache {
            CachePolicy::Ignore => self::now(),
            _ => self.cache.image_time(&Digest::of(&json), &now.unwrap_or_else(self::now))?,
        };
        stage.config.created = Some(created);
        if let Some(epoch) = self.request.epoch {
            let epoch = jiff::Timestamp::from_second(epoch).map_err(Error::Epoch)?.to_string();
            stage.config.created = Some(epoch.clone());
            let own = stage.config.history.iter_mut().filter(|line| line.comment == config::COMMENT);
            own.for_each(|line| line.created = Some(epoch.clone()));
        }
        let image = self
            .store
            .create_image(&stage.config, &layers, &self.request.tags)
            .map_err(|source| Error::image("writing the image", source))?;
        self.events.event(Event::Exported { image_id: &image.id });
        Ok(Outcome { image_id: image.id, cached: self.cached, steps: self.steps })
    }

    /// `--build-arg` that no `ARG` takes is likely a slip.
    fn warn_unused_args(&self, needed: &[usize]) {
        let declared = |name: &str| {
            let steps = needed.iter().flat_map(|index| &self.file.stages[*index].steps);
            let in_stage = steps.filter_map(|node| match &node.instruction {
                tare_dockerfile::Instruction::Arg(args) => Some(args),
                _ => None,
            });
            self.file.globals.iter().chain(in_stage.flatten()).any(|arg| arg.name == name)
        };
        for name in self.globals.given() {
            let predefined =
                crate::scope::is_proxy(name) || name.starts_with("BUILDKIT_") || name == "SOURCE_DATE_EPOCH";
            if !predefined && !declared(name) {
                let text = format!("--build-arg {name} is not used");
                let hint = format!("put ARG {name} where it is needed");
                self.events.event(Event::Warning { line: 1, text: &text, hint: Some(&hint) });
            }
        }
    }
}
