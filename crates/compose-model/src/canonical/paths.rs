//! Paths of a Compose file: relative to the project's folder, `~`, and contexts that are no paths at all.

use std::path::{Path, PathBuf};

use tare_words::path::clean;

use super::Context;
use crate::node::{Node, ScalarKind, Value};
use crate::stages::Stage;

/// Joins a path and cleans it by its text alone: `.` and `..` go, links are not followed. What is absolute stays as it
/// was written.
pub(crate) fn absolute(base: &Path, home: Option<&str>, text: &str) -> PathBuf {
    if let (Some(rest), Some(home)) = (text.strip_prefix('~'), home) {
        return clean(&Path::new(home).join(rest.trim_start_matches('/')));
    }
    if text.starts_with('/') || is_windows_absolute(text) {
        return PathBuf::from(text);
    }
    clean(&base.join(text))
}

/// `C:\x`, `\\.\pipe\x`: for clients elsewhere.
fn is_windows_absolute(text: &str) -> bool {
    let bytes = text.as_bytes();
    let drive = bytes.len() > 2 && bytes[0].is_ascii_alphabetic() && bytes[1] == b':';
    (drive && matches!(bytes[2], b'\\' | b'/')) || text.starts_with("\\\\")
}

/// Whether a build context is a URL or another image rather than a folder.
fn is_remote(text: &str) -> bool {
    text.contains("://") || ["git@", "github.com/", "service:"].iter().any(|prefix| text.starts_with(prefix))
}

pub(super) fn make_absolute(node: &mut Node, context: &Context<'_>) {
    let stays = context.stages.paths == Stage::Skip;
    if stays && context.base == context.root {
        return;
    }
    if let Value::Scalar(text, _) = &node.value {
        let mut path = absolute(context.base, context.home, text);
        if stays && let Ok(relative) = path.strip_prefix(context.root) {
            path = relative.to_owned();
        }
        node.value = Value::Scalar(path.to_string_lossy().into_owned(), ScalarKind::Text);
    }
}

pub(super) fn make_absolute_or_remote(node: &mut Node, context: &Context<'_>) {
    if !node.as_str().is_some_and(|text| text.is_empty() || is_remote(text)) {
        make_absolute(node, context);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned() {
        let base = Path::new("/p/app");
        let get = |text| absolute(base, Some("/home/me"), text).to_string_lossy().into_owned();
        assert_eq!(get("./"), "/p/app");
        assert_eq!(get("./docker/../data"), "/p/app/data");
        assert_eq!(get("../x"), "/p/x");
        assert_eq!(get("~/x"), "/home/me/x");
        assert_eq!(get("/abs/./y/"), "/abs/./y/");
        assert_eq!(get("~x"), "/home/me/x");
        assert!(is_remote("https://example.com/a.git") && is_remote("docker-image://alpine"));
    }
}
