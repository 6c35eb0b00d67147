//! One file from the web, for `ADD https://…`.

use std::fs::File;
use std::io::Write as _;

use reqwest::header::LAST_MODIFIED;

use super::reach::client;
use super::runtime;
use super::tls::Trust;
use crate::error::RegistryError;
use crate::{RegistryConfig, Result};

/// Fetches `url` into `file`, with the trust and the proxies that registries are reached with. Blocks. Returns the time
/// of its last change, in seconds since 1970, if the server tells.
pub fn fetch(url: &str, options: &RegistryConfig, file: &mut File) -> Result<Option<i64>> {
    let client = client(options, Trust::Verified, None)?;
    let host = url.split('/').nth(2).unwrap_or(url).to_owned();
    let unreachable = |reason: Box<dyn std::error::Error + Send + Sync>| RegistryError::Unreachable {
        registry: host.clone(),
        action: "fetch",
        image: url.to_owned(),
        reason,
        mirrors: Vec::new(),
    };
    runtime()?.block_on(async {
        let mut answer = client.get(url).send().await.map_err(|e| unreachable(e.into()))?;
        if !answer.status().is_success() {
            return Err(RegistryError::Status {
                registry: host.clone(),
                action: "fetch",
                image: url.to_owned(),
                status: answer.status().as_u16(),
                message: answer.status().canonical_reason().unwrap_or_default().to_owned(),
            }
            .into());
        }
        let changed = answer.headers().get(LAST_MODIFIED).and_then(|value| value.to_str().ok());
        // A date that cannot be read is no reason to refuse the file.
        let changed =
            changed.and_then(|text| jiff::fmt::rfc2822::parse(text).ok()).map(|t| t.timestamp().as_second());
        while let Some(bytes) = answer.chunk().await.map_err(|e| unreachable(e.into()))? {
            file.write_all(&bytes).map_err(|e| unreachable(e.into()))?;
        }
        Ok(changed)
    })
}
