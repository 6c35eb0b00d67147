//! What is done to a service's containers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tare_compose_model::{Hook, WatchAction};
use tare_engine::Container;
use tare_engine::archive::Ownership;

use super::rules::Rule;
use super::{News, Replaced, Watch, WatchError};
use crate::build;
use crate::execute::{Dropped, HookError, HookOutput, run_hook};
use crate::observe_engine::{is_oneoff, of_project, service_of};
use crate::plan::{BuildMode, DependencyScope, PullMode, UpOptions};
use crate::session::{ImagePolicy, Listener, Readiness};

/// Paths of the host by their places in the container.
pub(super) type Pairs<'p> = BTreeMap<PathBuf, &'p Path>;

/// Where the changed paths of a rule are in the container.
pub(super) fn pairs<'p>(rule: &Rule, paths: &[&'p Path]) -> Pairs<'p> {
    paths.iter().map(|path| (rule.inside(path), *path)).collect()
}

impl<L: Listener> Watch<'_, L> {
    /// Acts on the rules that a batch touched. A rebuild brings everything along; a restart comes after all copies.
    pub(super) fn service(&self, service: &str, touched: &[(&Rule, Vec<&Path>)]) -> Result<(), WatchError> {
        if touched.is_empty() {
            return Ok(());
        }
        let has = |actions: &[WatchAction]| touched.iter().any(|(rule, _)| actions.contains(&rule.action));
        if has(&[WatchAction::Rebuild]) {
            return self.rebuild(service);
        }
        let mut changed = Pairs::new();
        for (rule, paths) in touched {
            if rule.action != WatchAction::Restart {
                changed.extend(pairs(rule, paths));
            }
        }
        if !changed.is_empty() {
            self.sync(service, &changed)?;
        }
        if has(&[WatchAction::Restart, WatchAction::SyncRestart]) {
            self.restart(service)?;
        }
        for (rule, _) in touched.iter().filter(|(rule, _)| rule.action == WatchAction::SyncExec) {
            if let Some(hook) = &rule.exec {
                self.exec(service, hook)?;
            }
        }
        Ok(())
    }

    fn containers(&self, service: &str) -> Result<Vec<Container>, WatchError> {
        let mut all = of_project(self.session.engine(), &self.session.project().name)?;
        all.retain(|container| {
            service_of(container) == service && !is_oneoff(container) && container.state.is_active()
        });
        if all.is_empty() {
            return Err(WatchError::NotRunning(service.to_owned()));
        }
        Ok(all)
    }

    /// Makes the container's files what the host's are: new and changed ones are copied, missing ones removed.
    pub(super) fn sync(&self, service: &str, changed: &Pairs<'_>) -> Result<(), WatchError> {
        self.watcher.news(News::Syncing { service, changes: changed.len() });
        let exists = |path: &Path| path.symlink_metadata().is_ok();
        let gone: Vec<&PathBuf> =
            changed.iter().filter(|(_, path)| !exists(path)).map(|(inside, _)| inside).collect();
        let archive = archive(changed)?;
        for container in self.containers(service)? {
            if !gone.is_empty() {
                let words = ["rm", "-rf", "--"].into_iter().map(str::to_owned);
                let command = words.chain(gone.iter().map(|path| path.display().to_string())).collect();
                let hook = Hook { command: Some(command), user: Some("0".to_owned()), ..Hook::default() };
                self.run_in(&container, &hook, &Dropped).map_err(|source| WatchError::Remove {
                    container: container.name.clone(),
                    source: Box::new(source),
                })?;
            }
            if let Some(archive) = &archive {
                let engine = self.session.engine();
                engine.archive_put(&container.id, "/", &mut archive.as_slice(), Ownership::Root)?;
            }
        }
        Ok(())
    }

    fn run_in(&self, container: &Container, hook: &Hook, output: &dyn HookOutput) -> Result<(), HookError> {
        let variable = |name: &str| self.session.variable(name);
        run_hook(self.session.engine(), container, hook, &variable, output)
    }

    fn exec(&self, service: &str, hook: &Hook) -> Result<(), WatchError> {
        for container in self.containers(service)? {
            self.run_in(&container, hook, self.watcher).map_err(|source| WatchError::Exec {
                service: service.to_owned(),
                source: Box::new(source),
            })?;
        }
        Ok(())
    }

    fn restart(&self, service: &str) -> Result<(), WatchError> {
        // With the project's lock for this alone: a rebuild takes it too.
        self.session.anew().restart(&[service.to_owned()])?;
        self.watcher.news(News::Restarted(service));
        Ok(())
    }

    fn rebuild(&self, service: &str) -> Result<(), WatchError> {
        self.watcher.news(News::Rebuilding(service));
        let before = self.image_of(service)?;
        self.bring_up_anew(service)?;
        self.watcher.news(News::Rebuilt(service));
        if self.replaced == Replaced::Remove {
            self.prune(service, before)?;
        }
        Ok(())
    }

    /// The service alone, with a new image.
    fn bring_up_anew(&self, service: &str) -> Result<(), WatchError> {
        let (services, dependencies) = (vec![service.to_owned()], DependencyScope::Exclude);
        let policy = ImagePolicy { build: BuildMode::Always, pull: PullMode::Policy };
        // With the project's lock for this alone.
        let session = self.session.anew();
        session.get_images(&services, dependencies, policy, &build::Options::default())?;
        session.up(UpOptions { services, dependencies, ..UpOptions::default() }, Readiness::Assumed)?;
        Ok(())
    }

    fn image_of(&self, service: &str) -> Result<Option<String>, WatchError> {
        let Some(known) = self.session.project().services.get(service) else { return Ok(None) };
        let name = known.image_name(&self.session.project().name, service);
        Ok(self.session.engine().images()?.find(&name)?.map(|image| image.id.to_string()))
    }

    /// The image that the last build replaced goes, unless something still uses it or it has another name.
    fn prune(&self, service: &str, before: Option<String>) -> Result<(), WatchError> {
        let now = self.image_of(service)?;
        let Some(before) = before.filter(|before| now.as_ref() != Some(before)) else { return Ok(()) };
        let engine = self.session.engine();
        let store = engine.images()?;
        let unused = |image: &tare_image::Image| {
            image.repo_tags.is_empty() && engine.image_users(&image.id).is_empty()
        };
        if store.find(&before)?.as_ref().is_some_and(unused) {
            engine.image_remove(&before, &tare_engine::ImageRemoval::default())?;
        }
        Ok(())
    }
}

/// The files that are there as a tar stream from the container's root; `None` when there are none.
fn archive(changed: &Pairs<'_>) -> Result<Option<Vec<u8>>, WatchError> {
    let mut builder = tar::Builder::new(Vec::new());
    builder.follow_symlinks(false);
    let mut empty = true;
    for (inside, path) in changed {
        let name = inside.strip_prefix("/").unwrap_or(inside);
        match builder.append_path_with_name(path, name) {
            Ok(()) => empty = false,
            // Gone between the look and the copy: another change will say so.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(WatchError::Copy { path: (*path).to_owned(), source: error }),
        }
    }
    let archive = builder.into_inner().map_err(WatchError::Archive)?;
    Ok((!empty).then_some(archive))
}
