//! `post_start` and `pre_stop`: commands in a container at two moments of its life.
//!
//! A process in a container begins as a copy of a process with one thread, and the executor has several; so the engine's
//! spawner makes it.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read};
use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};

use tare_compose_model::Hook;
use tare_engine::exec::ExecConfig;
use tare_engine::{Container, Engine};
use tare_runtime::Stdio;
use tare_words::ErrorKind;

use super::{Executor, StepError};
use crate::observe_engine::label_of;

/// When a hook runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Right after the start.
    PostStart,
    /// Before the stop signal.
    PreStop,
}

impl Moment {
    /// The key in the file.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::PostStart => "post_start",
            Self::PreStop => "pre_stop",
        }
    }
}

/// Is told what hooks print, line by line.
pub trait HookOutput: Sync {
    /// One line of a hook in the container that `label` names.
    fn line(&self, label: &str, line: &str);
}

/// Hooks print nothing; when one fails, the end of what it said stands in the error.
#[derive(Debug, Clone, Copy)]
pub struct Dropped;

impl HookOutput for Dropped {
    fn line(&self, _: &str, _: &str) {}
}

/// Why a hook failed.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// It could not be run.
    #[error(transparent)]
    Engine(Box<tare_engine::Error>),
    /// Its output could not be read.
    #[error("`{command}`: its output cannot be read")]
    Output {
        /// The command.
        command: String,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// It ended with a status other than 0.
    #[error("`{command}` exited with status {status}{}", said(lines))]
    Failed {
        /// The command.
        command: String,
        /// Its status, 128+n after signal n.
        status: i32,
        /// The last lines that it printed.
        lines: Vec<String>,
    },
}

impl From<tare_engine::Error> for HookError {
    fn from(error: tare_engine::Error) -> Self {
        Self::Engine(Box::new(error))
    }
}

impl HookError {
    /// What kind of error it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Engine(error) => error.kind(),
            Self::Output { .. } => ErrorKind::System,
            Self::Failed { .. } => ErrorKind::BadParameter,
        }
    }
}

fn said(lines: &[String]) -> String {
    if lines.is_empty() { String::new() } else { format!(": {}", lines.join("\n")) }
}

/// Lines that an error shows at most.
const SHOWN: usize = 5;

/// Runs a hook in a running container and waits for its end. `variable` has the caller's variables, for those that the
/// hook names without a value.
///
/// # Errors
/// The command cannot be run, or failed.
pub fn run(
    engine: &Engine,
    container: &Container,
    hook: &Hook,
    variable: &(dyn Fn(&str) -> Option<String> + Sync),
    output: &dyn HookOutput,
) -> Result<(), HookError> {
    let command = hook.command.iter().flatten().map(String::as_str).collect::<Vec<_>>().join(" ");
    let unreadable = |source| HookError::Output { command: command.clone(), source };
    let (out, stdout) = io::pipe().map_err(unreadable)?;
    let (err, stderr) = io::pipe().map_err(unreadable)?;
    let stdin = File::open("/dev/null").map_err(unreadable)?.into();
    let stdio = Stdio::Streams { stdin, stdout: OwnedFd::from(stdout), stderr: OwnedFd::from(stderr) };
    let executing = engine.exec_apart(&container.id, &config(hook, variable), stdio)?;
    let label = label_of(container);
    let last = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        scope.spawn(|| show(&label, out, output, &last));
        show(&label, err, output, &last);
    });
    match engine.wait_exec(&executing) {
        0 => Ok(()),
        status => {
            let lines = last.into_inner().unwrap_or_else(PoisonError::into_inner);
            Err(HookError::Failed { command, status, lines })
        }
    }
}

fn config(hook: &Hook, variable: &(dyn Fn(&str) -> Option<String> + Sync)) -> ExecConfig {
    let given = |(key, value): (&String, &Option<String>)| {
        let value = value.clone().or_else(|| variable(key))?;
        Some(format!("{key}={value}"))
    };
    ExecConfig {
        argv: hook.command.iter().flatten().cloned().collect(),
        env: hook.environment.iter().filter_map(given).collect(),
        user: hook.user.clone().unwrap_or_default(),
        working_dir: hook.working_dir.clone().unwrap_or_default(),
        tty: false,
        privileged: hook.privileged,
    }
}

/// Passes the lines of a stream on as they come, and keeps the last ones.
fn show(label: &str, stream: impl Read, output: &dyn HookOutput, last: &Mutex<Vec<String>>) {
    for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line).into_owned();
        output.line(label, &line);
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() == SHOWN {
            last.remove(0);
        }
        last.push(line);
    }
}

impl Executor<'_> {
    /// Runs a service's hooks in one of its containers, one after the other, up to the first that fails.
    ///
    /// # Errors
    /// That one's, and the engine's. Nothing runs in a container that does not.
    pub fn run_hooks(&self, service: &str, id: &str, moment: Moment) -> Result<(), StepError> {
        let Some(known) = self.project.services.get(service) else { return Ok(()) };
        let hooks = match moment {
            Moment::PostStart => &known.post_start,
            Moment::PreStop => &known.pre_stop,
        };
        for hook in hooks {
            let container = match self.engine.container(id) {
                Err(tare_engine::Error::NoSuchContainer(_)) => return Ok(()),
                found => found?,
            };
            if container.running().is_err() {
                return Ok(());
            }
            let ran = run(self.engine, &container, hook, self.variable, self.hook_output);
            ran.map_err(|source| StepError::Hook {
                service: service.to_owned(),
                moment,
                source: Box::new(source),
            })?;
        }
        Ok(())
    }

    /// What a failed `pre_stop` says; the container is stopped all the same.
    pub(super) fn before_stop(&self, service: &str, id: &str) -> Result<Option<StepError>, StepError> {
        match self.run_hooks(service, id, Moment::PreStop) {
            Err(error @ StepError::Hook { .. }) => Ok(Some(error)),
            other => other.map(|()| None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hook_becomes_an_exec() {
        let hook: Hook = serde_json::from_str(
            r#"{"command": ["sh", "-c", "x"], "user": "root", "privileged": true, "working_dir": "/w",
                "environment": {"A": "b", "HOST": null, "NONE": null}}"#,
        )
        .unwrap();
        let variable = |name: &str| (name == "HOST").then(|| "h".to_owned());
        let config = config(&hook, &variable);
        assert_eq!(config.argv, ["sh", "-c", "x"]);
        assert_eq!(config.env, ["A=b", "HOST=h"]);
        assert_eq!((config.user.as_str(), config.working_dir.as_str()), ("root", "/w"));
        assert!(config.privileged && !config.tty);
    }
}
