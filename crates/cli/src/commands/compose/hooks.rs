//! Hooks in processes of their own: each is a `docker exec` by this very binary, since a process in a container must be
//! started by one that has a single thread.

use std::io::{BufRead as _, BufReader, Read};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use tare_compose::execute::{Hooks, ImageError};
use tare_compose_model::Hook;
use tare_engine::Container;

use super::follow::label_of;
use crate::output::print_line;

/// Where the output of hooks goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HookOutput {
    /// Nowhere, unless the hook fails: then its end stands in the error.
    Dropped,
    /// Among the logs, behind the container's label.
    Labelled,
    /// Among the logs, as it is.
    Plain,
}

/// Runs hooks.
pub(super) struct Runner<'a> {
    pub(super) output: HookOutput,
    /// The caller's variables, for those that a hook names without a value.
    pub(super) variable: &'a (dyn Fn(&str) -> Option<String> + Sync),
}

/// Lines that an error shows at most.
const SHOWN: usize = 5;

impl Runner<'_> {
    fn words(&self, container: &str, hook: &Hook) -> Vec<String> {
        let mut words = vec!["exec".to_owned()];
        let mut flag = |name: &str, value: &Option<String>| {
            words.extend(value.iter().flat_map(|value| [name.to_owned(), value.clone()]));
        };
        flag("--user", &hook.user);
        flag("--workdir", &hook.working_dir);
        for (key, value) in &hook.environment {
            let value = value.clone().or_else(|| (self.variable)(key));
            flag("--env", &value.map(|value| format!("{key}={value}")));
        }
        words.extend(hook.privileged.then(|| "--privileged".to_owned()));
        words.push(container.to_owned());
        words.extend(hook.command.iter().flatten().cloned());
        words
    }

    /// Shows the lines of a stream as they come, and keeps the last ones.
    fn show(&self, label: &str, stream: impl Read, last: &Mutex<Vec<String>>) {
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).into_owned();
            // Without a reader the hook still runs to its end.
            let _ = match self.output {
                HookOutput::Dropped => Ok(()),
                HookOutput::Labelled => print_line(&format!("{label} ->  | {line}")),
                HookOutput::Plain => print_line(&line),
            };
            let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
            if last.len() == SHOWN {
                last.remove(0);
            }
            last.push(line);
        }
    }
}

impl Hooks for Runner<'_> {
    fn run(&self, container: &Container, hook: &Hook) -> Result<(), ImageError> {
        let mut child = Command::new("/proc/self/exe")
            .arg0("tare")
            .args(self.words(&container.id, hook))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C is for the one that brings the project up; a hook ends by itself.
            .process_group(0)
            .spawn()?;
        let label = label_of(container);
        let last = Mutex::new(Vec::new());
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        std::thread::scope(|scope| {
            scope.spawn(|| stdout.map(|stream| self.show(&label, stream, &last)));
            stderr.into_iter().for_each(|stream| self.show(&label, stream, &last));
        });
        let status = child.wait()?;
        if status.success() {
            return Ok(());
        }
        let command = hook.command.iter().flatten().map(String::as_str).collect::<Vec<_>>().join(" ");
        let said = last.into_inner().unwrap_or_else(PoisonError::into_inner).join("\n");
        let code = status.code().map_or_else(|| "a signal".to_owned(), |code| format!("status {code}"));
        let text = format!("`{command}` exited with {code}");
        Err(if said.is_empty() { text } else { format!("{text}: {said}") }.into())
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
        let runner = Runner { output: HookOutput::Dropped, variable: &variable };
        assert_eq!(
            runner.words("c1", &hook).join(" "),
            "exec --user root --workdir /w --env A=b --env HOST=h --privileged c1 sh -c x"
        );
    }
}
