//! How a registry is reached: its address, plain http or TLS, whose certificates count, through which proxy.

use std::time::Duration;

use reqwest::{Client, NoProxy, Proxy, StatusCode, Url};

use super::tls::{self, Trust};
use crate::RegistryConfig;
use crate::error::{At as _, RegistryError, Result};

/// Silence after which a connection counts as broken.
const STALL: Duration = Duration::from_secs(60);

/// Never asked through a proxy, as by Go's clients: a proxy's loopback is another machine's.
const LOOPBACK: &str = "localhost,127.0.0.0/8,::1";

/// A registry, found.
pub(super) struct Host {
    pub(super) http: Client,
    /// `https://host:port/v2/`
    pub(super) base: Url,
    /// Host and port.
    pub(super) name: String,
    /// What its login is kept under: `docker.io` for the Hub.
    pub(super) key: String,
}

impl Host {
    /// `domain` is that of an image's name; `mirror` is the URL of a mirror to ask in its place.
    pub(super) async fn find(domain: &str, config: &RegistryConfig, mirror: Option<&str>) -> Result<Self> {
        let own = if domain == "docker.io" { "registry-1.docker.io" } else { domain };
        let host = mirror.map_or(own, |m| {
            m.trim_start_matches("https://").trim_start_matches("http://").trim_end_matches('/')
        });
        let insecure = is_insecure(host, config);
        let trust = if insecure == Insecure::Listed { Trust::Anything } else { Trust::Verified };
        let http = client(config, trust, Some(host))?;
        let plain = mirror.is_some_and(|m| m.starts_with("http://"))
            || (insecure != Insecure::No && !speaks_tls(&http, host).await);
        let scheme = if plain { "http" } else { "https" };
        let base = format!("{scheme}://{host}/v2/");
        let problem = |problem: String| RegistryError::Protocol {
            registry: host.to_owned(),
            image: domain.to_owned(),
            problem,
        };
        let base = Url::parse(&base).map_err(|e| problem(format!("{base}: {e}")))?;
        let key = if mirror.is_some() { host } else { domain };
        Ok(Self { http, base, name: host.to_owned(), key: key.to_owned() })
    }
}

/// `host`: whose own certificates, of [`RegistryConfig::certificates`], count beside those of all.
pub(super) fn client(config: &RegistryConfig, trust: Trust, host: Option<&str>) -> Result<Client> {
    let mut builder = Client::builder()
        .tls_backend_preconfigured(tls::config(config, trust, host)?)
        .user_agent(concat!("tare/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(Duration::from_secs(20))
        .read_timeout(STALL)
        .no_proxy();
    let except = || NoProxy::from_string(&format!("{LOOPBACK},{}", config.no_proxy.as_deref().unwrap_or("")));
    if let Some(url) = &config.https_proxy {
        let proxy = Proxy::https(url).map_err(std::io::Error::other).at("use the https proxy", url)?;
        builder = builder.proxy(proxy.no_proxy(except()));
    }
    if let Some(url) = &config.http_proxy {
        let proxy = Proxy::http(url).map_err(std::io::Error::other).at("use the http proxy", url)?;
        builder = builder.proxy(proxy.no_proxy(except()));
    }
    builder.build().map_err(std::io::Error::other).at("set up", "the http client")
}

/// Whether an error is about certificates: theirs, or the one that we should have shown.
pub(super) fn is_certificate(error: &reqwest::Error) -> bool {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(e) = cause {
        if e.to_string().to_lowercase().contains("certificate") {
            return true;
        }
        cause = e.source();
    }
    false
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Insecure {
    No,
    /// Plain http may be spoken, certificates count.
    Loopback,
    Listed,
}

/// How far a registry may be insecure. Loopback counts by name and by address, as in Docker.
fn is_insecure(host: &str, config: &RegistryConfig) -> Insecure {
    let bare = match host.strip_prefix('[').and_then(|h| h.split_once(']')) {
        Some((v6, _)) => v6,
        None => host.split(':').next().unwrap_or(host),
    };
    let address = bare.parse::<std::net::IpAddr>().ok();
    let listed = config.insecure.iter().any(|entry| {
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

/// A certificate that is not trusted is TLS all the same, and so is a connection that breaks behind the handshake (for
/// want of a client's certificate): such an error tells more than what plain http would get.
async fn speaks_tls(http: &Client, host: &str) -> bool {
    match http.get(format!("https://{host}/v2/")).send().await {
        Ok(answer) => answer.status() != StatusCode::BAD_GATEWAY,
        Err(e) => is_certificate(&e) || (e.is_request() && !e.is_connect() && !e.is_timeout()),
    }
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
