//! A registry's own certificates, where Docker keeps them: `certs.d/HOST:PORT/` with CAs (`*.crt`) and a client's
//! certificate with its key (`*.cert`, `*.key`).

use std::io;
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::error::{At as _, Error, Result};

/// What `certs.d` holds for one registry.
#[derive(Default)]
pub(super) struct Certificates {
    pub(super) authorities: Vec<CertificateDer<'static>>,
    /// A client's certificate with its chain, and its key; the first by name, should there be several.
    pub(super) identity: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
}

/// Reads all of `folders`; one that is not there holds nothing.
pub(super) fn of_host(folders: &[PathBuf], host: &str) -> Result<Certificates> {
    let mut found = Certificates::default();
    for folder in folders {
        for path in files(&folder.join(host))? {
            match path.extension().and_then(|e| e.to_str()) {
                Some("crt") => found.authorities.extend(chain(&path)?),
                Some("cert") if found.identity.is_none() => found.identity = Some(identity(&path)?),
                _ => {}
            }
        }
    }
    Ok(found)
}

/// The certificates of a PEM file.
pub(super) fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<std::result::Result<_, _>>);
    read.map_err(plain).at("read certificates from", path)
}

fn identity(certificate: &Path) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let path = certificate.with_extension("key");
    if !path.exists() {
        return Err(Error::MissingKey { certificate: certificate.to_owned(), key: path });
    }
    let key = PrivateKeyDer::from_pem_file(&path).map_err(plain).at("read a private key from", &path)?;
    Ok((chain(certificate)?, key))
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(e) => return Err(e).at("list", folder),
    };
    let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>();
    let mut paths = paths.at("list", folder)?;
    paths.sort();
    Ok(paths)
}

fn plain(error: pem::Error) -> io::Error {
    match error {
        pem::Error::Io(error) => error,
        other => io::Error::other(other.to_string()),
    }
}
