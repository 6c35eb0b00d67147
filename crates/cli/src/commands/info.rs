//! `docker info`.

use gotmpl::MissingKey;
use serde_json::{Value as Json, json};
use tare_engine::State;

use super::version::VERSION;
use crate::output::template::{Format, value};
use crate::output::{human, print, print_line};
use crate::session::Session;

#[derive(clap::Parser)]
struct Line {
    /// Format output using a custom template
    #[arg(short, long)]
    format: Option<String>,
}

/// `docker info`.
pub(crate) fn main(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Line = crate::flags::parse(&session.path("info"), args)?;
    let facts = facts(session)?;
    match line.format.as_deref() {
        None | Some("") => print(&text(&facts))?,
        Some("json") => print_line(&facts.to_string())?,
        Some(source) => print_line(&Format::parse(source, MissingKey::Error)?.render(&value(&facts))?)?,
    }
    Ok(0)
}

fn facts(session: &Session) -> anyhow::Result<Json> {
    let engine = session.engine()?;
    let containers = engine.containers()?;
    let running =
        containers.iter().filter(|container| matches!(&container.state, State::Running(run) if !run.paused));
    let paused =
        containers.iter().filter(|container| matches!(&container.state, State::Running(run) if run.paused));
    let (running, paused) = (running.count(), paused.count());
    let uname = rustix::system::uname();
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = meminfo.split_whitespace().nth(1).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let system = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).unwrap_or("Linux");
    let unified = std::path::Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    Ok(json!({
        "ID": uname.nodename().to_string_lossy(),
        "Containers": containers.len(),
        "ContainersRunning": running,
        "ContainersPaused": paused,
        "ContainersStopped": containers.len() - running - paused,
        "Images": engine.images()?.list()?.len(),
        "Driver": "overlayfs",
        "LoggingDriver": "json-file",
        "CgroupDriver": "cgroupfs",
        "CgroupVersion": if unified { "2" } else { "1" },
        "DockerRootDir": engine.paths().root.to_string_lossy(),
        "RunDir": engine.paths().run.to_string_lossy(),
        "KernelVersion": uname.release().to_string_lossy(),
        "OperatingSystem": system.trim_matches('"'),
        "OSType": "linux",
        "Architecture": uname.machine().to_string_lossy(),
        "NCPU": cpus,
        "MemTotal": kib * 1024,
        "Name": uname.nodename().to_string_lossy(),
        "ServerVersion": VERSION,
        "DefaultRuntime": "tare",
        "SecurityOptions": ["name=seccomp,profile=builtin"],
        "Swarm": {"LocalNodeState": "inactive"},
        "LiveRestoreEnabled": true,
        "Warnings": Json::Null,
    }))
}

fn text(facts: &Json) -> String {
    let field = |key: &str| match &facts[key] {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    };
    let memory = human::size_binary(facts["MemTotal"].as_u64().unwrap_or(0));
    format!(
        "Client: tare {VERSION}\n\nServer: none is needed\n Containers: {}\n  Running: {}\n  Paused: {}\n  Stopped: {}\n \
         Images: {}\n Storage Driver: overlayfs\n Logging Driver: json-file\n Cgroup Driver: cgroupfs\n \
         Cgroup Version: {}\n Kernel Version: {}\n Operating System: {}\n OSType: linux\n Architecture: {}\n CPUs: {}\n \
         Total Memory: {memory}\n Name: {}\n Docker Root Dir: {}\n Run Dir: {}\n",
        field("Containers"),
        field("ContainersRunning"),
        field("ContainersPaused"),
        field("ContainersStopped"),
        field("Images"),
        field("CgroupVersion"),
        field("KernelVersion"),
        field("OperatingSystem"),
        field("Architecture"),
        field("NCPU"),
        field("Name"),
        field("DockerRootDir"),
        field("RunDir"),
    )
}
