//! One registry, one repository: requests with authentication and retries.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use base64::Engine as _;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use reqwest::{Client, Method, Proxy, RequestBuilder, Response, StatusCode, Url};
use serde::Deserialize;
use tare_oci::Reference;

use super::challenge::Challenge;
use super::tls::{self, Trust};
use crate::auth::Login;
use crate::error::{At as _, RegistryError, Result};
use crate::{PullOptions, RegistryConfig};

/// Tries of one request, the first included.
const TRIES: u32 = 5;
/// Silence after which a connection counts as broken.
const STALL: Duration = Duration::from_secs(60);

/// What a request is about, for error messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    Manifest,
    Blob,
    Upload,
}

impl Subject {
    fn action(self) -> &'static str {
        match self {
            Self::Manifest => "get the manifest of",
            Self::Blob => "get a layer of",
            Self::Upload => "push",
        }
    }
}

/// A registry and a repository on it.
pub(super) struct Remote {
    http: Client,
    base: Url,
    /// For messages: host and port.
    pub(super) registry: String,
    /// For messages: the image as typed.
    pub(super) image: String,
    login: Option<Login>,
    helper: Option<String>,
    authorization: Mutex<Option<String>>,
}

/// A body that can be sent again on a retry.
pub(super) enum Payload<'a> {
    None,
    Bytes(&'a [u8], &'a str),
    File(&'a std::path::Path, u64),
}

impl Remote {
    /// Finds out how the registry is to be reached. `mirror` is the URL of a mirror to ask in its place.
    pub(super) async fn connect(
        name: &Reference,
        options: &PullOptions,
        mirror: Option<&str>,
    ) -> Result<Self> {
        let domain = if name.domain() == "docker.io" { "registry-1.docker.io" } else { name.domain() };
        let host = mirror.map_or(domain, |m| {
            m.trim_start_matches("https://").trim_start_matches("http://").trim_end_matches('/')
        });
        let insecure = is_insecure(host, &options.registries);
        let trust = if insecure == Insecure::Listed { Trust::Anything } else { Trust::Verified };
        let http = client(&options.registries, trust)?;
        let plain = mirror.is_some_and(|m| m.starts_with("http://"))
            || (insecure != Insecure::No && !speaks_tls(&http, host).await);
        let scheme = if plain { "http" } else { "https" };
        let key = if mirror.is_some() { host } else { name.domain() };
        let problem = |problem: String| RegistryError::Protocol {
            registry: host.to_owned(),
            image: name.familiar(),
            problem,
        };
        let base = format!("{scheme}://{host}/v2/{}/", name.path());
        Ok(Self {
            http,
            base: Url::parse(&base).map_err(|e| problem(format!("{base}: {e}")))?,
            registry: host.to_owned(),
            image: name.familiar(),
            login: options.credentials.for_registry(key).cloned(),
            helper: options.credentials.helper_for(key).map(str::to_owned),
            authorization: Mutex::new(None),
        })
    }

    /// The URL of something in this repository: `manifests/latest`.
    pub(super) fn url(&self, path: &str) -> Result<Url, RegistryError> {
        self.base.join(path).map_err(|e| self.protocol(format!("{path}: {e}")))
    }

    /// Sends a request, authenticates when asked to, tries again when that may help. Returns the answer if it is a
    /// success or in `also`.
    pub(super) async fn send(
        &self,
        method: Method,
        url: Url,
        headers: &[(&'static str, String)],
        payload: Payload<'_>,
        subject: Subject,
        also: &[StatusCode],
    ) -> Result<Response, RegistryError> {
        let mut authenticated = false;
        let mut tries = 0;
        loop {
            tries += 1;
            let request =
                headers.iter().fold(self.http.request(method.clone(), url.clone()), |r, (name, value)| {
                    r.header(*name, value)
                });
            let request = self.with_payload(request, &payload).await?;
            let response = match self.authorized(request).send().await {
                Ok(response) => response,
                Err(e) if tries < TRIES && !is_certificate(&e) => {
                    back_off(tries, None).await;
                    continue;
                }
                Err(e) => return Err(self.unreachable(subject.action(), e)),
            };
            let status = response.status();
            if status.is_success() || also.contains(&status) {
                return Ok(response);
            }
            if status == StatusCode::UNAUTHORIZED && !authenticated {
                authenticated = true;
                if self.authenticate(&response).await? {
                    continue;
                }
            }
            let again = status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error();
            if again && tries < TRIES {
                let after = response.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok()?.parse().ok());
                back_off(tries, after).await;
                continue;
            }
            return Err(self.refusal(subject, response).await);
        }
    }

    /// A GET of a manifest.
    pub(super) async fn manifest(&self, key: &str) -> Result<(Vec<u8>, String), RegistryError> {
        let accept = tare_oci::media_type::ACCEPTED_MANIFESTS.join(", ");
        let url = self.url(&format!("manifests/{key}"))?;
        let headers = [(ACCEPT.as_str(), accept)];
        let response = self.send(Method::GET, url, &headers, Payload::None, Subject::Manifest, &[]).await?;
        let kind = response.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
        let kind = kind.split(';').next().unwrap_or("").trim().to_owned();
        let body = response.bytes().await.map_err(|e| self.unreachable(Subject::Manifest.action(), e))?;
        Ok((body.to_vec(), kind))
    }

    async fn with_payload(
        &self,
        request: RequestBuilder,
        payload: &Payload<'_>,
    ) -> Result<RequestBuilder, RegistryError> {
        Ok(match payload {
            Payload::None => request,
            Payload::Bytes(bytes, kind) => request.header(CONTENT_TYPE, *kind).body(bytes.to_vec()),
            Payload::File(path, size) => {
                let file = tokio::fs::File::open(path)
                    .await
                    .map_err(|e| self.protocol(format!("cannot open {}: {e}", path.display())))?;
                request
                    .header(CONTENT_TYPE, "application/octet-stream")
                    .header(reqwest::header::CONTENT_LENGTH, *size)
                    .body(file)
            }
        })
    }

    fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        match &*self.authorization.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(value) => request.header(AUTHORIZATION, value),
            None => request,
        }
    }

    /// Answers a 401. Returns whether there is something new to try.
    async fn authenticate(&self, refused: &Response) -> Result<bool, RegistryError> {
        let headers = refused.headers().get_all(WWW_AUTHENTICATE);
        let challenge = headers.iter().filter_map(|v| v.to_str().ok()).find_map(Challenge::parse);
        let value = match (challenge, &self.login) {
            (None, _) | (Some(Challenge::Basic), None) => return Ok(false),
            (Some(Challenge::Basic), Some(login)) => basic(login),
            (Some(Challenge::Bearer { realm, service, scope }), _) => {
                match self.token(&realm, service.as_deref(), scope.as_deref()).await? {
                    Some(token) => format!("Bearer {token}"),
                    None => return Ok(false),
                }
            }
        };
        *self.authorization.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
        Ok(true)
    }

    /// Fetches a token; `None` when the login is refused.
    async fn token(
        &self,
        realm: &str,
        service: Option<&str>,
        scope: Option<&str>,
    ) -> Result<Option<String>, RegistryError> {
        #[derive(Deserialize)]
        struct Token {
            token: Option<String>,
            access_token: Option<String>,
        }
        let mut url = Url::parse(realm).map_err(|e| self.protocol(format!("token realm {realm}: {e}")))?;
        let refresh = self.login.as_ref().and_then(|l| l.identity_token.clone());
        {
            let mut query = url.query_pairs_mut();
            query.extend_pairs(service.map(|s| ("service", s)));
            query.extend_pairs(scope.map(|s| ("scope", s)));
            if let Some(refresh) = &refresh {
                query.extend_pairs([
                    ("grant_type", "refresh_token"),
                    ("client_id", "tare"),
                    ("refresh_token", refresh.as_str()),
                ]);
            }
        }
        let request = if refresh.is_some() {
            // The parameters are a form's, and its encoding is a query's.
            let form = url.query().unwrap_or_default().to_owned();
            url.set_query(None);
            self.http.post(url).header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form)
        } else {
            let request = self.http.get(url);
            self.login.iter().fold(request, |r, login| r.header(AUTHORIZATION, basic(login)))
        };
        let unreachable = |e| self.unreachable("get a token for", e);
        let response = request.send().await.map_err(unreachable)?;
        if response.status().is_client_error() {
            return Ok(None);
        }
        let body = response.bytes().await.map_err(unreachable)?;
        let token: Token = serde_json::from_slice(&body)
            .map_err(|e| self.protocol(format!("the token service's answer: {e}")))?;
        Ok(token.token.or(token.access_token))
    }

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
        }
    }

    async fn refusal(&self, subject: Subject, response: Response) -> RegistryError {
        let status = response.status();
        let body = response.bytes().await.unwrap_or_default();
        let (code, mut message) = registry_message(&body, status);
        let (registry, image) = (self.registry.clone(), self.image.clone());
        if let Some(helper) = &self.helper
            && self.login.is_none()
        {
            message += &format!(" (the login is kept by docker-credential-{helper}, which tare cannot ask)");
        }
        match status.as_u16() {
            429 => RegistryError::RateLimited { registry, image, message },
            404 if subject == Subject::Manifest && code != "NAME_UNKNOWN" => {
                RegistryError::ManifestUnknown { registry, image, message }
            }
            status @ (401 | 403) => RegistryError::Denied { registry, image, status, message },
            status @ 404 if subject == Subject::Manifest => {
                RegistryError::Denied { registry, image, status, message }
            }
            status => RegistryError::Status { registry, action: subject.action(), image, status, message },
        }
    }
}

/// The first error of a registry's answer: code and text.
fn registry_message(body: &[u8], status: StatusCode) -> (String, String) {
    #[derive(Deserialize)]
    struct Answer {
        errors: Vec<Detail>,
    }
    #[derive(Deserialize)]
    struct Detail {
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: String,
    }
    let reason = status.canonical_reason().unwrap_or("no reason given").to_owned();
    match serde_json::from_slice::<Answer>(body).ok().and_then(|a| a.errors.into_iter().next()) {
        Some(e) if e.message.is_empty() => (e.code, reason),
        Some(e) => (e.code, e.message),
        None => (String::new(), reason),
    }
}

fn basic(login: &Login) -> String {
    let pair = format!("{}:{}", login.user, login.password);
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
}

pub(super) async fn back_off(tries: u32, after: Option<u64>) {
    let wait = match after {
        Some(seconds) => Duration::from_secs(seconds.min(30)),
        None => Duration::from_millis(200) * 2u32.saturating_pow(tries.saturating_sub(1)),
    };
    tokio::time::sleep(wait).await;
}

fn is_certificate(error: &reqwest::Error) -> bool {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(e) = cause {
        if e.to_string().contains("certificate") {
            return true;
        }
        cause = e.source();
    }
    false
}

pub(super) fn client(options: &RegistryConfig, trust: Trust) -> Result<Client> {
    let mut builder = Client::builder()
        .tls_backend_preconfigured(tls::config(options, trust)?)
        .user_agent(concat!("tare/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(Duration::from_secs(20))
        .read_timeout(STALL)
        .no_proxy();
    let except = || options.no_proxy.as_deref().and_then(reqwest::NoProxy::from_string);
    if let Some(url) = &options.https_proxy {
        let proxy = Proxy::https(url).map_err(std::io::Error::other).at("use the https proxy", url)?;
        builder = builder.proxy(proxy.no_proxy(except()));
    }
    if let Some(url) = &options.http_proxy {
        let proxy = Proxy::http(url).map_err(std::io::Error::other).at("use the http proxy", url)?;
        builder = builder.proxy(proxy.no_proxy(except()));
    }
    builder.build().map_err(std::io::Error::other).at("set up", "the http client")
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Insecure {
    No,
    /// Plain http may be spoken, certificates count.
    Loopback,
    Listed,
}

/// How far a registry may be insecure. Loopback counts by name and by address, as in Docker.
fn is_insecure(host: &str, options: &RegistryConfig) -> Insecure {
    let bare = match host.strip_prefix('[').and_then(|h| h.split_once(']')) {
        Some((v6, _)) => v6,
        None => host.split(':').next().unwrap_or(host),
    };
    let address = bare.parse::<std::net::IpAddr>().ok();
    let listed = options.insecure.iter().any(|entry| {
        let entry = entry.trim_start_matches("http://").trim_start_matches("https://").trim_end_matches('/');
        entry == host || entry == bare || address.is_some_and(|a| in_network(a, entry))
    });
    if listed {
        Insecure::Listed
    } else if bare == "localhost" || address.is_some_and(|a| a.is_loopback()) {
        Insecure::Loopback
    } else {
        Insecure::No
    }
}

fn in_network(address: std::net::IpAddr, cidr: &str) -> bool {
    use std::net::IpAddr;
    let Some((network, bits)) = cidr.split_once('/') else { return false };
    let (Ok(network), Ok(bits)) = (network.parse::<IpAddr>(), bits.parse::<u32>()) else { return false };
    let (a, n, width) = match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(n)) => (u128::from(a.to_bits()), u128::from(n.to_bits()), 32),
        (IpAddr::V6(a), IpAddr::V6(n)) => (a.to_bits(), n.to_bits(), 128),
        _ => return false,
    };
    bits <= width && (bits == 0 || (a ^ n) >> (width - bits) == 0)
}

async fn speaks_tls(http: &Client, host: &str) -> bool {
    http.get(format!("https://{host}/v2/")).send().await.is_ok_and(|r| r.status() != StatusCode::BAD_GATEWAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn insecure_by_name_address_and_network() {
        let options =
            RegistryConfig { insecure: vec!["r.lan".into(), "10.1.0.0/16".into()], ..Default::default() };
        for (host, want) in [
            ("localhost:5000", Insecure::Loopback),
            ("127.9.9.9:1", Insecure::Loopback),
            ("[::1]:5000", Insecure::Loopback),
            ("r.lan:443", Insecure::Listed),
            ("10.1.200.3", Insecure::Listed),
            ("10.2.0.1", Insecure::No),
            ("localhost.example", Insecure::No),
        ] {
            assert_eq!(is_insecure(host, &options), want, "{host}");
        }
    }
}
