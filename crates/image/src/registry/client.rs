//! One repository of one registry: requests with authentication and retries.

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url};
use tare_oci::{Digest, Reference};

use super::bounded::DOCUMENT;
use super::outgoing::Outgoing;
use super::patience::{Patience, TRIES, back_off, tries_after};
use super::reach::Host;
use super::target::{Target, retry_after};
use super::token::{Access, Scopes};
use crate::PullOptions;
use crate::error::{RegistryError, Result};
use crate::refusal::Subject;

/// A registry and a repository on it.
pub(super) struct Remote {
    http: Client,
    base: Url,
    pub(super) target: Target,
    access: Access,
}

/// A body that can be sent again on a retry.
pub(super) enum Payload<'a> {
    None,
    Bytes(&'a [u8], &'a str),
    Stream(Outgoing),
}

/// A request.
pub(super) struct Ask<'a> {
    method: Method,
    url: Url,
    accept: Option<String>,
    range: Option<u64>,
    payload: Payload<'a>,
    subject: Subject,
    also: &'a [StatusCode],
    tries: u32,
}

impl<'a> Ask<'a> {
    pub(super) fn new(method: Method, url: Url, subject: Subject) -> Self {
        let (accept, range, payload) = (None, None, Payload::None);
        Self { method, url, accept, range, payload, subject, also: &[], tries: TRIES }
    }

    pub(super) fn accept(mut self, types: &[&str]) -> Self {
        self.accept = Some(types.join(", "));
        self
    }

    /// From byte `start` on; 0 asks for all.
    pub(super) fn from(mut self, start: u64) -> Self {
        self.range = (start > 0).then_some(start);
        self
    }

    pub(super) fn payload(mut self, payload: Payload<'a>) -> Self {
        self.payload = payload;
        self
    }

    /// Answers that are no failures.
    pub(super) fn or(mut self, also: &'a [StatusCode]) -> Self {
        self.also = also;
        self
    }

    /// Leaves trying again to the caller.
    pub(super) fn once(mut self) -> Self {
        self.tries = 1;
        self
    }

    async fn build(&self, http: &Client, target: &Target) -> Result<RequestBuilder, RegistryError> {
        let mut request = http.request(self.method.clone(), self.url.clone());
        if let Some(accept) = &self.accept {
            request = request.header(ACCEPT, accept);
        }
        if let Some(start) = self.range {
            request = request.header(reqwest::header::RANGE, format!("bytes={start}-"));
        }
        Ok(match &self.payload {
            Payload::None => request,
            Payload::Bytes(bytes, kind) => request.header(CONTENT_TYPE, *kind).body(bytes.to_vec()),
            Payload::Stream(outgoing) => {
                let body = outgoing.body().await;
                let body = body.map_err(|e| {
                    target.protocol(format!("cannot open {}: {e}", outgoing.path().display()))
                })?;
                request
                    .header(CONTENT_TYPE, "application/octet-stream")
                    .header(CONTENT_LENGTH, outgoing.size())
                    .body(body)
            }
        })
    }
}

impl Remote {
    /// Finds out how the registry is to be reached. `mirror` is the URL of a mirror to ask in its place; `subject` tells
    /// pulls from pushes.
    pub(super) async fn connect(
        name: &Reference,
        options: &PullOptions,
        mirror: Option<&str>,
        subject: Subject,
    ) -> Result<Self> {
        let host = Host::find(name.domain(), &options.registries, mirror).await?;
        let found = options.credentials.resolve(&host.key);
        let target = Target {
            registry: host.name.clone(),
            image: name.familiar(),
            repository: name.familiar_repository(),
            no_login: found.problem,
        };
        let base = format!("{}/", name.path());
        let base = host.base.join(&base).map_err(|e| target.protocol(format!("{base}: {e}")))?;
        let mut scopes = Scopes::default();
        let actions = if subject == Subject::Upload { "pull,push" } else { "pull" };
        scopes.add(&format!("repository:{}:{actions}", name.path()));
        let access = Access::new(host.http.clone(), target.clone(), subject, found.login, scopes);
        Ok(Self { http: host.http, base, target, access })
    }

    /// The URL of something in this repository: `manifests/latest`.
    pub(super) fn url(&self, path: &str) -> Result<Url, RegistryError> {
        self.base.join(path).map_err(|e| self.target.protocol(format!("{path}: {e}")))
    }

    /// Sends a request, authenticates when asked to, tries again when that may help. Returns the answer if it is a
    /// success or among those that are none the less expected.
    pub(super) async fn send(&self, ask: Ask<'_>) -> Result<Response, RegistryError> {
        // The token that this request asked for: another thread's, for other scopes, may come between.
        let mut own: Option<String> = None;
        let mut patience = Patience::default();
        let mut tries = 0;
        loop {
            tries += 1;
            let mut request = ask.build(&self.http, &self.target).await?;
            let shown = own.clone().or_else(|| self.access.header());
            if let Some(header) = &shown {
                request = request.header(AUTHORIZATION, header);
            }
            let response = match request.send().await {
                Ok(response) => response,
                Err(e) if tries < ask.tries.min(tries_after(&e)) => {
                    back_off(tries).await;
                    continue;
                }
                Err(e) => return Err(self.target.unreachable(ask.subject.action(), e)),
            };
            let status = response.status();
            if status.is_success() {
                return Ok(response);
            }
            if status == StatusCode::UNAUTHORIZED && own.is_none() {
                own = self.access.answer(&response, shown.as_deref()).await?;
                if own.is_some() {
                    tries -= 1;
                    continue;
                }
            }
            if ask.also.contains(&status) {
                return Ok(response);
            }
            let again = status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error();
            if again && tries < ask.tries && patience.wait(tries, retry_after(&response)).await {
                continue;
            }
            return Err(self.target.refusal(ask.subject, response).await);
        }
    }

    /// The digest of a manifest, by a HEAD; `None` if the registry does not tell.
    pub(super) async fn manifest_digest(&self, key: &str) -> Result<Option<Digest>, RegistryError> {
        let ask = Ask::new(Method::HEAD, self.url(&format!("manifests/{key}"))?, Subject::Manifest);
        let ask = ask.accept(&tare_oci::media_type::ACCEPTED_MANIFESTS);
        // Whatever is wrong, the GET that follows has a body to say it in.
        let also = [401, 403, 404, 405].map(|status| StatusCode::from_u16(status).unwrap_or_default());
        let response = self.send(ask.or(&also)).await?;
        let digest = response.headers().get("docker-content-digest").and_then(|v| v.to_str().ok());
        Ok(digest.filter(|_| response.status().is_success()).and_then(|text| text.parse().ok()))
    }

    /// A GET of a manifest: its bytes and its type.
    pub(super) async fn manifest(&self, key: &str) -> Result<(Vec<u8>, String), RegistryError> {
        let ask = Ask::new(Method::GET, self.url(&format!("manifests/{key}"))?, Subject::Manifest);
        let response = self.send(ask.accept(&tare_oci::media_type::ACCEPTED_MANIFESTS)).await?;
        let kind = response.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
        let kind = kind.split(';').next().unwrap_or("").trim().to_owned();
        let action = Subject::Manifest.action();
        let body = self.target.body(response, action, "manifest", DOCUMENT).await?;
        Ok((body, kind))
    }
}
