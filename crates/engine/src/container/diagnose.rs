//! Reading why a program failed from what it wrote, where the cause lies outside of it.

use crate::container::logs::{LogOptions, Piece};
use crate::{Engine, Warning};

/// What TLS libraries say of a certificate whose authority they do not know: OpenSSL (curl, git, pip, Ruby), Go, Java,
/// Node, GnuTLS (wget, apt).
const MISTRUST: &[&str] = &[
    "CERTIFICATE_VERIFY_FAILED",
    "certificate verify failed",
    "SSL certificate problem",
    "x509: certificate signed by unknown authority",
    "unable to find valid certification path",
    "SELF_SIGNED_CERT_IN_CHAIN",
    "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
    "self-signed certificate in certificate chain",
    "certificate is NOT trusted",
    "certificate issuer is unknown",
];
/// So many lines of a log's end are read.
const LINES: usize = 60;
/// Where Debian, and most images, keep the authorities.
const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Whether a program failed because it does not trust an authority that the host trusts.
#[must_use]
pub fn is_tls_mistrust(output: &str) -> bool {
    MISTRUST.iter().any(|words| output.contains(words))
}

impl Engine {
    /// The likely cause of a container's failure, if its last lines tell one.
    #[must_use]
    pub fn diagnose(&self, name: &str) -> Option<Warning> {
        let mut log =
            self.follow_log(name, &LogOptions { tail: Some(LINES), ..LogOptions::default() }).ok()?;
        log.end_now().ok()?;
        loop {
            match log.next_piece().ok()? {
                Piece::Entries(entries) if entries.iter().any(|line| is_tls_mistrust(&line.log)) => {
                    return Some(mistrust());
                }
                Piece::Entries(_) | Piece::Lost(_) => {}
                Piece::Nothing | Piece::Over => return None,
            }
        }
    }
}

fn mistrust() -> Warning {
    Warning {
        message: "the program does not trust the certificate it was shown; the image may lack this host's CA bundle"
            .into(),
        hint: Some(format!("behind a company's TLS proxy: -v {BUNDLE}:{BUNDLE}:ro -e SSL_CERT_FILE={BUNDLE}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_tls_libraries_are_known() {
        let pip = "SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed'))";
        let curl = "curl: (60) SSL certificate problem: unable to get local issuer certificate";
        let go = "tls: failed to verify certificate: x509: certificate signed by unknown authority";
        for text in [pip, curl, go] {
            assert!(is_tls_mistrust(text), "{text}");
        }
        assert!(!is_tls_mistrust("HTTP Error 404: certificate of attendance not found"));
    }
}
