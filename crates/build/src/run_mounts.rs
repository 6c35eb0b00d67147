//! What `RUN --mount` mounts.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use rustix::fs::FileType;
use tare_dockerfile::ignore::Ignore;
use tare_dockerfile::{CacheSharing, Mount as RunMount, MountKind, Run, RunNetwork};
use tare_image::LayerStaging;
use tare_oci::Digest;
use tare_runtime::{Mount, TmpfsOptions};

use crate::copy::{Style, Target, Writer};
use crate::error::invalid;
use crate::executor::{Builder, Stage, Step};
use crate::io_at::At as _;
use crate::mounts::{self, bind, overlay};
use crate::place::{clean, handle_path};
use crate::request::SecretSource;
use crate::select;
use crate::sources::{Access, Origin, SourceRoot};
use crate::{Cancel, Error, config};

/// Where the folders of cache mounts are, below the cache's root: each beside its lock.
pub(crate) const CACHES: &str = "mounts";

/// What the mounts of a step add to its container.
#[derive(Default)]
pub(crate) struct Extras {
    pub(crate) mounts: Vec<Mount>,
    pub(crate) env: Vec<(String, String)>,
    /// SSH agents so far.
    agents: usize,
    /// Throw-away layers beneath overlay mounts.
    scratch: Vec<LayerStaging>,
}

/// A cache's folder; others that want it wait, or share it, as long as the value lives.
pub(crate) struct Cache {
    folder: PathBuf,
    /// It was made for this step.
    is_new: bool,
    lock: File,
}

impl Cache {
    /// Begins anew, as BuildKit does where no cache is to be used; not while another build has it.
    fn empty(&mut self, permissions: (u32, u32, u32)) -> Result<(), Error> {
        if self.is_new || self.lock.try_lock().is_err() {
            return Ok(());
        }
        std::fs::remove_dir_all(&self.folder).at("remove", &self.folder)?;
        make_cache(&self.folder, permissions)?;
        self.is_new = true;
        Ok(())
    }
}

impl Builder<'_> {
    /// What a step finds mounted besides its root, and the variables that go with that.
    pub(crate) fn extras(
        &mut self,
        stage: &Stage,
        (step_run, run_mounts): (&Run, &[RunMount]),
        caches: &[Cache],
        step: Step,
    ) -> Result<Extras, Error> {
        let resolv_conf = self.resolv_conf(step_run)?;
        let mounts = mounts::etc_files(&mut self.generated, self.request, resolv_conf)?;
        let mut folders = caches.iter().map(|cache| cache.folder.clone());
        let mut extras = Extras { mounts, ..Extras::default() };
        let (trust, env) = mounts::host_trust(&mut self.generated, &self.request.host_trust)?;
        extras.mounts.extend(trust);
        extras.env = env;
        for mount in run_mounts {
            if matches!(mount.kind, MountKind::Cache { .. }) {
                let target = mount_target(stage, mount);
                extras.mounts.extend(folders.next().map(|folder| bind(folder, target, mount.read_only)));
            } else {
                self.run_mount(stage, mount, step, &mut extras)?;
            }
        }
        Ok(extras)
    }

    /// The text of `/etc/resolv.conf`: the host's where the step has the host's network.
    fn resolv_conf(&self, step_run: &Run) -> Result<Vec<u8>, Error> {
        match (step_run.network, &self.space) {
            (RunNetwork::Default, Some(space)) => Ok(space.resolv_conf.clone().into_bytes()),
            _ => mounts::resolv_conf(),
        }
    }

    fn run_mount(
        &mut self,
        stage: &Stage,
        mount: &RunMount,
        step: Step,
        extras: &mut Extras,
    ) -> Result<(), Error> {
        let target = mount.target.clone();
        match &mount.kind {
            MountKind::Tmpfs { size } => {
                let options = TmpfsOptions { size: *size, exec: true, ..TmpfsOptions::default() };
                extras.mounts.push(Mount::Tmpfs { target: mount_target(stage, mount), options });
            }
            MountKind::Bind { from, source } => {
                let target = mount_target(stage, mount);
                let from = (from.as_deref(), source.clone());
                self.bind_mount(stage, from, (target, mount.read_only), step, extras)?;
            }
            // They are taken before all others, because they may have to be waited for.
            MountKind::Cache { .. } => {}
            MountKind::Secret { id, env, required, mode, uid, gid } => {
                let default =
                    || target.as_deref().and_then(|t| t.rsplit('/').next()).unwrap_or_default().to_owned();
                let id = id.clone().unwrap_or_else(default);
                let Some(secret) = self.request.secrets.iter().find(|secret| secret.id == id) else {
                    if *required {
                        return Err(Error::SecretMissing { line: step.line, id });
                    }
                    return Ok(());
                };
                let text = match &secret.source {
                    SecretSource::Value(text) => text.clone(),
                    SecretSource::File(path) => tare_sys::bounded::file(path).at("read the secret", path)?,
                };
                if let Some(name) = env {
                    extras.env.push((name.clone(), String::from_utf8_lossy(&text).into_owned()));
                }
                if env.is_none() || target.is_some() {
                    let target = target.unwrap_or_else(|| format!("/run/secrets/{id}"));
                    let target = PathBuf::from(config::absolute(&stage.config.config.working_dir, &target));
                    let owner = (uid.unwrap_or(0), gid.unwrap_or(0));
                    let file = self.generated.file(&text, mode.unwrap_or(0o400), owner)?;
                    extras.mounts.push(bind(file, target, true));
                }
            }
            MountKind::Ssh { id, required, .. } => {
                let id = id.clone().unwrap_or_else(|| "default".to_owned());
                let Some(agent) = self.request.ssh.iter().find(|agent| agent.id == id) else {
                    let line = step.line;
                    return if *required { Err(Error::AgentMissing { line, id }) } else { Ok(()) };
                };
                let target = target.unwrap_or_else(|| format!("/run/buildkit/ssh_agent.{}", extras.agents));
                let target = config::absolute(&stage.config.config.working_dir, &target);
                if extras.agents == 0 {
                    extras.env.push(("SSH_AUTH_SOCK".to_owned(), target.clone()));
                }
                extras.agents += 1;
                extras.mounts.push(bind(agent.socket.clone(), target, true));
            }
        }
        Ok(())
    }

    /// The folders of a step's caches, all of them locked; `None` while one is in use elsewhere. Then none is kept, so
    /// that no two steps or builds wait for each other.
    pub(crate) fn caches(
        &mut self,
        stage: &Stage,
        mounts: &[RunMount],
        step: Step,
    ) -> Result<Option<Vec<Cache>>, Error> {
        let mut found = Vec::new();
        for mount in mounts {
            let MountKind::Cache { id, sharing, mode, uid, gid, from, source } = &mount.kind else {
                continue;
            };
            if let (None, Some(source)) = (from, source) {
                let reason = format!(
                    "--mount=type=cache,source={source} without from= is not in tare: leave source out"
                );
                return Err(invalid(step.line, "RUN", reason));
            }
            let target = mount_target(stage, mount);
            let id = id.clone().unwrap_or_else(|| target.to_string_lossy().into_owned());
            let permissions = (mode.unwrap_or(0o755), uid.unwrap_or(0), gid.unwrap_or(0));
            match cache_folder(&self.request.cache_root.join(CACHES), &id, *sharing, permissions)? {
                Some(mut cache) => {
                    if self.ignores_cache(stage.index) && !self.emptied.contains(&cache.folder) {
                        cache.empty(permissions)?;
                        self.emptied.push(cache.folder.clone());
                    }
                    if let (Some(from), true) = (from, cache.is_new) {
                        let source = source.as_deref().unwrap_or_default();
                        self.fill_cache(stage, &cache.folder, (from, source), step)?;
                    }
                    if *sharing == CacheSharing::Shared {
                        cache.lock.lock_shared().at("lock", &cache.folder)?;
                    }
                    found.push(cache);
                }
                None => return Ok(None),
            }
        }
        Ok(Some(found))
    }

    /// A new cache begins with what `from=` names.
    fn fill_cache(
        &mut self,
        stage: &Stage,
        folder: &Path,
        (from, source): (&str, &str),
        step: Step,
    ) -> Result<(), Error> {
        let root = match self.host_root(Some(from))? {
            Some(root) => root,
            None => {
                let of = self.source_stage(stage.index, from, step.line)?;
                let place = format!("{from} (from=)");
                SourceRoot::layers(self.store, self.lowers(&of.layers), place, step.line)?
            }
        };
        let found = select::select(&root, source, &Ignore::default())?;
        let Some(selected) = found.first() else {
            return Err(select::explain_missing(&root, source, step.line));
        };
        let inside = tare_sys::root::RootDir::open_host(folder).at("open", folder)?;
        let target = Target { path: PathBuf::from("/"), is_folder: true };
        let filled =
            Writer::new(&inside, Style { owner: None, mode: None }, self.cancel).copy(selected, &target);
        if filled.is_err() {
            // Half of it would pass for all of it the next time.
            std::fs::remove_dir_all(folder).at("remove", folder)?;
        }
        filled
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
        let access = if read_only { Access::Read } else { Access::Write };
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
                let own = self.host_root(from)?;
                let root = own.as_ref().unwrap_or(&self.context);
                match find_in_place(root, &source, access, step)? {
                    Some((data, subpath)) if read_only => {
                        extras.mounts.push(Mount::Volume { data, subpath, target, readonly: true });
                        return Ok(());
                    }
                    Some((data, subpath)) => data.join(subpath),
                    None => copy_tree(root, &source, self.generated.folder()?, (step, self.cancel))?,
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
        let staging = self.store.new_layer().map_err(|source| Error::image("making a layer", source))?;
        let folders = (staging.diff().to_owned(), staging.work().to_owned());
        extras.scratch.push(staging);
        Ok(Some(folders))
    }
}

/// Where a mount goes.
fn mount_target(stage: &Stage, mount: &RunMount) -> PathBuf {
    let target = mount.target.as_deref().unwrap_or("/");
    PathBuf::from(config::absolute(&stage.config.config.working_dir, target))
}

/// A file or folder of the host that can be mounted as it is: the root, and its path in that without a link; `None` if a
/// copy must be made: where the ignore file keeps something out, which must not appear in the mount either, and for a
/// file that the step may write, whose changes are thrown away.
fn find_in_place(
    root: &SourceRoot,
    source: &str,
    access: Access,
    step: Step,
) -> Result<Option<(PathBuf, PathBuf)>, Error> {
    let Origin::Host(data) = &root.origin else { return Ok(None) };
    if !root.ignore.is_empty() {
        return Ok(None);
    }
    let place = Path::new("/").join(clean(source));
    let handle = match root.root.locate(&place) {
        Err(error)
            if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) =>
        {
            return Err(select::explain_missing(root, source, step.line));
        }
        found => found.at("open", &place)?,
    };
    let stat = rustix::fs::fstat(&handle).map_err(std::io::Error::from).at("look at", &place)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => {}
        FileType::RegularFile if access == Access::Read => {}
        FileType::RegularFile => return Ok(None),
        _ => return Err(invalid(step.line, "RUN", format!("source={source}: neither a file nor a folder"))),
    }
    // The runtime opens it once more, in its own mount namespace and beneath the root.
    let found = std::fs::read_link(handle_path(&handle)).at("look at", &place)?;
    match found.strip_prefix(data) {
        Ok(subpath) => Ok(Some((data.clone(), subpath.to_owned()))),
        Err(_) => Err(select::explain_missing(root, source, step.line)),
    }
}

/// Copies a part of a tree into `folder` and returns what to mount.
fn copy_tree(
    root: &SourceRoot,
    source: &str,
    folder: PathBuf,
    (step, cancel): (Step, &Cancel),
) -> Result<PathBuf, Error> {
    let found = select::select(root, source, &Ignore::default())?;
    let Some(selected) = found.first() else { return Err(select::explain_missing(root, source, step.line)) };
    let inside = tare_sys::root::RootDir::open_host(&folder).at("open", &folder)?;
    let target = Target { path: PathBuf::from("/it"), is_folder: false };
    Writer::new(&inside, Style { owner: None, mode: None }, cancel).copy(selected, &target)?;
    Ok(folder.join("it"))
}

fn make_cache(folder: &Path, (mode, uid, gid): (u32, u32, u32)) -> Result<(), Error> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::create_dir(folder).at("make", folder)?;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(mode)).at("set the mode of", folder)?;
    std::os::unix::fs::chown(folder, Some(uid), Some(gid)).at("set the owner of", folder)
}

/// A cache's folder, and its lock; `None` while others have it.
fn cache_folder(
    caches: &Path,
    id: &str,
    sharing: CacheSharing,
    (mode, uid, gid): (u32, u32, u32),
) -> Result<Option<Cache>, Error> {
    std::fs::create_dir_all(caches).at("make", caches)?;
    let name = Digest::of(format!("{id}\0{uid}:{gid}").as_bytes()).hex();
    for number in 0_u32.. {
        let folder = caches.join(if number == 0 { name.clone() } else { format!("{name}-{number}") });
        let lock_path = folder.with_extension("lock");
        let lock = File::create(&lock_path).at("make", &lock_path)?;
        let is_new = !folder.exists();
        let locked = match sharing {
            CacheSharing::Shared if !is_new => lock.try_lock_shared(),
            // Who makes it must be alone until it is filled.
            _ => lock.try_lock(),
        };
        match (locked, sharing) {
            (Ok(()), _) => {}
            (Err(TryLockError::WouldBlock), CacheSharing::Private) => continue,
            (Err(TryLockError::WouldBlock), _) => return Ok(None),
            (Err(TryLockError::Error(error)), _) => return Err(error).at("lock", &lock_path),
        }
        // Another may have made it just before the lock was free.
        let is_new = !folder.exists();
        if is_new {
            make_cache(&folder, (mode, uid, gid))?;
        }
        return Ok(Some(Cache { folder, is_new, lock }));
    }
    Err(std::io::Error::from(std::io::ErrorKind::AlreadyExists)).at("make a folder in", caches)
}
