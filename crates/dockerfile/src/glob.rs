//! Patterns as Go's `filepath.Match` reads them, with `**` for any number of folders where it is wanted.

/// A pattern over a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob(Vec<Token>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// `**/`: nothing, or anything that ends with a slash.
    Folders,
    /// `**`: anything.
    Deep,
    /// `*`: anything without a slash.
    Any,
    /// `?`: one character, not a slash.
    One,
    /// `[…]`
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
    Char(char),
}

/// Whether `**` means more than `*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DoubleStar {
    /// It does: any number of folders.
    Deep,
    /// It does not.
    Plain,
}

impl Glob {
    /// Reads a pattern; `None` if it is malformed.
    #[must_use]
    pub fn new(pattern: &str, double_star: DoubleStar) -> Option<Self> {
        let mut tokens = Vec::new();
        let mut chars = pattern.chars().peekable();
        while let Some(c) = chars.next() {
            tokens.push(match c {
                '*' if double_star == DoubleStar::Deep && chars.peek() == Some(&'*') => {
                    chars.next();
                    if chars.next_if_eq(&'/').is_some() { Token::Folders } else { Token::Deep }
                }
                '*' => Token::Any,
                '?' => Token::One,
                '[' => class(&mut chars)?,
                '\\' => Token::Char(chars.next()?),
                c => Token::Char(c),
            });
        }
        Some(Self(tokens))
    }

    /// Whether the pattern matches the whole path.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        let path: Vec<char> = path.chars().collect();
        // reach[i]: the tokens so far can match the first i characters.
        let mut reach = vec![false; path.len() + 1];
        reach[0] = true;
        for token in &self.0 {
            reach = token.step(&reach, &path);
            if !reach.contains(&true) {
                return false;
            }
        }
        reach[path.len()]
    }
}

impl Token {
    fn step(&self, reach: &[bool], path: &[char]) -> Vec<bool> {
        let mut next = vec![false; reach.len()];
        match self {
            Self::Folders => {
                let mut open = false;
                for at in 0..reach.len() {
                    next[at] = reach[at] || (open && at > 0 && path[at - 1] == '/');
                    open |= reach[at];
                }
            }
            Self::Deep | Self::Any => {
                let mut open = false;
                for at in 0..reach.len() {
                    if *self == Self::Any && at > 0 && path[at - 1] == '/' {
                        open = false;
                    }
                    open |= reach[at];
                    next[at] = open;
                }
            }
            Self::One | Self::Class { .. } | Self::Char(_) => {
                for (at, c) in path.iter().enumerate() {
                    next[at + 1] = reach[at] && self.fits(*c);
                }
            }
        }
        next
    }

    fn fits(&self, c: char) -> bool {
        match self {
            Self::One => c != '/',
            Self::Class { negated, ranges } => {
                c != '/' && *negated != ranges.iter().any(|(low, high)| (*low..=*high).contains(&c))
            }
            Self::Char(wanted) => *wanted == c,
            Self::Folders | Self::Deep | Self::Any => false,
        }
    }
}

fn class(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<Token> {
    let negated = chars.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    loop {
        let mut one = || match chars.next()? {
            '\\' => chars.next(),
            c => Some(c),
        };
        let low = one()?;
        if low == ']' && !ranges.is_empty() {
            return Some(Token::Class { negated, ranges });
        }
        let high = if chars.next_if_eq(&'-').is_some() {
            match chars.next()? {
                '\\' => chars.next()?,
                c => c,
            }
        } else {
            low
        };
        ranges.push((low, high));
    }
}

/// Whether a text has characters that make it a pattern.
#[must_use]
pub fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn deep(pattern: &str, path: &str, expected: bool) {
        assert_eq!(Glob::new(pattern, DoubleStar::Deep).unwrap().matches(path), expected, "{pattern} {path}");
    }

    #[test]
    fn as_docker_matches() {
        deep("*.txt", "a.txt", true);
        deep("*.txt", "d/a.txt", false);
        deep("**/*.txt", "a.txt", true);
        deep("**/*.txt", "d/e/a.txt", true);
        deep("d/**", "d/e/f", true);
        deep("**", "d/e/f", true);
        deep("d/**/f", "d/f", true);
        deep("d/**/f", "d/xf", false);
        deep("a?c", "abc", true);
        deep("a?c", "a/c", false);
        deep("[a-c]x", "bx", true);
        deep("[^a-c]x", "bx", false);
        deep("[^a-c]x", "dx", true);
        deep(r"\*", "*", true);
        deep(r"\*", "a", false);
        assert_eq!(Glob::new("[a", DoubleStar::Deep), None);
        assert!(!Glob::new("**/a", DoubleStar::Plain).unwrap().matches("a"));
    }
}
