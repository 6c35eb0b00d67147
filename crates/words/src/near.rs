//! «Did you mean»: the known name that a typed one likely stands for.

use std::fmt;

/// The known name that is nearest to what was typed, when at most a third of it is mistyped; of equally near ones the
/// first. Case, `-` and `_` do not count.
#[must_use]
pub fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let typed = plain(typed);
    known
        .into_iter()
        .map(|name| (edits(&typed, &plain(name)), name))
        .filter(|(edits, name)| {
            *edits <= bound(&typed, name) && *edits < name.chars().count().min(typed.len())
        })
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, name)| name)
}

/// A name that nothing has, and the one that was likely meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// As it was given.
    pub name: String,
    /// What there is.
    pub near: Option<String>,
}

impl Missing {
    /// A name that is not among those that there are.
    #[must_use]
    pub fn among<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        Self { name: name.to_owned(), near: nearest(name, known).map(str::to_owned) }
    }

    /// «did you mean x?», where there is one.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        self.near.as_ref().map(|near| format!("did you mean {near}?"))
    }
}

impl From<String> for Missing {
    fn from(name: String) -> Self {
        Self { name, near: None }
    }
}

impl From<&str> for Missing {
    fn from(name: &str) -> Self {
        name.to_owned().into()
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.name)
    }
}

fn plain(name: &str) -> Vec<char> {
    name.chars().filter(|c| !matches!(c, '-' | '_')).map(|c| c.to_ascii_lowercase()).collect()
}

fn bound(typed: &[char], name: &str) -> usize {
    (typed.len().min(name.chars().count()) / 3).max(1)
}

/// Letters to add, drop, change or swap with a neighbour between two words.
fn edits(left: &[char], right: &[char]) -> usize {
    let mut rows: Vec<Vec<usize>> = vec![(0..=right.len()).collect()];
    for i in 1..=left.len() {
        let mut row = vec![i];
        for j in 1..=right.len() {
            let change = rows[i - 1][j - 1] + usize::from(left[i - 1] != right[j - 1]);
            let mut best = change.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[left.len()][right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likely_name_is_found() {
        let known = ["RUN", "COPY", "ENTRYPOINT", "WORKDIR", "depends_on", "healthcheck"];
        let near = |typed| nearest(typed, known);
        assert_eq!(near("RUNN"), Some("RUN"));
        assert_eq!(near("cpoy"), Some("COPY"));
        assert_eq!(near("ENTRYPIONT"), Some("ENTRYPOINT"));
        assert_eq!(near("dependson"), Some("depends_on"));
        assert_eq!(near("depends-on"), Some("depends_on"));
        assert_eq!(near("healtcheck"), Some("healthcheck"));
        assert_eq!(nearest("alpin", ["busybox", "alpine"]), Some("alpine"));
    }

    #[test]
    fn a_missing_name_says_what_was_meant() {
        let missing = Missing::among("wbe", ["db", "web"]);
        assert_eq!(
            (missing.to_string().as_str(), missing.hint().as_deref()),
            ("wbe", Some("did you mean web?"))
        );
        assert_eq!(Missing::from("wbe").hint(), None);
    }

    #[test]
    fn what_is_like_nothing_has_no_neighbour() {
        assert_eq!(nearest("APT-GET", ["RUN", "COPY", "ADD"]), None);
        assert_eq!(nearest("x", ["y"]), None, "every letter would be another");
        assert_eq!(nearest("", ["a"]), None);
        assert_eq!(nearest("web", []), None);
    }
}
