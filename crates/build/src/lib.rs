//! The image builder: a Dockerfile and a context become an image in the store.
//!
//! [`build`] parses, finds the stages that the target needs, and carries them out side by side. Instructions that change files make a layer each; a layer is found again by a key over its parent, the instruction
//! and the content of what it copies, kept in `build.db`. The context is read in place.
//!
//! What it does not do: it never prints, never asks the environment, and keeps nothing running. A `RUN` step's process
//! starts as a copy of its maker, which must have one thread (see `tare_runtime::create`). [`Processes`] says who that is:
//! the caller, whose builder joins its own threads, which pull, fetch and hash, before the next program starts (only a
//! build that failed or was cancelled may leave one behind that pulls: after that the caller should end); or a spawner,
//! for callers with threads, who may carry out many builds at once.
//!
//! In reading order: [`Request`], [`Event`], `plan` (which stages), `executor` (from
//! text to image), `schedule` (stages side by side), `bases`, `instructions` (what changes the config alone), `copy_step`, `run_step`, `run_mounts`, `program`, `cache`, `layers`, [`Workshop`].

mod bases;
mod cache;
mod changes;
mod chmod;
mod clear;
mod config;
mod copy;
mod copy_step;
mod error;
mod event;
mod executor;
mod extract;
mod fetch;
mod git;
mod go;
mod instructions;
mod interruptible;
mod io_at;
mod layers;
mod leftovers;
mod locate;
mod mount_points;
mod mounts;
mod output;
mod place;
mod plan;
mod program;
mod remote;
mod request;
mod run_mounts;
mod run_step;
mod schedule;
mod scope;
mod select;
mod sources;
mod trim;
mod users;
mod workshop;
mod written;

pub use changes::{ChangeError, apply_changes};
pub use clear::clear;
pub use error::{Error, Excluded, LocateError, NearStage, StoreFailure};
pub use event::{Event, OutputStream, Progress, Quiet, StepId};
pub use extract::decompress;
pub use locate::{Place, Recipe, is_remote, locate};
pub use output::{Output, write_files};
pub use remote::{Checkout, clone_context, fetch_context, is_repository};
pub use request::{
    BuildNetwork, CachePolicy, Cancel, Context, Contexts, Entitlement, HostTrust, NamedContext, Networks,
    NoNetworks, PullPolicy, Request, Secret, SecretSource, Space, SshAgent,
};
pub use trim::{Trim, trim};
pub use workshop::{AtWork, Processes, Workshop};
pub use written::{WrittenError, image_name};

use tare_oci::Digest;

/// What a build made.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The image.
    pub image_id: Digest,
    /// Steps whose result was there already.
    pub cached: usize,
    /// Steps in all.
    pub steps: usize,
}

/// Builds an image. The request's context is used up if it is a tar stream.
///
/// # Errors
/// [`Error`]; results of the steps before the failing one are kept for the next build.
pub fn build(
    workshop: Workshop<'_>,
    request: &mut Request,
    events: &dyn Progress,
    cancel: &Cancel,
) -> Result<Outcome, Error> {
    let _span = tracing::debug_span!("build").entered();
    let built = executor::build(workshop, request, events, cancel);
    // Whatever it was that failed then.
    if built.is_err() && cancel.is_cancelled() { Err(Error::Cancelled) } else { built }
}
