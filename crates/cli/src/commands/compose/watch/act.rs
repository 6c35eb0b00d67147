//! What is done to a service's containers.

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;
use tare_compose::observe_engine::{is_oneoff, of_project, service_of};
use tare_compose_model::{Hook, WatchAction};
use tare_engine::Container;
use tare_engine::archive::Ownership;

use super::Watch;
use super::rules::Rule;
use crate::commands::compose::hooks::HookLines;
use crate::commands::compose::progress::List;
use crate::commands::compose::work::Work;
use crate::error::Failure;
use crate::output::print_line;

/// Paths of the host by their places in the container.
pub(super) type Pairs<'p> = BTreeMap<PathBuf, &'p Path>;

/// Where the changed paths of a rule are in the container.
pub(super) fn pairs<'p>(rule: &Rule, paths: &[&'p Path]) -> Pairs<'p> {
    paths.iter().map(|path| (rule.inside(path), *path)).collect()
}

impl Watch<'_> {
    /// Acts on the rules that a batch touched. A rebuild brings everything along; a restart comes after all copies.
    pub(super) fn service(&self, service: &str, touched: &[(&Rule, Vec<&Path>)]) -> anyhow::Result<()> {
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

    fn containers(&self, service: &str) -> anyhow::Result<Vec<Container>> {
        let mut all = of_project(self.context.engine()?, &self.project.name)?;
        all.retain(|container| {
            service_of(container) == service && !is_oneoff(container) && container.state.is_active()
        });
        if all.is_empty() {
            let hint = format!("`docker compose up -d {service}` starts it");
            return Err(Failure::new(format!("service {service} has no running container"))
                .with_hint(hint)
                .into());
        }
        Ok(all)
    }

    /// Makes the container's files what the host's are: new and changed ones are copied, missing ones removed.
    pub(super) fn sync(&self, service: &str, changed: &Pairs<'_>) -> anyhow::Result<()> {
        print_line(&format!("Syncing service {service:?} after {} changes were detected", changed.len()))?;
        let exists = |path: &Path| path.symlink_metadata().is_ok();
        let gone: Vec<&PathBuf> =
            changed.iter().filter(|(_, path)| !exists(path)).map(|(inside, _)| inside).collect();
        let archive = archive(changed)?;
        for container in self.containers(service)? {
            if !gone.is_empty() {
                let words = ["rm", "-rf", "--"].into_iter().map(str::to_owned);
                let command = words.chain(gone.iter().map(|path| path.display().to_string())).collect();
                let hook = Hook { command: Some(command), user: Some("0".to_owned()), ..Hook::default() };
                self.run_in(&container, &hook, HookLines::Dropped)
                    .with_context(|| format!("cannot remove files in {}", container.name))?;
            }
            if let Some(archive) = &archive {
                let engine = self.context.engine()?;
                engine.archive_put(&container.id, "/", &mut archive.as_slice(), Ownership::Root)?;
            }
        }
        Ok(())
    }

    fn run_in(&self, container: &Container, hook: &Hook, output: HookLines) -> anyhow::Result<()> {
        let variable = |name: &str| self.context.process.get(name).cloned();
        let engine = self.context.engine()?;
        Ok(tare_compose::execute::run_hook(engine, container, hook, &variable, &output)?)
    }

    fn exec(&self, service: &str, hook: &Hook) -> anyhow::Result<()> {
        for container in self.containers(service)? {
            self.run_in(&container, hook, HookLines::Plain)
                .with_context(|| format!("service {service}: the command of sync+exec"))?;
        }
        Ok(())
    }

    fn restart(&self, service: &str) -> anyhow::Result<()> {
        let mut work = Work::new(self.context, self.project, "Restarting");
        work.list = List::quiet();
        work.session(|session| Ok(session.restart(&[service.to_owned()])?))?;
        print_line(&format!("service(s) [{service:?}] restarted"))
    }

    /// `up --build` for this service in a process of its own: a build must be started by one that has a single thread.
    fn rebuild(&self, service: &str) -> anyhow::Result<()> {
        print_line(&format!("Rebuilding service(s) [{service:?}] after changes were detected..."))?;
        let before = self.image_of(service)?;
        let mut command = Command::new("/proc/self/exe");
        command.arg0("docker").args(self.rebuild_words(service)).stdin(Stdio::null());
        let status = command.status().context("cannot run tare")?;
        if !status.success() {
            return Err(Failure::new(format!(
                "service {service} was not rebuilt: the build or its start failed"
            ))
            .into());
        }
        print_line(&format!("service(s) [{service:?}] successfully built"))?;
        if self.manner.prune {
            self.prune(service, before)?;
        }
        Ok(())
    }

    /// This command's own options, with another command after them.
    fn rebuild_words(&self, service: &str) -> Vec<String> {
        let mut words = vec!["compose".to_owned()];
        for file in &self.project.compose_files {
            words.extend(["-f".to_owned(), file.display().to_string()]);
        }
        let options = &self.context.options;
        for path in &options.env_file {
            words.extend(["--env-file".to_owned(), path.display().to_string()]);
        }
        for profile in &options.profile {
            words.extend(["--profile".to_owned(), profile.clone()]);
        }
        let folder = self.project.working_dir.display().to_string();
        words.extend(["--project-directory".to_owned(), folder, "-p".to_owned(), self.project.name.clone()]);
        words.extend(["up", "--detach", "--build", "--no-deps"].map(str::to_owned));
        words.extend(self.manner.quiet_build.then(|| "--quiet-build".to_owned()));
        words.push(service.to_owned());
        words
    }

    fn image_of(&self, service: &str) -> anyhow::Result<Option<String>> {
        let Some(known) = self.project.services.get(service) else { return Ok(None) };
        let name = known.image_name(&self.project.name, service);
        Ok(self.context.engine()?.images()?.find(&name)?.map(|image| image.id.to_string()))
    }

    /// The image that the last build replaced goes, unless something still uses it or it has another name.
    fn prune(&self, service: &str, before: Option<String>) -> anyhow::Result<()> {
        let now = self.image_of(service)?;
        let Some(before) = before.filter(|before| now.as_ref() != Some(before)) else { return Ok(()) };
        let engine = self.context.engine()?;
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
fn archive(changed: &Pairs<'_>) -> anyhow::Result<Option<Vec<u8>>> {
    let mut builder = tar::Builder::new(Vec::new());
    builder.follow_symlinks(false);
    let mut empty = true;
    for (inside, path) in changed {
        let name = inside.strip_prefix("/").unwrap_or(inside);
        match builder.append_path_with_name(path, name) {
            Ok(()) => empty = false,
            // Gone between the look and the copy: another change will say so.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| format!("cannot copy {}", path.display())),
        }
    }
    let archive = builder.into_inner().context("cannot make an archive")?;
    Ok((!empty).then_some(archive))
}
