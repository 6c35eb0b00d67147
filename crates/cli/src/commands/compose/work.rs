//! From a plan to a project that runs: images first, on this thread alone, then the plan on several.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::IsTerminal as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::OnceLock;
use std::time::Instant;

use anyhow::Context as _;
use rustix::event::{PollFd, PollFlags};
use tare_compose::execute::{ExecuteError, Executor, ImageError, Images, Settings};
use tare_compose::observe::Observed;
use tare_compose::observe_engine::{converge, observe};
use tare_compose::plan::{
    self, Action, BuildMode, Cause, ChangedVolume, DependencyScope, ImageOptions, Plan, PullMode, images,
};
use tare_compose::progress::{Kind, Verb};
use tare_compose::schedule::Cancel;
use tare_compose_model::{Build, Project, Ulimit};
use tare_engine::Engine;
use tare_sys::signal::{Signal, SignalFd, SignalSet};

use super::hooks::HookLines;
use super::progress::List;
use super::project::Context;
use super::pulling::{Wanted, age_of};
use crate::commands;
use crate::error::Failure;
use crate::output::{confirm, print};

/// The work of one command on one project.
pub(super) struct Work<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) project: &'a Project,
    pub(super) list: List,
    pub(super) cancel: Arc<Cancel>,
    pub(super) stop_timeout: Option<i64>,
    pub(super) quiet_pull: bool,
    pub(super) hook_output: HookLines,
    /// Keys of changed volumes that shall be made anew.
    pub(super) renew_volumes: Vec<String>,
    pub(super) lock: OnceLock<Option<File>>,
}

/// How images are got.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ImagePolicy {
    pub(super) build: BuildMode,
    pub(super) pull: PullMode,
    pub(super) quiet_build: bool,
}

impl<'a> Work<'a> {
    /// Work whose list goes by the given title.
    pub(super) fn new(context: &'a Context<'a>, project: &'a Project, title: &'static str) -> Self {
        Self {
            context,
            project,
            list: List::new(&context.options, title),
            cancel: Arc::default(),
            stop_timeout: None,
            quiet_pull: false,
            hook_output: HookLines::Dropped,
            renew_volumes: Vec::new(),
            lock: OnceLock::new(),
        }
    }

    pub(super) fn engine(&self) -> anyhow::Result<&'a Engine> {
        self.context.engine()
    }

    /// What exists of the project, once replacements that were cut short are settled.
    pub(super) fn observe(&self) -> anyhow::Result<Observed> {
        if !self.context.options.dry_run && self.lock()? {
            converge(self.engine()?, &self.project.name)?;
        }
        Ok(observe(self.engine()?, self.project)?)
    }

    /// Takes the project's lock, held until this process ends; no if another one has it: then what looks left over may
    /// be that one's work in progress.
    fn lock(&self) -> anyhow::Result<bool> {
        if let Some(lock) = self.lock.get() {
            return Ok(lock.is_some());
        }
        let folder = self.engine()?.make_run_folder("compose")?;
        let path = folder.join(format!("{}.lock", self.project.name));
        let file = File::create(&path).with_context(|| format!("cannot make {}", path.display()))?;
        let taken = file.try_lock().is_ok();
        Ok(self.lock.get_or_init(|| taken.then_some(file)).is_some())
    }

    /// Asks what shall become of volumes that the file wants otherwise. Without an answer they stay as they are.
    pub(super) fn ask_for_volumes(&mut self, observed: &Observed, assume_yes: bool) -> anyhow::Result<()> {
        for changed in plan::changed_volumes(self.project, observed) {
            let ChangedVolume { key, name, changes } = changed;
            let what = format!("volume {name} exists with another configuration ({})", changes.join(", "));
            let asked = std::io::stdin().is_terminal() && !self.context.options.dry_run;
            let renew = assume_yes || asked && confirm(&format!("{what}. Making it anew loses its data."))?;
            if renew {
                self.renew_volumes.push(key);
            } else {
                let hint = "`up --yes` makes it anew; its data is lost";
                crate::error::warn(&format!("{what}; it is used as it is"), Some(hint));
            }
        }
        Ok(())
    }

    /// Builds and pulls what the services need. Builds run one after the other, and before any thread is started: a
    /// RUN step begins as a copy of this process.
    pub(super) fn get_images(
        &self,
        services: &[String],
        dependencies: DependencyScope,
        policy: ImagePolicy,
    ) -> anyhow::Result<()> {
        let engine = self.engine()?;
        let observed = Observed {
            images: tare_compose::observe_engine::images(engine, self.project)?,
            ..Observed::default()
        };
        let options = ImageOptions {
            services: services.to_vec(),
            dependencies,
            build: policy.build,
            pull: policy.pull,
            ages: observed
                .images
                .keys()
                .filter_map(|name| Some((name.clone(), age_of(engine, name)?)))
                .collect(),
        };
        let plan = images(self.project, &observed, &options)?;
        if self.context.options.dry_run {
            // Missing ones stand in the plan that follows.
            let told = plan.steps.iter().filter(|step| step.cause != Cause::Missing);
            return print(
                &told.map(|step| format!("{} ({})\n", step.action, step.cause)).collect::<String>(),
            );
        }
        // All pulls at once, and their threads are gone before the first build.
        let mut pulls = Vec::new();
        for step in &plan.steps {
            if let Action::PullImage { service, image } = &step.action {
                pulls.push(Wanted { service: service.clone(), image: image.clone() });
            }
        }
        self.pull_all(&pulls)?.into_iter().collect::<anyhow::Result<()>>()?;
        for step in &plan.steps {
            if let Action::BuildImage { service, image } = &step.action {
                let options = BuildFlags { quiet: policy.quiet_build, ..BuildFlags::default() };
                self.build(service, image, &options)?;
            }
        }
        Ok(())
    }

    /// Builds a service's image, as `docker build` does.
    pub(super) fn build(&self, service: &str, image: &str, flags: &BuildFlags) -> anyhow::Result<()> {
        let Some(build) = self.project.services.get(service).and_then(|service| service.build.as_ref())
        else {
            return Ok(());
        };
        let ignored = without_effect(build);
        if !ignored.is_empty() {
            crate::error::warn(
                &format!("service {service}: build: no effect here: {}", ignored.join(", ")),
                None,
            );
        }
        let inline = match &build.dockerfile_inline {
            Some(text) => {
                let folder = self.engine()?.make_run_folder("compose")?;
                let path =
                    folder.join(format!("{}-{service}-{}.Dockerfile", self.project.name, std::process::id()));
                std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
                Some(path)
            }
            None => None,
        };
        let platform = self.project.services.get(service).and_then(|service| service.platform.as_deref());
        let words = build_words(self.project, build, image, platform, inline.as_deref(), flags);
        let began = Instant::now();
        let command = commands::named("build").context("there is no build command")?;
        let result = (command.run)(self.context.session, &words);
        if let Some(path) = inline {
            // In the runtime folder: a reboot would take it too.
            let _ = std::fs::remove_file(path);
        }
        match result.with_context(|| format!("service {service}: cannot build {image}"))? {
            0 => {
                self.list.took(Kind::Image, image, Verb::Build, began);
                self.list.finish();
                Ok(())
            }
            code => Err(Failure::new(format!("service {service}: the build of {image} failed"))
                .with_code(code)
                .into()),
        }
    }

    /// Carries a plan out, or prints it with `--dry-run`.
    pub(super) fn execute(&self, observed: &Observed, plan: &Plan) -> anyhow::Result<()> {
        if self.context.options.dry_run {
            return print(&plan.to_string());
        }
        let result = self.with_executor(observed, |executor| executor.run(plan))?;
        self.list.finish();
        result.map_err(|error| failure(&error))
    }

    /// Hands an executor out.
    pub(super) fn with_executor<T>(
        &self,
        observed: &Observed,
        work: impl FnOnce(&Executor<'_>) -> T,
    ) -> anyhow::Result<T> {
        let engine = self.engine()?;
        let process = &self.context.process;
        let variable = |name: &str| process.get(name).cloned();
        let mut settings = Settings::new(engine, &self.project.name);
        settings.stop_timeout = self.stop_timeout;
        if let Ok(workers) = usize::try_from(self.parallel()) {
            settings.workers = workers.max(1);
        }
        let fetch = Fetch { engine, project: self.project };
        let executor = Executor {
            engine,
            project: self.project,
            observed,
            images: &fetch,
            hook_output: &self.hook_output,
            progress: &self.list,
            cancel: &self.cancel,
            variable: &variable,
            settings,
        };
        Ok(self.list.ticking(|| work(&executor)))
    }

    pub(super) fn parallel(&self) -> i64 {
        let variable = self.context.process.get("COMPOSE_PARALLEL_LIMIT").and_then(|text| text.parse().ok());
        if self.context.options.parallel > 0 { self.context.options.parallel } else { variable.unwrap_or(-1) }
    }

    /// From now on the first Ctrl-C ends the work in an orderly way and the second one ends the process.
    pub(super) fn cancel_on_signals(&self) -> anyhow::Result<()> {
        let set = SignalSet::of(&[Signal::INT, Signal::TERM, Signal::HUP]);
        let signals = SignalFd::new(&set).context("cannot open a signalfd")?;
        let cancel = Arc::clone(&self.cancel);
        std::thread::spawn(move || {
            while let Some(signal) = next_signal(&signals) {
                if cancel.is_cancelled() {
                    std::process::exit(128 + signal.number());
                }
                cancel.cancel();
            }
        });
        Ok(())
    }
}

/// Blocks until a signal comes; `None` when that is no longer possible.
pub(super) fn next_signal(signals: &SignalFd) -> Option<Signal> {
    loop {
        match rustix::event::poll(&mut [PollFd::new(signals, PollFlags::IN)], None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return None,
        }
        match signals.read() {
            Ok(Some(info)) => return Some(info.signal),
            Ok(None) => {}
            Err(_) => return None,
        }
    }
}

/// An error of the executor with its hints and exit code.
pub(super) fn failure(error: &ExecuteError) -> anyhow::Error {
    if error.cancelled {
        return Failure::silent(130).into();
    }
    let hints = error.hints();
    hints.into_iter().fold(Failure::new(error.to_string()), Failure::with_hint).into()
}

/// Images that turn out to be missing while a plan is carried out: they can be pulled there, but not built.
struct Fetch<'a> {
    engine: &'a Engine,
    project: &'a Project,
}

impl Images for Fetch<'_> {
    fn pull(&self, service: &str, image: &str) -> Result<(), ImageError> {
        let platform = self.project.services.get(service).and_then(|service| service.platform.clone());
        commands::pull_image(self.engine, image, platform.as_deref().unwrap_or_default(), true)
            .map_err(|error| crate::error::chain(&error).into())
    }

    fn build(&self, service: &str, image: &str) -> Result<(), ImageError> {
        Err(format!(
            "image {image} is missing and is not built (--no-build); `docker compose build {service}`"
        )
        .into())
    }
}

/// Flags of a build that the file does not give.
#[derive(Debug, Default)]
pub(super) struct BuildFlags {
    pub(super) quiet: bool,
    pub(super) no_cache: bool,
    pub(super) pull: bool,
    pub(super) args: Vec<String>,
}

/// The words of `docker build` for a build section.
fn build_words(
    project: &Project,
    build: &Build,
    image: &str,
    platform: Option<&str>,
    inline: Option<&Path>,
    flags: &BuildFlags,
) -> Vec<String> {
    let mut words: Vec<String> = vec!["-t".to_owned(), image.to_owned()];
    let mut push = |flag: &str, value: String| words.extend([flag.to_owned(), value]);
    build.tags.iter().for_each(|tag| push("-t", tag.clone()));
    let context = build.context.clone().unwrap_or_else(|| project.working_dir.display().to_string());
    if let Some(path) = inline {
        push("-f", path.display().to_string());
    } else if let Some(dockerfile) = &build.dockerfile {
        // In a folder by its path; in a repository or archive by its name there.
        let folder = Path::new(&context);
        let file = if folder.is_dir() { folder.join(dockerfile) } else { dockerfile.into() };
        push("-f", file.display().to_string());
    }
    for (key, value) in &build.args {
        push("--build-arg", value.as_ref().map_or_else(|| key.clone(), |value| format!("{key}={value}")));
    }
    flags.args.iter().for_each(|arg| push("--build-arg", arg.clone()));
    for (key, value) in &build.labels {
        push("--label", format!("{key}={value}"));
    }
    if let Some(target) = &build.target {
        push("--target", target.clone());
    }
    if let Some(network) = &build.network {
        push("--network", network.clone());
    }
    if let Some(size) = build.shm_size {
        push("--shm-size", size.0.to_string());
    }
    for (name, addresses) in &build.extra_hosts {
        addresses.iter().for_each(|address| push("--add-host", format!("{name}:{address}")));
    }
    for (name, place) in &build.additional_contexts {
        let place = match place.strip_prefix("service:") {
            Some(service) => {
                let image =
                    project.services.get(service).map(|built| built.image_name(&project.name, service));
                format!("docker-image://{}", image.unwrap_or_else(|| service.to_owned()))
            }
            None => place.clone(),
        };
        push("--build-context", format!("{name}={place}"));
    }
    for (id, path) in &build.ssh {
        push("--ssh", path.as_ref().map_or_else(|| id.clone(), |path| format!("{id}={path}")));
    }
    for (name, limit) in &build.ulimits {
        let (soft, hard) = match limit {
            Ulimit::Single(both) => (both, both),
            Ulimit::Range { soft, hard } => (soft, hard),
        };
        push("--ulimit", format!("{name}={soft}:{hard}"));
    }
    build.entitlements.iter().for_each(|what| push("--allow", what.clone()));
    if build.privileged {
        push("--allow", "security.insecure".to_owned());
    }
    for secret in build_secrets(project, build) {
        push("--secret", secret);
    }
    if let Some(platform) = platform.or(build.platforms.first().map(String::as_str)) {
        push("--platform", platform.to_owned());
    }
    let switches = [
        ("--no-cache", build.no_cache || flags.no_cache),
        ("--pull", build.pull || flags.pull),
        ("-q", flags.quiet),
    ];
    words.extend(switches.iter().filter(|(_, on)| *on).map(|(flag, _)| (*flag).to_owned()));
    words.push(context);
    words
}

/// The keys of a build section that ask for something and do nothing here.
fn without_effect(build: &Build) -> Vec<&'static str> {
    let asks = |text: &Option<String>| text.as_deref().is_some_and(|text| text != "false");
    let keys = [
        ("cache_from", !build.cache_from.is_empty()),
        ("cache_to", !build.cache_to.is_empty()),
        ("provenance", asks(&build.provenance)),
        ("sbom", asks(&build.sbom)),
        ("platforms beyond the first", build.platforms.len() > 1),
    ];
    keys.into_iter().filter(|(_, asked)| *asked).map(|(key, _)| key).collect()
}

fn build_secrets(project: &Project, build: &Build) -> Vec<String> {
    let of = |reference: &tare_compose_model::FileReference| {
        let object = project.secrets.get(&reference.source)?;
        let id = reference.target.as_ref().unwrap_or(&reference.source);
        match (&object.file, &object.environment) {
            (Some(file), _) => Some(format!("id={id},src={}", file.display())),
            (None, Some(variable)) => Some(format!("id={id},env={variable}")),
            (None, None) => None,
        }
    };
    build.secrets.iter().filter_map(of).collect()
}

/// Reads `--scale web=3`.
pub(super) fn scale(flags: &[String]) -> anyhow::Result<BTreeMap<String, u32>> {
    flags
        .iter()
        .map(|flag| {
            let parsed =
                flag.split_once('=').and_then(|(name, count)| Some((name.to_owned(), count.parse().ok()?)));
            parsed.ok_or_else(|| {
                Failure::new(format!("invalid --scale {flag:?}: write it as SERVICE=NUMBER")).into()
            })
        })
        .collect()
}

/// Reads `--pull`.
pub(super) fn pull_mode(flag: Option<&str>) -> anyhow::Result<PullMode> {
    match flag {
        None | Some("policy") => Ok(PullMode::Policy),
        Some("always") => Ok(PullMode::Always),
        Some("missing" | "if_not_present") => Ok(PullMode::Missing),
        Some("never") => Ok(PullMode::Never),
        Some("build") => Ok(PullMode::Policy),
        Some(other) => {
            Err(Failure::new(format!("invalid --pull {other:?}: always, missing, never or build")).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_section_becomes_words() {
        let project: Project = serde_json::from_str(
            r#"{"name": "p", "secrets": {"s": {"name": "s", "environment": "TOKEN"}},
                "services": {"a": {"build": {"context": "/src", "dockerfile": "./d/File", "args": {"A": "1", "B": null},
                "target": "t", "secrets": [{"source": "s"}]}}}}"#,
        )
        .unwrap();
        let build = project.services["a"].build.as_ref().unwrap();
        let words = build_words(
            &project,
            build,
            "p-a",
            None,
            None,
            &BuildFlags { no_cache: true, ..Default::default() },
        );
        assert_eq!(
            words.join(" "),
            "-t p-a -f ./d/File --build-arg A=1 --build-arg B --target t --secret id=s,env=TOKEN --no-cache /src"
        );
    }

    #[test]
    fn scale_and_pull_flags() {
        assert_eq!(scale(&["web=3".to_owned()]).unwrap()["web"], 3);
        assert!(scale(&["web".to_owned()]).is_err());
        assert_eq!(pull_mode(Some("always")).unwrap(), PullMode::Always);
        assert!(pull_mode(Some("x")).is_err());
    }
}
