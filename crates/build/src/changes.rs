//! `--change` of `commit` and `import`: the instructions of a Dockerfile that shape what a container of an image runs.

use tare_dockerfile::{ExpandError, Expander, Instruction, ParseError, parse_change};
use tare_oci::RunConfig;
use tare_words::ErrorKind;

use crate::config;

/// Those that need no build.
const ALLOWED: [&str; 11] = [
    "CMD",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "HEALTHCHECK",
    "LABEL",
    "ONBUILD",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// Why a change is none.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// Another instruction, or none at all.
    #[error("{0} is not a valid change command")]
    NotAllowed(String),
    /// It cannot be read.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// A variable in it cannot be put in.
    #[error("--change {change:?}")]
    Expand {
        /// The change.
        change: String,
        /// Why.
        #[source]
        source: ExpandError,
    },
    /// What is no port.
    #[error("Invalid containerPort: {0}")]
    Port(String),
}

impl ChangeError {
    /// What kind of error it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::BadParameter
    }
}

/// Applies changes in their order; variables are those of the environment so far.
///
/// # Errors
/// The first change that is none.
pub fn apply_changes(run: &mut RunConfig, changes: &[String]) -> Result<(), ChangeError> {
    let mut has_cmd = false;
    for change in changes {
        let word = change.split_whitespace().next().unwrap_or_default();
        if !ALLOWED.contains(&word.to_ascii_uppercase().as_str()) {
            return Err(ChangeError::NotAllowed(word.to_owned()));
        }
        let instruction = parse_change(change)?;
        let variables = run.env.clone();
        let lookup = |name: &str| {
            let found = variables.iter().rev().find_map(|entry| entry.strip_prefix(name)?.strip_prefix('='));
            found.map(str::to_owned)
        };
        let expander = Expander::new(&lookup, '\\');
        let expand = |text: &String| {
            expander.word(text).map_err(|source| ChangeError::Expand { change: change.clone(), source })
        };
        match &instruction {
            // The command there was was meant for its own entrypoint.
            Instruction::Entrypoint(_) if !has_cmd => run.cmd = None,
            Instruction::Cmd(_) => has_cmd = true,
            _ => {}
        }
        apply(run, instruction, &expand)?;
    }
    Ok(())
}

fn apply(
    run: &mut RunConfig,
    instruction: Instruction,
    expand: &dyn Fn(&String) -> Result<String, ChangeError>,
) -> Result<(), ChangeError> {
    match instruction {
        Instruction::Cmd(command) => run.cmd = Some(config::words(&command, run)),
        Instruction::Entrypoint(command) => run.entrypoint = Some(config::words(&command, run)),
        Instruction::Env(pairs) => {
            for pair in &pairs {
                run.set_env(&expand(&pair.key)?, &expand(&pair.value)?);
            }
        }
        Instruction::Label(pairs) => {
            for pair in &pairs {
                run.labels.insert(expand(&pair.key)?, expand(&pair.value)?);
            }
        }
        Instruction::Expose(texts) => {
            for text in &texts {
                for port in expand(text)?.split_whitespace() {
                    let ports = config::ports(port).ok_or_else(|| ChangeError::Port(port.to_owned()))?;
                    run.exposed_ports.extend(ports);
                }
            }
        }
        Instruction::Volume(paths) => {
            for path in &paths {
                run.volumes.insert(expand(path)?);
            }
        }
        Instruction::User(user) => run.user = expand(&user)?,
        Instruction::StopSignal(signal) => run.stop_signal = expand(&signal)?,
        Instruction::Workdir(path) => run.working_dir = config::absolute(&run.working_dir, &expand(&path)?),
        Instruction::Healthcheck(check) => run.healthcheck = Some(config::healthcheck(&check)),
        Instruction::OnBuild(text) => run.on_build.push(text),
        other => return Err(ChangeError::NotAllowed(other.keyword().to_owned())),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(changes: &[&str]) -> Result<RunConfig, ChangeError> {
        let mut run = RunConfig {
            env: vec!["A=1".into()],
            cmd: Some(vec!["serve".into()]),
            working_dir: "/srv".into(),
            ..RunConfig::default()
        };
        let changes: Vec<String> = changes.iter().map(|change| (*change).to_owned()).collect();
        apply_changes(&mut run, &changes).map(|()| run)
    }

    #[test]
    fn changes_shape_the_config_as_a_dockerfile_does() {
        let run = changed(&[
            "ENV A=2 B=\"x y\"",
            "ENV C=$A-c",
            "env D e f",
            "EXPOSE 80 53/udp",
            "WORKDIR x",
            "LABEL k=\"v w\" l='m'",
            "VOLUME [\"/data\"]",
            "USER 7:8",
            "STOPSIGNAL SIGINT",
            "HEALTHCHECK --interval=3s CMD true",
            "ONBUILD RUN make",
            "CMD [\"a\", \"b\"]",
        ])
        .unwrap();
        assert_eq!(run.env, ["A=2", "B=x y", "C=2-c", "D=e f"]);
        assert!(run.exposed_ports.contains("80/tcp") && run.exposed_ports.contains("53/udp"));
        assert_eq!(
            (run.working_dir.as_str(), run.user.as_str(), run.stop_signal.as_str()),
            ("/srv/x", "7:8", "SIGINT")
        );
        assert_eq!((run.labels["k"].as_str(), run.labels["l"].as_str()), ("v w", "m"));
        assert!(run.volumes.contains("/data"));
        assert_eq!(run.healthcheck.unwrap().interval, 3_000_000_000);
        assert_eq!(run.on_build, ["RUN make"]);
        assert_eq!(run.cmd.unwrap(), ["a", "b"]);
    }

    #[test]
    fn a_new_entrypoint_drops_the_command_that_was_not_meant_for_it() {
        let run = changed(&["ENTRYPOINT run it"]).unwrap();
        assert_eq!(
            (run.entrypoint.unwrap(), run.cmd),
            (["/bin/sh", "-c", "run it"].map(str::to_owned).to_vec(), None)
        );
        let run = changed(&["CMD [\"x\"]", "ENTRYPOINT [\"/e\"]"]).unwrap();
        assert_eq!(run.cmd.unwrap(), ["x"]);
    }

    #[test]
    fn what_needs_a_build_is_refused() {
        for (change, said) in [
            ("RUN x", "RUN is not a valid change command"),
            ("FROM x", "FROM is not a valid change command"),
            ("", " is not a valid change command"),
            ("EXPOSE x", "Invalid containerPort: x"),
        ] {
            assert_eq!(changed(&[change]).unwrap_err().to_string(), said);
        }
        assert!(changed(&["ENV A"]).is_err() && changed(&["CMD x\nRUN y"]).is_err());
    }
}
