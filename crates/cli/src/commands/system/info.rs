//! `docker info`.

use serde_json::Value as Json;
use tare_api::InfoContext;

use crate::commands::system::version::VERSION;
use crate::error::{Failure, UNREADABLE_TEMPLATE};
use crate::output::{human, print, print_line};
use crate::session::Session;
use tare_template::{Format, Missing, record};

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
        None | Some("") => print(&text(&facts, &session.engine()?.paths().run))?,
        Some("json") => print_line(&facts.to_string())?,
        Some(source) => {
            let format = Format::parse(source)
                .map_err(|error| Failure::new(error.to_string()).with_code(UNREADABLE_TEMPLATE))?;
            print_line(&format.render(&record(&facts), Missing::NoValue)?)?;
        }
    }
    Ok(0)
}

fn facts(session: &Session) -> anyhow::Result<Json> {
    let engine = session.engine()?;
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let context = InfoContext {
        version: VERSION.to_owned(),
        context: session.destination.context_name(),
        http_proxy: variable("HTTP_PROXY"),
        https_proxy: variable("HTTPS_PROXY"),
        no_proxy: variable("NO_PROXY"),
    };
    Ok(tare_api::info(&engine.facts()?, engine.paths(), &context))
}

fn text(facts: &Json, run: &std::path::Path) -> String {
    let field = |key: &str| match &facts[key] {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    };
    let memory = human::size_binary(facts["MemTotal"].as_u64().unwrap_or(0));
    format!(
        "Client: tare {VERSION}\n\nServer: none is needed\n Containers: {}\n  Running: {}\n  Paused: {}\n  Stopped: {}\n \
         Images: {}\n Storage Driver: overlay2\n Logging Driver: json-file\n Cgroup Driver: cgroupfs\n \
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
        run.display(),
    )
}
