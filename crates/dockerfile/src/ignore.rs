//! `.dockerignore`: Docker's rules, which are not git's. Each pattern is a whole path from the context's root; a
//! pattern that matches a folder takes all beneath it; the last pattern that matches decides; `!` lets in again.

use crate::glob::{DoubleStar, Glob};

/// The rules of one ignore file.
#[derive(Debug, Clone, Default)]
pub struct Ignore {
    file: String,
    rules: Vec<Rule>,
    fault: Option<Fault>,
}

/// A line that is no pattern; Docker refuses to build with one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Its number.
    pub line: u32,
    /// It.
    pub text: String,
}

#[derive(Debug, Clone)]
struct Rule {
    line: u32,
    text: String,
    lets_in: bool,
    glob: Glob,
    parts: Vec<String>,
}

/// What the rules say of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It stays.
    Included,
    /// It is left out.
    Excluded {
        /// The line of the pattern that decides.
        line: u32,
        /// The pattern.
        pattern: String,
    },
}

impl Ignore {
    /// Reads the file's text. Malformed patterns match nothing; [`Self::fault`] is the first of them.
    pub fn parse(file: &str, text: &str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut ignore = Self { file: file.to_owned(), ..Self::default() };
        for (line, number) in text.lines().zip(1..).filter(|(line, _)| !line.starts_with('#')) {
            ignore.add(line, number, Slash::Dropped);
        }
        ignore
    }

    /// The patterns of `--exclude`, which are read in the same way but that a slash in front is part of the path.
    #[must_use]
    pub fn of_patterns(file: &str, patterns: &[String]) -> Self {
        let mut ignore = Self { file: file.to_owned(), ..Self::default() };
        for pattern in patterns {
            ignore.add(pattern, 0, Slash::Kept);
        }
        ignore
    }

    fn add(&mut self, line: &str, number: u32, slash: Slash) {
        match Rule::parse(line, number, slash) {
            Ok(rule) => self.rules.extend(rule),
            Err(fault) => {
                self.fault.get_or_insert(fault);
            }
        }
    }

    /// The first line that is no pattern.
    #[must_use]
    pub fn fault(&self) -> Option<&Fault> {
        self.fault.as_ref()
    }

    /// The file's name, for messages.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Whether there are no rules.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// What the rules say of a path relative to the context, with `/` between its parts.
    pub fn verdict(&self, path: &str) -> Verdict {
        let mut verdict = Verdict::Included;
        for rule in &self.rules {
            let excluded = verdict != Verdict::Included;
            // A rule that would change nothing need not be matched.
            if rule.lets_in == excluded && rule.matches(path) {
                verdict = if rule.lets_in {
                    Verdict::Included
                } else {
                    Verdict::Excluded { line: rule.line, pattern: rule.text.clone() }
                };
            }
        }
        verdict
    }

    /// Whether something beneath an excluded folder may be let in again.
    pub fn may_let_in_beneath(&self, folder: &str) -> bool {
        let folder: Vec<&str> = folder.split('/').collect();
        self.rules.iter().filter(|rule| rule.lets_in).any(|rule| {
            for (part, name) in rule.parts.iter().zip(&folder) {
                if part.contains("**") {
                    return true;
                }
                if !Glob::new(part, DoubleStar::Plain).is_some_and(|glob| glob.matches(name)) {
                    return false;
                }
            }
            true
        })
    }
}

/// What a slash at the beginning of a pattern is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Slash {
    Dropped,
    Kept,
}

impl Rule {
    /// `None` if the line says nothing.
    fn parse(line: &str, number: u32, slash: Slash) -> Result<Option<Self>, Fault> {
        let text = line.trim();
        let (lets_in, pattern) = match text.strip_prefix('!') {
            Some(rest) => (true, rest.trim()),
            None => (false, text),
        };
        let fault = || Fault { line: number, text: text.to_owned() };
        let Some(mut pattern) = clean(pattern) else {
            return if lets_in && pattern.is_empty() { Err(fault()) } else { Ok(None) };
        };
        if slash == Slash::Kept && text.trim_start_matches('!').starts_with('/') {
            pattern.insert(0, '/');
        }
        let glob = Glob::new(&pattern, DoubleStar::Deep).ok_or_else(fault)?;
        let parts = pattern.split('/').map(str::to_owned).collect();
        Ok(Some(Self { line: number, text: text.to_owned(), lets_in, glob, parts }))
    }

    /// The path itself or a folder above it.
    fn matches(&self, path: &str) -> bool {
        if self.glob.matches(path) {
            return true;
        }
        path.match_indices('/').any(|(at, _)| self.glob.matches(&path[..at]))
    }
}

/// Go's `filepath.Clean`, without the slash in front; `None` if nothing is left.
fn clean(pattern: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in pattern.split('/') {
        match part {
            "" | "." => {}
            // What leads out of the folder stays, and matches nothing in it.
            ".." if parts.last().is_none_or(|last| *last == "..") && !pattern.starts_with('/') => {
                parts.push("..");
            }
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        // Two answers that must agree: what is left in, and where a walk turns back.
        #[test]
        fn a_walk_gets_to_all_that_is_left_in(
            text in "(!?/?(\\*\\*/?|[ab*?]|\\[[ab^/-]{1,3}\\]|\\\\[ab*/]|/){1,6}\n){0,5}", path in "[ab]{1,2}(/[ab]{1,2}){0,3}",
        ) {
            let (included, turned_back) = crate::fuzzing::ignore(&text, &path);
            if included {
                prop_assert_eq!(turned_back, None);
            }
        }
    }

    fn excluded(text: &str, path: &str) -> bool {
        Ignore::parse(".dockerignore", text).verdict(path) != Verdict::Included
    }

    #[test]
    fn dockers_rules() {
        assert!(excluded("node_modules", "node_modules/a/b"));
        assert!(!excluded("node_modules", "sub/node_modules"));
        assert!(excluded("**/node_modules", "sub/node_modules/x"));
        assert!(excluded("/a/", "a"));
        assert!(excluded("  *.pyc  ", "a.pyc"));
        assert!(!excluded("#a", "#a"));
        assert!(!excluded("*\n!README.md", "README.md"));
        assert!(excluded("*\n!README.md", "other"));
        assert!(excluded("*.md\n!README*.md\nREADME-secret.md", "README-secret.md"));
        assert!(!excluded("docs\n!docs/keep", "docs/keep/x"));
        assert!(excluded("a\\ b", "a b") && !excluded("[", "["));
        assert!(!excluded("../g", "g") && !excluded("x/../../x/../g", "g") && excluded("x/../g", "g"));
        for bad in ["!", "[a", "a[]", "\\"] {
            assert_eq!(Ignore::parse("f", bad).fault().map(|fault| fault.line), Some(1), "{bad}");
        }
        assert_eq!(Ignore::parse("f", "!!a\n# [\n\n/\n.").fault(), None);
    }

    #[test]
    fn names_the_line() {
        let ignore = Ignore::parse(".dockerignore", "# x\n\n.git\n*.log");
        assert_eq!(ignore.verdict("a.log"), Verdict::Excluded { line: 4, pattern: "*.log".into() });
    }

    #[test]
    fn knows_where_to_look_for_exceptions() {
        let ignore = Ignore::parse("f", "*\n!src/keep\n!*/x");
        assert!(ignore.may_let_in_beneath("src"));
        assert!(ignore.may_let_in_beneath("any"));
        let ignore = Ignore::parse("f", "*\n!src/keep");
        assert!(!ignore.may_let_in_beneath("other"));
        assert!(!ignore.may_let_in_beneath("src/drop"));
        assert!(ignore.may_let_in_beneath("src/keep/deep"));
    }
}
