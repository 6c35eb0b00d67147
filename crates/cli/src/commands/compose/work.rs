//! What every command that changes a project has: its session, with the list as listener, builds, and signals.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use rustix::event::{PollFd, PollFlags};
use tare_compose::plan::{ChangedVolume, DependencyScope, PullMode};
use tare_compose::progress::{Kind, Verb};
use tare_compose::schedule::Cancel;
use tare_compose::session::{
    Conduct, ImagePolicy, OrphanNews, Session, Settings, Surroundings, Wanted, difference,
};
use tare_compose_model::{Build, Project, Ulimit};
use tare_engine::Engine;
use tare_sys::signal::{Signal, SignalFd, SignalSet};

use super::progress::{List, VolumeChoice};
use super::project::Context;
use crate::commands;
use crate::error::Failure;
use crate::output::confirm;

/// The work of one command on one project.
pub(super) struct Work<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) project: &'a Project,
    pub(super) list: List,
    pub(super) cancel: Arc<Cancel>,
    pub(super) settings: Settings,
    surroundings: Surroundings<'a>,
}

impl<'a> Work<'a> {
    /// Work whose list goes by the given title.
    pub(super) fn new(context: &'a Context<'a>, project: &'a Project, title: &'static str) -> Self {
        let omitted = context.flag("COMPOSE_IGNORE_ORPHANS");
        let settings = Settings {
            conduct: if context.options.dry_run { Conduct::Tell } else { Conduct::Act },
            parallel: parallel(context),
            orphans: if omitted { OrphanNews::Omitted } else { OrphanNews::Named },
            ..Settings::default()
        };
        Self {
            context,
            project,
            list: List::new(&context.options, title),
            cancel: Arc::default(),
            settings,
            surroundings: Surroundings { variables: &context.process, registries: &commands::pull_options },
        }
    }

    /// Work of which warnings alone are shown.
    pub(super) fn quiet(context: &'a Context<'a>, project: &'a Project) -> Self {
        Self { list: List::quiet(), ..Self::new(context, project, "Running") }
    }

    pub(super) fn engine(&self) -> anyhow::Result<&'a Engine> {
        self.context.engine()
    }

    /// Works on the project with a session that tells this list; it has the project's lock until it is over.
    pub(super) fn session<T>(
        &self,
        work: impl FnOnce(&Session<'_, List>) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let settings = self.settings.clone();
        let session = Session::new(
            self.engine()?,
            self.project,
            &self.surroundings,
            settings,
            &self.list,
            &self.cancel,
        );
        let done = work(&session)?;
        self.list.printed().map(|()| done)
    }

    /// Asks about volumes that the file wants otherwise, where there is someone to ask.
    pub(super) fn ask_for_volumes(&mut self, assume_yes: bool) {
        let asks = std::io::stdin().is_terminal() && !self.context.options.dry_run;
        self.list.volumes = match (assume_yes, asks) {
            (true, _) => VolumeChoice::Renew,
            (false, true) => VolumeChoice::Ask(renews),
            (false, false) => VolumeChoice::Keep,
        };
    }

    /// Builds and pulls what the services need.
    pub(super) fn get_images(
        &self,
        session: &Session<'_, List>,
        services: &[String],
        dependencies: DependencyScope,
        policy: ImagePolicy,
        flags: &BuildFlags,
    ) -> anyhow::Result<()> {
        session.get_images(services, dependencies, policy, |Wanted { service, image }| {
            self.build(service, image, flags)
        })
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

/// `--parallel`, else `COMPOSE_PARALLEL_LIMIT`; a number below zero is no bound of its own.
fn parallel(context: &Context<'_>) -> Option<usize> {
    let variable = || context.process.get("COMPOSE_PARALLEL_LIMIT").and_then(|text| text.parse().ok());
    let given = if context.options.parallel > 0 { Some(context.options.parallel) } else { variable() };
    given.and_then(|count| usize::try_from(count).ok())
}

/// Asks on the terminal.
fn renews(volume: &ChangedVolume) -> anyhow::Result<bool> {
    confirm(&format!("{}. Making it anew loses its data.", difference(volume)))
}

/// Flags of a build that the file does not give.
#[derive(Debug, Default)]
pub(super) struct BuildFlags {
    pub(super) quiet: bool,
    pub(super) no_cache: bool,
    pub(super) pull: bool,
    pub(super) args: Vec<String>,
    /// Of each step.
    pub(super) memory: Option<String>,
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
    flags.memory.iter().for_each(|memory| push("--memory", memory.clone()));
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
