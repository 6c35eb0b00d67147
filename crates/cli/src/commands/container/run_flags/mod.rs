//! The flags of `run` and `create`: what was typed ([`ContainerFlags`]), turned into what it means
//! ([`ContainerConfig`]) with every value checked before anything is done.
//!
//! One file per family: [`process`], [`network`], [`storage`], [`resources`], [`security`], [`lifecycle`].

pub(crate) mod environment;
mod lifecycle;
mod network;
mod process;
pub(crate) mod resources;
mod security;
mod storage;

use std::path::PathBuf;

use clap::Args;
use tare_engine::config::ContainerConfig;

use crate::error::Failure;

pub(crate) use tare_engine::config::flags::pair;

/// What parsing needs to know of the world: handed in, so that tests need no real one.
pub(crate) struct Host<'a> {
    /// An environment variable.
    pub(crate) variable: &'a dyn Fn(&str) -> Option<String>,
    /// Working directory, for relative bind sources; `None` when it has been removed.
    pub(crate) directory: Option<PathBuf>,
}

/// Flags that shape a container, of `run` and `create` alike.
#[derive(Args, Debug, Clone)]
pub(crate) struct ContainerFlags {
    #[command(flatten)]
    pub(crate) process: process::ProcessFlags,
    #[command(flatten)]
    pub(crate) network: network::NetworkFlags,
    #[command(flatten)]
    pub(crate) storage: storage::StorageFlags,
    #[command(flatten)]
    pub(crate) resources: resources::ResourceFlags,
    #[command(flatten)]
    pub(crate) security: security::SecurityFlags,
    #[command(flatten)]
    pub(crate) lifecycle: lifecycle::LifecycleFlags,
    /// Image, command and its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "IMAGE [COMMAND] [ARG...]")]
    pub(crate) words: Vec<String>,
}

/// A container as asked for.
#[derive(Debug)]
pub(crate) struct Requested {
    /// Its configuration.
    pub(crate) config: ContainerConfig,
    /// Flags that were read and have no effect here.
    pub(crate) warnings: Vec<String>,
}

impl ContainerFlags {
    /// Checks every flag and gives the container they ask for. `path` is the command, for usage errors.
    pub(crate) fn resolve(&self, path: &str, host: &Host<'_>) -> anyhow::Result<Requested> {
        crate::flags::refuse_leading_flag(path, &self.words)?;
        let Some((image, command)) = self.words.split_first() else {
            let program = path.split(' ').next().unwrap_or(path);
            let text = format!(
                "{program}: '{path}' requires at least 1 argument\n\nUsage:  {path} [OPTIONS] IMAGE [COMMAND] [ARG...]\n\n\
                 Run '{path} --help' for more information"
            );
            return Err(Failure::usage(1, text).into());
        };
        let mut config = ContainerConfig { image: image.clone(), ..ContainerConfig::default() };
        config.cmd = (!command.is_empty()).then(|| command.to_vec());
        let mut warnings = Vec::new();
        self.process.apply(&mut config, host)?;
        self.network.apply(&mut config)?;
        self.storage.apply(&mut config, host)?;
        self.resources.apply(&mut config, &mut warnings)?;
        self.security.apply(&mut config)?;
        self.lifecycle.apply(&mut config)?;
        Ok(Requested { config, warnings })
    }
}

/// «invalid argument "x" for "--flag": why», Docker's form.
pub(crate) fn invalid(flag: &str, value: &str, why: &str) -> anyhow::Error {
    Failure::usage(crate::error::OWN_FAILURE, format!("invalid argument {value:?} for {flag:?} flag: {why}"))
        .into()
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        container: ContainerFlags,
    }

    /// What a `docker run` line asks for, in a world with one variable and `/home/me` as working directory.
    pub(crate) fn request(line: &[&str]) -> anyhow::Result<Requested> {
        let args: Vec<String> = line.iter().map(|word| (*word).to_owned()).collect();
        let parsed = crate::flags::parse::<Line>("docker run", &args)?;
        let variable = |name: &str| (name == "FROM_HOST").then(|| "yes".to_owned());
        parsed
            .container
            .resolve("docker run", &Host { variable: &variable, directory: Some("/home/me".into()) })
    }

    /// Its configuration.
    pub(crate) fn config(line: &[&str]) -> ContainerConfig {
        request(line).expect("the line parses").config
    }

    /// Why a line is refused.
    pub(crate) fn refusal(line: &[&str]) -> String {
        request(line).expect_err("the line is refused").to_string()
    }
}
