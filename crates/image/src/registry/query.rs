//! What a registry knows of a repository, without pulling anything.

use reqwest::header::LINK;
use reqwest::{Method, Url};
use serde::Deserialize;
use tare_oci::{Digest, Reference};

use super::bounded::{ALL_TAGS, DOCUMENT};
use super::client::{Ask, Remote};
use super::runtime;
use crate::PullOptions;
use crate::error::{RegistryError, Result};
use crate::refusal::Subject;

/// A manifest or an index as a registry has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteManifest {
    /// Its exact bytes.
    pub json: Vec<u8>,
    /// Its media type, by the registry's word.
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
}

/// The manifest or index that `name` stands for. Blocks.
pub fn manifest(name: &Reference, options: &PullOptions) -> Result<RemoteManifest> {
    runtime()?.block_on(async {
        let remote = Remote::connect(name, options, None, Subject::Manifest).await?;
        let (json, media_type) = remote.manifest(&name.manifest_key()).await?;
        let digest = Digest::of(&json);
        Ok(RemoteManifest { json, media_type, digest })
    })
}

/// All tags of `name`'s repository, sorted. Blocks.
pub fn tags(name: &Reference, options: &PullOptions) -> Result<Vec<String>> {
    runtime()?.block_on(async {
        let remote = Remote::connect(name, options, None, Subject::Manifest).await?;
        Ok(list(&remote).await?)
    })
}

async fn list(remote: &Remote) -> Result<Vec<String>, RegistryError> {
    #[derive(Deserialize)]
    struct Page {
        tags: Option<Vec<String>>,
    }
    let mut all = Vec::new();
    let mut read = 0;
    let mut next = Some(remote.url("tags/list")?);
    while let Some(url) = next.take() {
        let answer = remote.send(Ask::new(Method::GET, url, Subject::Manifest)).await?;
        let link = answer.headers().get(LINK).and_then(|v| v.to_str().ok()).and_then(target);
        next = link.and_then(|link| answer.url().join(&link).ok()).filter(|next: &Url| next != answer.url());
        let action = Subject::Manifest.action();
        let left = DOCUMENT.min(ALL_TAGS - read);
        let body = remote.target.body(answer, action, "list of tags", left).await?;
        read += body.len();
        let wrong = |e| remote.target.protocol(format!("its list of tags: {e}"));
        let page: Page = serde_json::from_slice(&body).map_err(wrong)?;
        all.extend(page.tags.into_iter().flatten());
    }
    all.sort();
    Ok(all)
}

/// `</v2/a/tags/list?last=x&n=100>; rel="next"`
fn target(link: &str) -> Option<String> {
    let (url, relation) = link.trim().strip_prefix('<')?.split_once('>')?;
    relation.contains("next").then(|| url.to_owned())
}

#[cfg(test)]
mod tests {
    #[test]
    fn reads_the_next_page() {
        let link = r#"</v2/a/tags/list?last=x&n=2>; rel="next""#;
        assert_eq!(super::target(link).as_deref(), Some("/v2/a/tags/list?last=x&n=2"));
        assert_eq!(super::target("</v2/a>; rel=\"prev\""), None);
    }
}
