//! Whom a request goes to, for messages; and the reading of refusals.

use reqwest::header::RETRY_AFTER;
use reqwest::{Response, StatusCode};
use serde::Deserialize;

use crate::refusal::{RegistryError, Subject};

/// How much of an answer that refuses is read.
const REFUSAL: usize = 64 << 10;

/// Whom messages name.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// Host and port.
    pub(super) registry: String,
    /// The image as typed; for a login the user.
    pub(super) image: String,
    /// The same without its tag.
    pub(super) repository: String,
    /// Why a login that should be there is not.
    pub(super) no_login: Option<String>,
}

impl Target {
    /// An error for an answer that is none.
    pub(super) fn protocol(&self, problem: String) -> RegistryError {
        RegistryError::Protocol { registry: self.registry.clone(), image: self.image.clone(), problem }
    }

    pub(super) fn unreachable(&self, action: &'static str, source: reqwest::Error) -> RegistryError {
        RegistryError::Unreachable {
            registry: self.registry.clone(),
            action,
            image: self.image.clone(),
            reason: Box::new(source.without_url()),
            mirrors: Vec::new(),
        }
    }

    /// The error for an answer that refuses.
    pub(super) async fn refusal(&self, subject: Subject, response: Response) -> RegistryError {
        let status = response.status();
        let after = retry_after(&response);
        let body = start_of(response).await;
        let (code, mut message) = registry_message(&body, status);
        let (registry, image) = (self.registry.clone(), self.image.clone());
        if let Some(problem) = &self.no_login {
            message = format!("{message}; {problem}");
        }
        let denied = |status, message| RegistryError::Denied {
            registry: registry.clone(),
            image: self.repository.clone(),
            subject,
            status,
            message,
        };
        match status.as_u16() {
            429 => RegistryError::RateLimited { registry, image, message, after },
            404 if subject == Subject::Manifest && code != "NAME_UNKNOWN" => {
                RegistryError::ManifestUnknown { registry, image, message }
            }
            status @ (401 | 403) => denied(status, message),
            status @ 404 if subject == Subject::Manifest => denied(status, message),
            status => RegistryError::Status { registry, action: subject.action(), image, status, message },
        }
    }
}

/// The start of an answer that refuses.
async fn start_of(mut response: Response) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        let room = REFUSAL - body.len();
        body.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
        if body.len() == REFUSAL {
            break;
        }
    }
    body
}

/// Seconds, or until a date.
pub(super) fn retry_after(response: &Response) -> Option<u64> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim();
    text.parse().ok().or_else(|| {
        let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
        u64::try_from(date.as_second() - jiff::Timestamp::now().as_second()).ok()
    })
}

/// The first error of a registry's answer: code, and Docker's text for it, «manifest unknown: no such tag». Token
/// services have formats of their own.
fn registry_message(body: &[u8], status: StatusCode) -> (String, String) {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Answer {
        errors: Vec<Detail>,
        details: Option<String>,
        message: Option<String>,
        error: Option<String>,
        error_description: Option<String>,
    }
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Detail {
        code: String,
        message: String,
    }
    let reason = status.canonical_reason().unwrap_or("no reason given").to_lowercase();
    let answer: Answer = serde_json::from_slice(body).unwrap_or_default();
    let Some(first) = answer.errors.into_iter().next() else {
        let texts = [answer.details, answer.message, answer.error_description, answer.error];
        let text = texts.into_iter().flatten().find(|text| !text.is_empty());
        return (String::new(), text.map_or_else(|| reason.clone(), |text| format!("{reason}: {text}")));
    };
    let code = first.code.to_lowercase().replace('_', " ");
    let text = match (code.is_empty(), first.message.is_empty()) {
        (true, true) => reason,
        (true, false) => first.message,
        (false, true) => code,
        (false, false) => format!("{code}: {}", first.message),
    };
    (first.code, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_registries_and_token_services_say() {
        let read = |body: &str| registry_message(body.as_bytes(), StatusCode::UNAUTHORIZED).1;
        assert_eq!(
            read(r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{}}]}"#),
            "manifest unknown: manifest unknown"
        );
        assert_eq!(
            read(r#"{"details":"incorrect username or password"}"#),
            "unauthorized: incorrect username or password"
        );
        assert_eq!(read("<html>"), "unauthorized");
        assert_eq!(read(r#"{"errors":[{"code":"DENIED"}]}"#), "denied");
    }
}
