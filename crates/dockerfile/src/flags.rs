//! `--flag=value` words between an instruction's name and its arguments.

use tare_words::near::nearest;

use crate::error::{ParseError, ParseErrorKind};

/// The flags of one instruction, taken off its text.
pub(crate) struct Flags<'a> {
    line: u32,
    keyword: &'static str,
    flags: Vec<(String, Option<String>)>,
    /// What is left of the text.
    pub(crate) rest: &'a str,
}

impl<'a> Flags<'a> {
    /// Takes the flags off `text`; each must be in `known`, and only `repeatable` ones may be given twice.
    pub(crate) fn read(
        text: &'a str,
        escape: char,
        (line, keyword): (u32, &'static str),
        known: &[&str],
        repeatable: &[&str],
    ) -> Result<Self, ParseError> {
        let mut read = Self { line, keyword, flags: Vec::new(), rest: text.trim_start() };
        while read.rest.starts_with("--") {
            let (word, rest) = take_word(read.rest, escape);
            read.rest = rest.trim_start();
            if word == "--" {
                break;
            }
            let flag = &word[2..];
            let (name, value) = match flag.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (flag, None),
            };
            if !known.contains(&name) {
                let near = nearest(name, known.iter().copied()).map(|near| format!("--{near}"));
                return Err(read.error(ParseErrorKind::UnknownFlag { flag: name.to_owned(), near }));
            }
            if !repeatable.contains(&name) && read.flags.iter().any(|(seen, _)| seen == name) {
                return Err(read.error(ParseErrorKind::RepeatedFlag(name.to_owned())));
            }
            read.flags.push((name.to_owned(), value));
        }
        Ok(read)
    }

    /// A flag's value.
    pub(crate) fn value(&self, name: &str) -> Result<Option<String>, ParseError> {
        Ok(self.values(name)?.pop())
    }

    /// All values of a flag.
    pub(crate) fn values(&self, name: &str) -> Result<Vec<String>, ParseError> {
        let given = self.flags.iter().filter(|(flag, _)| flag == name);
        given.map(|(_, value)| value.clone().ok_or_else(|| self.bad(name, "needs a value"))).collect()
    }

    /// A flag that is on by its name alone, or by `=true`.
    pub(crate) fn switch(&self, name: &str) -> Result<Option<bool>, ParseError> {
        match self.flags.iter().find(|(flag, _)| flag == name) {
            None => Ok(None),
            Some((_, None)) => Ok(Some(true)),
            Some((_, Some(value))) => {
                boolean(value).map(Some).ok_or_else(|| self.bad(name, "is neither true nor false"))
            }
        }
    }

    /// An error about a flag.
    pub(crate) fn bad(&self, flag: &str, reason: impl Into<String>) -> ParseError {
        self.error(ParseErrorKind::FlagValue { flag: flag.to_owned(), reason: reason.into() })
    }

    fn error(&self, kind: ParseErrorKind) -> ParseError {
        ParseError::new(self.line, self.keyword, kind)
    }
}

/// `true`, `1`, `false`, `0` and their capitals.
pub(crate) fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "t" => Some(true),
        "false" | "0" | "f" => Some(false),
        _ => None,
    }
}

/// The first word, its quotes and escapes taken off, and what follows it.
fn take_word(text: &str, escape: char) -> (String, &str) {
    let mut word = String::new();
    let mut quote: Option<char> = None;
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match quote {
            None if c.is_whitespace() => return (word, &text[at..]),
            None if c == '"' || c == '\'' => quote = Some(c),
            Some(open) if c == open => quote = None,
            _ if c == escape && quote != Some('\'') => word.extend(chars.next().map(|(_, c)| c)),
            _ => word.push(c),
        }
    }
    (word, "")
}
