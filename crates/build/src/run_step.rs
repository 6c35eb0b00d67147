//! `RUN`.

use std::path::{Path, PathBuf};

use tare_dockerfile::{CacheSharing, Command, Mount as RunMount, MountKind, Run, RunNetwork, RunSecurity};
use tare_runtime::{Mount, Namespace, Process, RootFs, Seccomp, Spec, TmpfsOptions};

use crate::cache::{Cache, KeyHasher};
use crate::executor::{Builder, Stage, Step, invalid};
use crate::io_at::At as _;
use crate::mounts::{self, bind, overlay};
use crate::request::{BuildNetwork, Entitlements, NamedContext, SecretSource};
use crate::select::{self, clean};
use crate::sources::{Origin, SourceRoot};
use crate::{Cancel, Error, config, run, scope};

/// Folders that the runtime mounts on in every container.
const RUNTIME_TARGETS: [&str; 6] =
    ["/etc/hosts", "/etc/resolv.conf", "/etc/hostname", "/proc", "/sys", "/dev"];

/// What the mounts of a step add to its container.
#[derive(Default)]
struct Extras {
    mounts: Vec<Mount>,
    env: Vec<(String, String)>,
    /// Locks on cache folders, held while the step runs.
    locks: Vec<std::fs::File>,
    /// Throw-away layers beneath overlay mounts.
    scratch: Vec<tare_image::LayerStaging>,
}

impl Builder<'_> {
    pub(crate) fn run_step(&mut self, stage: &mut Stage, step_run: &Run, step: Step) -> Result<(), Error> {
        if step_run.security == RunSecurity::Insecure && self.request.entitlements == Entitlements::None {
            return Err(invalid(step.line, "RUN", "--security=insecure needs --allow security.insecure"));
        }
        let argv = self.argv(stage, step_run)?;
        let shown = run_history(stage, &argv);
        let key = self.run_key(stage, step_run, &argv, step)?;
        if let Some(found) = self.find_result(&key)? {
            self.reuse(stage, key, found, step);
        } else {
            self.execute(stage, step_run, argv, key, step)?;
        }
        let created = stage.created.clone();
        config::history(&mut stage.config, shown, created, false);
        Ok(())
    }

    fn argv(&mut self, stage: &Stage, step_run: &Run) -> Result<Vec<String>, Error> {
        Ok(match &step_run.command {
            Command::Exec(words) => words.clone(),
            Command::Shell(_) => {
                let script = step_run.script().unwrap_or_default();
                config::shell(&stage.config.config).into_iter().chain([script]).collect()
            }
        })
    }

    /// The environment of a program: `ENV`, then `ARG`s that no `ENV` hides.
    fn environment(&self, stage: &Stage) -> Vec<String> {
        let run = &stage.config.config;
        let args =
            stage.args.iter().filter(|(name, _)| run.env_value(name).is_none() && !scope::is_proxy(name));
        run.env.iter().cloned().chain(args.map(|(name, value)| format!("{name}={value}"))).collect()
    }

    fn run_key(
        &mut self,
        stage: &Stage,
        step_run: &Run,
        argv: &[String],
        step: Step,
    ) -> Result<tare_oci::Digest, Error> {
        let run = &stage.config.config;
        let mut key = KeyHasher::new("run");
        key.digest(&stage.files_key).list(argv).list(self.environment(stage));
        key.field(&run.working_dir).field(&run.user);
        key.field(format!("{:?} {:?} {:?}", step_run.mounts, step_run.network, step_run.security));
        for mount in &step_run.mounts {
            if let MountKind::Bind { from, source } = &mount.kind {
                match from {
                    Some(name) if !self.is_folder(name) => {
                        let from = self.source_stage(stage.index, name, step.line)?;
                        key.digest(&from.files_key);
                    }
                    _ => {
                        let root = self.host_root(from.as_deref())?;
                        let root = root.as_ref().unwrap_or(&self.context);
                        key_of_tree(
                            &mut key,
                            root,
                            source.as_deref().unwrap_or("."),
                            (&self.cache, self.cancel),
                            step,
                        )?;
                    }
                }
            }
        }
        Ok(key.finish())
    }

    fn is_folder(&self, name: &str) -> bool {
        matches!(self.request.contexts.get(name), Some(NamedContext::Dir(_)))
    }

    /// The folder that a named context is; `None` without a name.
    fn host_root(&self, name: Option<&str>) -> Result<Option<SourceRoot>, Error> {
        match name.and_then(|name| self.request.contexts.get(name)) {
            Some(NamedContext::Dir(path)) => {
                SourceRoot::host(path, crate::ignore::Ignore::default()).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn execute(
        &mut self,
        stage: &mut Stage,
        step_run: &Run,
        argv: Vec<String>,
        key: tare_oci::Digest,
        step: Step,
    ) -> Result<(), Error> {
        let staging = self
            .store
            .new_layer()
            .map_err(|source| Error::Image { action: "making a layer".to_owned(), source })?;
        let lowers = self.lowers(&stage.layers);
        let root = RootFs {
            lowers: lowers.clone(),
            upper: staging.diff().to_owned(),
            work: staging.work().to_owned(),
            volatile: true,
            readonly: false,
        };
        let mut extras = self.extras(stage, step_run, step)?;
        let shown = shortened(argv.last().map_or("", String::as_str));
        let mut process = Process::new(self.program(step_run, argv, &mut extras)?);
        process.env = self.environment(stage);
        self.add_env(&mut process.env, &extras.env);
        process.cwd.clone_from(&stage.config.config.working_dir);
        process.user.clone_from(&stage.config.config.user);
        process.rlimits.clone_from(&self.request.ulimits);
        let id = format!("build-{}-{}", std::process::id(), step.id);
        let mut spec = Spec::new(&id, root, process);
        self.set_up(&mut spec, step_run);
        let mut targets: Vec<PathBuf> = RUNTIME_TARGETS.iter().map(PathBuf::from).collect();
        targets.extend(extras.mounts.iter().map(|mount| target_of(mount).to_owned()));
        // A mount in a folder that is itself only there for another mount: the inner one goes first.
        targets.sort_by_key(|target| std::cmp::Reverse(target.components().count()));
        spec.mounts = std::mem::take(&mut extras.mounts);
        let to_hash = self.layers.to_hash();
        let ended = run::run(&spec, to_hash, (step.id, step.line), self.events, self.cancel);
        remove_cgroup(&id);
        let ended = ended?;
        self.layers.settle(self.store, &self.cache, ended.hashed)?;
        if self.cancel.is_cancelled() {
            return Err(Error::Cancelled);
        }
        if ended.code != 0 {
            return Err(Error::RunFailed {
                line: step.line,
                command: shown,
                code: ended.code,
                tail: ended.tail,
            });
        }
        mounts::remove_mount_points(staging.diff(), &lowers, &targets);
        self.add_layer(stage, key, staging);
        Ok(())
    }

    /// The program's words; a heredoc that names its interpreter becomes a file.
    fn program(
        &mut self,
        step_run: &Run,
        argv: Vec<String>,
        extras: &mut Extras,
    ) -> Result<Vec<String>, Error> {
        match step_run.sole_heredoc() {
            Some(doc) if doc.body.starts_with("#!") => {
                let file = self.generated.file(doc.text().as_bytes(), 0o755, (0, 0))?;
                let target = format!("/dev/pipes/{}", doc.name);
                extras.mounts.push(bind(file, &target, true));
                Ok(vec![target])
            }
            _ => Ok(argv),
        }
    }

    /// Adds what is for this program alone; what the image or the Dockerfile sets stays.
    fn add_env(&self, env: &mut Vec<String>, extra: &[(String, String)]) {
        let proxies = self.globals.proxies().map(|(name, value)| (name.to_owned(), value.to_owned()));
        for (name, value) in proxies.chain(extra.iter().cloned()) {
            let set =
                env.iter().any(|line| line.strip_prefix(&name).is_some_and(|rest| rest.starts_with('=')));
            if !set {
                env.push(format!("{name}={value}"));
            }
        }
    }

    fn set_up(&self, spec: &mut Spec, step_run: &Run) {
        spec.hostname = "buildkitsandbox".to_owned();
        spec.namespaces.net = match (step_run.network, &self.request.network) {
            (RunNetwork::None, _) | (RunNetwork::Default, BuildNetwork::None) => Namespace::New,
            (RunNetwork::Host, _) | (RunNetwork::Default, BuildNetwork::Host) => Namespace::Host,
            (RunNetwork::Default, BuildNetwork::Namespace(fd)) => {
                use std::os::fd::AsRawFd as _;
                Namespace::Path(format!("/proc/{}/fd/{}", std::process::id(), fd.as_raw_fd()).into())
            }
        };
        if let Some(size) = self.request.shm_size {
            spec.shm_size = size;
        }
        if step_run.security == RunSecurity::Insecure {
            spec.privileged = true;
            spec.seccomp = Seccomp::Unconfined;
            spec.masked_paths.clear();
            spec.readonly_paths.clear();
        }
    }

    fn extras(&mut self, stage: &Stage, step_run: &Run, step: Step) -> Result<Extras, Error> {
        let mut extras =
            Extras { mounts: mounts::etc_files(&mut self.generated, self.request)?, ..Extras::default() };
        let (trust, env) = mounts::host_trust(&mut self.generated, &self.request.host_trust)?;
        extras.mounts.extend(trust);
        extras.env = env;
        for mount in &step_run.mounts {
            self.run_mount(stage, mount, step, &mut extras)?;
        }
        Ok(extras)
    }

    fn run_mount(
        &mut self,
        stage: &Stage,
        mount: &RunMount,
        step: Step,
        extras: &mut Extras,
    ) -> Result<(), Error> {
        let place = ("RUN", step);
        let expand = |builder: &Self, text: &Option<String>| {
            text.as_ref().map(|text| builder.expand(stage, text, place)).transpose()
        };
        let target = expand(self, &mount.target)?;
        let in_image = |text: &str| PathBuf::from(config::workdir(&stage.config.config.working_dir, text));
        match &mount.kind {
            MountKind::Tmpfs { size } => {
                let options = TmpfsOptions { size: *size, exec: true, ..TmpfsOptions::default() };
                let target = in_image(target.as_deref().unwrap_or("/"));
                extras.mounts.push(Mount::Tmpfs { target, options });
            }
            MountKind::Bind { from, source } => {
                let target = in_image(target.as_deref().unwrap_or("/"));
                let source = expand(self, source)?;
                self.bind_mount(stage, (from.as_deref(), source), (target, mount.read_only), step, extras)?;
            }
            MountKind::Cache { id, sharing, mode, uid, gid, .. } => {
                let target = in_image(target.as_deref().unwrap_or("/"));
                let id = expand(self, id)?.unwrap_or_else(|| target.to_string_lossy().into_owned());
                let permissions = (mode.unwrap_or(0o755), uid.unwrap_or(0), gid.unwrap_or(0));
                let folder = self.cache_folder(&id, *sharing, permissions, extras)?;
                extras.mounts.push(bind(folder, target, mount.read_only));
            }
            MountKind::Secret { id, env, required, mode, uid, gid } => {
                let default =
                    || target.as_deref().and_then(|t| t.rsplit('/').next()).unwrap_or_default().to_owned();
                let id = expand(self, id)?.unwrap_or_else(default);
                let Some(secret) = self.request.secrets.iter().find(|secret| secret.id == id) else {
                    if *required {
                        return Err(Error::SecretMissing { line: step.line, id });
                    }
                    return Ok(());
                };
                let text = match &secret.source {
                    SecretSource::Value(text) => text.clone(),
                    SecretSource::File(path) => std::fs::read(path).at("read the secret", path)?,
                };
                if let Some(name) = env {
                    extras.env.push((name.clone(), String::from_utf8_lossy(&text).into_owned()));
                }
                if env.is_none() || target.is_some() {
                    let target = in_image(&target.unwrap_or_else(|| format!("/run/secrets/{id}")));
                    let owner = (uid.unwrap_or(0), gid.unwrap_or(0));
                    let file = self.generated.file(&text, mode.unwrap_or(0o400), owner)?;
                    extras.mounts.push(bind(file, target, true));
                }
            }
            MountKind::Ssh { .. } => {
                return Err(invalid(step.line, "RUN", "--mount=type=ssh is not supported: use a secret"));
            }
        }
        Ok(())
    }

    /// A cache's folder, and its lock.
    fn cache_folder(
        &mut self,
        id: &str,
        sharing: CacheSharing,
        (mode, uid, gid): (u32, u32, u32),
        extras: &mut Extras,
    ) -> Result<PathBuf, Error> {
        use std::os::unix::fs::PermissionsExt;
        let caches = self.request.cache_root.join("mounts");
        std::fs::create_dir_all(&caches).at("make", &caches)?;
        let name = tare_oci::Digest::of(format!("{id}\0{uid}:{gid}").as_bytes()).hex();
        for number in 0_u32.. {
            let folder = caches.join(if number == 0 { name.clone() } else { format!("{name}-{number}") });
            let lock_path = folder.with_extension("lock");
            let lock = std::fs::File::create(&lock_path).at("make", &lock_path)?;
            match sharing {
                CacheSharing::Shared => lock.lock_shared().at("lock", &lock_path)?,
                CacheSharing::Locked => lock.lock().at("lock", &lock_path)?,
                CacheSharing::Private => match lock.try_lock() {
                    Ok(()) => {}
                    Err(std::fs::TryLockError::WouldBlock) => continue,
                    Err(std::fs::TryLockError::Error(error)) => return Err(error).at("lock", &lock_path),
                },
            }
            if !folder.exists() {
                std::fs::create_dir(&folder).at("make", &folder)?;
                std::fs::set_permissions(&folder, PermissionsExt::from_mode(mode))
                    .at("set the mode of", &folder)?;
                std::os::unix::fs::chown(&folder, Some(uid), Some(gid)).at("set the owner of", &folder)?;
            }
            extras.locks.push(lock);
            return Ok(folder);
        }
        Err(std::io::Error::from(std::io::ErrorKind::AlreadyExists)).at("make a folder in", &caches)
    }

    /// `--mount=type=bind`: read-only, or with changes that are thrown away.
    fn bind_mount(
        &mut self,
        stage: &Stage,
        (from, source): (Option<&str>, Option<String>),
        (target, read_only): (PathBuf, bool),
        step: Step,
        extras: &mut Extras,
    ) -> Result<(), Error> {
        let source = source.unwrap_or_default();
        let folder = match from {
            Some(name) if !self.is_folder(name) => {
                let from = self.source_stage(stage.index, name, step.line)?;
                let lowers = self.lowers(&from.layers);
                if clean(&source).as_os_str().is_empty() {
                    let changes = self.changes(read_only, extras)?;
                    extras.mounts.push(overlay(lowers, target, changes));
                    return Ok(());
                }
                let root = SourceRoot::layers(self.store, lowers, format!("{name} (from=)"), step.line)?;
                self.copy_out(&root, &source, step)?
            }
            _ => {
                let root = self.host_root(from)?;
                let root = root.as_ref().unwrap_or(&self.context);
                if select::select(root, &source, &[])?.is_empty() && !clean(&source).as_os_str().is_empty() {
                    return Err(select::explain_missing(root, &source, step.line));
                }
                if root.ignore.is_empty()
                    && let Origin::Host(path) = &root.origin
                {
                    path.join(clean(&source))
                } else {
                    // What the ignore file keeps out must not appear in the mount either.
                    let root = self.host_root(from)?;
                    let root = root.as_ref().unwrap_or(&self.context);
                    copy_tree(root, &source, self.generated.folder()?, (step, self.cancel))?
                }
            }
        };
        if read_only || !folder.is_dir() {
            extras.mounts.push(bind(folder, target, read_only));
        } else {
            let changes = self.changes(read_only, extras)?;
            extras.mounts.push(overlay(vec![folder], target, changes));
        }
        Ok(())
    }

    fn copy_out(&mut self, root: &SourceRoot, source: &str, step: Step) -> Result<PathBuf, Error> {
        let folder = self.generated.folder()?;
        copy_tree(root, source, folder, (step, self.cancel))
    }

    fn changes(&self, read_only: bool, extras: &mut Extras) -> Result<Option<(PathBuf, PathBuf)>, Error> {
        if read_only {
            return Ok(None);
        }
        let staging = self
            .store
            .new_layer()
            .map_err(|source| Error::Image { action: "making a layer".to_owned(), source })?;
        let folders = (staging.diff().to_owned(), staging.work().to_owned());
        extras.scratch.push(staging);
        Ok(Some(folders))
    }
}

/// Copies a part of a tree into `folder` and returns what to mount.
fn copy_tree(
    root: &SourceRoot,
    source: &str,
    folder: PathBuf,
    (step, cancel): (Step, &Cancel),
) -> Result<PathBuf, Error> {
    use crate::copy::{Style, Target, Writer};
    let found = select::select(root, source, &[])?;
    let Some(selected) = found.first() else { return Err(select::explain_missing(root, source, step.line)) };
    let inside = tare_sys::root::RootDir::open_host(&folder).at("open", &folder)?;
    let target = Target { path: PathBuf::from("/it"), is_folder: false };
    Writer::new(&inside, Style { owner: None, mode: None }, cancel).copy(selected, &target)?;
    Ok(folder.join("it"))
}

fn key_of_tree(
    key: &mut KeyHasher,
    root: &SourceRoot,
    source: &str,
    (cache, cancel): (&Cache, &Cancel),
    step: Step,
) -> Result<(), Error> {
    let mut selected = select::select(root, source, &[])?;
    if selected.is_empty() {
        return Err(select::explain_missing(root, source, step.line));
    }
    select::hash_files(&mut selected, root, cache, cancel)?;
    select::add_to_key(key, &selected, root);
    Ok(())
}

/// A command for a message: its first line, and no more of that than fits one.
fn shortened(command: &str) -> String {
    let first = command.trim_start().lines().next().unwrap_or_default();
    let mut short: String = first.chars().take(100).collect();
    if short.len() < command.trim().len() {
        short.push_str(" ...");
    }
    short
}

fn target_of(mount: &Mount) -> &Path {
    match mount {
        Mount::Bind { target, .. } | Mount::Tmpfs { target, .. } | Mount::Overlay { target, .. } => target,
    }
}

/// The history's line, with the `ARG`s that the program saw, as Docker writes it.
fn run_history(stage: &Stage, argv: &[String]) -> String {
    let args: Vec<String> = stage.args.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let prefix = if args.is_empty() { String::new() } else { format!("|{} {} ", args.len(), args.join(" ")) };
    format!("RUN {prefix}{} # buildkit", argv.join(" "))
}

/// An empty folder of a control group that stays is found by the engine's own sweep.
fn remove_cgroup(id: &str) {
    if let Ok(manager) = tare_runtime::cgroup::Manager::detect() {
        manager.group(&format!("/tare/{id}")).remove().ok();
    }
}
