//! A certificate authority of the test's own, made by openssl.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A CA in a folder: `ca.crt`, `ca.key`, and whatever it has signed.
pub(crate) struct Authority(pub(crate) PathBuf);

impl Authority {
    pub(crate) fn new(folder: &Path) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        let own = Self(folder.to_owned());
        own.request("ca", &["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign"], &[]);
        own
    }

    /// `NAME.crt` and `NAME.key` for a server on 127.0.0.1, or for its client.
    pub(crate) fn sign(&self, name: &str) {
        let extensions =
            ["basicConstraints=critical,CA:FALSE", "subjectAltName=IP:127.0.0.1,DNS:registry.test"];
        self.request(name, &extensions, &["-CA", "ca.crt", "-CAkey", "ca.key"]);
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.0.join(file)
    }

    fn request(&self, name: &str, extensions: &[&str], more: &[&str]) {
        let mut command = Command::new("openssl");
        command.current_dir(&self.0).args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]);
        command.args(["-subj", &format!("/CN={name}"), "-keyout", &format!("{name}.key")]);
        command.args(["-out", &format!("{name}.crt")]).args(more);
        for extension in extensions {
            command.args(["-addext", extension]);
        }
        let output = command.output().expect("openssl is installed: apt-get install openssl");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
