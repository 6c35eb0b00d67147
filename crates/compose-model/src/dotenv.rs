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

/// Parses the text of a `.env` file. Variables in values come from `env` first, then from the lines before.
pub fn parse_env_file(
    path: &Path,
    text: &str,
    format: EnvFileFormat,
    env: &BTreeMap<String, String>,
) -> Result<EnvFileContent, Error> {
    let mut reader = Reader { path, text: text.strip_prefix('\u{feff}').unwrap_or(text), offset: 0 };
    let mut content = EnvFileContent::new();
    while let Some(line) = reader.line_start() {
        let line_number = reader.line_number();
        let (key, separator) = split_key(line).ok_or_else(|| reader.error(line_number, &unexpected(line)))?;
        let Some(value_at) = separator else {
            reader.skip_line();
            content.insert(key.to_owned(), env.get(key).cloned());
            continue;
        };
        reader.offset += value_at;
        let value = match format {
            EnvFileFormat::Raw => reader.take_line().trim_end_matches('\r').to_owned(),
            EnvFileFormat::Compose => reader.value(line_number, env, &content)?,
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
    let end = body.find(|c: char| !(c.is_ascii_alphanumeric() || "_.-[]".contains(c))).unwrap_or(body.len());
    let key = &body[..end];
    if key.is_empty() {
        return None;
    }
    let after = &body[end..];
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
    env: &'a BTreeMap<String, String>,
    content: &'a EnvFileContent,
}

impl Variables for FileVariables<'_> {
    fn get(&self, name: &str) -> Option<String> {
        self.env.get(name).cloned().or_else(|| self.content.get(name).cloned().flatten())
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

    fn value(
        &mut self,
        line: usize,
        env: &BTreeMap<String, String>,
        content: &EnvFileContent,
    ) -> Result<String, Error> {
        let rest = self.rest();
        let blanks = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        self.offset += blanks;
        let expand = |reader: &Self, text: &str| {
            substitute(text, &mut FileVariables { env, content })
                .map_err(|error| reader.error(line, &error.to_string()))
        };
        match self.rest().chars().next() {
            Some('\'') => self.quoted('\'', line).map(str::to_owned),
            Some('"') => {
                let raw = self.quoted('"', line)?;
                expand(self, &unescape(raw))
            }
            _ => {
                let raw = self.take_line();
                let raw = raw.find(" #").or_else(|| raw.find("\t#")).map_or(raw, |end| &raw[..end]);
                let raw = if raw.starts_with('#') { "" } else { raw.trim_end() };
                expand(self, raw)
            }
        }
    }

    /// The text up to the closing quote; after it, only a comment may follow on the line.
    fn quoted(&mut self, quote: char, line: usize) -> Result<&'a str, Error> {
        let body = &self.rest()[1..];
        let mut escaped = false;
        for (index, c) in body.char_indices() {
            if c == quote && !escaped {
                self.offset += index + 2;
                let tail = self.take_line().trim();
                if tail.is_empty() || tail.starts_with('#') {
                    return Ok(&body[..index]);
                }
                return Err(self.error(line, &format!("unexpected `{tail}` after the closing quote")));
            }
            escaped = c == '\\' && !escaped;
        }
        Err(self.error(line, "the quoted value is not closed"))
    }
}

fn unescape(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut chars = raw.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            // Stays escaped for the substitution that follows.
            Some('$') => out.push_str("$$"),
            Some(c @ ('"' | '\\')) => out.push(c),
            Some(c) => out.extend(['\\', c]),
            None => out.push('\\'),
        }
    }
    out
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
