//! From text to logical lines: parser directives, comments, continuations and heredocs.

use crate::ast::Directives;
use crate::error::{ParseError, ParseErrorKind};
use crate::heredoc::{self, Heredoc};
use crate::words;

/// One instruction as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// First line in the file, from 1.
    pub first: u32,
    /// Last line, heredocs included.
    pub last: u32,
    /// The instruction's name as typed.
    pub keyword: String,
    /// What follows it, continuations joined, without blanks at the ends.
    pub rest: String,
    /// The heredocs that it opens.
    pub heredocs: Vec<Heredoc>,
    /// A line of the continuation was empty, which Docker deprecates.
    pub empty_continuation: bool,
    /// The comment right above it, line by line, without the signs.
    pub comment: Vec<String>,
}

/// Cuts a Dockerfile into logical lines.
///
/// # Errors
/// A bad or repeated directive; a heredoc without its end.
pub fn split(text: &str) -> Result<(Directives, Vec<Line>), ParseError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // A carriage return stays: in a heredoc it is part of the text.
    let physical: Vec<&str> =
        text.split_inclusive('\n').map(|line| line.strip_suffix('\n').unwrap_or(line)).collect();
    let directives = read_directives(&physical)?;
    let mut cursor = Cursor { lines: &physical, next: 0 };
    let mut logical = Vec::new();
    let mut comment = Vec::new();
    while let Some((number, line)) = cursor.take() {
        match line.trim().strip_prefix('#') {
            Some(text) => comment.push(text.trim().to_owned()),
            None if line.trim().is_empty() => comment.clear(),
            None => {
                let read = read_logical(&mut cursor, number, line, directives.escape)?;
                logical.push(Line { comment: std::mem::take(&mut comment), ..read });
            }
        }
    }
    Ok((directives, logical))
}

struct Cursor<'a> {
    lines: &'a [&'a str],
    next: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self) -> Option<(u32, &'a str)> {
        self.take_raw().map(|(number, line)| (number, line.trim_end_matches('\r')))
    }

    /// A line as it is in the file, but for its line feed.
    fn take_raw(&mut self) -> Option<(u32, &'a str)> {
        let line = self.lines.get(self.next)?;
        self.next += 1;
        Some((self.number(), line))
    }

    /// The number of the line taken last.
    fn number(&self) -> u32 {
        u32::try_from(self.next).unwrap_or(u32::MAX)
    }
}

fn is_blank_or_comment(line: &str) -> bool {
    let line = line.trim_start();
    line.is_empty() || line.starts_with('#')
}

fn read_directives(lines: &[&str]) -> Result<Directives, ParseError> {
    let mut directives = Directives { syntax: None, escape: '\\', check: None };
    let mut seen: Vec<String> = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let Some((key, value)) = directive(line) else { break };
        let number = u32::try_from(index + 1).unwrap_or(u32::MAX);
        if seen.contains(&key) {
            return Err(ParseError::new(number, "#", ParseErrorKind::RepeatedDirective(key)));
        }
        match key.as_str() {
            "escape" => {
                directives.escape = match value {
                    "\\" => '\\',
                    "`" => '`',
                    other => {
                        return Err(ParseError::new(
                            number,
                            "# escape",
                            ParseErrorKind::Escape(other.into()),
                        ));
                    }
                }
            }
            "syntax" => directives.syntax = Some(value.to_owned()),
            "check" => directives.check = Some(value.to_owned()),
            // Any other comment ends the directives, as does an empty line.
            _ => break,
        }
        seen.push(key);
    }
    Ok(directives)
}

fn directive(line: &str) -> Option<(String, &str)> {
    let (key, value) = line.trim().strip_prefix('#')?.split_once('=')?;
    let key = key.trim();
    let is_name =
        key.starts_with(|c: char| c.is_ascii_alphabetic()) && key.chars().all(|c| c.is_ascii_alphanumeric());
    is_name.then(|| (key.to_ascii_lowercase(), value.trim()))
}

fn read_logical(cursor: &mut Cursor<'_>, first: u32, line: &str, escape: char) -> Result<Line, ParseError> {
    let mut joined = String::new();
    let mut empty_continuation = false;
    let mut piece = line.trim_start();
    loop {
        let Some(continued) = continuation(piece, escape) else {
            joined.push_str(piece);
            break;
        };
        joined.push_str(continued);
        // Comments and empty lines do not end a continuation.
        let next = loop {
            match cursor.take() {
                Some((_, line)) if line.trim().is_empty() => empty_continuation = true,
                Some((_, line)) if is_blank_or_comment(line) => {}
                other => break other,
            }
        };
        match next {
            Some((_, line)) => piece = line,
            None => break,
        }
    }
    let joined = joined.trim();
    let (keyword, rest) = joined.split_once(char::is_whitespace).unwrap_or((joined, ""));
    let mut line = Line {
        first,
        last: cursor.number(),
        keyword: keyword.to_owned(),
        rest: rest.trim().to_owned(),
        heredocs: Vec::new(),
        empty_continuation,
        comment: Vec::new(),
    };
    if ["run", "copy", "add", "onbuild"].contains(&keyword.to_ascii_lowercase().as_str()) {
        line.heredocs = read_heredocs(cursor, &line, escape)?;
        line.last = cursor.number();
    }
    Ok(line)
}

/// The line without its continuation character, if it ends with one that is not itself escaped.
fn continuation(line: &str, escape: char) -> Option<&str> {
    let before = line.trim_end_matches([' ', '\t']).strip_suffix(escape)?;
    (!before.ends_with(escape)).then_some(before)
}

fn read_heredocs(cursor: &mut Cursor<'_>, line: &Line, escape: char) -> Result<Vec<Heredoc>, ParseError> {
    let mut docs = openings(&words::quoted(&line.rest, escape));
    for doc in &mut docs {
        loop {
            let Some((_, text)) = cursor.take_raw() else {
                let kind = ParseErrorKind::UnterminatedHeredoc(doc.name.clone());
                return Err(ParseError::new(line.first, &line.keyword, kind));
            };
            let candidate = if doc.strip_tabs { text.trim_start_matches('\t') } else { text };
            if candidate.trim_end_matches('\r') == doc.name {
                break;
            }
            doc.body.push_str(text);
            doc.body.push('\n');
        }
    }
    Ok(docs)
}

/// The heredocs that a line's words open; between `<<` and its name there may be blanks.
fn openings(words: &[String]) -> Vec<Heredoc> {
    let mut docs = Vec::new();
    let mut words = words.iter().peekable();
    while let Some(word) = words.next() {
        let is_bare = matches!(word.trim_start_matches(|c: char| c.is_ascii_digit()), "<<" | "<<-");
        let name = if is_bare { words.peek() } else { None };
        docs.extend(match name {
            Some(name) => heredoc::opening(&format!("{word}{name}")),
            None => heredoc::opening(word),
        });
    }
    docs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rests(text: &str) -> Vec<String> {
        split(text).unwrap().1.into_iter().map(|l| format!("{}|{}", l.keyword, l.rest)).collect()
    }

    #[test]
    fn comments_and_blanks_inside_a_continuation_vanish() {
        assert_eq!(rests("RUN a \\\n  # note\n\n  b\\\nc\nCMD x"), ["RUN|a   bc", "CMD|x"]);
        assert_eq!(rests("ADD\t\ta   \t b  "), ["ADD|a   \t b"]);
        assert_eq!(rests("RUN a \\  \n b"), ["RUN|a  b"]);
        assert_eq!(rests("RUN a \\"), ["RUN|a"]);
        assert_eq!(rests("RUN a \\\\\nCMD b"), ["RUN|a \\\\", "CMD|b"]);
    }

    #[test]
    fn crlf_and_bom_do_not_matter() {
        assert_eq!(rests("\u{feff}RUN a \\\r\n b\r\nCMD c\r\n"), ["RUN|a  b", "CMD|c"]);
    }

    #[test]
    fn directives_only_at_the_top() {
        let (d, lines) = split("# syntax=docker/dockerfile:1\n# Escape = `\nRUN a `\n b").unwrap();
        assert_eq!((d.syntax.as_deref(), d.escape), (Some("docker/dockerfile:1"), '`'));
        assert_eq!(lines[0].rest, "a  b");
        assert_eq!(split("# hello\n# escape=`\nRUN a").unwrap().0.escape, '\\');
        assert!(matches!(split("# escape=x").unwrap_err().kind, ParseErrorKind::Escape(_)));
        assert!(matches!(
            split("# escape=`\n# escape=`").unwrap_err().kind,
            ParseErrorKind::RepeatedDirective(_)
        ));
    }

    #[test]
    fn heredocs_take_their_lines() {
        let (_, lines) = split("COPY <<A <<-'B' /x/\n1 $a\nA\n\t2\n\tB\nRUN cat <<<x\nCMD x").unwrap();
        assert_eq!(lines.len(), 3);
        let [a, b] = lines[0].heredocs.as_slice() else { panic!("{lines:?}") };
        assert_eq!((a.text().as_str(), a.expand), ("1 $a\n", true));
        assert_eq!((b.text().as_str(), b.expand), ("2\n", false));
        assert_eq!((lines[0].first, lines[0].last, lines[1].first), (1, 5, 6));
        assert!(lines[1].heredocs.is_empty());
        let error = split("FROM x\nRUN <<EOF\na").unwrap_err();
        assert_eq!((error.line, error.kind), (2, ParseErrorKind::UnterminatedHeredoc("EOF".into())));
        let (_, lines) = split("RUN cat << E\r\n1\r\nE\r\nCMD x\r\n").unwrap();
        assert_eq!((lines[0].heredocs[0].body.as_str(), lines[1].rest.as_str()), ("1\r\n", "x"));
    }
}
