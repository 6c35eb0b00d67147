//! What runs: user, folder, terminal, environment, labels.

use clap::Args;
use tare_engine::config::ContainerConfig;

use super::{Host, environment, pair};
use crate::error::Failure;

/// The process's flags.
#[derive(Args, Debug, Clone)]
pub(crate) struct ProcessFlags {
    /// Keep STDIN open even if not attached
    #[arg(short, long)]
    pub(crate) interactive: bool,
    /// Allocate a pseudo-TTY
    #[arg(short, long)]
    pub(crate) tty: bool,
    /// Attach to STDIN, STDOUT or STDERR
    #[arg(short, long, value_name = "list")]
    pub(crate) attach: Vec<String>,
    /// Set environment variables
    #[arg(short, long, value_name = "list")]
    pub(crate) env: Vec<String>,
    /// Read in a file of environment variables
    #[arg(long, value_name = "list")]
    pub(crate) env_file: Vec<String>,
    /// Username or UID (format: <name|uid>[:<group|gid>])
    #[arg(short, long, value_name = "string")]
    pub(crate) user: Option<String>,
    /// Working directory inside the container
    #[arg(short, long, value_name = "string")]
    pub(crate) workdir: Option<String>,
    /// Container host name
    #[arg(short = 'h', long, value_name = "string")]
    pub(crate) hostname: Option<String>,
    /// Container NIS domain name
    #[arg(long, value_name = "string")]
    pub(crate) domainname: Option<String>,
    /// Overwrite the default ENTRYPOINT of the image
    #[arg(long, value_name = "string")]
    pub(crate) entrypoint: Option<String>,
    /// Assign a name to the container
    #[arg(long, value_name = "string")]
    pub(crate) name: Option<String>,
    /// Set meta data on a container
    #[arg(short, long, value_name = "list")]
    pub(crate) label: Vec<String>,
    /// Read in a line delimited file of labels
    #[arg(long, value_name = "list")]
    pub(crate) label_file: Vec<String>,
    /// Add an annotation to the container
    #[arg(long, value_name = "map")]
    pub(crate) annotation: Vec<String>,
    /// Add additional groups to join
    #[arg(long, value_name = "list")]
    pub(crate) group_add: Vec<String>,
    /// Run an init inside the container that forwards signals and reaps processes
    #[arg(long)]
    pub(crate) init: bool,
    /// Set platform if several are available
    #[arg(long, value_name = "string")]
    pub(crate) platform: Option<String>,
}

impl ProcessFlags {
    pub(super) fn apply(&self, config: &mut ContainerConfig, host: &Host<'_>) -> anyhow::Result<()> {
        config.tty = self.tty;
        config.open_stdin = self.interactive;
        // Of the client that is there from the beginning; `run -d` has none, and says so itself.
        let attached =
            self.attach.is_empty() || self.attach.iter().any(|name| name.eq_ignore_ascii_case("stdin"));
        config.stdin_once = self.interactive && attached;
        for file in &self.env_file {
            for line in environment::read(file)? {
                environment::push_line(&mut config.env, &line, host)?;
            }
        }
        for text in &self.env {
            environment::push(&mut config.env, text, host)?;
        }
        for file in &self.label_file {
            // A key without a value is passed over, as in Docker.
            let lines = environment::read(file)?;
            config.labels.extend(lines.iter().filter(|line| line.contains('=')).map(|line| pair(line)));
        }
        for label in &self.label {
            if label.is_empty() || label.starts_with('=') {
                return Err(super::invalid(
                    "-l, --label",
                    label,
                    &format!("invalid label format: {label:?}"),
                ));
            }
            config.labels.extend([pair(label)]);
        }
        for text in &self.annotation {
            if text.is_empty() || text.starts_with('=') {
                return Err(Failure::new(format!("invalid annotation {text:?}: it has no name")).into());
            }
            config.annotations.extend([pair(text)]);
        }
        for stream in &self.attach {
            if !matches!(stream.to_ascii_lowercase().as_str(), "stdin" | "stdout" | "stderr") {
                return Err(super::invalid(
                    "-a, --attach",
                    stream,
                    "valid streams are STDIN, STDOUT and STDERR",
                ));
            }
        }
        config.user = self.user.clone().unwrap_or_default();
        config.working_dir = self.workdir.clone().unwrap_or_default();
        config.hostname = self.hostname.clone().unwrap_or_default();
        config.domainname = self.domainname.clone().unwrap_or_default();
        config.name = self.name.clone().filter(|name| !name.is_empty());
        config.entrypoint = self
            .entrypoint
            .as_ref()
            .map(|entrypoint| if entrypoint.is_empty() { Vec::new() } else { vec![entrypoint.clone()] });
        config.group_add.clone_from(&self.group_add);
        config.init = self.init;
        config.platform = self.platform.clone().unwrap_or_default();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{config, refusal};

    #[test]
    fn image_and_command() {
        let read = config(&["-it", "--rm", "img", "sh", "-c", "echo -e --rm"]);
        assert_eq!(read.image, "img");
        assert_eq!(read.cmd.unwrap(), ["sh", "-c", "echo -e --rm"]);
        assert!(read.tty && read.open_stdin && read.auto_remove);
        assert!(config(&["img"]).cmd.is_none());
        assert!(refusal(&["--rm"]).contains("requires at least 1 argument"));
        assert!(refusal(&["--bogus", "img"]).starts_with("unknown flag: --bogus"));
    }

    #[test]
    fn environment_from_flags_and_host() {
        let read = config(&["-e", "A=b=c", "-e", "FROM_HOST", "-e", "UNSET_THERE", "img"]);
        assert_eq!(read.env, ["A=b=c", "FROM_HOST=yes", "UNSET_THERE"]);
        assert!(refusal(&["-e", "=x", "img"]).contains("invalid environment variable"));
    }

    #[test]
    fn an_empty_entrypoint_clears_the_images() {
        assert_eq!(config(&["--entrypoint", "", "img"]).entrypoint.unwrap(), Vec::<String>::new());
        assert_eq!(config(&["--entrypoint=sh", "img", "-c", "x"]).entrypoint.unwrap(), ["sh"]);
        assert!(refusal(&["-a", "stdfoo", "img"]).contains("valid streams"));
    }
}
