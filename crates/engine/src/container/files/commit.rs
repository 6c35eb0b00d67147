//! `diff` and `commit`: what a container changed, and an image of it.

use jiff::Timestamp;
use tare_oci::{Digest, History, ImageConfig, Reference, RunConfig};

pub use crate::container::files::change::{Change, ChangeKind};

use crate::Engine;
use crate::state::error::{Error, Result};
use crate::state::event::Action;

/// Whether a container that runs goes on meanwhile.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Meanwhile {
    /// It is paused.
    #[default]
    Paused,
    /// It goes on, and may change what is being copied.
    Running,
}

/// What a commit is to say of itself.
#[derive(Debug, Clone, Default)]
pub struct CommitOptions {
    /// Name of the new image.
    pub reference: Option<Reference>,
    /// Who.
    pub author: String,
    /// Why.
    pub message: String,
    /// Changes to the run configuration, already applied by the caller to [`Engine::commit_base`].
    pub config: Option<RunConfig>,
    /// What a container that runs does.
    pub meanwhile: Meanwhile,
}

impl Engine {
    /// The paths that a container added, changed or deleted, sorted; mount points that tare made are none.
    ///
    /// # Errors
    /// [`Error::NoSuchContainer`].
    pub fn diff(&self, name: &str) -> Result<Vec<Change>> {
        let record = self.record(name)?;
        Ok(self.upper(&record)?.changes())
    }

    /// The run configuration that a commit starts from: the container's own.
    ///
    /// # Errors
    /// [`Error::NoSuchContainer`].
    pub fn commit_base(&self, name: &str) -> Result<RunConfig> {
        let config = self.record(name)?.config;
        let volumes = config
            .mounts
            .iter()
            .filter(|m| matches!(m.source, crate::config::MountSource::Anonymous { .. }))
            .map(|m| m.target.clone())
            .collect();
        Ok(RunConfig {
            user: config.user,
            exposed_ports: config.exposed_ports.iter().map(ToString::to_string).collect(),
            env: config.env,
            entrypoint: config.entrypoint,
            cmd: config.cmd,
            volumes,
            working_dir: config.working_dir,
            labels: config.labels,
            stop_signal: config.stop_signal.map(String::from).unwrap_or_default(),
            healthcheck: config.healthcheck,
            ..RunConfig::default()
        })
    }

    /// Makes an image of a container.
    ///
    /// # Errors
    /// [`Error::NoSuchContainer`], [`Error::NoSuchImage`] when its image is gone, store errors.
    pub fn commit(&self, name: &str, options: CommitOptions) -> Result<Digest> {
        let container = self.container(name)?;
        let runs = container.running().is_ok_and(|run| !run.paused);
        if !runs || options.meanwhile == Meanwhile::Running {
            return self.commit_as_it_is(&container.id, options);
        }
        self.pause(&container.id)?;
        let id = self.commit_as_it_is(&container.id, options);
        self.unpause(&container.id)?;
        id
    }

    fn commit_as_it_is(&self, name: &str, options: CommitOptions) -> Result<Digest> {
        let record = self.record(name)?;
        let images = self.images()?;
        let base = images
            .find(&record.image_id)?
            .ok_or_else(|| Error::NoSuchImage(record.image_id.clone().into()))?;
        let staging = images.new_layer()?;
        let upper = self.upper(&record)?;
        crate::container::files::copy::copy(&upper, staging.diff())?;
        let layer = staging.commit()?;
        let now = Timestamp::now().to_string();
        let mut config: ImageConfig = base.config.clone();
        config.config = match options.config {
            Some(own) => own,
            None => self.commit_base(name)?,
        };
        config.created = Some(now.clone());
        config.author.clone_from(&options.author);
        config.comment.clone_from(&options.message);
        config.history.push(History {
            created: Some(now),
            created_by: record.config.cmd.clone().unwrap_or_default().join(" "),
            author: options.author,
            comment: options.message,
            empty_layer: false,
        });
        let mut layers: Vec<Digest> = base.layers.iter().map(|l| l.diff_id).collect();
        layers.push(layer.diff_id);
        let tags: Vec<Reference> = options.reference.into_iter().collect();
        let image = images.create_image(&config, &layers, &tags)?;
        self.emit_container(Action::Commit, &record, &[("imageID", &image.id.to_string())]);
        Ok(image.id)
    }
}
