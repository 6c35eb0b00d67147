//! Bodies that are read whole into memory, and how long each may be: what a registry sends is not believed.

use reqwest::Response;

use super::target::Target;
use crate::refusal::RegistryError;

/// Manifests, indexes and configs, and a page of tags or search results: Docker's bound for manifests.
pub(super) const DOCUMENT: usize = 4 << 20;
/// The answer of a token service.
pub(super) const TOKEN: usize = 1 << 20;
/// All pages of a list of tags together.
pub(super) const ALL_TAGS: usize = 64 << 20;

impl Target {
    /// A body of at most `limit` bytes; `what` names it after «its».
    pub(super) async fn body(
        &self,
        mut response: Response,
        action: &'static str,
        what: &str,
        limit: usize,
    ) -> Result<Vec<u8>, RegistryError> {
        let too_long = || self.protocol(format!("its {what} is longer than {} KiB", limit >> 10));
        if response.content_length().is_some_and(|length| usize::try_from(length).is_ok_and(|l| l > limit)) {
            return Err(too_long());
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| self.unreachable(action, e))? {
            if body.len() + chunk.len() > limit {
                return Err(too_long());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}
