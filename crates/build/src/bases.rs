//! What stages start from and copy from: nothing, other stages, and images, which are pulled all at once.

use std::path::PathBuf;

use tare_dockerfile::ExpandError;
use tare_dockerfile::ignore::Ignore;
use tare_image::{Image, PullOutcome};
use tare_oci::{ImageConfig, Platform, Reference, ReferenceError};

use crate::cache::KeyHasher;
use crate::copy::{Style, Target, Writer};
use crate::error::invalid;
use crate::event::Event;
use crate::executor::{Builder, Stage, stage_name};
use crate::interruptible::{self, News, Task};
use crate::plan::{self, Base};
use crate::request::{NamedContext, PullPolicy};
use crate::scope::Variables;
use crate::select;
use crate::sources::{Access, SourceRoot, mount};
use crate::users::Owner;
use crate::workshop::Task as Claim;
use crate::{Error, NearStage, config};

/// An image that the build needs.
#[derive(Debug, Clone)]
struct Wanted {
    name: String,
    platform: Platform,
    line: u32,
}

impl Builder<'_> {
    /// What a stage starts from, and the base image's `ONBUILD` triggers.
    pub(crate) fn base(&mut self, parsed: &tare_dockerfile::Stage) -> Result<(Stage, Vec<String>), Error> {
        let mut stage = match self.base_of(parsed)? {
            (Base::Scratch, _) => return Ok((self.scratch(), Vec::new())),
            (Base::Stage(index), _) => self.stages[index].clone().unwrap_or_else(|| self.scratch()),
            (Base::Named(name), platform) => {
                if let Some(stage) = self.of_context(&name, parsed.span.first)? {
                    return Ok((stage, Vec::new()));
                }
                let image = self.image(&name, platform.as_ref(), parsed.span.first)?;
                self.of_image(&image)?
            }
        };
        let triggers = std::mem::take(&mut stage.config.config.on_build);
        Ok((stage, triggers))
    }

    /// The base of a stage and its `--platform`.
    fn base_of(&self, parsed: &tare_dockerfile::Stage) -> Result<(Base, Option<Platform>), Error> {
        let line = parsed.span.first;
        let expand = |source: ExpandError| Error::Expand { line, instruction: "FROM", source };
        let base = plan::base(&self.file, parsed, &self.globals, &self.request.contexts).map_err(expand)?;
        let Some(text) = &parsed.from.platform else { return Ok((base, None)) };
        let text = self.globals.expand(text, self.file.directives.escape).map_err(expand)?;
        let bad = |e: tare_oci::PlatformError| invalid(line, "FROM", e.to_string());
        Ok((base, Some(text.parse::<Platform>().map_err(bad)?)))
    }

    pub(crate) fn scratch(&self) -> Stage {
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
            variables: Variables::default(),
            has_cmd: false,
            created: None,
            is_anew: false,
        }
    }

    /// A stage that a further context is, if it is no image: nothing, or all of a folder.
    fn of_context(&mut self, name: &str, line: u32) -> Result<Option<Stage>, Error> {
        let path = match self.request.contexts.get(name) {
            None | Some(NamedContext::Image(_)) => return Ok(None),
            Some(NamedContext::Scratch) => return Ok(Some(self.scratch())),
            Some(NamedContext::Dir(path)) => path.clone(),
        };
        let mut stage = self.scratch();
        let root = SourceRoot::named(&path)?;
        let mut all = select::select(&root, ".", &Ignore::default())?;
        select::hash_files(&mut all, &root, &self.cache, self.cancel)?;
        let mut key = KeyHasher::new("context");
        select::add_to_key(&mut key, &all, &root);
        let key = key.finish();
        if let Some((layer, created)) = self.find_result(&stage, &key)? {
            stage.layers.push(layer);
            stage.files_key = key;
            stage.created = Some(created);
            return Ok(Some(stage));
        }
        let (inside, staging) = mount(self.store, self.lowers(&[]), Access::Write, line)?;
        let style = Style { owner: Some(Owner::ROOT), mode: None };
        let target = Target { path: PathBuf::from("/"), is_folder: true };
        for one in &all {
            Writer::new(&inside, style.clone(), self.cancel).copy(one, &target)?;
        }
        drop(inside);
        self.add_layer(&mut stage, key, staging);
        Ok(Some(stage))
    }

    /// A stage that begins with an image, which may lose its names and containers from now on.
    fn of_image(&mut self, image: &Image) -> Result<Stage, Error> {
        let layers: Vec<_> = image.layers.iter().map(|layer| layer.diff_id).collect();
        self.store.pin(&layers).map_err(|source| Error::image("keeping the base image", source))?;
        let mut key = KeyHasher::new("image");
        // The files alone: another config with the same layers need not build anew.
        key.list(image.layers.iter().map(|layer| layer.diff_id.as_bytes().to_vec()));
        let mut config = image.config.clone();
        if config.config.env_value("PATH").is_none() {
            config.config.set_env("PATH", config::DEFAULT_PATH);
        }
        Ok(Stage {
            index: 0,
            files_key: key.finish(),
            layers: image.layers.iter().map(|layer| self.layers.stored(layer.clone())).collect(),
            created: config.created.clone(),
            config,
            variables: Variables::default(),
            has_cmd: false,
            is_anew: false,
        })
    }

    /// The tree that `--from=name` means; the build's context without a name.
    pub(crate) fn source_stage(&mut self, index: usize, name: &str, line: u32) -> Result<Stage, Error> {
        if let Some(found) = plan::stage_before(&self.file, index, name) {
            return Ok(self.stages[found].clone().unwrap_or_else(|| self.scratch()));
        }
        if name == "scratch" || matches!(self.request.contexts.get(name), Some(NamedContext::Scratch)) {
            return Ok(self.scratch());
        }
        let image = self.image(name, None, line)?;
        self.of_image(&image)
    }

    /// Pulls the images that the stages will ask for and that are not here, all at the same time. Done before any step
    /// runs, because no container can be made while other threads are at work.
    pub(crate) fn fetch_images(&mut self, stages: &[usize]) -> Result<(), Error> {
        let mut missing: Vec<Wanted> = Vec::new();
        for index in stages {
            let stage = self.file.stages[*index].clone();
            let mut names = Vec::new();
            if let (Base::Named(name), platform) = self.base_of(&stage)?
                && !self.is_no_image(&name)
            {
                names.push((name, platform, stage.span.first));
            }
            if plan::replaced(&stage, &self.request.contexts).is_some() {
                self.want(names, &mut missing)?;
                continue;
            }
            for node in &stage.steps {
                let of_images = plan::sources(&node.instruction).into_iter().filter(|name| {
                    let is_stage = plan::stage_before(&self.file, *index, name).is_some();
                    // A name with a variable is refused when its turn comes.
                    !self.is_no_image(name) && !is_stage && *name != "scratch" && !name.contains('$')
                });
                names.extend(of_images.map(|name| (name.to_owned(), None, node.span.first)));
            }
            self.want(names, &mut missing)?;
        }
        self.pull(missing)
    }

    /// Whether a name is that of a further context that is no image.
    fn is_no_image(&self, name: &str) -> bool {
        matches!(self.request.contexts.get(name), Some(NamedContext::Dir(_) | NamedContext::Scratch))
    }

    /// Adds the images that are not here.
    fn want(
        &self,
        names: Vec<(String, Option<Platform>, u32)>,
        missing: &mut Vec<Wanted>,
    ) -> Result<(), Error> {
        for (name, platform, line) in names {
            let wanted = self.wanted(&name, platform.as_ref(), line)?;
            let is_same = |other: &Wanted| other.name == wanted.name && other.platform == wanted.platform;
            if !missing.iter().any(is_same) && self.local(&wanted)?.is_none() {
                missing.push(wanted);
            }
        }
        Ok(())
    }

    /// Finds or pulls an image.
    fn image(&mut self, name: &str, platform: Option<&Platform>, line: u32) -> Result<Image, Error> {
        let wanted = self.wanted(name, platform, line)?;
        if let Some(image) = self.local(&wanted)? {
            return Ok(image);
        }
        self.pull(vec![wanted.clone()])?;
        self.local(&wanted)?.ok_or(Error::NotPulled { line, image: wanted.name })
    }

    /// What a name means here: an image that `--build-context` names, or the image of that name.
    fn wanted(&self, name: &str, platform: Option<&Platform>, line: u32) -> Result<Wanted, Error> {
        let name = match self.request.contexts.get(name) {
            Some(NamedContext::Image(reference)) => reference.to_string(),
            Some(NamedContext::Dir(_) | NamedContext::Scratch) | None => name.to_owned(),
        };
        Ok(Wanted { name, platform: platform.unwrap_or(&self.platform).clone(), line })
    }

    /// The image, if it is here and need not be pulled.
    fn local(&self, wanted: &Wanted) -> Result<Option<Image>, Error> {
        let Wanted { name, platform, line } = wanted;
        let pulled = self.pulled.iter().find(|(known, on, _)| known == name && on == platform);
        if let Some((_, _, image)) = pulled {
            return Ok(Some(image.clone()));
        }
        let failed = |source| Error::image(format!("image {name}"), source).at_line(*line);
        let found = match self.request.pull {
            PullPolicy::Always => None,
            PullPolicy::Missing | PullPolicy::Never => self.store.find(name).map_err(failed)?,
        };
        let found = found.filter(|image| image.config.platform().score_on(platform).is_some());
        if found.is_none() && self.request.pull == PullPolicy::Never {
            let missing = Error::NotPulled { line: *line, image: name.clone() };
            return Err(self.no_such_source(name, *line, missing));
        }
        Ok(found)
    }

    /// Pulls images at the same time. What another build is pulling is waited for.
    fn pull(&mut self, mut images: Vec<Wanted>) -> Result<(), Error> {
        while !images.is_empty() {
            if self.cancel.is_cancelled() {
                return Err(Error::Cancelled);
            }
            let claim = |wanted: &Wanted| Claim::Pull(wanted.name.clone(), wanted.platform.clone());
            let (mine, theirs): (Vec<_>, Vec<_>) =
                images.into_iter().partition(|wanted| self.claims.claim(&claim(wanted)));
            let pulled = self.pull_now(&mine);
            self.claims.release(|task| matches!(task, Claim::Pull(..)));
            pulled?;
            if mine.is_empty() {
                std::thread::sleep(interruptible::BEAT);
            }
            images = Vec::new();
            for wanted in theirs {
                if self.local(&wanted)?.is_none() {
                    images.push(wanted);
                }
            }
        }
        Ok(())
    }

    fn pull_now(&mut self, images: &[Wanted]) -> Result<(), Error> {
        let mut tasks: Vec<Task<tare_image::Result<PullOutcome>>> = Vec::new();
        for wanted in images {
            let bad = |e: ReferenceError| invalid(wanted.line, "FROM", e.to_string());
            let reference: Reference = wanted.name.parse().map_err(bad)?;
            self.events.event(Event::PullStarted { image: &wanted.name });
            let mut options = self.request.pull_options.clone();
            options.platform = Some(wanted.platform.clone());
            let store = self.store.clone();
            tasks.push(Box::new(move |progress| store.pull(&reference, &options, progress)));
        }
        let mut pulled = Vec::new();
        interruptible::all(tasks, self.cancel, |news| {
            match news {
                News::Layer(layer, status) => self.events.event(Event::PullLayer { layer: &layer, status }),
                News::Done(number, outcome) => {
                    let Wanted { name, platform, line } = images[number].clone();
                    let failed = |source| Error::image(format!("image {name}"), source);
                    let outcome = outcome.map_err(|e| self.no_such_source(&name, line, failed(e)))?;
                    pulled.push((name, platform, outcome.image));
                }
            }
            Ok(())
        })?;
        self.pulled.extend(pulled);
        Ok(())
    }

    /// A pull that failed, told as what it likely is: the name of a stage, misspelt or out of place.
    fn no_such_source(&self, name: &str, line: u32, failed: Error) -> Error {
        if name.contains(['/', ':', '@']) {
            return failed.at_line(line);
        }
        let stages = || self.file.stages.iter().filter(|stage| stage.from.alias.is_some());
        let near = match stages().find(|stage| stage_name(stage).eq_ignore_ascii_case(name)) {
            Some(later) => Some(NearStage::Later { line: later.span.first }),
            None => {
                let before = stages()
                    .filter(|stage| stage.span.first < line)
                    .filter_map(|stage| stage.from.alias.as_deref());
                tare_words::near::nearest(name, before).map(|stage| NearStage::Alike(stage.to_owned()))
            }
        };
        Error::NoSuchSource { line, name: name.to_owned(), near, source: Box::new(failed) }
    }
}
