//! What registries refuse, or do not answer, and what a person could do about it.

use std::error::Error as StdError;
use std::io;

use tare_words::ErrorKind;

/// What was asked for when a registry refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A manifest, an index or a config.
    Manifest,
    /// A layer.
    Blob,
    /// The right to push.
    Upload,
    /// Whether user and password are right.
    Login,
    /// A list of images.
    Search,
}

impl Subject {
    pub(crate) fn action(self) -> &'static str {
        match self {
            Self::Manifest => "get the manifest of",
            Self::Blob => "get a layer of",
            Self::Upload => "push",
            Self::Login => "log in as",
            Self::Search => "search for",
        }
    }
}

/// A registry's refusal or silence.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// No answer, or the connection broke, after all retries.
    #[error("{registry}: cannot {action} {image}: {}{}", said(reason.as_ref()), also(mirrors))]
    Unreachable {
        /// Host and port.
        registry: String,
        /// What was tried.
        action: &'static str,
        /// For which image.
        image: String,
        /// reqwest's error; no `source`, since the message has said what in it tells something.
        reason: Box<dyn StdError + Send + Sync>,
        /// What the mirrors that were asked before it had said.
        mirrors: Vec<String>,
    },
    /// 401 or 403, or a repository that does not exist: registries do not tell these apart.
    #[error("{}", denied(*subject, image, message, registry, *status))]
    Denied {
        /// Host and port.
        registry: String,
        /// The repository, or for a login the user.
        image: String,
        /// What was refused.
        subject: Subject,
        /// HTTP status.
        status: u16,
        /// What the registry said.
        message: String,
    },
    /// The repository is there, the tag or digest is not.
    #[error("manifest for {image} not found: {message} ({registry})")]
    ManifestUnknown {
        /// Host and port.
        registry: String,
        /// The image.
        image: String,
        /// What the registry said.
        message: String,
    },
    /// 429, also after the waits that the registry asked for.
    #[error("{registry} refuses {image} for now: {message} (HTTP 429{})", again(*after))]
    RateLimited {
        /// Host and port.
        registry: String,
        /// The image.
        image: String,
        /// What the registry said.
        message: String,
        /// Seconds after which it may be asked again, if it told.
        after: Option<u64>,
    },
    /// Any other status.
    #[error("{registry}: cannot {action} {image}: HTTP {status}: {message}")]
    Status {
        /// Host and port.
        registry: String,
        /// What was tried.
        action: &'static str,
        /// For which image.
        image: String,
        /// HTTP status.
        status: u16,
        /// What the registry said.
        message: String,
    },
    /// An answer that makes no sense.
    #[error("{registry}: {image}: {problem}")]
    Protocol {
        /// Host and port.
        registry: String,
        /// For which image.
        image: String,
        /// What is wrong.
        problem: String,
    },
}

impl RegistryError {
    /// What kind of error it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::ManifestUnknown { .. } => ErrorKind::NotFound,
            Self::Denied { .. } => ErrorKind::Forbidden,
            Self::Unreachable { .. }
            | Self::RateLimited { .. }
            | Self::Status { .. }
            | Self::Protocol { .. } => ErrorKind::Unavailable,
        }
    }

    /// What a person could do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Denied { subject: Subject::Login, .. } => {
                Some("check the user name; where passwords are not taken, give an access token".to_owned())
            }
            Self::Denied { registry, subject: Subject::Upload, .. } => {
                Some(format!("push to a repository of your own: docker login{}", server(registry)))
            }
            Self::Denied { registry, .. } => {
                Some(format!("check the name; for a private image run: docker login{}", server(registry)))
            }
            Self::ManifestUnknown { .. } => Some("check the tag".to_owned()),
            Self::RateLimited { registry, .. } => Some(format!(
                "docker login{} raises the limit; or use a mirror (registry-mirrors)",
                server(registry)
            )),
            Self::Unreachable { registry, reason, .. } => unreachable_hint(registry, reason.as_ref()),
            _ => None,
        }
    }
}

/// The operand that `docker login` needs for a registry: none for the Hub.
fn server(registry: &str) -> String {
    if registry == "registry-1.docker.io" { String::new() } else { format!(" {registry}") }
}

/// Docker's words, and whose they are.
fn denied(subject: Subject, image: &str, message: &str, registry: &str, status: u16) -> String {
    match subject {
        Subject::Login => format!("login to {registry} as {image:?} was refused: {message} (HTTP {status})"),
        Subject::Upload => format!("push access denied for {image}: {message} ({registry}, HTTP {status})"),
        Subject::Search => format!("{registry} refuses to search for {image}: {message} (HTTP {status})"),
        Subject::Manifest | Subject::Blob => format!(
            "pull access denied for {image}, repository does not exist or may require 'docker login': {message} ({registry}, HTTP {status})"
        ),
    }
}

fn also(mirrors: &[String]) -> String {
    if mirrors.is_empty() { String::new() } else { format!("; before that: {}", mirrors.join("; ")) }
}

fn again(after: Option<u64>) -> String {
    match after {
        Some(seconds @ 0..120) => format!("; may be asked again in {seconds} s"),
        Some(seconds) => format!("; may be asked again in {} min", seconds.div_ceil(60)),
        None => String::new(),
    }
}

fn unreachable_hint(registry: &str, reason: &(dyn StdError + Send + Sync + 'static)) -> Option<String> {
    let cause = root(reason).to_string();
    let folder = format!("/etc/docker/certs.d/{registry}");
    if cause.contains("UnknownIssuer") || cause.contains("CaUsedAsEndEntity") {
        return Some(format!(
            "put the CA that signed it into {folder}/ca.crt, or among the system's, or set SSL_CERT_FILE (so too \
             behind a company's proxy); for a test registry list {registry} in insecure-registries"
        ));
    }
    // Go's servers say BadCertificate to clients that have none.
    if cause.contains("fatal alert") && (cause.contains("Certificate") || cause.contains("UnknownCA")) {
        return Some(format!(
            "it wants to see a client's certificate that it trusts: put yours into {folder}/client.cert and its key into {folder}/client.key"
        ));
    }
    if cause.contains("certificate expired") || cause.contains("certificate not valid yet") {
        return Some(
            "check this machine's clock; else the registry's certificate must be renewed".to_owned(),
        );
    }
    if is_not_tls(&cause) {
        return Some(format!("it does not speak TLS: for plain http list {registry} in insecure-registries"));
    }
    if cause.contains("lookup address") {
        return Some("check the registry's name, DNS, and whether HTTPS_PROXY is needed".to_owned());
    }
    match io_kind(reason)? {
        io::ErrorKind::ConnectionRefused => Some(format!(
            "nothing listens there: is the registry at {registry} running, and is this its port?"
        )),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable | io::ErrorKind::TimedOut => {
            Some("check the network, and whether HTTPS_PROXY is needed".to_owned())
        }
        _ => None,
    }
}

fn is_not_tls(cause: &str) -> bool {
    cause.contains("InvalidContentType")
}

/// The innermost error, for people: reqwest's own is only «error sending request».
fn said(error: &(dyn StdError + Send + Sync + 'static)) -> String {
    let cause = root(error).to_string();
    if cause.contains("UnknownIssuer") {
        return format!("its certificate is signed by an unknown authority ({cause})");
    }
    if is_not_tls(&cause) {
        return format!("it answers in plain text, not in TLS ({cause})");
    }
    cause
}

fn root<'a>(error: &'a (dyn StdError + Send + Sync + 'static)) -> &'a (dyn StdError + 'static) {
    let mut cause: &dyn StdError = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause
}

fn io_kind(error: &(dyn StdError + Send + Sync + 'static)) -> Option<io::ErrorKind> {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(e) = cause {
        if let Some(e) = e.downcast_ref::<io::Error>() {
            return Some(e.kind());
        }
        cause = e.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_have_dockers_words() {
        let denied = RegistryError::Denied {
            registry: "registry-1.docker.io".into(),
            image: "no/such".into(),
            subject: Subject::Manifest,
            status: 401,
            message: "denied: requested access to the resource is denied".into(),
        };
        assert_eq!(
            denied.to_string(),
            "pull access denied for no/such, repository does not exist or may require 'docker login': denied: \
             requested access to the resource is denied (registry-1.docker.io, HTTP 401)"
        );
        assert!(denied.hint().unwrap().ends_with("docker login"), "the Hub needs no operand");
        assert_eq!(again(Some(30)), "; may be asked again in 30 s");
        assert_eq!(again(Some(3601)), "; may be asked again in 61 min");
    }

    #[test]
    fn hints_tell_silence_from_mistrust() {
        let hint = |reason: io::Error| unreachable_hint("r.io:5000", &reason).unwrap_or_default();
        let unknown = io::Error::other("invalid peer certificate: UnknownIssuer");
        assert!(hint(unknown).contains("/etc/docker/certs.d/r.io:5000/ca.crt"));
        assert!(hint(io::ErrorKind::ConnectionRefused.into()).contains("r.io:5000"));
        assert!(hint(io::Error::other("failed to lookup address information")).contains("DNS"));
    }
}
