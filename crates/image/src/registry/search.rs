//! Docker Hub's index of images, and those of registries that have one (`/v1/search`).

use reqwest::header::ACCEPT;
use serde::Deserialize;

use super::bounded::DOCUMENT;
use super::patience::{TRIES, back_off, tries_after};
use super::reach::Host;
use super::runtime;
use super::target::Target;
use crate::RegistryConfig;
use crate::error::{RegistryError, Result};
use crate::refusal::Subject;

/// Where the Hub's index is.
const HUB_INDEX: &str = "index.docker.io";

/// An image that was found.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct SearchResult {
    /// Its name, as `pull` takes it.
    pub name: String,
    /// What its author says of it.
    #[serde(default)]
    pub description: String,
    /// How many people marked it.
    #[serde(default)]
    pub star_count: u64,
    /// Whether it is one of Docker's own.
    #[serde(default)]
    pub is_official: bool,
}

/// Looks for `term`, `HOST/term` for another registry than the Hub; at most `limit` results, 25 for `None`. Blocks.
pub fn search(term: &str, limit: Option<u32>, config: &RegistryConfig) -> Result<Vec<SearchResult>> {
    #[derive(Deserialize)]
    struct Found {
        results: Vec<SearchResult>,
    }
    let (domain, term) = split(term);
    runtime()?.block_on(async {
        let host = Host::find(domain, config, None).await?;
        let target = Target {
            registry: host.name.clone(),
            image: term.to_owned(),
            repository: term.to_owned(),
            no_login: None,
        };
        let mut url = host.base.join("/v1/search").map_err(|e| target.protocol(e.to_string()))?;
        url.query_pairs_mut().append_pair("q", term).append_pair("n", &limit.unwrap_or(25).to_string());
        let unreachable = |e| target.unreachable(Subject::Search.action(), e);
        let mut tries = 0;
        let answer = loop {
            tries += 1;
            match host.http.get(url.clone()).header(ACCEPT, "application/json").send().await {
                Err(e) if tries < TRIES.min(tries_after(&e)) => back_off(tries).await,
                other => break other.map_err(unreachable)?,
            }
        };
        if !answer.status().is_success() {
            return Err(target.refusal(Subject::Search, answer).await.into());
        }
        let action = Subject::Search.action();
        let body = target.body(answer, action, "list of images", DOCUMENT).await?;
        let wrong = |e| -> RegistryError { target.protocol(format!("its list of images: {e}")) };
        Ok(serde_json::from_slice::<Found>(&body).map_err(wrong)?.results)
    })
}

/// The registry and what is looked for there.
fn split(term: &str) -> (&str, &str) {
    match term.split_once('/') {
        Some(("docker.io" | HUB_INDEX, term)) => (HUB_INDEX, term),
        Some((host, term)) if host.contains(['.', ':']) || host == "localhost" => (host, term),
        _ => (HUB_INDEX, term),
    }
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn registries_are_told_from_names() {
        assert_eq!(split("me/app"), ("index.docker.io", "me/app"));
        assert_eq!(split("docker.io/me/app"), ("index.docker.io", "me/app"));
        assert_eq!(split("localhost:5000/app"), ("localhost:5000", "app"));
    }
}
