//! Expansion of variables and removal of quotes, as Docker does it in the arguments of its instructions.
//!
//! Rules: <https://docs.docker.com/reference/dockerfile/#environment-replacement>. `$NAME`, `${NAME}` and the
//! modifiers `:- - :+ + :? ? # ## % %% / //` work; single quotes hide everything, double quotes nothing but blanks.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use thiserror::Error;

/// `${A:-${B:-…}}`: no person nests deeper, and each level is a level of the stack.
const MAX_DEPTH: usize = 100;

/// The kernel hands no program a variable of more than 128 KiB; `ENV A=$A$A` and `${A//?/${A//?/…}}` double and square
/// a few characters into more than there is memory.
const MAX_LENGTH: usize = 1 << 20;

/// Why a text cannot be expanded.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ExpandError {
    /// `${` or a quote without its end.
    #[error("{0:?}: {1} is missing")]
    Unterminated(String, char),
    /// `${NAME^}` and the like.
    #[error("{0:?}: unsupported modifier {1}")]
    Modifier(String, String),
    /// `${NAME:?why}` without a value.
    #[error("{name}: {reason}")]
    Required {
        /// The variable.
        name: String,
        /// The text after the question mark.
        reason: String,
    },
    /// Defaults inside defaults without end.
    #[error("variables are nested more than {MAX_DEPTH} deep")]
    TooDeep,
    /// `FROM $NOSUCH`
    #[error("{0:?} stands for nothing")]
    Empty(String),
    /// A value that only ever grows.
    #[error("the value is longer than {MAX_LENGTH} bytes once its variables are replaced")]
    TooLong,
}

/// Expands texts with the variables of one place in a Dockerfile.
pub struct Expander<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    escape: char,
    quotes: Quotes,
    depth: Cell<usize>,
    unset: RefCell<BTreeSet<String>>,
    used: RefCell<BTreeSet<String>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Quotes {
    Process,
    Keep,
}

impl<'a> Expander<'a> {
    /// With `lookup` giving the value of a variable that is set.
    #[must_use]
    pub fn new(lookup: &'a dyn Fn(&str) -> Option<String>, escape: char) -> Self {
        Self {
            lookup,
            escape,
            quotes: Quotes::Process,
            depth: Cell::new(0),
            unset: RefCell::default(),
            used: RefCell::default(),
        }
    }

    /// One word: the text, whole.
    ///
    /// # Errors
    /// [`ExpandError`]
    pub fn word(&self, text: &str) -> Result<String, ExpandError> {
        self.expand(text, self.quotes)
    }

    /// The words that a text becomes when its blanks after expansion separate words (`EXPOSE $PORTS`).
    ///
    /// # Errors
    /// [`ExpandError`]
    pub fn words(&self, text: &str) -> Result<Vec<String>, ExpandError> {
        Ok(self.word(text)?.split_whitespace().map(str::to_owned).collect())
    }

    /// The body of a heredoc: variables are expanded and quotes stay; the escape character, which is the backslash
    /// whatever the file's is, goes, and what follows it stays.
    ///
    /// # Errors
    /// [`ExpandError`]
    pub fn heredoc(&self, text: &str) -> Result<String, ExpandError> {
        let own = Self::new(self.lookup, '\\');
        let expanded = own.expand(text, Quotes::Keep);
        self.unset.borrow_mut().extend(own.unset.into_inner());
        self.used.borrow_mut().extend(own.used.into_inner());
        expanded
    }

    fn expand(&self, text: &str, quotes: Quotes) -> Result<String, ExpandError> {
        self.depth.set(0);
        Scanner { owner: self, text, rest: text }.until(None, quotes, false)
    }

    /// The names that were asked for, without a default, and are not set.
    #[must_use]
    pub fn unset(&self) -> BTreeSet<String> {
        self.unset.borrow().clone()
    }

    /// All names that were asked for.
    #[must_use]
    pub fn used(&self) -> BTreeSet<String> {
        self.used.borrow().clone()
    }

    fn get(&self, name: &str) -> Option<String> {
        self.used.borrow_mut().insert(name.to_owned());
        (self.lookup)(name)
    }

    fn get_or_note(&self, name: &str) -> String {
        self.get(name).unwrap_or_else(|| {
            self.unset.borrow_mut().insert(name.to_owned());
            String::new()
        })
    }
}

struct Scanner<'e, 'a, 't> {
    owner: &'e Expander<'a>,
    text: &'t str,
    rest: &'t str,
}

impl Scanner<'_, '_, '_> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(c)
    }

    /// Expands up to `stop` (taken, not given back) or, without one, to the end.
    fn until(
        &mut self,
        stop: Option<char>,
        quotes: Quotes,
        raw_escapes: bool,
    ) -> Result<String, ExpandError> {
        let mut result = String::new();
        loop {
            let Some(c) = self.next() else {
                return match stop {
                    Some(stop) => Err(ExpandError::Unterminated(self.text.to_owned(), stop)),
                    None => Ok(result),
                };
            };
            match c {
                c if Some(c) == stop => return Ok(result),
                '\'' if quotes == Quotes::Process => self.single_quoted(&mut result)?,
                '"' if quotes == Quotes::Process => self.double_quoted(&mut result)?,
                '$' => append(&mut result, &self.dollar()?)?,
                c if c == self.owner.escape => {
                    if raw_escapes {
                        result.push(c);
                    }
                    result.extend(self.next());
                }
                c => result.push(c),
            }
        }
    }

    fn single_quoted(&mut self, result: &mut String) -> Result<(), ExpandError> {
        loop {
            match self.next() {
                None => return Err(ExpandError::Unterminated(self.text.to_owned(), '\'')),
                Some('\'') => return Ok(()),
                Some(c) => result.push(c),
            }
        }
    }

    fn double_quoted(&mut self, result: &mut String) -> Result<(), ExpandError> {
        loop {
            match self.next() {
                None => return Err(ExpandError::Unterminated(self.text.to_owned(), '"')),
                Some('"') => return Ok(()),
                Some('$') => append(result, &self.dollar()?)?,
                Some(c) if c == self.owner.escape => match self.peek() {
                    Some(next) if next == '"' || next == '$' || next == c => result.extend(self.next()),
                    _ => result.push(c),
                },
                Some(c) => result.push(c),
            }
        }
    }

    /// A name: letters, digits and `_`; or digits alone; or one of the shell's special characters.
    fn name(&mut self) -> String {
        let mut name = String::new();
        let Some(first) = self.peek() else { return name };
        let accepts: fn(char) -> bool = match first {
            '0'..='9' => |c| c.is_ascii_digit(),
            first if first.is_alphabetic() || first == '_' => |c| c.is_alphanumeric() || c == '_',
            '@' | '*' | '#' | '?' | '-' | '$' | '!' => {
                name.extend(self.next());
                return name;
            }
            _ => return name,
        };
        while let Some(c) = self.peek().filter(|c| accepts(*c)) {
            name.push(c);
            self.next();
        }
        name
    }

    /// What follows a dollar sign.
    fn dollar(&mut self) -> Result<String, ExpandError> {
        let depth = self.owner.depth.get();
        if depth >= MAX_DEPTH {
            return Err(ExpandError::TooDeep);
        }
        self.owner.depth.set(depth + 1);
        let value = self.variable();
        self.owner.depth.set(depth);
        value
    }

    fn variable(&mut self) -> Result<String, ExpandError> {
        if self.peek() != Some('{') {
            let name = self.name();
            return Ok(if name.is_empty() { "$".to_owned() } else { self.owner.get_or_note(&name) });
        }
        self.next();
        let name = self.name();
        let missing = || ExpandError::Unterminated(self.text.to_owned(), '}');
        let mut modifier = self.next().ok_or_else(missing)?;
        if name.is_empty() {
            return Err(ExpandError::Modifier(self.text.to_owned(), modifier.to_string()));
        }
        let mut empty_is_unset = false;
        if modifier == ':' {
            empty_is_unset = true;
            modifier = self.next().ok_or(ExpandError::Unterminated(self.text.to_owned(), '}'))?;
        }
        match modifier {
            '}' if !empty_is_unset => Ok(self.owner.get_or_note(&name)),
            '-' | '+' | '?' => self.default_or_error(&name, modifier, empty_is_unset),
            '#' | '%' if !empty_is_unset => self.trimmed(&name, modifier),
            '/' if !empty_is_unset => self.replaced(&name),
            other => {
                let colon = if empty_is_unset { ":" } else { "" };
                Err(ExpandError::Modifier(self.text.to_owned(), format!("{colon}{other}")))
            }
        }
    }

    fn default_or_error(
        &mut self,
        name: &str,
        modifier: char,
        empty_is_unset: bool,
    ) -> Result<String, ExpandError> {
        let word = self.until(Some('}'), Quotes::Process, false)?;
        let value = self.owner.get(name).filter(|value| !(empty_is_unset && value.is_empty()));
        match (modifier, value) {
            ('-', value) => Ok(value.unwrap_or(word)),
            ('+', value) => Ok(value.map(|_| word).unwrap_or_default()),
            (_, Some(value)) => Ok(value),
            (_, None) => {
                let reason = match (word.is_empty(), empty_is_unset) {
                    (false, _) => word,
                    (true, true) => "not allowed to be empty".to_owned(),
                    (true, false) => "not allowed to be unset".to_owned(),
                };
                Err(ExpandError::Required { name: name.to_owned(), reason })
            }
        }
    }

    /// `#` and `%`: the value without what the pattern matches at its start or end; doubled, the longest match.
    fn trimmed(&mut self, name: &str, modifier: char) -> Result<String, ExpandError> {
        let longest = self.peek() == Some(modifier);
        if longest {
            self.next();
        }
        let pattern = Pattern::read(&self.until(Some('}'), Quotes::Process, true)?);
        let value = self.owner.get_or_note(name);
        let mut cuts: Vec<usize> = value.char_indices().map(|(at, _)| at).chain([value.len()]).collect();
        // Cuts run from the start of the value: the order that tries the match wanted first.
        if longest == (modifier == '#') {
            cuts.reverse();
        }
        let kept = if modifier == '#' {
            cuts.iter().find(|cut| pattern.matches(&value[..**cut])).map(|cut| &value[*cut..])
        } else {
            cuts.iter().find(|cut| pattern.matches(&value[**cut..])).map(|cut| &value[..*cut])
        };
        Ok(kept.unwrap_or(&value).to_owned())
    }

    /// `/` and `//`: the first match, or all, replaced; a match is as long as can be.
    fn replaced(&mut self, name: &str) -> Result<String, ExpandError> {
        let all = self.peek() == Some('/');
        if all {
            self.next();
        }
        let pattern = Pattern::read(&self.until(Some('/'), Quotes::Process, true)?);
        let replacement = self.until(Some('}'), Quotes::Process, true)?;
        let value = self.owner.get_or_note(name);
        let mut result = String::new();
        let mut rest = value.as_str();
        while let Some(first) = rest.chars().next() {
            let ends = rest.char_indices().map(|(at, c)| at + c.len_utf8()).rev();
            match ends.into_iter().find(|end| pattern.matches(&rest[..*end])) {
                Some(end) => {
                    append(&mut result, &replacement)?;
                    rest = &rest[end..];
                    if !all {
                        break;
                    }
                }
                None => {
                    result.push(first);
                    rest = &rest[first.len_utf8()..];
                }
            }
        }
        result.push_str(rest);
        Ok(result)
    }
}

/// Appends a value, unless the whole becomes longer than a value may be.
fn append(text: &mut String, value: &str) -> Result<(), ExpandError> {
    if !value.is_empty() && text.len() + value.len() > MAX_LENGTH {
        return Err(ExpandError::TooLong);
    }
    text.push_str(value);
    Ok(())
}

/// A shell pattern of `*`, `?` and plain characters.
struct Pattern(Vec<Piece>);

#[derive(PartialEq, Eq)]
enum Piece {
    Any,
    One,
    Char(char),
}

impl Pattern {
    fn read(text: &str) -> Self {
        let mut pieces = Vec::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            pieces.push(match c {
                '*' => Piece::Any,
                '?' => Piece::One,
                '\\' => Piece::Char(chars.next().unwrap_or('\\')),
                c => Piece::Char(c),
            });
        }
        Self(pieces)
    }

    fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        // reach[i]: the pieces so far can match the first i characters.
        let mut reach: Vec<bool> = std::iter::once(true).chain(text.iter().map(|_| false)).collect();
        for piece in &self.0 {
            let mut next = vec![false; reach.len()];
            if *piece == Piece::Any {
                let mut open = false;
                for (at, reached) in reach.iter().enumerate() {
                    open |= reached;
                    next[at] = open;
                }
            } else {
                for (at, c) in text.iter().enumerate() {
                    let fits = match piece {
                        Piece::Char(wanted) => wanted == c,
                        Piece::One | Piece::Any => true,
                    };
                    next[at + 1] = reach[at] && fits;
                }
            }
            reach = next;
        }
        reach.last().copied().unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(name: &str) -> Option<String> {
        match name {
            "A" => Some("value".into()),
            "EMPTY" => Some(String::new()),
            "PATH" => Some("/usr/bin:/bin".into()),
            "FILE" => Some("archive.tar.gz".into()),
            "SPACED" => Some("80 443".into()),
            _ => None,
        }
    }

    #[track_caller]
    fn word(text: &str, expected: &str) {
        assert_eq!(Expander::new(&lookup, '\\').word(text).as_deref(), Ok(expected), "{text}");
    }

    #[test]
    fn plain_and_braced() {
        word("$A/x", "value/x");
        word("${A}x", "valuex");
        word("$PATH:/opt", "/usr/bin:/bin:/opt");
        word("a$", "a$");
        word("$.", "$.");
        word("$NOPE-", "-");
    }

    #[test]
    fn modifiers() {
        word("${NOPE:-d} ${EMPTY:-d} ${EMPTY-d} ${A:-d} ${NOPE-d}", "d d  value d");
        word("${NOPE:+d} ${EMPTY:+d} ${EMPTY+d} ${A:+d}", "  d d");
        word("${NOPE:-${A}x}", "valuex");
        word("${NOPE:-\"q}\"}", "q}");
        word("${A?no}", "value");
        word("${FILE#*.} ${FILE##*.} ${FILE%.*} ${FILE%%.*}", "tar.gz gz archive.tar archive");
        word("${FILE#nope}", "archive.tar.gz");
        word(
            "${FILE/a/X} ${FILE//a/X} ${FILE/tar*/zip} ${FILE//\\./}",
            "Xrchive.tar.gz Xrchive.tXr.gz archive.zip archivetargz",
        );
    }

    #[test]
    fn quotes_and_escapes() {
        word(r#""$A b" '$A b'"#, "value b $A b");
        word(r"\$A \a", "$A a");
        word(r#""\$A \n \" \\""#, r#"$A \n " \"#);
        word(r"'a\b'", r"a\b");
        word(r"a\", "a");
        let backtick = Expander::new(&lookup, '`');
        assert_eq!(backtick.word(r"C:\x\`$A").as_deref(), Ok(r"C:\x\$A"));
    }

    #[test]
    fn nesting_and_length_are_bounded() {
        let expander = Expander::new(&lookup, '\\');
        let nested = |depth: usize| format!("{}x{}", "${NOPE:-".repeat(depth), "}".repeat(depth));
        assert_eq!(expander.word(&nested(100)).as_deref(), Ok("x"));
        for depth in [101, 1_000_000] {
            assert_eq!(expander.word(&nested(depth)), Err(ExpandError::TooDeep));
            assert_eq!(expander.word(&"${A//?/".repeat(depth)), Err(ExpandError::TooDeep));
            assert_eq!(expander.word(&"\"${NOPE:-".repeat(depth)), Err(ExpandError::TooDeep));
        }
        assert_eq!(expander.word("$A$NOPE").as_deref(), Ok("value"), "an error leaves no depth behind");
        let squared = format!("{}x{}", "${A//?/".repeat(30), "}".repeat(30));
        assert_eq!(expander.word(&squared), Err(ExpandError::TooLong));
        let mut doubled = "x".to_owned();
        let ended = (0..64).find_map(|_| {
            let before = doubled.clone();
            let lookup = |_: &str| Some(before.clone());
            match Expander::new(&lookup, '\\').word("$A$A") {
                Ok(more) => doubled = more,
                Err(error) => return Some(error),
            }
            None
        });
        assert_eq!(ended, Some(ExpandError::TooLong));
    }

    #[test]
    fn heredocs_keep_their_quotes() {
        let expander = Expander::new(&lookup, '\\');
        assert_eq!(expander.heredoc("\"$A\" 'x' \\$A \\n").as_deref(), Ok("\"value\" 'x' $A n"));
    }

    #[test]
    fn errors_and_unset_names() {
        let expander = Expander::new(&lookup, '\\');
        assert!(matches!(expander.word("${A"), Err(ExpandError::Unterminated(_, '}'))));
        assert!(matches!(expander.word("'a"), Err(ExpandError::Unterminated(_, '\''))));
        assert!(matches!(expander.word("${A^}"), Err(ExpandError::Modifier(..))));
        assert_eq!(
            expander.word("${NOPE:?give one}"),
            Err(ExpandError::Required { name: "NOPE".into(), reason: "give one".into() })
        );
        expander.word("$ONE ${TWO:-x} ${A}").unwrap();
        assert_eq!(expander.unset().into_iter().collect::<Vec<_>>(), ["ONE"]);
        assert_eq!(expander.words("$SPACED $A").unwrap(), ["80", "443", "value"]);
    }
}
