//! Patterns of `ignore:`, `include:` and `.dockerignore`: whole paths from a root, `**` over folders, the last pattern
//! that matches decides, `!` takes back. One that matches a folder takes all beneath it.

/// A list of patterns.
#[derive(Debug, Clone, Default)]
pub(super) struct Patterns(Vec<Pattern>);

#[derive(Debug, Clone)]
struct Pattern {
    takes_back: bool,
    parts: Vec<String>,
}

impl Patterns {
    /// Reads patterns, one a line or item; comments and empty ones are left out.
    pub(super) fn new<'a>(lines: impl IntoIterator<Item = &'a str>) -> Self {
        Self(lines.into_iter().filter(|line| !line.starts_with('#')).filter_map(Pattern::new).collect())
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one takes the path, relative to the root, and no later one takes it back.
    pub(super) fn take(&self, path: &str) -> bool {
        let parts: Vec<&str> = path.split('/').collect();
        let mut taken = false;
        for pattern in &self.0 {
            let fits = || (1..=parts.len()).any(|depth| path_fits(&pattern.parts, &parts[..depth]));
            if pattern.takes_back == taken && fits() {
                taken = !pattern.takes_back;
            }
        }
        taken
    }
}

impl Pattern {
    fn new(line: &str) -> Option<Self> {
        let text = line.trim();
        let (takes_back, text) = match text.strip_prefix('!') {
            Some(rest) => (true, rest.trim()),
            None => (false, text),
        };
        let mut parts: Vec<String> = Vec::new();
        for part in text.split('/') {
            match part {
                "" | "." => {}
                ".." => drop(parts.pop()),
                part => parts.push(part.to_owned()),
            }
        }
        (!parts.is_empty()).then_some(Self { takes_back, parts })
    }
}

fn path_fits(pattern: &[String], path: &[&str]) -> bool {
    match (pattern.split_first(), path.split_first()) {
        (None, None) => true,
        (Some((first, rest)), _) if first == "**" => {
            path_fits(rest, path) || path.split_first().is_some_and(|(_, path)| path_fits(pattern, path))
        }
        (Some((first, pattern)), Some((name, path))) => {
            let (first, name): (Vec<char>, Vec<char>) = (first.chars().collect(), name.chars().collect());
            name_fits(&first, &name) && path_fits(pattern, path)
        }
        _ => false,
    }
}

/// One name: `*`, `?`, `[a-z]`, `[^a]`, and `\` before what shall stand for itself.
fn name_fits(pattern: &[char], name: &[char]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some(('*', rest)), _) => {
            name_fits(rest, name) || name.split_first().is_some_and(|(_, name)| name_fits(pattern, name))
        }
        (Some(('?', rest)), Some((_, name))) => name_fits(rest, name),
        (Some(('[', rest)), Some((c, name))) => match class(rest) {
            Some((set, negated, rest)) => {
                set.iter().any(|(low, high)| (low..=high).contains(&c)) != negated && name_fits(rest, name)
            }
            None => false,
        },
        (Some(('\\', rest)), Some((c, name))) => {
            rest.split_first().is_some_and(|(literal, rest)| literal == c && name_fits(rest, name))
        }
        (Some((literal, rest)), Some((c, name))) => literal == c && name_fits(rest, name),
        _ => false,
    }
}

type Class<'a> = (Vec<(char, char)>, bool, &'a [char]);

/// The ranges of `[…]`, whether they are meant as «none of these», and what follows.
fn class(pattern: &[char]) -> Option<Class<'_>> {
    let (negated, pattern) = match pattern.split_first()? {
        ('^' | '!', rest) => (true, rest),
        _ => (false, pattern),
    };
    let end = pattern.iter().skip(1).position(|c| *c == ']')? + 1;
    let (inner, rest) = (&pattern[..end], &pattern[end + 1..]);
    let mut ranges = Vec::new();
    let mut at = 0;
    while let Some(low) = inner.get(at) {
        match (inner.get(at + 1), inner.get(at + 2)) {
            (Some('-'), Some(high)) => {
                ranges.push((*low, *high));
                at += 3;
            }
            _ => {
                ranges.push((*low, *low));
                at += 1;
            }
        }
    }
    Some((ranges, negated, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dockers_rules() {
        let take = |pattern: &str, path: &str| Patterns::new(pattern.split(' ')).take(path);
        for (pattern, path) in [
            ("node_modules/", "node_modules/a/b"),
            ("**/node_modules", "sub/node_modules/x"),
            ("**/*.swp", "a.swp"),
            ("*.py", "a.py"),
            ("/a/./b/", "a/b"),
            ("a/**/z", "a/b/c/z"),
            ("[a-c]?.[^x]", "bq.y"),
            ("* !keep drop", "drop"),
            ("docs !docs/keep docs/keep/not", "docs/keep/not"),
        ] {
            assert!(take(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in [
            ("node_modules", "sub/node_modules"),
            ("*.py", "sub/a.py"),
            ("* !keep", "keep/x"),
            ("[", "["),
            ("#a", "#a"),
            ("[a", "a"),
        ] {
            assert!(!take(pattern, path), "{pattern} {path}");
        }
    }
}
