//! `create`: a request and an image become a stored container.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use tare_image::Image;
use tare_oci::{Healthcheck, RunConfig};

use crate::Engine;
use crate::config::flags::ports;
use crate::config::same_path;
use crate::config::{
    ContainerConfig, CreateSource, Mount, MountSource, NetworkMode, Protocol, StopSignal, UsernsMode,
};
use crate::container::check;
use crate::state::error::{Error, Result};
use crate::state::event::{Action, Kind};
use crate::state::ids;
use crate::state::record::Record;
use crate::state::store::Transaction;
use crate::volume as volumes;
use crate::volume::Volume;

/// A container that was created.
#[derive(Debug, Clone)]
pub struct Created {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What the user should know.
    pub warnings: Vec<Warning>,
}

/// A remark about something that works but probably not as meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// One sentence.
    pub message: String,
    /// The next step.
    pub hint: Option<String>,
}

impl Engine {
    /// Creates a container from a local image.
    ///
    /// # Errors
    /// [`Error::NoSuchImage`] (pull it and try again), [`Error::NameInUse`], [`Error::Invalid`].
    pub fn create(&self, mut config: ContainerConfig) -> Result<Created> {
        let _span = tracing::debug_span!("create", image = %config.image).entered();
        self.require_root()?;
        self.converge()?;
        let images = self.images()?;
        let image =
            images.find(&config.image)?.ok_or_else(|| Error::NoSuchImage(images.missing(&config.image)))?;
        check_platform(&config, &image.config)?;
        check::request(&config)?;
        self.take_mounts(&mut config)?;
        super::apparmor::check(&config)?;
        let warnings = self.warnings(&config, &image);
        merge_image(&mut config, &image.config.config)?;
        check::merged(&config)?;
        let userns = self.settle_userns(&config)?;
        self.check_name(&config)?;
        self.check_references(&config)?;
        self.settle_mounts(&mut config, &image)?;
        let record = self.store_new(config, &image, userns)?;
        for name in anonymous_volumes(&record.config) {
            // Where this fails, the start tries again and tells.
            let _ = crate::state::private::make_shown(&self.volume_path(name), 0o755);
            self.emit(Kind::Volume, Action::Create, name, &[("driver", "local")]);
        }
        self.emit_container(Action::Create, &record, &[]);
        Ok(Created { id: record.id, name: record.name, warnings })
    }

    /// What can be known of the name before anything is made; [`Engine::store_named`] has the last word.
    fn check_name(&self, config: &ContainerConfig) -> Result<()> {
        let Some(name) = &config.name else { return Ok(()) };
        let name = ids::check_name("container", name)?;
        // Most names are free, so that no other one was meant.
        if self.store.find_ids("containers", name)?.is_empty() {
            return Ok(());
        }
        match self.record(name) {
            Ok(holder) if holder.name == name => {
                Err(Error::NameInUse { name: name.into(), holder: holder.id })
            }
            _ => Ok(()),
        }
    }

    /// Makes the container's record and folder.
    fn store_new(&self, config: ContainerConfig, image: &Image, userns: UsernsMode) -> Result<Record> {
        let record = Record {
            name: String::new(),
            created: Timestamp::now(),
            image_id: image.id.to_string(),
            image_ref: config.image.clone(),
            layers: image.layers.iter().map(|l| l.path.clone()).collect(),
            ready_ports: ready_ports(&config),
            endpoints: Vec::new(),
            user_ids: None,
            config,
            id: ids::container_id(),
        };
        let folder = self.folder(&record.id);
        // The image may have been removed since it was found; from here on the container keeps it.
        let (images, name) = (self.images()?, record.image_ref.clone());
        let stored =
            images.while_kept(&image.id, || self.store_named(record, userns)).map_err(|error| match error {
                tare_image::Error::NoSuchImage(_) => Error::NoSuchImage(name.into()),
                other => other.into(),
            });
        let stored = stored.flatten();
        if stored.is_err() {
            let _ = std::fs::remove_dir(&folder);
        }
        stored
    }

    /// Stores the record under the name asked for, or under made-up ones until one is free.
    fn store_named(&self, mut record: Record, userns: UsernsMode) -> Result<Record> {
        let wanted = record.config.name.clone();
        for attempt in 0..20 {
            record.name = match &wanted {
                Some(name) => ids::check_name("container", name)?.to_owned(),
                None => ids::made_up_name(attempt),
            };
            let stored = self.store.write(|tx| {
                if userns == UsernsMode::Auto {
                    record.user_ids =
                        Some(crate::container::user_ids::choose(&record.id, &tx.all()?.records)?);
                }
                tx.insert(&record)?;
                // In one transaction with the container: there is no moment in which nobody owns them. Nor the folder,
                // since those without a record are looked for under the same lock.
                crate::state::private::make_private(&self.folder(&record.id))?;
                for name in anonymous_volumes(&record.config) {
                    tx.put_volume(name, &Volume::anonymous(name))?;
                }
                self.keep_volumes(tx, &record)
            });
            match stored {
                Err(Error::NameInUse { .. }) if wanted.is_none() => {}
                other => return other.map(|()| record),
            }
        }
        Err(Error::NoFreeName)
    }

    /// Named volumes were made, or found, before this transaction, and may have been removed since: from now on the
    /// container keeps them.
    fn keep_volumes(&self, tx: &Transaction<'_>, record: &Record) -> Result<()> {
        for mount in &record.config.mounts {
            if let MountSource::Volume { name, .. } = &mount.source
                && tx.put_volume(name, &Volume::named(name))?
            {
                crate::state::private::make_shown(&self.volume_path(name), 0o755)?;
            }
        }
        Ok(())
    }

    pub(crate) fn emit_container(&self, action: Action, record: &Record, more: &[(&str, &str)]) {
        let mut attributes: Vec<(&str, &str)> = vec![("name", &record.name), ("image", &record.image_ref)];
        attributes.extend(told_labels(&record.config));
        attributes.extend_from_slice(more);
        self.emit(Kind::Container, action, &record.id, &attributes);
    }

    /// Names in the request that must exist.
    fn check_references(&self, config: &ContainerConfig) -> Result<()> {
        if let NetworkMode::Container(name) = &config.network {
            self.record(name)?;
        }
        for (container, _) in config.links.iter().chain(config.endpoints.values().flat_map(|e| &e.links)) {
            self.record(container)?;
        }
        for (name, settings) in &config.endpoints {
            crate::network::endpoint_options::read(settings, "eth0")?;
            if config.network == NetworkMode::Networks {
                self.network(name)?;
            }
        }
        Ok(())
    }

    /// `--volumes-from`: the mounts of other containers, where this one has none of its own.
    fn take_mounts(&self, config: &mut ContainerConfig) -> Result<()> {
        for from in &config.volumes_from {
            for mount in self.record(&from.container)?.config.mounts {
                if !config.mounts.iter().any(|own| same_path(&own.target, &mount.target)) {
                    config.mounts.push(mount.shared(from.sharing));
                }
            }
        }
        Ok(())
    }

    /// Adds the image's VOLUMEs, gives anonymous volumes their names, and makes or checks every other source.
    fn settle_mounts(&self, config: &mut ContainerConfig, image: &Image) -> Result<()> {
        for target in &image.config.config.volumes {
            if !config.mounts.iter().any(|m| same_path(&m.target, target)) {
                let source = MountSource::Anonymous { name: String::new() };
                config.mounts.push(Mount { source, target: target.clone(), readonly: false });
            }
        }
        for mount in &mut config.mounts {
            match &mut mount.source {
                MountSource::Bind { path, create, .. } => settle_bind(path, *create)?,
                MountSource::Volume { name, .. } => {
                    self.volume_create(Some(name), BTreeMap::new(), BTreeMap::new())?;
                }
                MountSource::Anonymous { name } if name.is_empty() => *name = ids::random_hex(32),
                MountSource::Anonymous { .. } | MountSource::Tmpfs { .. } => {}
            }
        }
        // Parents before children, or the parent's mount would hide the child's.
        config.mounts.sort_by_key(|m| Path::new(&m.target).components().count());
        Ok(())
    }

    /// Remarks on what will probably not do what was meant.
    fn warnings(&self, config: &ContainerConfig, image: &Image) -> Vec<Warning> {
        let mut warnings: Vec<Warning> = config
            .mounts
            .iter()
            .filter(|m| matches!(m.source, MountSource::Volume { .. } | MountSource::Bind { .. }))
            .filter_map(|m| misplaced(&m.target, &image.config.config))
            .collect();
        let misspelt =
            config.env.iter().chain(&image.config.config.env).any(|e| e.starts_with("PYTHONBUFFERED="));
        if misspelt {
            warnings.push(Warning {
                message: "PYTHONBUFFERED is no variable that Python knows: output will come late".into(),
                hint: Some("you probably mean PYTHONUNBUFFERED=1".into()),
            });
        }
        if config.network == NetworkMode::Host && (config.publish_all || !config.ports.is_empty()) {
            let message = "Published ports are discarded when using host network mode".into();
            let hint = Some("what listens in the container listens on the host as it is".into());
            warnings.push(Warning { message, hint });
        }
        warnings
    }
}

/// The labels that events carry: all but what tare keeps for itself in them, which is long.
pub(crate) fn told_labels(config: &ContainerConfig) -> impl Iterator<Item = (&str, &str)> {
    let all = config.labels.iter().map(|(key, text)| (key.as_str(), text.as_str()));
    all.filter(|(key, _)| !key.starts_with("tare.compose."))
}

/// The container's own volumes.
fn anonymous_volumes(config: &ContainerConfig) -> impl Iterator<Item = &str> {
    config.mounts.iter().filter_map(|mount| match &mount.source {
        MountSource::Anonymous { name } => Some(name.as_str()),
        MountSource::Volume { .. } | MountSource::Bind { .. } | MountSource::Tmpfs { .. } => None,
    })
}

/// A data mount beside the image's VOLUME rather than on it: the data would be lost.
fn misplaced(target: &str, image: &RunConfig) -> Option<Warning> {
    if image.volumes.iter().any(|v| related(v, target)) {
        return None;
    }
    let volume = image.volumes.iter().find(|v| resembles(v, target))?;
    Some(Warning {
        message: format!(
            "nothing is stored at {target}: the image keeps its data at {volume}, so they will be lost"
        ),
        hint: Some(format!("mount the volume at {volume}")),
    })
}

/// One path is the other, or above it.
fn related(a: &str, b: &str) -> bool {
    let (a, b) = (Path::new(a), Path::new(b));
    a.starts_with(b) || b.starts_with(a)
}

/// Two paths that begin alike and end alike: `/var/lib/postgres/data` and `/var/lib/postgresql/data`.
fn resembles(a: &str, b: &str) -> bool {
    let parts = |p: &str| p.split('/').filter(|s| !s.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    let (a, b) = (parts(a), parts(b));
    let common = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    common >= 2 && !a.is_empty() && !b.is_empty()
}

fn settle_bind(path: &Path, create: CreateSource) -> Result<()> {
    if path.symlink_metadata().is_ok() {
        return Ok(());
    }
    match create {
        CreateSource::AsParentOwner => volumes::make_bind_source(path),
        CreateSource::Refuse => Err(Error::Invalid {
            message: format!(
                "invalid mount config for type \"bind\": bind source path does not exist: {}",
                path.display()
            ),
            hint: Some(format!("`mkdir -p {}`, or use -v, which makes it", path.display())),
        }),
    }
}

/// Fills in the image's defaults, by Docker's rules.
fn merge_image(config: &mut ContainerConfig, image: &RunConfig) -> Result<()> {
    // A new entrypoint does away with the image's command.
    if config.entrypoint.is_none() {
        config.entrypoint.clone_from(&image.entrypoint);
        if config.cmd.is_none() {
            config.cmd.clone_from(&image.cmd);
        }
    }
    let own: Vec<&str> = config.env.iter().map(|e| e.split('=').next().unwrap_or(e)).collect();
    let inherited: Vec<String> =
        image.env.iter().filter(|e| !own.contains(&e.split('=').next().unwrap_or(e))).cloned().collect();
    config.env.extend(inherited);
    take_default(&mut config.user, &image.user);
    take_default(&mut config.working_dir, &image.working_dir);
    if config.stop_signal.is_none() && !image.stop_signal.is_empty() {
        config.stop_signal = Some(StopSignal::read(image.stop_signal.as_str()).map_err(Error::invalid)?);
    }
    if config.stop_timeout.is_none() {
        config.stop_timeout = image.stop_timeout.and_then(|t| u32::try_from(t).ok());
    }
    for (key, value) in &image.labels {
        config.labels.entry(key.clone()).or_insert_with(|| value.clone());
    }
    // What is no port says nothing, as with Docker.
    for port in image.exposed_ports.iter().flat_map(|text| ports::exposed(text).unwrap_or_default()) {
        if !config.exposed_ports.contains(&port) {
            config.exposed_ports.push(port);
        }
    }
    config.healthcheck = merge_health(config.healthcheck.take(), image.healthcheck.as_ref());
    Ok(())
}

/// A health check of the image with the fields that the user set.
fn merge_health(own: Option<Healthcheck>, image: Option<&Healthcheck>) -> Option<Healthcheck> {
    let (Some(own), Some(image)) = (&own, image) else { return own.or_else(|| image.cloned()) };
    let or = |a: i64, b: i64| if a == 0 { b } else { a };
    Some(Healthcheck {
        test: if own.test.is_empty() { image.test.clone() } else { own.test.clone() },
        interval: or(own.interval, image.interval),
        timeout: or(own.timeout, image.timeout),
        start_period: or(own.start_period, image.start_period),
        start_interval: or(own.start_interval, image.start_interval),
        retries: or(own.retries, image.retries),
    })
}

fn take_default(own: &mut String, image: &str) {
    if own.is_empty() {
        image.clone_into(own);
    }
}

/// A local image of another platform than `--platform` asks for must not be run in its place without a word.
fn check_platform(config: &ContainerConfig, image: &tare_oci::ImageConfig) -> Result<()> {
    if config.platform.is_empty() {
        return Ok(());
    }
    let wanted: tare_oci::Platform = config
        .platform
        .parse()
        .map_err(|e| Error::invalid(format!("invalid platform {:?}: {e}", config.platform)))?;
    let have = image.platform();
    if have.score_on(&wanted).is_some() {
        return Ok(());
    }
    Err(Error::OtherPlatform {
        image: config.image.clone(),
        have: Box::new(have),
        wanted: config.platform.clone(),
    })
}

/// Ports that tell readiness: the published ones, else those that the image or `--expose` names.
fn ready_ports(config: &ContainerConfig) -> Vec<u16> {
    let published: Vec<u16> =
        config.ports.iter().filter(|p| p.protocol == Protocol::Tcp).map(|p| p.container_port).collect();
    if !published.is_empty() {
        return published;
    }
    let exposed = config.exposed_ports.iter().filter(|port| port.protocol == Protocol::Tcp);
    exposed.map(|port| port.number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Written;

    #[test]
    fn image_defaults_are_merged_by_dockers_rules() {
        let image = RunConfig {
            env: vec!["PATH=/bin".into(), "A=image".into()],
            entrypoint: Some(vec!["/entry".into()]),
            cmd: Some(vec!["serve".into()]),
            ..RunConfig::default()
        };
        let mut config = ContainerConfig { env: vec!["A=own".into()], ..ContainerConfig::default() };
        merge_image(&mut config, &image).unwrap();
        assert_eq!(config.env, ["A=own", "PATH=/bin"]);
        assert_eq!(config.cmd.as_deref(), Some(&["serve".to_owned()][..]));
        let mut config =
            ContainerConfig { entrypoint: Some(vec!["sh".into()]), ..ContainerConfig::default() };
        merge_image(&mut config, &image).unwrap();
        assert_eq!(config.cmd, None, "a new entrypoint clears the image's command");
    }

    #[test]
    fn an_image_of_another_platform_is_not_run_in_silence() {
        let image = tare_oci::ImageConfig {
            os: "linux".into(),
            architecture: "amd64".into(),
            ..tare_oci::ImageConfig::default()
        };
        let with = |platform: &str| {
            check_platform(
                &ContainerConfig { platform: platform.into(), ..ContainerConfig::default() },
                &image,
            )
        };
        assert!(with("").is_ok() && with("linux/amd64").is_ok());
        let error = with("linux/arm64").unwrap_err();
        assert!(error.to_string().contains("linux/amd64"), "{error}");
        assert!(with("linux/amd64/x/y").is_err());
    }

    #[test]
    fn a_volume_beside_the_images_is_named() {
        let image =
            RunConfig { volumes: ["/var/lib/postgresql/data".to_owned()].into(), ..RunConfig::default() };
        let warning = misplaced("/var/lib/postgres/data", &image).expect("a warning");
        assert!(warning.message.contains("/var/lib/postgresql/data"));
        assert_eq!(misplaced("/var/lib/postgresql/data", &image), None);
        assert_eq!(misplaced("/var/lib/postgresql", &image), None);
        assert_eq!(misplaced("/app", &image), None);
    }

    #[test]
    fn a_create_that_fails_leaves_no_volumes() {
        let dir = tempfile::tempdir().unwrap();
        let paths = crate::Paths { root: dir.path().join("root"), run: dir.path().join("run") };
        let engine =
            Engine::open(crate::Options { paths, binary: "/proc/self/exe".into(), log: None }).unwrap();
        let config = tare_oci::ImageConfig {
            config: RunConfig {
                cmd: Some(vec!["true".into()]),
                volumes: ["/data".to_owned()].into(),
                ..RunConfig::default()
            },
            ..tare_oci::ImageConfig::default()
        };
        let image = engine.images().unwrap().create_image(&config, &[], &[]).unwrap().id.to_string();
        let named = |name: &str| ContainerConfig {
            image: image.clone(),
            name: Some(name.into()),
            ..ContainerConfig::default()
        };
        let volumes = || engine.volumes().unwrap().len();

        assert!(matches!(engine.create(named("q")), Err(Error::InvalidName { .. })));
        assert_eq!(volumes(), 0);
        let first = engine.create(named("web")).unwrap();
        assert_eq!(volumes(), 1);
        let again = engine.create(named("/web"));
        assert!(matches!(again, Err(Error::NameInUse { holder, .. }) if holder == first.id));
        assert_eq!(volumes(), 1);
        // A volume is made before the missing source is found.
        let mut config = named("other");
        let bind = MountSource::Bind {
            path: dir.path().join("nothing"),
            create: CreateSource::Refuse,
            idmap: crate::config::BindOwner::Unmapped,
            propagation: Written::default(),
        };
        for (source, target) in [(MountSource::Anonymous { name: String::new() }, "/a"), (bind, "/b")] {
            config.mounts.push(Mount { source, target: target.into(), readonly: false });
        }
        assert!(engine.create(config).is_err());
        assert_eq!(volumes(), 1);
    }
}
