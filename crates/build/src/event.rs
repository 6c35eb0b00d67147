//! What a build tells while it goes.

use std::time::Duration;

use tare_oci::Digest;

/// Takes a build's events; called from the builder's thread and, during pulls, from others.
pub trait Progress: Sync {
    /// One event.
    fn event(&self, event: Event<'_>);
}

/// Drops all events.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quiet;

impl Progress for Quiet {
    fn event(&self, _: Event<'_>) {}
}

/// The number of a step in a build, from 0.
pub type StepId = usize;

/// One event.
#[derive(Debug)]
pub enum Event<'a> {
    /// The builder begins with a stage.
    StageStart {
        /// Its name, or its number.
        stage: &'a str,
        /// Its base image as the Dockerfile names it.
        base: &'a str,
    },
    /// A step begins.
    StepStarted {
        /// Which.
        id: StepId,
        /// Its place in its stage, from 1; `FROM` is 1.
        n: usize,
        /// The stage's number of steps.
        total: usize,
        /// The stage's name, if it has one.
        stage: Option<&'a str>,
        /// The instruction on one line.
        text: &'a str,
    },
    /// A step's result is there already.
    StepCached {
        /// Which.
        id: StepId,
    },
    /// A step's program wrote something.
    StepOutput {
        /// Which step.
        id: StepId,
        /// Where to.
        stream: OutputStream,
        /// What; not cut at line ends.
        bytes: &'a [u8],
    },
    /// A step ended well.
    StepFinished {
        /// Which.
        id: StepId,
        /// Since its start.
        duration: Duration,
    },
    /// A step was stopped because another one failed.
    StepCancelled {
        /// Which.
        id: StepId,
    },
    /// Time goes by while programs run: comes several times a second.
    Waiting,
    /// Something is allowed and likely wrong.
    Warning {
        /// Line of the Dockerfile.
        line: u32,
        /// What.
        text: &'a str,
        /// What to do instead.
        hint: Option<&'a str>,
    },
    /// A base image is being pulled.
    PullStarted {
        /// Which.
        image: &'a str,
    },
    /// A layer of a base image.
    PullLayer {
        /// Its short digest.
        layer: &'a str,
        /// Where it is on its way.
        status: tare_image::LayerStatus,
    },
    /// A file is being fetched for `ADD`.
    Download {
        /// Which step.
        id: StepId,
        /// From where.
        url: &'a str,
    },
    /// All steps are done; the image is being written.
    Exporting,
    /// The image is there.
    Exported {
        /// Its ID.
        image_id: &'a Digest,
    },
}

/// Where a program's output went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}
