//! `.env` files by Compose's rules: quotes, `export`, comments, interpolation and values of several lines.

use std::collections::BTreeMap;
use std::path::Path;

use indexmap::IndexMap;

use crate::error::Error;
use crate::template::{Variables, substitute};

/// Whether values are read by shell-like rules or taken as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnvFileFormat {
    /// Quotes, comments and variables mean something.
    Compose,
    /// The text after `=` is the value.
    Raw,
}

/// The variables of a file in order; `None` for a bare name that `env` does not set.
pub type EnvFileContent = IndexMap<String, Option<String>>;

/// What the lines of a file may refer to, besides the lines before them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Known<'a> {
    /// They win over the file's own lines; the first table that has a name gives its value.
    pub first: &'a [&'a BTreeMap<String, String>],
    /// What files before this one said; its own lines win.
    pub earlier: Option<&'a BTreeMap<String, String>>,
}

impl Known<'_> {
    fn first(&self, name: &str) -> Option<String> {
        self.first.iter().find_map(|table| table.get(name).cloned())
    }

    fn earlier(&self, name: &str) -> Option<String> {
        self.earlier.and_then(|table| table.get(name).cloned())
    }
}

/// Parses the text of a `.env` file. Variables in values come from `env` first, then from the lines before.
pub fn parse_env_file(
    path: &Path,
    text: &str,
    format: EnvFileFormat,
    env: &BTreeMap<String, String>,
) -> Result<EnvFileContent, Error> {
    parse_env_file_with(path, text, format, Known { first: &[env], earlier: None })
}

/// As [`parse_env_file`], for one of several files.
pub fn parse_env_file_with(
    path: &Path,
    text: &str,
    format: EnvFileFormat,
    known: Known<'_>,
) -> Result<EnvFileContent, Error> {
    let mut reader = Reader { path, text: text.strip_prefix('\u{feff}').unwrap_or(text), offset: 0 };
    let mut content = EnvFileContent::new();
    while let Some(line) = reader.line_start() {
        let line_number = reader.line_number();
        let (key, separator) = split_key(line).ok_or_else(|| reader.error(line_number, &unexpected(line)))?;
        let Some(value_at) = separator else {
            reader.skip_line();
            let value = known.first(key).or_else(|| known.earlier(key));
            // A name that nobody sets leaves what an earlier line said.
            let slot = content.entry(key.to_owned()).or_default();
            *slot = value.or_else(|| slot.take());
            continue;
        };
        reader.offset += value_at;
        let value = match format {
            EnvFileFormat::Raw => reader.take_line().trim_end_matches('\r').to_owned(),
            EnvFileFormat::Compose => reader.value(line_number, known, &content)?,
        };
        content.insert(key.to_owned(), Some(value));
    }
    Ok(content)
}

fn unexpected(line: &str) -> String {
    let shown = line.lines().next().unwrap_or_default();
    format!("`{shown}` is not a variable; write NAME=value")
}

/// Splits `export NAME = value` into the name and the offset of the value, if there is a separator.
fn split_key(text: &str) -> Option<(&str, Option<usize>)> {
    let line = text.lines().next().unwrap_or_default();
    let mut start = 0;
    if let Some(rest) = line.strip_prefix("export")
        && rest.starts_with([' ', '\t'])
    {
        start = line.len() - rest.trim_start().len();
    }
    let body = &line[start..];
    let end = body.find(|c: char| !(c.is_alphanumeric() || "_.-[]".contains(c))).unwrap_or(body.len());
    let key = &body[..end];
    let after = &body[end..];
    if key.is_empty() && !after.starts_with(['=', ':']) {
        return None;
    }
    let trimmed = after.trim_start();
    match trimmed.chars().next() {
        Some('=' | ':') => Some((key, Some(start + end + (after.len() - trimmed.len()) + 1))),
        None | Some('#') => Some((key, None)),
        Some(_) => None,
    }
}

struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    offset: usize,
}

struct FileVariables<'a> {
    known: Known<'a>,
    content: &'a EnvFileContent,
}

impl Variables for FileVariables<'_> {
    fn get(&self, name: &str) -> Option<String> {
        let known = self.known.first(name).or_else(|| self.content.get(name).cloned().flatten());
        known.or_else(|| self.known.earlier(name))
    }

    fn unset(&mut self, _name: &str) {}
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.offset..]
    }

    /// Skips blanks and comments; the text from the next statement on.
    fn line_start(&mut self) -> Option<&'a str> {
        loop {
            let rest = self.rest();
            self.offset += rest.len() - rest.trim_start().len();
            let rest = self.rest();
            if rest.is_empty() {
                return None;
            }
            if !rest.starts_with('#') {
                return Some(rest);
            }
            self.skip_line();
        }
    }

    fn line_number(&self) -> usize {
        self.text[..self.offset].matches('\n').count() + 1
    }

    fn take_line(&mut self) -> &'a str {
        let rest = self.rest();
        let end = rest.find('\n').unwrap_or(rest.len());
        self.offset += end;
        &rest[..end]
    }

    fn skip_line(&mut self) {
        self.take_line();
    }

    fn error(&self, line: usize, message: &str) -> Error {
        Error::EnvFile { path: self.path.to_owned(), line, message: message.to_owned() }
    }

    fn value(&mut self, line: usize, known: Known<'_>, content: &EnvFileContent) -> Result<String, Error> {
        let rest = self.rest();
        let blanks = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        self.offset += blanks;
        let expand = |reader: &Self, text: &str| {
            substitute(text, &mut FileVariables { known, content })
                .map_err(|error| reader.error(line, &error.to_string()))
        };
        match self.rest().chars().next() {
            Some('\'') => self.quoted('\'', line),
            Some('"') => {
                let raw = self.quoted('"', line)?;
                expand(self, &unescape(&raw))
            }
            _ => {
                let raw = self.take_line();
                let raw = raw.find(" #").map_or(raw, |end| &raw[..end]);
                expand(self, raw.trim_end())
            }
        }
    }

    /// The text up to the closing quote, in which an escaped quote is a quote. What follows is the next statement's.
    fn quoted(&mut self, quote: char, line: usize) -> Result<String, Error> {
        let body = &self.rest()[1..];
        let mut text = String::new();
        let mut escaped = false;
        for (index, c) in body.char_indices() {
            match c {
                c if c == quote && !escaped => {
                    self.offset += index + 2;
                    return Ok(text);
                }
                '\\' if !escaped => {
                    escaped = true;
                    continue;
                }
                c if escaped && c != quote => text.extend(['\\', c]),
                c => text.push(c),
            }
            escaped = false;
        }
        Err(self.error(line, "the quoted value is not closed"))
    }
}

/// Replaces the escapes of a shell's `$'…'` that Compose knows.
fn unescape(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut chars = raw.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('a') => out.push('\u{7}'),
            Some('b') => out.push('\u{8}'),
            Some('f') => out.push('\u{c}'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some('v') => out.push('\u{b}'),
            Some('0') => octal(&mut chars, &mut out),
            // Stays escaped for the substitution that follows.
            Some('$') => out.push_str("$$"),
            Some(c @ ('"' | '\\')) => out.push(c),
            Some(c) => out.extend(['\\', c]),
            None => out.push('\\'),
        }
    }
    out
}

/// `\0` and three octal digits are a character; fewer stay as they are.
fn octal(chars: &mut std::str::Chars<'_>, out: &mut String) {
    let digits: String = chars.clone().take(3).take_while(char::is_ascii_digit).collect();
    let value = u32::from_str_radix(&digits, 8).ok().filter(|value| digits.len() == 3 && *value < 256);
    for _ in digits.chars() {
        chars.next();
    }
    match value.and_then(char::from_u32) {
        Some(c) => out.push(c),
        None => out.extend(std::iter::once('\\').chain(digits.chars())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<EnvFileContent, Error> {
        let env = BTreeMap::from([("HOST".to_owned(), "h".to_owned())]);
        parse_env_file(Path::new(".env"), text, EnvFileFormat::Compose, &env)
    }

    #[test]
    fn compose_rules() {
        let content = parse(concat!(
            "# comment\nA=1\nexport B = two words # note\nC='single $A #x'\nD=\"line1\\nline2 ${A} \\$A\"\n",
            "E=\"multi\nline\" # c\nF=\nHOST\nMISSING\nG: yaml\nH=a#b\nI=${HOST}-$A\nJ=$$x\r\n",
        ))
        .unwrap();
        let get = |key: &str| content[key].clone();
        assert_eq!(get("A"), Some("1".into()));
        assert_eq!(get("B"), Some("two words".into()));
        assert_eq!(get("C"), Some("single $A #x".into()));
        assert_eq!(get("D"), Some("line1\nline2 1 $A".into()));
        assert_eq!(get("E"), Some("multi\nline".into()));
        assert_eq!(get("F"), Some(String::new()));
        assert_eq!(get("HOST"), Some("h".into()));
        assert_eq!(get("MISSING"), None);
        assert_eq!(get("G"), Some("yaml".into()));
        assert_eq!(get("H"), Some("a#b".into()));
        assert_eq!(get("I"), Some("h-1".into()));
        assert_eq!(get("J"), Some("$x".into()));
    }

    #[test]
    fn raw_takes_the_text_as_it_is() {
        let env = BTreeMap::new();
        let content = parse_env_file(Path::new(".env"), "A='x' # $B\n", EnvFileFormat::Raw, &env).unwrap();
        assert_eq!(content["A"], Some("'x' # $B".into()));
    }

    #[test]
    fn lines_that_double_each_other_end() {
        let doubling: String = (0..64).map(|line| format!("A{}=$A{line}$A{line}\n", line + 1)).collect();
        let error = parse(&format!("A0=x\n{doubling}")).unwrap_err();
        assert!(error.to_string().contains("the value is longer than"), "{error}");
    }

    #[test]
    fn errors_name_the_line() {
        assert_eq!(parse("A=1\n\nB='x\n").unwrap_err().to_string(), ".env:3: the quoted value is not closed");
        let error = parse("A=1\nnot a variable\n").unwrap_err();
        assert_eq!(error.to_string(), ".env:2: `not a variable` is not a variable; write NAME=value");
    }
}
