//! `docker info`.

use gotmpl::MissingKey;
use serde_json::{Value as Json, json};
use tare_engine::State;

use crate::commands::system::version::VERSION;
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
    let mut security = vec!["name=seccomp,profile=builtin"];
    if tare_engine::apparmor::is_on() {
        security.insert(0, "name=apparmor");
    }
    let mut facts = json!({
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
        "SecurityOptions": security,
        "Swarm": {"LocalNodeState": "inactive"},
        "LiveRestoreEnabled": true,
        "Warnings": Json::Null,
    });
    // In two parts: the macro has its limit.
    if let (Json::Object(facts), Json::Object(more)) = (&mut facts, for_tools()) {
        facts.extend(more);
    }
    Ok(facts)
}

/// What tools look for to know what the engine can do.
fn for_tools() -> Json {
    let proxy = |name: &str| std::env::var(name).unwrap_or_default();
    let is_on = |path: &str| std::fs::read_to_string(path).is_ok_and(|text| text.trim() == "1");
    json!({
        "DriverStatus": [["Supports d_type", "true"], ["Using metacopy", "false"], ["Native Overlay Diff", "true"]],
        "Plugins": {"Volume": ["local"], "Network": ["bridge", "host", "null"], "Authorization": null,
                    "Log": ["json-file", "local", "none"]},
        "MemoryLimit": true,
        "SwapLimit": true,
        "CpuCfsPeriod": true,
        "CpuCfsQuota": true,
        "CPUShares": true,
        "CPUSet": true,
        "PidsLimit": true,
        "OomKillDisable": false,
        "IPv4Forwarding": is_on("/proc/sys/net/ipv4/ip_forward"),
        "Debug": false,
        "SystemTime": jiff::Timestamp::now().to_string(),
        "IndexServerAddress": "https://index.docker.io/v1/",
        "RegistryConfig": {"IndexConfigs": {}, "InsecureRegistryCIDRs": [], "Mirrors": null},
        "GenericResources": null,
        "HttpProxy": proxy("HTTP_PROXY"),
        "HttpsProxy": proxy("HTTPS_PROXY"),
        "NoProxy": proxy("NO_PROXY"),
        "Labels": [],
        "ExperimentalBuild": false,
        "Runtimes": {"tare": {"path": "tare"}},
        "InitBinary": "tare-init",
        "Isolation": "",
        "OSVersion": "",
        "ClientInfo": {"Debug": false, "Context": "default", "Plugins": [], "Warnings": null},
    })
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
