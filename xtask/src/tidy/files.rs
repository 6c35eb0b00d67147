//! The Rust files of the repository.

use std::fs;
use std::path::Path;

use anyhow::Context;

/// A file's path from the repository's root, with `/`, and its text.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// All `.rs` files of the crates and of xtask, in order of path.
pub(crate) fn rust_sources(root: &Path) -> anyhow::Result<Vec<Source>> {
    let mut found = Vec::new();
    for top in ["crates", "xtask"] {
        walk(root, &root.join(top), &mut found)?;
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn walk(root: &Path, folder: &Path, found: &mut Vec<Source>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            if path.file_name().is_none_or(|name| name != "target") {
                walk(root, &path, found)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
            let relative = path.strip_prefix(root)?.to_string_lossy().replace('\\', "/");
            found.push(Source { path: relative, text });
        }
    }
    Ok(())
}
