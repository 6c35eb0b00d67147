//! The nameservers to forward to: given ones, or the host's as they are now.

use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::SystemTime;

use crate::resolv::ResolvConf;

#[derive(Debug)]
pub(super) struct Nameservers {
    given: Vec<IpAddr>,
    path: PathBuf,
    modified: Option<SystemTime>,
    host: ResolvConf,
}

impl Nameservers {
    pub(super) fn new(given: Vec<IpAddr>, path: PathBuf) -> Self {
        Self { given, path, modified: None, host: ResolvConf::default() }
    }

    /// Reads the host's file again if it changed. One that vanished for a moment (it is often a link that a network
    /// manager replaces) leaves the last contents in force.
    fn refresh(&mut self) {
        let modified = fs::metadata(&self.path).and_then(|metadata| metadata.modified()).ok();
        if modified.is_none() || modified == self.modified {
            return;
        }
        if let Ok(text) = fs::read_to_string(&self.path) {
            self.host = ResolvConf::parse(&text);
            self.modified = modified;
        }
    }

    pub(super) fn current(&mut self) -> &[IpAddr] {
        if self.given.is_empty() {
            self.refresh();
            &self.host.nameservers
        } else {
            &self.given
        }
    }

    pub(super) fn has_search_domain(&mut self) -> bool {
        self.refresh();
        self.host.search.iter().any(|domain| domain != ".")
    }
}
