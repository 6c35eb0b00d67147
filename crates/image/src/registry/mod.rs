//! The registry client: OCI distribution spec 1.1 over https, and http where that is allowed.

use tare_oci::Reference;

use crate::{PullOptions, PullOutcome, PullProgress, PushOutcome, Result, Store};

impl Store {
    /// Pulls an image and names it. Blocks; downloads and unpacks layers in parallel, resumes broken downloads.
    pub fn pull(
        &self,
        name: &Reference,
        options: &PullOptions,
        progress: &dyn PullProgress,
    ) -> Result<PullOutcome> {
        let _ = progress;
        todo!("{name} {options:?}")
    }

    /// Pushes the image that `name` names to the registry in that name.
    pub fn push(
        &self,
        name: &Reference,
        options: &PullOptions,
        progress: &dyn PullProgress,
    ) -> Result<PushOutcome> {
        let _ = progress;
        todo!("{name} {options:?}")
    }
}
