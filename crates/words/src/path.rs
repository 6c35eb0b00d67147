//! Paths by their text alone: for what does not exist here, or where no link is to be followed.

use std::path::{Component, Path, PathBuf};

/// The path without `.`, `..` and double or closing slashes; nothing leads above the root, or above where a relative one begins.
#[must_use]
pub fn clean(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

/// The same as parts below a root, whether the path begins with a slash or not.
#[must_use]
pub fn inside(path: &Path) -> PathBuf {
    let clean = clean(path);
    clean.strip_prefix("/").map(Path::to_owned).unwrap_or(clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leads_above_the_beginning() {
        let clean = |text: &str| clean(Path::new(text)).display().to_string();
        assert_eq!(clean("/a/./b/../c//d/"), "/a/c/d");
        assert_eq!(clean("/../../a"), "/a");
        assert_eq!(clean("../a/.."), "");
        assert_eq!(inside(Path::new("/a/../b")), Path::new("b"));
        assert_eq!(inside(Path::new("../b")), Path::new("b"));
    }
}
