//! Options and outcomes of pulls and pushes.

use std::path::PathBuf;

use tare_oci::{Digest, Platform};

use crate::Image;
use crate::auth::Credentials;

/// How to reach registries.
#[derive(Clone, Debug, Default)]
pub struct RegistryConfig {
    /// Registries (`host`, `host:port` or CIDR) that may be plain http or have a bad certificate. Loopback always may
    /// be plain http.
    pub insecure: Vec<String>,
    /// Mirrors of Docker Hub, as URLs, tried in order before it.
    pub mirrors: Vec<String>,
    /// A PEM bundle of CAs to trust beside the system's own (`SSL_CERT_FILE`).
    pub ca_file: Option<PathBuf>,
    /// Folders of a folder for each registry (`HOST:PORT`) with its CAs (`*.crt`) and a client's certificate and key
    /// (`*.cert`, `*.key`): Docker's `/etc/docker/certs.d`.
    pub certificates: Vec<PathBuf>,
    /// Proxy for https, such as `http://proxy:3128` (`HTTPS_PROXY`).
    pub https_proxy: Option<String>,
    /// Proxy for http (`HTTP_PROXY`).
    pub http_proxy: Option<String>,
    /// Hosts that no proxy is used for (`NO_PROXY`), comma-separated.
    pub no_proxy: Option<String>,
}

/// Options of a pull or a push.
#[derive(Clone, Debug, Default)]
pub struct PullOptions {
    /// The platform to choose; the host's when `None`.
    pub platform: Option<Platform>,
    /// Credentials by registry.
    pub credentials: Credentials,
    /// How to reach registries.
    pub registries: RegistryConfig,
}

/// What a pull did.
#[derive(Clone, Debug)]
pub struct PullOutcome {
    /// The image, now in the store.
    pub image: Image,
    /// Digest of the manifest or index that the name stands for on the registry.
    pub digest: Digest,
    /// Whether the name stood for this very image before.
    pub up_to_date: bool,
}

/// What a push did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushOutcome {
    /// Digest of the manifest on the registry.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
}
