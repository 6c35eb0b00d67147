//! What hooks print, on this terminal.

use tare_compose::execute::HookOutput;

use crate::output::print_line;

/// Where the output of hooks goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HookLines {
    /// Nowhere.
    Dropped,
    /// Among the logs, behind the container's label.
    Labelled,
    /// Among the logs, as it is.
    Plain,
}

impl HookOutput for HookLines {
    fn line(&self, label: &str, line: &str) {
        // Without a reader the hook still runs to its end.
        let _ = match self {
            Self::Dropped => Ok(()),
            Self::Labelled => print_line(&format!("{label} ->  | {line}")),
            Self::Plain => print_line(line),
        };
    }
}
