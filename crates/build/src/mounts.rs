//! What a `RUN` step finds mounted: generated files in `/etc`, the host's certificates, and its `--mount`s.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tare_runtime::{Idmap, Mount, OverlayUpper, Propagation};

use crate::Error;
use crate::io_at::At as _;
use crate::request::{HostTrust, Request};
use crate::sources::temporary;

/// In the container's `/dev`, which is not part of any layer: nothing that is mounted there leaves a trace.
const TRUST_FOLDER: &str = "/dev/tare";

/// Generated files, in a folder of this build that goes with it.
pub(crate) struct Generated {
    folder: PathBuf,
    files: usize,
}

impl Generated {
    pub(crate) fn new(run_root: &Path) -> Result<Self, Error> {
        Ok(Self { folder: temporary(&run_root.join("build"))?, files: 0 })
    }

    /// Writes a file and returns where it is.
    pub(crate) fn file(&mut self, text: &[u8], mode: u32, owner: (u32, u32)) -> Result<PathBuf, Error> {
        let path = self.folder.join(self.files.to_string());
        self.files += 1;
        std::fs::write(&path, text).at("write", &path)?;
        std::fs::set_permissions(&path, Permissions::from_mode(mode)).at("set the mode of", &path)?;
        if owner != (0, 0) {
            std::os::unix::fs::chown(&path, Some(owner.0), Some(owner.1)).at("set the owner of", &path)?;
        }
        Ok(path)
    }

    /// A new empty folder.
    pub(crate) fn folder(&mut self) -> Result<PathBuf, Error> {
        let path = self.folder.join(self.files.to_string());
        self.files += 1;
        std::fs::create_dir(&path).at("make", &path)?;
        Ok(path)
    }
}

impl Drop for Generated {
    fn drop(&mut self) {
        // What stays is below the boot's own folder, readable by root alone.
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

/// A bind of a host's file or folder.
pub(crate) fn bind(source: PathBuf, target: impl Into<PathBuf>, readonly: bool) -> Mount {
    Mount::Bind {
        source,
        target: target.into(),
        readonly,
        recursive: false,
        propagation: Propagation::Private,
        idmap: Idmap::Off,
    }
}

/// A folder of the host whose changes are thrown away.
pub(crate) fn overlay(lowers: Vec<PathBuf>, target: PathBuf, changes: Option<(PathBuf, PathBuf)>) -> Mount {
    Mount::Overlay { lowers, upper: changes.map(|(upper, work)| OverlayUpper { upper, work }), target }
}

/// `/etc/hosts`, `/etc/resolv.conf` and `/etc/hostname`.
pub(crate) fn etc_files(
    generated: &mut Generated,
    request: &Request,
    resolv: Vec<u8>,
) -> Result<Vec<Mount>, Error> {
    let mut hosts =
        String::from("127.0.0.1\tlocalhost buildkitsandbox\n::1\tlocalhost ip6-localhost ip6-loopback\n");
    for (name, address) in &request.extra_hosts {
        hosts.push_str(&format!("{address}\t{name}\n"));
    }
    let mut mount = |text: &[u8], target: &str| {
        generated.file(text, 0o644, (0, 0)).map(|source| bind(source, target, false))
    };
    Ok(vec![
        mount(hosts.as_bytes(), "/etc/hosts")?,
        mount(&resolv, "/etc/resolv.conf")?,
        mount(b"buildkitsandbox\n", "/etc/hostname")?,
    ])
}

/// The host's.
pub(crate) fn resolv_conf() -> Result<Vec<u8>, Error> {
    match std::fs::read("/etc/resolv.conf") {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error).at("read", "/etc/resolv.conf"),
    }
}

/// Names and values.
pub(crate) type Variables = Vec<(String, String)>;

/// The host's certificates at a private path, and the variables by which programs find them there. The system's own
/// bundle is not covered: a step that installs or updates it could not put its own in place, as nothing can be renamed
/// over a mount, and one that copies it elsewhere (`cp -r /etc/ssl /rootfs/etc`) would carry the host's authorities into
/// the image. So what reads that bundle alone (busybox wget, Java) does not see the host's.
pub(crate) fn host_trust(
    generated: &mut Generated,
    trust: &HostTrust,
) -> Result<(Vec<Mount>, Variables), Error> {
    let mut mounts = Vec::new();
    let mut env = trust.proxy_env.clone();
    let Some(bundle) = &trust.ca_bundle else { return Ok((mounts, env)) };
    // A copy: the host's file may be replaced, or lie where the container's user may not read.
    let text = std::fs::read(bundle).at("read", bundle)?;
    let path = format!("{TRUST_FOLDER}/ca-certificates.crt");
    mounts.push(bind(generated.file(&text, 0o644, (0, 0))?, &path, true));
    // apt reads this file before those of the image, and takes neither SSL_CERT_FILE nor CURL_CA_BUNDLE.
    let apt = format!("Acquire::https::CAInfo \"{path}\";\n");
    let apt_path = format!("{TRUST_FOLDER}/apt.conf");
    mounts.push(bind(generated.file(apt.as_bytes(), 0o644, (0, 0))?, &apt_path, true));
    // GNU wget is mostly built with GnuTLS, which has no variable for this.
    let wget = format!("ca_certificate = {path}\n");
    let wget_path = format!("{TRUST_FOLDER}/wgetrc");
    mounts.push(bind(generated.file(wget.as_bytes(), 0o644, (0, 0))?, &wget_path, true));
    for name in [
        "SSL_CERT_FILE",
        "SSL_CA_CERT_FILE",
        "PIP_CERT",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "NODE_EXTRA_CA_CERTS",
        "GIT_SSL_CAINFO",
        "BUNDLE_SSL_CA_CERT",
        "CARGO_HTTP_CAINFO",
        "AWS_CA_BUNDLE",
        "DENO_CERT",
        "NIX_SSL_CERT_FILE",
        "HEX_CACERTS_PATH",
        "PERL_LWP_SSL_CA_FILE",
    ] {
        env.push((name.to_owned(), path.clone()));
    }
    env.push(("APT_CONFIG".to_owned(), apt_path));
    env.push(("WGETRC".to_owned(), wget_path));
    Ok((mounts, env))
}
