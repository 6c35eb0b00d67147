//! One blob on its way to a registry.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::header::LOCATION;
use reqwest::{Method, Response, StatusCode, Url};
use tare_oci::Digest;

use super::client::{Ask, Payload, Remote};
use super::outgoing::Outgoing;
use super::patience::{Patience, TRIES, back_off};
use crate::error::RegistryError;
use crate::refusal::Subject;

/// How often the bytes sent are told.
const REPORT: Duration = Duration::from_millis(100);

/// Where a blob's bytes are.
#[derive(Clone, Copy)]
pub(super) enum Source<'a> {
    Bytes(&'a [u8]),
    File(&'a Path, u64),
}

/// How a blob came to be on the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// It was.
    There,
    /// Another repository of it had it.
    Mounted,
    /// By our sending it.
    Whole,
}

/// Uploads a blob unless the registry has it, in this repository or in one of `neighbours`. `report` learns of the bytes
/// sent.
pub(super) async fn upload(
    remote: &Remote,
    digest: &Digest,
    source: Source<'_>,
    neighbours: &[String],
    report: &(dyn Fn(u64) + Sync),
) -> Result<Sent, RegistryError> {
    let there = Ask::new(Method::HEAD, remote.url(&format!("blobs/{digest}"))?, Subject::Upload);
    if remote.send(there.or(&[StatusCode::NOT_FOUND])).await?.status().is_success() {
        return Ok(Sent::There);
    }
    let mut begun = None;
    for neighbour in neighbours {
        let mut url = remote.url("blobs/uploads/")?;
        url.query_pairs_mut().extend_pairs([("mount", digest.to_string().as_str()), ("from", neighbour)]);
        // Who may not read the neighbour, or whose registry does not mount, uploads.
        let Ok(answer) = remote.send(Ask::new(Method::POST, url, Subject::Upload)).await else { continue };
        if answer.status() == StatusCode::CREATED {
            return Ok(Sent::Mounted);
        }
        begun = Some(location(remote, &answer)?);
        break;
    }
    let mut patience = Patience::default();
    let mut tries = 0;
    loop {
        tries += 1;
        let target = match begun.take() {
            Some(target) => target,
            None => begin(remote).await?,
        };
        let error = match put(remote, target, digest, source, report).await {
            Ok(()) => return Ok(Sent::Whole),
            Err(error) => error,
        };
        let again = match &error {
            _ if tries >= TRIES => false,
            RegistryError::RateLimited { after, .. } => patience.wait(tries, *after).await,
            // Bad requests too: so registries call an upload that broke off and is gone.
            RegistryError::Unreachable { .. } | RegistryError::Status { .. } => {
                back_off(tries).await;
                true
            }
            _ => false,
        };
        if !again {
            return Err(error);
        }
    }
}

async fn begin(remote: &Remote) -> Result<Url, RegistryError> {
    let answer = remote.send(Ask::new(Method::POST, remote.url("blobs/uploads/")?, Subject::Upload)).await?;
    location(remote, &answer)
}

/// Where an upload goes. It may be relative, and has a query of its own (the upload's state) that must be kept.
fn location(remote: &Remote, answer: &Response) -> Result<Url, RegistryError> {
    let location = answer.headers().get(LOCATION).and_then(|v| v.to_str().ok());
    let location =
        location.ok_or_else(|| remote.target.protocol("an upload without a Location".to_owned()))?;
    answer.url().join(location).map_err(|e| remote.target.protocol(format!("{location}: {e}")))
}

async fn put(
    remote: &Remote,
    mut target: Url,
    digest: &Digest,
    source: Source<'_>,
    report: &(dyn Fn(u64) + Sync),
) -> Result<(), RegistryError> {
    target.query_pairs_mut().append_pair("digest", &digest.to_string());
    let sent = Arc::new(AtomicU64::new(0));
    let payload = match source {
        Source::Bytes(bytes) => Payload::Bytes(bytes, "application/octet-stream"),
        Source::File(path, size) => Payload::Stream(Outgoing::new(path.to_owned(), size, Arc::clone(&sent))),
    };
    let ask = Ask::new(Method::PUT, target, Subject::Upload).payload(payload).once();
    let mut sending = std::pin::pin!(remote.send(ask));
    let mut clock = tokio::time::interval(REPORT);
    loop {
        tokio::select! {
            answer = &mut sending => return answer.map(drop),
            _ = clock.tick() => report(sent.load(Ordering::Relaxed)),
        }
    }
}
