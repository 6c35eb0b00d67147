//! Contexts from elsewhere: what a URL leads to, and repositories.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::git::Repository;
use crate::sources::temporary;
use crate::{Cancel, Error, Request, fetch};

/// A repository's folder, removed with the value.
#[derive(Debug)]
pub struct Checkout {
    folder: PathBuf,
    /// The part of it that the URL names.
    part: PathBuf,
}

impl Checkout {
    /// The folder to build.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.part
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        // What stays is in a folder of temporary files, and swept by a later build.
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

/// Whether a context, or a source of `ADD`, is a repository.
#[must_use]
pub fn is_repository(text: &str) -> bool {
    Repository::parse(text).is_some()
}

/// Fetches the repository that a context's URL names, as `URL#reference:folder`; without `.git`, as in Docker. The
/// request says where temporary files go.
///
/// # Errors
/// What git says.
pub fn clone_context(request: &Request, url: &str, cancel: &Cancel) -> Result<Checkout, Error> {
    let not_one = || Error::Git { line: 0, url: url.to_owned(), reason: "is no repository".to_owned() };
    let repository = Repository::parse(url).ok_or_else(not_one)?;
    let commit = repository.commit(0, cancel)?;
    check_out(request, &repository, (&commit, 0), GitFolder::Removed, cancel)
}

/// Fetches the file that a context's URL leads to: an archive or a Dockerfile.
///
/// # Errors
/// A server that cannot be reached, or has nothing there.
pub fn fetch_context(request: &Request, url: &str, cancel: &Cancel) -> Result<File, Error> {
    fetch::fetch(request, url, 0, cancel).map(|fetched| fetched.file)
}

/// Whether `.git` is part of what a repository holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GitFolder {
    Kept,
    Removed,
}

/// Fetches a commit into a temporary folder.
pub(crate) fn check_out(
    request: &Request,
    repository: &Repository,
    (commit, line): (&str, u32),
    git_folder: GitFolder,
    cancel: &Cancel,
) -> Result<Checkout, Error> {
    let folder = temporary(&request.cache_root.join("contexts"))?;
    let mut checkout = Checkout { part: folder.clone(), folder };
    checkout.part = repository.check_out(commit, &checkout.folder, line, cancel)?;
    if git_folder == GitFolder::Removed {
        // Of a repository within it git leaves a file.
        let git = checkout.folder.join(".git");
        std::fs::remove_dir_all(&git).map_err(|source| Error::Io { action: "remove", path: git, source })?;
    }
    Ok(checkout)
}
