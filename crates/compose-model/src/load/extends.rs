//! `extends`: a service that starts from another one, of the same file or of another.

use std::path::{Path, PathBuf};

use super::Loader;
use crate::canonical::absolute;
use crate::error::Error;
use crate::merge::merge;
use crate::node::{Node, child_path};
use crate::yaml::parse;

/// How many services may follow each other; each is a level of the stack.
const MAX_CHAIN: usize = 100;

/// A service on the way down, to find circles: the file (none for the project's own) and the name.
type Link = (Option<PathBuf>, String);

impl Loader<'_> {
    /// Replaces every service that extends another one by the merged result.
    pub(super) fn extend_services(
        &mut self,
        document: &mut Node,
        earlier: Option<&Node>,
        base: &Path,
    ) -> Result<(), Error> {
        let names: Vec<String> = document
            .get("services")
            .and_then(Node::as_map)
            .map(|services| services.keys().cloned().collect())
            .unwrap_or_default();
        for name in names {
            let mut chain = vec![(None, name.clone())];
            let full = self.extended(document, earlier, &name, base, &mut chain)?;
            if let (Some(full), Some(slot)) =
                (full, document.get_mut("services").and_then(|all| all.get_mut(&name)))
            {
                *slot = full;
            }
        }
        Ok(())
    }

    /// The service with what it extends merged in; `None` when it extends nothing or does not exist.
    fn extended(
        &mut self,
        document: &Node,
        earlier: Option<&Node>,
        name: &str,
        base: &Path,
        chain: &mut Vec<Link>,
    ) -> Result<Option<Node>, Error> {
        let Some(service) = document.get("services").and_then(|services| services.get(name)) else {
            return Ok(None);
        };
        let Some(extends) = service.get("extends").cloned() else { return Ok(None) };
        let path = format!("services.{name}.extends");
        let Some(target) = extends.get("service").and_then(Node::as_str).map(str::to_owned) else {
            return Err(Error::invalid(extends.place(), path, "needs the name of a service"));
        };
        let file = extends.get("file").and_then(Node::as_str);
        let parent = match file {
            Some(file) => {
                let file = absolute(base, self.env.get("HOME").map(String::as_str), file);
                self.follow(chain, (Some(file.clone()), target.clone()), &extends)?;
                self.read_parent(&file, &target, &extends, &path, chain)?
            }
            None => {
                let here = chain.last().and_then(|(file, _)| file.clone());
                self.follow(chain, (here, target.clone()), &extends)?;
                match self.extended(document, earlier, &target, base, chain)? {
                    Some(full) => full,
                    None => [Some(document), earlier]
                        .into_iter()
                        .flatten()
                        .find_map(|tree| tree.get("services")?.get(&target))
                        .cloned()
                        .ok_or_else(|| missing(&extends, &path, &target, "this file"))?,
                }
            }
        };
        chain.pop();
        let mut child = service.clone();
        if let Some(map) = child.as_map_mut() {
            map.shift_remove("extends");
        }
        merge(parent, child, &["services", name]).map(Some)
    }

    fn follow(&self, chain: &mut Vec<Link>, next: Link, extends: &Node) -> Result<(), Error> {
        if let Some(start) = chain.iter().position(|link| *link == next) {
            let services = chain[start..].iter().chain([&next]).map(|(_, name)| name.clone()).collect();
            return Err(Error::Cycle { at: extends.place().clone(), kind: "extends", services });
        }
        if chain.len() > MAX_CHAIN {
            let message = format!("more than {MAX_CHAIN} services extend one another");
            return Err(Error::invalid(extends.place(), "extends", message));
        }
        chain.push(next);
        Ok(())
    }

    fn read_parent(
        &mut self,
        file: &Path,
        target: &str,
        extends: &Node,
        path: &str,
        chain: &mut Vec<Link>,
    ) -> Result<Node, Error> {
        let base = file.parent().unwrap_or(Path::new("/")).to_owned();
        let text = self.files.read(file).map_err(|source| {
            let message = format!("cannot read {}: {source}", file.display());
            Error::invalid(extends.place(), child_path(path, "file"), message)
        })?;
        let mut documents = parse(file, &text)?;
        let mut document = documents.remove(0);
        self.prepare(&mut document, &base)?;
        match self.extended(&document, None, target, &base, chain)? {
            Some(full) => Ok(full),
            None => document
                .get("services")
                .and_then(|services| services.get(target))
                .cloned()
                .ok_or_else(|| missing(extends, path, target, &file.display().to_string())),
        }
    }
}

fn missing(extends: &Node, path: &str, target: &str, place: &str) -> Error {
    Error::invalid(extends.place(), path, format!("there is no service `{target}` in {place}"))
}
