//! A watch on this terminal: its lines, and the command that rebuilds.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use tare_compose::execute::HookOutput;
use tare_compose::watch::{News, Watcher};
use tare_compose_model::Project;

use super::hooks::HookLines;
use super::project::{Context, warn};
use crate::error::report;
use crate::output::{note, print_line};

/// Shows a watch.
pub(super) struct Terminal<'a> {
    context: &'a Context<'a>,
    project: &'a Project,
    /// Whether the build's output is hidden.
    quiet_build: bool,
}

impl<'a> Terminal<'a> {
    pub(super) fn new(context: &'a Context<'a>, project: &'a Project, quiet_build: bool) -> Self {
        Self { context, project, quiet_build }
    }

    /// This command's own options, with another command after them.
    fn rebuild_words(&self, service: &str) -> Vec<String> {
        let mut words = vec!["compose".to_owned()];
        for file in &self.project.compose_files {
            words.extend(["-f".to_owned(), file.display().to_string()]);
        }
        let options = &self.context.options;
        for path in &options.env_file {
            words.extend(["--env-file".to_owned(), path.display().to_string()]);
        }
        for profile in &options.profile {
            words.extend(["--profile".to_owned(), profile.clone()]);
        }
        let folder = self.project.working_dir.display().to_string();
        words.extend(["--project-directory".to_owned(), folder, "-p".to_owned(), self.project.name.clone()]);
        words.extend(["up", "--detach", "--build", "--no-deps"].map(str::to_owned));
        words.extend(self.quiet_build.then(|| "--quiet-build".to_owned()));
        words.push(service.to_owned());
        words
    }
}

impl HookOutput for Terminal<'_> {
    fn line(&self, label: &str, line: &str) {
        HookLines::Plain.line(label, line);
    }
}

impl Watcher for Terminal<'_> {
    fn news(&self, news: News<'_>) {
        // Without a reader the watch goes on.
        let _ = match news {
            News::Remark(remark) => {
                warn(remark);
                Ok(())
            }
            News::Enabled => {
                note("Watch enabled");
                Ok(())
            }
            News::Syncing { service, changes } => {
                print_line(&format!("Syncing service {service:?} after {changes} changes were detected"))
            }
            News::Restarted(service) => print_line(&format!("service(s) [{service:?}] restarted")),
            News::Rebuilding(service) => {
                print_line(&format!("Rebuilding service(s) [{service:?}] after changes were detected..."))
            }
            News::Rebuilt(service) => print_line(&format!("service(s) [{service:?}] successfully built")),
            News::Failed(error) => {
                report(&error.into());
                Ok(())
            }
        };
    }

    /// `up --build` for this service in a process of its own: a build must be started by one that has a single thread.
    fn rebuild(&self, service: &str) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let mut command = Command::new("/proc/self/exe");
        command.arg0("docker").args(self.rebuild_words(service)).stdin(Stdio::null());
        let status = command.status().map_err(|error| format!("cannot run tare: {error}"))?;
        if !status.success() {
            return Err(format!("service {service} was not rebuilt: the build or its start failed").into());
        }
        Ok(())
    }
}
