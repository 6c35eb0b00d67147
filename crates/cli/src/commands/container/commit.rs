//! `docker commit`.

use tare_engine::commit::{CommitOptions, Meanwhile};
use tare_oci::RunConfig;

use crate::commands::container::run_flags::pair;
use crate::error::Failure;
use crate::output::print_line;
use crate::session::Session;

#[derive(clap::Parser)]
struct Line {
    /// Author
    #[arg(short, long, default_value = "")]
    author: String,
    /// Apply Dockerfile instruction to the created image
    #[arg(short, long, value_name = "list")]
    change: Vec<String>,
    /// Commit message
    #[arg(short, long, default_value = "")]
    message: String,
    /// Pause container during commit
    #[arg(short, long, default_value = "true", num_args = 0..=1, require_equals = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    pause: bool,
    /// Container
    #[arg(value_name = "CONTAINER")]
    name: String,
    /// Name
    #[arg(value_name = "REPOSITORY[:TAG]")]
    image: Option<String>,
}

/// `docker commit`.
pub(crate) fn main(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Line = crate::flags::parse(&session.path("commit"), args)?;
    let engine = session.engine()?;
    let reference = line.image.as_deref().map(crate::commands::image::tag::reference).transpose()?;
    let mut config = engine.commit_base(&line.name)?;
    apply_changes(&mut config, &line.change)?;
    let meanwhile = if line.pause { Meanwhile::Paused } else { Meanwhile::Running };
    let (author, message) = (line.author, line.message);
    let options = CommitOptions { reference, author, message, config: Some(config), meanwhile };
    print_line(&engine.commit(&line.name, options)?.to_string())?;
    Ok(0)
}

/// Applies `--change` instructions: the ones that shape what a container of the image runs.
pub(crate) fn apply_changes(config: &mut RunConfig, changes: &[String]) -> anyhow::Result<()> {
    for change in changes {
        let (word, rest) = change.trim().split_once(char::is_whitespace).unwrap_or((change, ""));
        let rest = rest.trim();
        match word.to_ascii_uppercase().as_str() {
            "CMD" => config.cmd = Some(words(rest)),
            "ENTRYPOINT" => config.entrypoint = Some(words(rest)),
            "ENV" => {
                let (key, value) = if rest.contains('=') {
                    pair(rest)
                } else {
                    rest.split_once(' ').map_or((rest.to_owned(), String::new()), |(key, value)| {
                        (key.to_owned(), value.trim().to_owned())
                    })
                };
                let value = value.trim_matches('"');
                config.env.retain(|known| known.split('=').next() != Some(key.as_str()));
                config.env.push(format!("{key}={value}"));
            }
            "EXPOSE" => {
                for port in rest.split_whitespace() {
                    let ports = tare_engine::config::flags::ports::exposed(port).map_err(Failure::new)?;
                    config.exposed_ports.extend(ports);
                }
            }
            "LABEL" => {
                let (key, value) = pair(rest);
                config.labels.insert(key, value.trim_matches('"').to_owned());
            }
            "USER" => rest.clone_into(&mut config.user),
            "VOLUME" => config.volumes.extend(words_or_json(rest)),
            "WORKDIR" => rest.clone_into(&mut config.working_dir),
            "STOPSIGNAL" => rest.clone_into(&mut config.stop_signal),
            "ONBUILD" => config.on_build.push(rest.to_owned()),
            other => return Err(Failure::new(format!("{other} is not a valid change command")).into()),
        }
    }
    Ok(())
}

/// The exec form as it is, the shell form through a shell.
fn words(text: &str) -> Vec<String> {
    serde_json::from_str(text)
        .unwrap_or_else(|_| vec!["/bin/sh".to_owned(), "-c".to_owned(), text.to_owned()])
}

fn words_or_json(text: &str) -> Vec<String> {
    serde_json::from_str(text).unwrap_or_else(|_| text.split_whitespace().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_shape_the_config() {
        let mut config = RunConfig { env: vec!["A=1".into()], ..RunConfig::default() };
        let changes =
            ["CMD [\"a\", \"b\"]", "ENV A=2", "ENV B c d", "EXPOSE 80", "WORKDIR /x", "ENTRYPOINT run it"];
        apply_changes(&mut config, &changes.map(str::to_owned)).unwrap();
        assert_eq!(config.cmd.unwrap(), ["a", "b"]);
        assert_eq!(config.env, ["A=2", "B=c d"]);
        assert!(config.exposed_ports.contains("80/tcp"));
        assert_eq!(config.entrypoint.unwrap(), ["/bin/sh", "-c", "run it"]);
        assert!(apply_changes(&mut RunConfig::default(), &["RUN x".to_owned()]).is_err());
    }
}
