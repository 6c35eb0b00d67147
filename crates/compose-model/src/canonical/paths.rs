//! Paths of a Compose file: relative to the project's folder, `~`, and contexts that are no paths at all.

use std::path::{Component, Path, PathBuf};

use super::Context;
use crate::node::{Node, ScalarKind, Value};
use crate::stages::Stage;

/// Joins and cleans a path by its text alone: `.` and `..` go, links are not followed.
pub(crate) fn absolute(base: &Path, home: Option<&str>, text: &str) -> PathBuf {
    let joined = match (text.strip_prefix('~'), home) {
        (Some(rest), Some(home)) if rest.is_empty() || rest.starts_with('/') => {
            Path::new(home).join(rest.trim_start_matches('/'))
        }
        _ => base.join(text),
    };
    let mut clean = PathBuf::new();
    for component in joined.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                clean.pop();
            }
            component => clean.push(component),
        }
    }
    clean
}

/// Whether a build context is a URL or another image rather than a folder.
fn is_remote(text: &str) -> bool {
    text.contains("://")
        || ["git@", "github.com/", "service:", "target:", "oci-layout:"]
            .iter()
            .any(|prefix| text.starts_with(prefix))
}

pub(super) fn make_absolute(node: &mut Node, context: &Context<'_>) {
    let stays = context.stages.paths == Stage::Skip;
    if (stays && context.base == context.root) || context.is_open(node) {
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
    if !node.as_str().is_some_and(is_remote) {
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
        assert_eq!(get("/abs/./y"), "/abs/y");
        assert!(is_remote("https://example.com/a.git") && is_remote("docker-image://alpine"));
    }
}
