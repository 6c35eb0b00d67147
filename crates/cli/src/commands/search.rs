//! `docker search`: not there, and says so.

use crate::error::Failure;
use crate::session::Session;

/// `docker search`.
pub(crate) fn main(_: &Session, _: &[String]) -> anyhow::Result<u8> {
    Err(Failure::new("search asks Docker Hub's own index, which registries do not have; tare leaves it out")
        .with_hint("search in a browser, then `pull` the name found")
        .into())
}
