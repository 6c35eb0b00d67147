//! Carries out the stages, one instruction after the other.

use std::path::PathBuf;
use std::time::Instant;

use indexmap::IndexMap;
use tare_dockerfile::{Dockerfile, ExpandError, Node};
use tare_image::{Image, LayerStaging, Store};
use tare_oci::{Digest, ImageConfig, Platform};

use crate::cache::{Cache, KeyHasher, StepResult};
use crate::event::{Event, Progress, StepId};
use crate::interruptible::Work;
use crate::io_at::At as _;
use crate::layers::{LayerId, Layers, hash};
use crate::mounts::Generated;
use crate::plan::{self, Base};
use crate::request::{CachePolicy, NamedContext, PullPolicy, Request};
use crate::scope::Globals;
use crate::sources::{ContextFolder, SourceRoot};
use crate::{Cancel, Error, NearStage, Outcome, config};

/// What a build works with.
pub(crate) struct Builder<'a> {
    pub(crate) store: &'a Store,
    pub(crate) request: &'a Request,
    pub(crate) events: &'a dyn Progress,
    pub(crate) cancel: &'a Cancel,
    pub(crate) file: Dockerfile,
    pub(crate) globals: Globals,
    pub(crate) cache: Cache,
    pub(crate) layers: Layers,
    pub(crate) context: SourceRoot,
    pub(crate) generated: Generated,
    pub(crate) stages: Vec<Option<Stage>>,
    platform: Platform,
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
    /// `ARG`s in force.
    pub(crate) args: IndexMap<String, String>,
    /// `CMD` was given in this stage.
    pub(crate) has_cmd: bool,
    /// Time of the last layer.
    pub(crate) created: Option<String>,
}

/// The step that is being carried out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    pub(crate) id: StepId,
    pub(crate) line: u32,
}

pub(crate) fn build(
    store: &Store,
    request: &mut Request,
    events: &dyn Progress,
    cancel: &Cancel,
) -> Result<Outcome, Error> {
    let name = request.dockerfile_name.clone();
    let file = tare_dockerfile::parse(&request.dockerfile)
        .map_err(|source| Error::Parse { name: name.clone(), source })?;
    for warning in &file.warnings {
        let hint = warning.hint.as_deref();
        events.event(Event::Warning { line: warning.line, text: &warning.message, hint });
    }
    let target = match &request.target {
        None => file.stages.len() - 1,
        Some(target) => file.stage(target).map(|stage| stage.index).ok_or_else(|| Error::NoSuchTarget {
            target: target.clone(),
            stages: file.stages.iter().map(stage_name).collect(),
        })?,
    };
    crate::leftovers::sweep(&request.run_root);
    let folder = ContextFolder::open(&mut request.context, &request.cache_root, &request.run_root, cancel)?;
    let host = Platform::host();
    let platform = request.platform.clone().unwrap_or_else(|| host.clone());
    let target_name = request.target.as_deref().unwrap_or("default");
    let globals = Globals::new(&file, &request.build_args, (&host, &platform), target_name)
        .map_err(|(line, source)| Error::Expand { line, instruction: "ARG", source })?;
    let needed = plan::needed(&file, target, &globals).map_err(|(line, source)| Error::Expand {
        line,
        instruction: "FROM",
        source,
    })?;
    let empty = request.cache_root.join("empty");
    std::fs::create_dir_all(&empty).at("make", &empty)?;
    let mut builder = Builder {
        store,
        request,
        events,
        cancel,
        cache: Cache::open(&request.cache_root)?,
        layers: Layers::default(),
        context: folder.source_root(&name)?,
        generated: Generated::new(&request.run_root)?,
        stages: vec![None; file.stages.len()],
        file,
        globals,
        platform,
        empty,
        steps: 0,
        cached: 0,
    };
    builder.warn_unused_args(&needed);
    let built = needed.iter().try_for_each(|index| builder.stage(*index));
    // What was made before a failure serves the next build.
    let settled = builder.settle();
    built.and(settled)?;
    builder.export(target)
}

pub(crate) fn stage_name(stage: &tare_dockerfile::Stage) -> String {
    stage.from.alias.clone().unwrap_or_else(|| stage.index.to_string())
}

/// The time now, RFC 3339.
pub(crate) fn now() -> String {
    jiff::Timestamp::now().to_string()
}

impl Builder<'_> {
    fn stage(&mut self, index: usize) -> Result<(), Error> {
        let parsed = self.file.stages[index].clone();
        let name = stage_name(&parsed);
        self.events.event(Event::StageStart { stage: &name, base: &parsed.from.image });
        let total = parsed.steps.len() + 1;
        let span = parsed.span;
        let (step, started) = self.begin(&parsed, 1, total, &parsed.text, span.first);
        let (mut stage, triggers) = self.base(&parsed).map_err(|error| error.at_line(span.first))?;
        stage.index = index;
        stage.args.clear();
        stage.has_cmd = false;
        self.events.event(Event::StepFinished { id: step.id, duration: started.elapsed() });
        for trigger in triggers {
            let line = span.first;
            let invalid =
                |source| Error::Trigger { line, trigger: trigger.clone(), source: Box::new(source) };
            let mut node = tare_dockerfile::parse_trigger(&trigger).map_err(invalid)?;
            node.span = span;
            self.step(&mut stage, &parsed, &node, (1, total))?;
        }
        for (position, node) in parsed.steps.iter().enumerate() {
            self.step(&mut stage, &parsed, node, (position + 2, total))?;
        }
        self.stages[index] = Some(stage);
        Ok(())
    }

    fn begin(
        &mut self,
        parsed: &tare_dockerfile::Stage,
        n: usize,
        total: usize,
        text: &str,
        line: u32,
    ) -> (Step, Instant) {
        let id = self.steps;
        self.steps += 1;
        let stage = parsed.from.alias.as_deref();
        self.events.event(Event::StepStarted { id, n, total, stage, text });
        (Step { id, line }, Instant::now())
    }

    fn step(
        &mut self,
        stage: &mut Stage,
        parsed: &tare_dockerfile::Stage,
        node: &Node,
        (n, total): (usize, usize),
    ) -> Result<(), Error> {
        if self.cancel.is_cancelled() {
            return Err(Error::Cancelled);
        }
        let (step, started) = self.begin(parsed, n, total, &node.text, node.span.first);
        self.instruction(stage, node, step).map_err(|error| error.at_line(step.line))?;
        self.events.event(Event::StepFinished { id: step.id, duration: started.elapsed() });
        Ok(())
    }

    /// What a stage starts from, and the base image's `ONBUILD` triggers.
    fn base(&mut self, parsed: &tare_dockerfile::Stage) -> Result<(Stage, Vec<String>), Error> {
        let line = parsed.span.first;
        let expand = |source: ExpandError| Error::Expand { line, instruction: "FROM", source };
        match plan::base(&self.file, parsed, &self.globals).map_err(expand)? {
            Base::Scratch => Ok((self.scratch(), Vec::new())),
            Base::Stage(index) => {
                let mut stage = self.stages[index].clone().unwrap_or_else(|| self.scratch());
                let triggers = std::mem::take(&mut stage.config.config.on_build);
                Ok((stage, triggers))
            }
            Base::Named(name) => {
                let wanted = match &parsed.from.platform {
                    None => None,
                    Some(text) => {
                        let text = self.globals.expand(text, self.file.directives.escape).map_err(expand)?;
                        let bad = |e: tare_oci::PlatformError| invalid(line, "FROM", e.to_string());
                        Some(text.parse::<Platform>().map_err(bad)?)
                    }
                };
                let image = self.image(&name, wanted.as_ref(), line)?;
                let mut stage = self.of_image(&image);
                let triggers = std::mem::take(&mut stage.config.config.on_build);
                Ok((stage, triggers))
            }
        }
    }

    fn scratch(&self) -> Stage {
        let mut config = ImageConfig {
            os: self.platform.os.clone(),
            architecture: self.platform.architecture.clone(),
            variant: self.platform.variant.clone().unwrap_or_default(),
            ..ImageConfig::default()
        };
        config.config.set_env("PATH", config::DEFAULT_PATH);
        config.config.working_dir = "/".to_owned();
        Stage {
            index: 0,
            files_key: KeyHasher::new("scratch").finish(),
            layers: Vec::new(),
            config,
            args: IndexMap::new(),
            has_cmd: false,
            created: None,
        }
    }

    fn of_image(&mut self, image: &Image) -> Stage {
        let mut key = KeyHasher::new("image");
        // The files alone: another config with the same layers need not build anew.
        key.list(image.layers.iter().map(|layer| layer.diff_id.as_bytes().to_vec()));
        let mut config = image.config.clone();
        if config.config.env_value("PATH").is_none() {
            config.config.set_env("PATH", config::DEFAULT_PATH);
        }
        Stage {
            index: 0,
            files_key: key.finish(),
            layers: image.layers.iter().map(|layer| self.layers.stored(layer.clone())).collect(),
            created: config.created.clone(),
            config,
            args: IndexMap::new(),
            has_cmd: false,
        }
    }

    /// Finds or pulls an image.
    fn image(&mut self, name: &str, platform: Option<&Platform>, line: u32) -> Result<Image, Error> {
        let name = match self.request.contexts.get(name) {
            Some(NamedContext::Image(reference)) => reference.to_string(),
            Some(NamedContext::Dir(_)) => {
                return Err(invalid(line, "FROM", format!("{name} is a folder: use COPY --from={name}")));
            }
            None => name.to_owned(),
        };
        let wanted = platform.unwrap_or(&self.platform);
        let failed = |source| Error::Image { action: format!("image {name}"), source };
        let found = match self.request.pull {
            PullPolicy::Always => None,
            PullPolicy::Missing | PullPolicy::Never => self.store.find(&name).map_err(failed)?,
        };
        if let Some(image) = found.filter(|image| image.config.platform().score_on(wanted).is_some()) {
            return Ok(image);
        }
        if self.request.pull == PullPolicy::Never {
            let missing = Error::NotPulled { line, image: name.clone() };
            return Err(self.no_such_source(&name, line, missing));
        }
        let reference: tare_oci::Reference =
            name.parse().map_err(|e: tare_oci::ReferenceError| invalid(line, "FROM", e.to_string()))?;
        self.events.event(Event::PullStarted { image: &name });
        let mut options = self.request.pull_options.clone();
        options.platform = Some(wanted.clone());
        let store = self.store.clone();
        let work = Work::begin(move |progress| store.pull(&reference, &options, progress));
        let events = self.events;
        let pulled = work.wait(self.cancel, |(layer, status)| {
            events.event(Event::PullLayer { layer: &layer, status });
        })?;
        let outcome = pulled.map_err(|source| self.no_such_source(&name, line, failed(source)))?;
        Ok(outcome.image)
    }

    /// A pull that failed, told as what it likely is: the name of a stage, misspelt or out of place.
    fn no_such_source(&self, name: &str, line: u32, failed: Error) -> Error {
        let is_like_a_stage = !name.contains(['/', ':', '@']);
        let stages = || self.file.stages.iter().filter(|stage| stage.from.alias.is_some());
        let near = match stages().find(|stage| stage_name(stage).eq_ignore_ascii_case(name)) {
            Some(later) => Some(NearStage::Later { line: later.span.first }),
            None => {
                let before: Vec<&str> = stages()
                    .filter(|stage| stage.span.first < line)
                    .filter_map(|stage| stage.from.alias.as_deref())
                    .collect();
                let near = tare_dockerfile::suggest::nearest(name, &before);
                near.map(|stage| NearStage::Alike(stage.to_owned()))
            }
        };
        if !is_like_a_stage {
            return failed;
        }
        Error::NoSuchSource { line, name: name.to_owned(), near, source: Box::new(failed) }
    }

    /// The layers of a root, topmost first; overlayfs wants one at least.
    pub(crate) fn lowers(&self, layers: &[LayerId]) -> Vec<PathBuf> {
        let lowers = self.layers.lowers(layers);
        if lowers.is_empty() { vec![self.empty.clone()] } else { lowers }
    }

    /// The tree that `--from=name` means; the build's context without a name.
    pub(crate) fn source_stage(&mut self, index: usize, name: &str, line: u32) -> Result<Stage, Error> {
        if let Some(found) = plan::stage_before(&self.file, index, name) {
            return Ok(self.stages[found].clone().unwrap_or_else(|| self.scratch()));
        }
        if name == "scratch" {
            return Ok(self.scratch());
        }
        let image = self.image(name, None, line)?;
        Ok(self.of_image(&image))
    }

    /// An earlier result for a key.
    pub(crate) fn find_result(&mut self, key: &Digest) -> Result<Option<(Option<LayerId>, String)>, Error> {
        if let Some((layer, created)) = self.layers.made_for(key) {
            return Ok(Some((Some(layer), created)));
        }
        if self.request.cache == CachePolicy::Ignore {
            return Ok(None);
        }
        let Some(result) = self.cache.step(key)? else { return Ok(None) };
        let Some(diff_id) = result.diff_id else { return Ok(Some((None, result.created))) };
        let layer = self.store.layer(&diff_id).map_err(|source| Error::Image {
            action: format!("looking up layer {}", diff_id.short()),
            source,
        })?;
        // A layer that was removed meanwhile is made again.
        Ok(layer.map(|layer| (Some(self.layers.stored(layer)), result.created)))
    }

    /// Takes an earlier result as this step's.
    pub(crate) fn reuse(
        &mut self,
        stage: &mut Stage,
        key: Digest,
        found: (Option<LayerId>, String),
        step: Step,
    ) -> bool {
        self.cached += 1;
        self.events.event(Event::StepCached { id: step.id });
        let (layer, created) = found;
        let made = layer.is_some();
        if let Some(layer) = layer {
            stage.layers.push(layer);
            stage.files_key = key;
            stage.created = Some(created);
        }
        made
    }

    /// Takes a new layer as this step's.
    pub(crate) fn add_layer(&mut self, stage: &mut Stage, key: Digest, staging: LayerStaging) {
        let created = now();
        stage.files_key = key;
        stage.created = Some(created.clone());
        stage.layers.push(self.layers.pending(staging, key, created));
    }

    /// Records that a step changes no file.
    pub(crate) fn no_layer(&mut self, key: &Digest) -> Result<(), Error> {
        self.cache.put_step(key, &StepResult { diff_id: None, created: now() })
    }

    /// Hashes what is left and moves it into the store.
    fn settle(&mut self) -> Result<(), Error> {
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
        self.layers.settle(self.store, &self.cache, hashed)
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
            CachePolicy::Use => self.cache.image_time(&Digest::of(&json), &now.unwrap_or_else(self::now))?,
            CachePolicy::Ignore => self::now(),
        };
        stage.config.created = Some(created);
        let image = self
            .store
            .create_image(&stage.config, &layers, &self.request.tags)
            .map_err(|source| Error::Image { action: "writing the image".to_owned(), source })?;
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

pub(crate) fn invalid(line: u32, instruction: &'static str, reason: impl Into<String>) -> Error {
    Error::Invalid { line, instruction, reason: reason.into() }
}
