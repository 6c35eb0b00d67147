//! What the executor tells while it works, for the CLI to draw.

use std::fmt;
use std::time::Duration;

/// Takes the events; called from several threads.
pub trait Progress: Sync {
    /// Something began, ended or failed.
    fn event(&self, event: &Event<'_>);
}

/// Drops all events.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quiet;

impl Progress for Quiet {
    fn event(&self, _: &Event<'_>) {}
}

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A network.
    Network,
    /// A volume.
    Volume,
    /// An image.
    Image,
    /// A container.
    Container,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Network => "Network",
            Self::Volume => "Volume",
            Self::Image => "Image",
            Self::Container => "Container",
        })
    }
}

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Making.
    Create,
    /// Making anew.
    Recreate,
    /// Starting.
    Start,
    /// Stopping and starting.
    Restart,
    /// Waiting until it is ready.
    Wait,
    /// Waiting until its health check passes.
    Health,
    /// Waiting for its end.
    Complete,
    /// Stopping.
    Stop,
    /// Removing.
    Remove,
    /// Building.
    Build,
    /// Pulling.
    Pull,
    /// Sending a signal.
    Kill,
    /// Freezing.
    Pause,
    /// Letting it go on.
    Unpause,
    /// Leaving it as it is.
    Keep,
    /// Going on without it.
    Skip,
}

impl Verb {
    /// The word while it is being done.
    #[must_use]
    pub fn working(self) -> &'static str {
        match self {
            Self::Create => "Creating",
            Self::Recreate => "Recreate",
            Self::Start => "Starting",
            Self::Restart => "Restarting",
            Self::Wait | Self::Health | Self::Complete => "Waiting",
            Self::Stop => "Stopping",
            Self::Remove => "Removing",
            Self::Build => "Building",
            Self::Pull => "Pulling",
            Self::Kill => "Killing",
            Self::Pause => "Pausing",
            Self::Unpause => "Unpausing",
            Self::Keep => "Running",
            Self::Skip => "Waiting",
        }
    }

    /// The word when it is done.
    #[must_use]
    pub fn done(self) -> &'static str {
        match self {
            Self::Create => "Created",
            Self::Recreate => "Recreated",
            Self::Start | Self::Restart => "Started",
            Self::Wait => "Ready",
            Self::Health => "Healthy",
            Self::Complete => "Exited",
            Self::Stop => "Stopped",
            Self::Remove => "Removed",
            Self::Build => "Built",
            Self::Pull => "Pulled",
            Self::Kill => "Killed",
            Self::Pause => "Paused",
            Self::Unpause => "Unpaused",
            Self::Keep => "Running",
            Self::Skip => "Skipped",
        }
    }
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event<'a> {
    /// Work on something begins.
    Begin {
        /// What it is.
        kind: Kind,
        /// Its name.
        name: &'a str,
        /// What is done.
        verb: Verb,
        /// Why, where that is news.
        why: Option<String>,
    },
    /// It was done.
    Done {
        /// What it is.
        kind: Kind,
        /// Its name.
        name: &'a str,
        /// What was done.
        verb: Verb,
        /// Why, where that is news.
        why: Option<String>,
    },
    /// It was done, and showed meanwhile what it did.
    Took {
        /// What it is.
        kind: Kind,
        /// Its name.
        name: &'a str,
        /// What was done.
        verb: Verb,
        /// How long it took.
        took: Duration,
    },
    /// It failed.
    Failed {
        /// What it is.
        kind: Kind,
        /// Its name.
        name: &'a str,
        /// What was tried.
        verb: Verb,
        /// The error in one line.
        error: String,
    },
    /// It works, and probably not as meant.
    Warning {
        /// The service, or another object's name.
        about: &'a str,
        /// One sentence.
        message: String,
        /// The next step.
        hint: Option<String>,
    },
    /// Something that the caller should know, about no object in particular.
    Remark {
        /// One sentence.
        message: String,
        /// The next step.
        hint: Option<String>,
    },
    /// How much of an image is here.
    Bytes {
        /// Its name.
        image: &'a str,
        /// Bytes that are here.
        done: u64,
        /// Bytes in all, as far as they are known.
        total: u64,
    },
    /// What would be done, and is not.
    Planned {
        /// Lines, each with its end.
        text: &'a str,
    },
}
