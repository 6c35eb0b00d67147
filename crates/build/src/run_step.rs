//! `RUN`.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use tare_dockerfile::ignore::Ignore;
use tare_dockerfile::{Command, Mount, MountKind, Run, RunNetwork, RunSecurity};
use tare_image::LayerStaging;
use tare_oci::Digest;
use tare_runtime::{Namespace, Process, RootFs, Seccomp, Spec};

use crate::cache::{Cache, KeyHasher};
use crate::error::invalid;
use crate::event::Event;
use crate::executor::{Builder, Stage, Step};
use crate::io_at::At as _;
use crate::mount_points::MountPoints;
use crate::mounts::bind;
use crate::program::Program;
use crate::request::{BuildNetwork, CachePolicy, Entitlement, NamedContext};
use crate::run_mounts::{self, Extras};
use crate::select;
use crate::sources::SourceRoot;
use crate::workshop::{Processes, Task};
use crate::{Cancel, Error, config, plan};

/// What became of a step that was begun.
pub(crate) enum Begun {
    /// It is finished.
    Finished,
    /// Its program runs.
    Runs(Box<RunStep>),
    /// It has to wait for another step or another build, and is to be tried again.
    Blocked,
}

/// A step whose program runs. Its parts go in this order: the program, its control group, its layer.
pub(crate) struct RunStep {
    pub(crate) program: Program,
    group: Group,
    staging: LayerStaging,
    points: MountPoints,
    key: Digest,
    /// What runs, for messages.
    command: String,
    /// The line for the history.
    history: String,
    _extras: Extras,
    _caches: Vec<run_mounts::Cache>,
}

/// A control group, by its path; removed with the value.
struct Group(String);

/// A name that nothing else has: there may be several builds in this process.
fn unique_name() -> String {
    static MADE: AtomicU64 = AtomicU64::new(0);
    format!("build-{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed))
}

impl Drop for Group {
    fn drop(&mut self) {
        // An empty folder of a control group that stays is found by the next build's sweep.
        if let Ok(manager) = tare_runtime::cgroup::Manager::detect() {
            manager.group(&self.0).remove().ok();
        }
    }
}

impl Builder<'_> {
    /// Begins with a `RUN` step, or finds its result.
    pub(crate) fn run_step(&mut self, stage: &mut Stage, step_run: &Run, step: Step) -> Result<Begun, Error> {
        let _span = tracing::debug_span!("RUN", line = step.line).entered();
        let allowed = |what| self.request.entitlements.contains(&what);
        if step_run.security == RunSecurity::Insecure && !allowed(Entitlement::SecurityInsecure) {
            return Err(invalid(step.line, "RUN", "--security=insecure needs --allow security.insecure"));
        }
        if step_run.network == RunNetwork::Host && !allowed(Entitlement::NetworkHost) {
            return Err(invalid(step.line, "RUN", "--network=host needs --allow network.host"));
        }
        let argv = self.argv(stage, step_run)?;
        let mounts = self.read_mounts(stage, step_run, step)?;
        let history = run_history(stage, &argv);
        let key = self.run_key(stage, (step_run, &mounts), &argv, step)?;
        if let Some(found) = self.find_result(stage, &key)? {
            self.reuse(stage, key, found, step);
            let created = stage.created.clone();
            config::history(&mut stage.config, history, created, false);
            return Ok(Begun::Finished);
        }
        // Another stage is at the same: its result will do for both.
        if self.in_flight.contains(&key) {
            return Ok(Begun::Blocked);
        }
        if self.request.cache == CachePolicy::Use {
            // Another build is at the same.
            if !self.claims.claim(&Task::Step(key)) {
                return Ok(Begun::Blocked);
            }
            // It may have been done by another until just now.
            if self.find_result(stage, &key)?.is_some() {
                self.claims.release(|task| *task == Task::Step(key));
                return self.run_step(stage, step_run, step);
            }
        }
        let Some(caches) = self.caches(stage, &mounts, step)? else { return Ok(Begun::Blocked) };
        let run = self.execute(stage, (step_run, &mounts, argv, history), key, caches, step)?;
        self.in_flight.push(key);
        Ok(Begun::Runs(Box::new(run)))
    }

    /// Takes the result of a program that has ended.
    pub(crate) fn finish_run(&mut self, stage: &mut Stage, run: RunStep, step: Step) -> Result<(), Error> {
        let _span = tracing::debug_span!("finish RUN", line = step.line).entered();
        let RunStep { program, group, staging, points, key, command, history, .. } = run;
        let ended = program.end().at("wait for", "RUN");
        drop(group);
        self.in_flight.retain(|other| *other != key);
        let (code, tail) = ended?;
        if code != 0 {
            return Err(Error::RunFailed { line: step.line, command, code, tail });
        }
        let working_dir = Path::new(&stage.config.config.working_dir);
        // Some may have been moved into the store meanwhile.
        let lowers = self.lowers(&stage.layers);
        points.remove(staging.diff(), &lowers, working_dir).at("look at", staging.diff())?;
        self.add_layer(stage, key, staging);
        let created = stage.created.clone();
        config::history(&mut stage.config, history, created, false);
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

    /// The step's mounts, their variables replaced.
    fn read_mounts(&self, stage: &Stage, step_run: &Run, step: Step) -> Result<Vec<Mount>, Error> {
        let expand = |value: &str| self.expand(stage, value, ("RUN", step));
        let wrong = |reason| invalid(step.line, "RUN", format!("--mount: {reason}"));
        let mut mounts = Vec::new();
        for text in &step_run.mounts {
            plan::refuse_variable("RUN", text.from.as_deref().unwrap_or_default(), step.line)?;
            mounts.push(Mount::read(text, expand, wrong)?);
        }
        Ok(mounts)
    }

    fn run_key(
        &mut self,
        stage: &mut Stage,
        (step_run, mounts): (&Run, &[Mount]),
        argv: &[String],
        step: Step,
    ) -> Result<Digest, Error> {
        let run = &stage.config.config;
        let mut key = KeyHasher::new("run");
        key.digest(&stage.files_key).list(argv).list(stage.variables.lines());
        key.field(&run.working_dir).field(&run.user);
        key.field(format!("{mounts:?} {:?} {:?}", step_run.network, step_run.security));
        // What the step may see of the build's settings.
        let asked = self.request;
        key.field(format!("{:?} {:?} {:?}", asked.network, asked.extra_hosts, asked.shm_size));
        key.field(format!("{:?} {:?} {:?}", asked.ulimits, asked.cgroup_parent, asked.hostname));
        for mount in mounts {
            if let MountKind::Bind { from, source } = &mount.kind {
                match from {
                    Some(name) if !self.is_folder(name) => {
                        let from = self.source_stage(stage.index, name, step.line)?;
                        stage.is_anew |= from.is_anew;
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

    pub(crate) fn is_folder(&self, name: &str) -> bool {
        matches!(self.request.contexts.get(name), Some(NamedContext::Dir(_)))
    }

    /// The folder that a named context is; `None` without a name.
    pub(crate) fn host_root(&self, name: Option<&str>) -> Result<Option<SourceRoot>, Error> {
        match name.and_then(|name| self.request.contexts.get(name)) {
            Some(NamedContext::Dir(path)) => SourceRoot::named(path).map(Some),
            _ => Ok(None),
        }
    }

    fn execute(
        &mut self,
        stage: &Stage,
        (step_run, mounts, argv, history): (&Run, &[Mount], Vec<String>, String),
        key: Digest,
        caches: Vec<run_mounts::Cache>,
        step: Step,
    ) -> Result<RunStep, Error> {
        let _span = tracing::debug_span!("make the container of RUN").entered();
        if matches!(self.processes, Processes::Caller) {
            // There must be one thread only.
            self.join_hashing()?;
        }
        let staging = self.store.new_layer().map_err(|source| Error::image("making a layer", source))?;
        let root = RootFs {
            lowers: self.lowers(&stage.layers),
            upper: staging.diff().to_owned(),
            work: staging.work().to_owned(),
            volatile: true,
            readonly: false,
        };
        self.prepare_network(step_run, step)?;
        let mut extras = self.extras(stage, (step_run, mounts), &caches, step)?;
        let command = shortened(argv.last().map_or("", String::as_str));
        let mut process = Process::new(self.program(step_run, argv, &mut extras)?);
        process.env = stage.variables.lines();
        self.add_env(&mut process.env, &extras.env);
        process.cwd.clone_from(&stage.config.config.working_dir);
        process.user.clone_from(&stage.config.config.user);
        process.rlimits.clone_from(&self.request.ulimits);
        let name = unique_name();
        let parent = self.request.cgroup_parent.as_deref().unwrap_or("tare").trim_matches('/');
        let group = Group(format!("/{parent}/{name}"));
        let mut spec = Spec::new(&name, root, process);
        spec.cgroup.path.clone_from(&group.0);
        spec.cgroup.resources.clone_from(&self.request.limits);
        self.set_up(&mut spec, step_run);
        spec.mounts = std::mem::take(&mut extras.mounts);
        let (program, points) = Program::start(self.processes, &spec, (step.id, step.line))?;
        Ok(RunStep {
            program,
            group,
            staging,
            points,
            key,
            command,
            history,
            _extras: extras,
            _caches: caches,
        })
    }

    /// Makes the steps' own network when the first of them needs it.
    fn prepare_network(&mut self, step_run: &Run, step: Step) -> Result<(), Error> {
        let wanted = (step_run.network, self.request.network);
        if wanted != (RunNetwork::Default, BuildNetwork::Own) || self.space.is_some() {
            return Ok(());
        }
        let made = self.networks.space();
        self.space = Some(made.map_err(|source| Error::Network { line: step.line, source })?);
        self.warn_local_proxies(step);
        Ok(())
    }

    /// A proxy on the host's loopback is not where the step looks for it.
    fn warn_local_proxies(&self, step: Step) {
        let given = self.globals.proxies().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let all: Vec<(String, String)> =
            given.chain(self.request.host_trust.proxy_env.iter().cloned()).collect();
        let is_proxy = |name: &str| !name.eq_ignore_ascii_case("no_proxy");
        if let Some((name, value)) = all.iter().find(|(name, value)| is_proxy(name) && is_local(value)) {
            let text =
                format!("{name}={value} is on this machine's loopback, where RUN steps do not reach it");
            let hint = "let the proxy listen on another address and name that, or build with --network=host";
            self.events.event(Event::Warning { line: step.line, text: &text, hint: Some(hint) });
        }
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
        spec.hostname = self.request.hostname.clone();
        spec.namespaces.net = match (step_run.network, &self.request.network) {
            (RunNetwork::None, _) | (RunNetwork::Default, BuildNetwork::None) => Namespace::New,
            (RunNetwork::Host, _) | (RunNetwork::Default, BuildNetwork::Host) => Namespace::Host,
            (RunNetwork::Default, BuildNetwork::Own) => {
                use std::os::fd::AsRawFd as _;
                let space = self.space.as_ref().map(|space| space.namespace.as_raw_fd());
                space.map_or(Namespace::New, |fd| {
                    Namespace::Path(format!("/proc/{}/fd/{fd}", std::process::id()).into())
                })
            }
        };
        if let Some(size) = self.request.shm_size {
            spec.shm_size = size;
        }
        spec.process.apparmor.clone_from(&self.request.apparmor);
        if step_run.security == RunSecurity::Insecure {
            spec.process.apparmor = spec.process.apparmor.take().map(|_| "unconfined".to_owned());
            spec.privileged = true;
            spec.process.capabilities = tare_sys::caps::CapSet::all().names();
            spec.seccomp = Seccomp::Unconfined;
            spec.masked_paths.clear();
            spec.readonly_paths.clear();
        }
    }
}

fn key_of_tree(
    key: &mut KeyHasher,
    root: &SourceRoot,
    source: &str,
    (cache, cancel): (&Cache, &Cancel),
    step: Step,
) -> Result<(), Error> {
    let mut selected = select::select(root, source, &Ignore::default())?;
    if selected.is_empty() {
        return Err(select::explain_missing(root, source, step.line));
    }
    select::hash_files(&mut selected, root, cache, cancel)?;
    select::add_to_key(key, &selected, root);
    Ok(())
}

/// Whether a proxy's URL names the loopback of whoever uses it.
fn is_local(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let host = host.split('/').next().unwrap_or_default();
    ["127.", "localhost", "[::1]"].iter().any(|local| host.starts_with(local))
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

/// The history's line, with the `ARG`s that the program saw, as Docker writes it.
fn run_history(stage: &Stage, argv: &[String]) -> String {
    let args = stage.variables.arg_lines();
    let prefix = if args.is_empty() { String::new() } else { format!("|{} {} ", args.len(), args.join(" ")) };
    format!("RUN {prefix}{} # buildkit", argv.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_on_loopback_are_told() {
        for local in ["http://127.0.0.1:3128", "localhost:80", "http://u:p@[::1]:3128/"] {
            assert!(is_local(local), "{local}");
        }
        for other in [
            "http://192.0.2.7:3128",
            "http://proxy.example/?127.0.0.1",
            "socks5://u:127.0.0.1@198.51.100.1:1",
        ] {
            assert!(!is_local(other), "{other}");
        }
    }
}
