//! `docker build`: flags to a [`Request`].

pub(crate) mod builder;
mod call;
pub(crate) mod check;
mod context;
mod limits;
mod output;
pub(crate) mod progress;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rustix::fd::AsFd as _;
use tare_build::{
    BuildNetwork, CachePolicy, Cancel, Context, Entitlement, HostTrust, NamedContext, Processes, PullPolicy,
    Request, Secret, SecretSource, SshAgent,
};
use tare_compose::build::Site;
use tare_engine::Engine;
use tare_sys::interrupt::Interrupts;
use tare_sys::signal::Signal;

use crate::error::{Failure, OWN_FAILURE};
use crate::output::{human, print_line};
use crate::refused::{Flag, refuse};
use crate::session::Session;
use progress::{Mode, Printer};
use tare_engine::config::flags::{csv, pair};

#[derive(clap::Parser)]
#[expect(clippy::struct_excessive_bools, reason = "Docker's flags")]
struct Line {
    /// Add a custom host-to-IP mapping (format: "host:ip")
    #[arg(long, value_name = "strings")]
    add_host: Vec<String>,
    /// Set build-time variables
    #[arg(long, value_name = "stringArray")]
    build_arg: Vec<String>,
    /// Additional build contexts (e.g., name=path)
    #[arg(long, value_name = "stringArray")]
    build_context: Vec<String>,
    /// Show the warnings of a build, and build nothing
    #[arg(long)]
    check: bool,
    /// Name of the Dockerfile (default: "PATH/Dockerfile")
    #[arg(short, long)]
    file: Option<String>,
    /// Write the image ID to a file
    #[arg(long)]
    iidfile: Option<String>,
    /// Write build result metadata to a file
    #[arg(long, value_name = "string")]
    metadata_file: Option<String>,
    /// Set metadata for an image
    #[arg(long, value_name = "stringArray")]
    label: Vec<String>,
    /// Set the networking mode for the "RUN" instructions during build
    #[arg(long, default_value = "default")]
    network: String,
    /// Do not use cache when building the image
    #[arg(long)]
    no_cache: bool,
    /// Do not cache specified stages
    #[arg(long, value_name = "stringArray", value_delimiter = ',')]
    no_cache_filter: Vec<String>,
    /// Set the parent cgroup for the "RUN" instructions during build
    #[arg(long, value_name = "string")]
    cgroup_parent: Option<String>,
    /// Set method for evaluating build ("check", "outline", "targets")
    #[arg(long, value_name = "string")]
    call: Option<String>,
    /// Output destination (format: "type=local,dest=path")
    #[arg(short, long, value_name = "stringArray")]
    output: Vec<String>,
    /// Set target platform for build
    #[arg(long)]
    platform: Option<String>,
    /// Set type of progress output (auto, plain, tty, quiet)
    #[arg(long)]
    progress: Option<String>,
    /// Always attempt to pull all referenced images
    #[arg(long)]
    pull: bool,
    /// Suppress the build output and print image ID on success
    #[arg(short, long)]
    quiet: bool,
    /// Secret to expose to the build (format: "id=mysecret[,src=/local/secret]")
    #[arg(long, value_name = "stringArray")]
    secret: Vec<String>,
    /// SSH agent socket to expose to the build (format: "default|<id>[=<socket>]")
    #[arg(long, value_name = "stringArray")]
    ssh: Vec<String>,
    /// Shared memory size for build containers
    #[arg(long)]
    shm_size: Option<String>,
    /// Image identifier (format: "[registry/]repository[:tag]")
    #[arg(short, long, value_name = "stringArray")]
    tag: Vec<String>,
    /// Set the target build stage to build
    #[arg(long)]
    target: Option<String>,
    #[command(flatten)]
    limits: limits::Limits,
    /// Allow extra privileged entitlement (e.g., "security.insecure")
    #[arg(long)]
    allow: Vec<String>,
    #[command(flatten)]
    ignored: Ignored,
    /// Folder, git repository, archive or Dockerfile by URL or on stdin (-)
    #[arg(value_name = "PATH | URL | -")]
    context: String,
}

/// What makes no difference to the image, or is refused ([`crate::refused`]).
#[derive(clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "Docker's flags")]
struct Ignored {
    #[arg(long, hide = true)]
    load: bool,
    #[arg(long, hide = true)]
    rm: bool,
    #[arg(long, hide = true)]
    force_rm: bool,
    #[arg(long, hide = true)]
    compress: bool,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    disable_content_trust: Option<bool>,
    #[arg(long, short = 'D', hide = true)]
    debug: bool,
    #[arg(long, hide = true)]
    cache_from: Vec<String>,
    #[arg(long, hide = true)]
    cache_to: Vec<String>,
    #[arg(long, hide = true)]
    attest: Vec<String>,
    #[arg(long, hide = true)]
    provenance: Option<String>,
    #[arg(long, hide = true)]
    sbom: Option<String>,
    #[arg(long, hide = true)]
    builder: Option<String>,
    #[arg(long, hide = true)]
    isolation: Option<String>,
    #[arg(long, hide = true)]
    security_opt: Vec<String>,
}

impl Ignored {
    fn check(&self) -> anyhow::Result<()> {
        let asks = |text: &&str| !["", "false", "disabled=true"].contains(text);
        let attests = |text: &String| !text.contains("disabled=true");
        let inline = |text: &String| text.split(',').any(|item| item == "type=inline");
        let attestations = "images get no attestations";
        crate::refused::builder(self.builder.as_deref())?;
        crate::refused::content_trust(self.disable_content_trust)?;
        refuse(&[
            Flag {
                name: "--cache-to",
                given: !self.cache_to.iter().all(|text| text.is_empty() || inline(text)),
                why: "the build cache stays on this machine",
            },
            Flag { name: "--attest", given: self.attest.iter().any(attests), why: attestations },
            Flag {
                name: "--provenance",
                given: self.provenance.as_deref().is_some_and(|text| asks(&text)),
                why: attestations,
            },
            Flag {
                name: "--sbom",
                given: self.sbom.as_deref().is_some_and(|text| asks(&text)),
                why: attestations,
            },
            Flag {
                name: "--isolation",
                given: self.isolation.as_deref().is_some_and(|mode| !["", "default"].contains(&mode)),
                why: "it is Windows'",
            },
            Flag {
                name: "--security-opt",
                given: !self.security_opt.is_empty(),
                why: "RUN steps have the default profiles",
            },
        ])?;
        for (flag, given) in [("--cache-from", &self.cache_from), ("--cache-to", &self.cache_to)] {
            if given.iter().any(|text| !text.is_empty()) {
                crate::error::warn(&format!("{flag} has no effect: the build cache is this machine's"), None);
            }
        }
        Ok(())
    }
}

/// `docker build`.
pub(crate) fn main(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Line = crate::flags::parse(&session.path("build"), args)?;
    line.ignored.check()?;
    let engine = session.engine()?;
    let mode = Mode::choose(line.progress.as_deref(), line.quiet)?;
    let call = call::Call::parse(line.call.as_deref().unwrap_or_default(), line.check)?;
    let outputs = given(&line.output).map(output::parse).collect::<Result<Vec<_>, _>>()?;
    let mut request = request(engine, &line)?;
    let checkout = context::fill(&mut request, &line.context, line.file.as_deref(), mode)?;
    if let Some(code) = call.answer(engine, &request)? {
        return Ok(code);
    }
    engine.require_root()?;
    let id = run(engine, &mut request, mode)?;
    drop(checkout);
    outputs.iter().try_for_each(|wanted| output::write(engine, &id, wanted))?;
    if let Some(file) = line.metadata_file.as_ref().filter(|file| !file.is_empty()) {
        let names: Vec<String> = request.tags.iter().map(|tag| tag.canonical().to_string()).collect();
        let about = serde_json::json!({"containerimage.config.digest": id, "image.name": names.join(",")});
        let text = serde_json::to_string_pretty(&about)?;
        std::fs::write(file, text).with_context(|| format!("cannot write {file}"))?;
    }
    if let Some(file) = line.iidfile.as_ref().filter(|file| !file.is_empty()) {
        std::fs::write(file, &id).with_context(|| format!("cannot write {file}"))?;
    }
    // Standard output may be an archive's.
    if line.quiet && outputs.iter().all(|wanted| *wanted == output::Wanted::Image) {
        print_line(&id)?;
    }
    Ok(0)
}

/// Builds and returns the image ID.
fn run(engine: &Engine, request: &mut Request, mode: Mode) -> anyhow::Result<String> {
    let site = Site::new(engine)?;
    if let Some(note) = &site.note {
        crate::error::warn(&note.message, note.hint.as_deref());
    }
    let printer = Printer::new(mode);
    let interruption = Interruption::watch()?;
    // This is the only thread: no other process is needed to start those of `RUN` steps.
    let outcome = site.build(request, Processes::Caller, &printer, &interruption.cancel);
    printer.finish("", request, &outcome);
    match outcome {
        Ok(outcome) => Ok(outcome.image_id.to_string()),
        Err(tare_build::Error::Cancelled) => Err(interruption.failure()),
        Err(error) => Err(error.into()),
    }
}

/// From now on, and as long as it lives, the first Ctrl-C asks builds to end.
pub(crate) struct Interruption {
    interrupts: Interrupts,
    pub(crate) cancel: Cancel,
}

impl Interruption {
    pub(crate) fn watch() -> anyhow::Result<Interruption> {
        let signals = [Signal::INT, Signal::TERM, Signal::HUP];
        let interrupts = Interrupts::watch(&signals).context("cannot watch for signals")?;
        let watched = interrupts.as_fd().try_clone_to_owned().context("cannot duplicate a descriptor")?;
        Ok(Interruption { interrupts, cancel: Cancel::watching(watched) })
    }

    /// The signal that came; to be asked once.
    pub(crate) fn signal(&self) -> Option<Signal> {
        self.interrupts.take().ok().flatten()
    }

    fn failure(&self) -> anyhow::Error {
        cancelled(self.signal().unwrap_or(Signal::INT))
    }
}

/// «build cancelled», with the exit code of the signal.
pub(crate) fn cancelled(signal: Signal) -> anyhow::Error {
    let code = u8::try_from(128 + signal.number()).unwrap_or(130);
    Failure::new(tare_build::Error::Cancelled.to_string()).with_code(code).into()
}

/// What builds get of this machine's certificates and proxies.
pub(crate) fn host_trust() -> HostTrust {
    HostTrust {
        ca_bundle: crate::commands::image::pull::ca_bundle(),
        proxy_env: crate::commands::image::pull::proxies(),
    }
}

fn request(engine: &Engine, line: &Line) -> anyhow::Result<Request> {
    let (cache, run) = (engine.paths().build_cache(), engine.paths().run.clone());
    let mut request = Request::new(String::new(), Context::Empty, cache, run);
    request.pull_options = crate::commands::pull_options();
    request.host_trust = host_trust();
    request.tags =
        line.tag.iter().map(|tag| crate::commands::image::tag::reference(tag)).collect::<Result<_, _>>()?;
    request.target.clone_from(&line.target);
    for text in &line.build_arg {
        // Without a value it is the environment's.
        let (key, value) = match text.split_once('=') {
            Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
            None => (text.clone(), std::env::var(text).ok()),
        };
        request.build_args.insert(key, value);
    }
    for label in &line.label {
        let (key, value) = pair(label);
        if key.is_empty() {
            return Err(Failure::new(format!("invalid label {label:?}: empty name")).into());
        }
        request.labels.insert(key, value);
    }
    let stages: Vec<String> = given(&line.no_cache_filter).map(str::to_owned).collect();
    request.cache = match (line.no_cache, stages.is_empty()) {
        (true, _) => CachePolicy::Ignore,
        (false, false) => CachePolicy::IgnoreStages(stages),
        (false, true) => CachePolicy::Use,
    };
    request.cgroup_parent = line.cgroup_parent.clone().filter(|parent| !parent.is_empty());
    if let Some(Some(name)) = request.build_args.get("BUILDKIT_SANDBOX_HOSTNAME") {
        request.hostname.clone_from(name);
    }
    request.epoch = epoch(&mut request.build_args)?;
    if line.platform.as_deref() == Some("") {
        return Err(Failure::new("\"\": invalid platform").into());
    }
    request.pull = if line.pull { PullPolicy::Always } else { PullPolicy::Missing };
    request.platform =
        crate::commands::image::pull::platform_of(line.platform.as_deref().unwrap_or_default())?;
    request.network = BuildNetwork::parse(&line.network)?;
    for text in given(&line.add_host) {
        let (name, address) = text
            .split_once('=')
            .or_else(|| text.split_once(':'))
            .ok_or_else(|| Failure::new(format!("invalid host {text}")))?;
        request.extra_hosts.push((name.to_owned(), address.trim_matches(['[', ']']).to_owned()));
    }
    if let Some(text) = &line.shm_size {
        let size = human::parse_size(text).ok_or_else(|| {
            Failure::new(format!("invalid argument {text:?} for \"--shm-size\" flag: invalid size: '{text}'"))
                .with_code(OWN_FAILURE)
        })?;
        request.shm_size = Some(size);
    }
    line.limits.fill(&mut request)?;
    request.secrets = given(&line.secret).map(secret).collect::<Result<_, _>>()?;
    request.ssh = given(&line.ssh).map(ssh_agent).collect::<Result<_, _>>()?;
    for text in given(&line.build_context) {
        let (name, source) = text
            .split_once('=')
            .ok_or_else(|| Failure::new(format!("invalid build context {text}: use name=path")))?;
        request.contexts.insert(name, NamedContext::parse(source)?);
    }
    request.entitlements = given(&line.allow).map(Entitlement::parse).collect::<Result<_, _>>()?;
    if line.network == "host" {
        // The flag says it already.
        request.entitlements.push(Entitlement::NetworkHost);
    }
    Ok(request)
}

/// The values of a flag but empty ones, which say nothing.
fn given(values: &[String]) -> impl Iterator<Item = &str> {
    values.iter().map(String::as_str).filter(|value| !value.is_empty())
}

/// `SOURCE_DATE_EPOCH`, given as a build argument or in the environment; it counts as an argument in either case.
fn epoch(arguments: &mut indexmap::IndexMap<String, Option<String>>) -> anyhow::Result<Option<i64>> {
    const NAME: &str = "SOURCE_DATE_EPOCH";
    if !arguments.contains_key(NAME)
        && let Ok(value) = std::env::var(NAME)
    {
        arguments.insert(NAME.to_owned(), Some(value));
    }
    let Some(text) = arguments.get(NAME).cloned().flatten().filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let wrong =
        |_| Failure::new(format!("invalid {NAME}: {text}")).with_hint("give it in seconds since 1970");
    Ok(Some(text.parse::<i64>().map_err(wrong)?))
}

/// `id=x,src=file`, `id=x,env=NAME`, `id=NAME`.
fn secret(text: &str) -> anyhow::Result<Secret> {
    let (mut id, mut file, mut variable) = (String::new(), None, None);
    for field in csv::columns(text) {
        let (key, value) = pair(&field);
        match key.as_str() {
            "id" => id = value,
            "src" | "source" => file = Some(PathBuf::from(value)),
            "env" => variable = Some(value),
            "type" if value == "env" => variable = variable.or_else(|| Some(id.clone())),
            "type" => {}
            other => return Err(Failure::new(format!("unexpected key '{other}' in secret {text}")).into()),
        }
    }
    if id.is_empty() {
        return Err(Failure::new(format!("secret {text}: id is missing")).into());
    }
    let source = match (file, variable) {
        (Some(file), _) => return Ok(Secret::in_file(id, file)?),
        // Without either it is the variable of that name, else the file.
        (None, None) if std::env::var_os(&id).is_none() && Path::new(&id).is_file() => {
            SecretSource::File(PathBuf::from(&id))
        }
        (None, name) => {
            let name = name.unwrap_or_else(|| id.clone());
            // A variable that is not set is an empty secret, as with BuildKit.
            let value = std::env::var_os(&name).unwrap_or_default();
            SecretSource::Value(std::os::unix::ffi::OsStringExt::into_vec(value))
        }
    };
    Ok(Secret { id, source })
}

/// `default`, `id` or `id=socket`.
fn ssh_agent(text: &str) -> anyhow::Result<SshAgent> {
    let (id, socket) = ssh_words(text);
    Ok(SshAgent::found(&id, socket, std::env::var_os("SSH_AUTH_SOCK").map(PathBuf::from))?)
}

/// The same in its parts.
pub(crate) fn ssh_words(text: &str) -> (String, Option<PathBuf>) {
    match text.split_once('=') {
        Some((id, path)) => {
            (id.to_owned(), Some(PathBuf::from(path)).filter(|path| !path.as_os_str().is_empty()))
        }
        None => (text.to_owned(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets() {
        assert!(matches!(secret("id=PATH").unwrap().source, SecretSource::Value(_)));
        assert!(matches!(secret("id=x,env=PATH").unwrap().source, SecretSource::Value(_)));
        assert!(secret("id=x,env=NO_SUCH_VARIABLE_IS_SET").is_ok());
        assert!(secret("id=x,src=/nonexistent").is_err());
        assert!(secret("src=/etc/passwd").is_err());
    }
}
