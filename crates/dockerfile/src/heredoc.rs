//! Heredocs: `<<NAME`, and the lines up to NAME.

/// `<<NAME` with its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heredoc {
    /// The delimiter; for `COPY`, the name of the file.
    pub name: String,
    /// The lines before the delimiter, each with its line feed.
    pub body: String,
    /// Variables in it are expanded: the delimiter was not quoted.
    pub expand: bool,
    /// `<<-`: tabs at the start of each line do not count.
    pub strip_tabs: bool,
}

impl Heredoc {
    /// The body, without leading tabs after `<<-`.
    #[must_use]
    pub fn text(&self) -> String {
        if !self.strip_tabs {
            return self.body.clone();
        }
        self.body.split_inclusive('\n').map(|line| line.trim_start_matches('\t')).collect()
    }
}

/// Reads a word like `<<EOF`, `<<-"EOF"` or `3<<EOF` as the opening of a heredoc, its body still empty.
#[must_use]
pub(crate) fn opening(word: &str) -> Option<Heredoc> {
    let rest = word.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix("<<")?;
    let (strip_tabs, rest) = match rest.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    if rest.contains('<') {
        return None;
    }
    let name: String = rest.chars().filter(|c| !['"', '\'', '\\'].contains(c)).collect();
    (!name.is_empty()).then(|| Heredoc { expand: name == rest, name, body: String::new(), strip_tabs })
}
