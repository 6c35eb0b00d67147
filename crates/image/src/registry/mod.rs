//! The registry client: OCI distribution spec 1.1 over https, and http where that is allowed.

mod bounded;
mod certificates;
mod challenge;
mod client;
mod download;
mod fetch;
mod growing;
mod login;
mod outgoing;
mod patience;
mod pull;
mod push;
mod query;
mod reach;
mod search;
mod target;
mod tls;
mod token;
mod upload;

pub use fetch::fetch;
pub use login::log_in;
pub use query::{RemoteManifest, manifest, tags};
pub use search::{SearchResult, search};

pub use crate::refusal::Subject;

use tare_oci::Reference;
use tokio::runtime::Runtime;

use crate::error::{At as _, Result};
use crate::{PullOptions, PullOutcome, PullProgress, PushOutcome, Store};

impl Store {
    /// Pulls an image and names it. Blocks; downloads and unpacks layers in parallel, resumes broken downloads. The
    /// lines that `docker pull` prints, the last two included, go to `progress`. Not to be called from async code.
    pub fn pull(
        &self,
        name: &Reference,
        options: &PullOptions,
        progress: &dyn PullProgress,
    ) -> Result<PullOutcome> {
        let _span = tracing::debug_span!("pull", image = %name).entered();
        let runtime = runtime()?;
        pull::pull(self, runtime.handle(), name, options, progress)
    }

    /// Pushes the image that `name` names to the registry in that name. Blocks.
    pub fn push(
        &self,
        name: &Reference,
        options: &PullOptions,
        progress: &dyn PullProgress,
    ) -> Result<PushOutcome> {
        let _span = tracing::debug_span!("push", image = %name).entered();
        let runtime = runtime()?;
        push::push(self, runtime.handle(), name, options, progress)
    }
}

/// Whether a `WWW-Authenticate` header asks for something that registries ask for.
pub(crate) fn is_challenge(header: &str) -> bool {
    challenge::Challenge::parse(header).is_some()
}

/// Drives sockets and timers; the work itself is done by the threads that wait for it.
fn runtime() -> Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("registry-io")
        .enable_all()
        .build()
        .at("start", "the network runtime")
}
