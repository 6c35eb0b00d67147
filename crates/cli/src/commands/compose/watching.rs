//! A watch on this terminal: its lines.

use tare_compose::execute::HookOutput;
use tare_compose::watch::{News, Watcher};

use super::hooks::HookLines;
use super::project::warn;
use crate::error::report;
use crate::output::{note, print_line};

/// Shows a watch.
pub(super) struct Terminal;

impl HookOutput for Terminal {
    fn line(&self, label: &str, line: &str) {
        HookLines::Plain.line(label, line);
    }
}

impl Watcher for Terminal {
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
}
