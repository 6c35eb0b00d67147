//! `--change` of `commit` and `import`: the Dockerfile's instructions that shape what a container of the image runs.

use tare_oci::RunConfig;

use super::{pair, ports};

/// Applies instructions.
///
/// # Errors
/// What is wrong with one, in Docker's words.
pub fn apply(config: &mut RunConfig, changes: &[String]) -> Result<(), String> {
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
                    config.exposed_ports.extend(ports::exposed(port)?);
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
            other => return Err(format!("{other} is not a valid change command")),
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
        apply(&mut config, &changes.map(str::to_owned)).unwrap();
        assert_eq!(config.cmd.unwrap(), ["a", "b"]);
        assert_eq!(config.env, ["A=2", "B=c d"]);
        assert!(config.exposed_ports.contains("80/tcp"));
        assert_eq!(config.entrypoint.unwrap(), ["/bin/sh", "-c", "run it"]);
        assert!(apply(&mut RunConfig::default(), &["RUN x".to_owned()]).is_err());
    }
}
