//! Go's templates as tokens: text, and what is between `{{` and `}}`.

use super::TemplateError;

/// A piece of a template.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Piece {
    Text(String),
    /// What is between the delimiters, and the line that it begins in.
    Action(Vec<Token>, usize),
}

/// A word of an action.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// `.Name`
    Field(String),
    /// `$`, `$name`
    Variable(String),
    Word(String),
    Text(String),
    Int(i64),
    Float(f64),
    /// A lone `.`
    Dot,
    /// `|`, `(`, `)`, `,`, `=`, `:=`
    Sign(&'static str),
    /// Blanks, which part arguments.
    Space,
}

/// Cuts a template into pieces; comments are gone, and blanks that `{{-` and `-}}` trim.
pub(super) fn pieces(source: &str) -> Result<Vec<Piece>, TemplateError> {
    let mut out = Vec::new();
    let mut rest = source;
    let mut trims = false;
    loop {
        let (text, tail) = match rest.find("{{") {
            Some(at) => (&rest[..at], Some(&rest[at + 2..])),
            None => (rest, None),
        };
        let mut text = if trims { text.trim_start_matches(is_blank) } else { text };
        let line = 1 + source[..source.len() - tail.map_or(0, str::len)].matches('\n').count();
        let Some(mut tail) = tail else {
            push_text(&mut out, text);
            return Ok(out);
        };
        if let Some(trimmed) = tail.strip_prefix('-').filter(|rest| rest.starts_with(is_blank)) {
            tail = trimmed;
            text = text.trim_end_matches(is_blank);
        }
        push_text(&mut out, text);
        let after_comment = tail.trim_start_matches(is_blank);
        if let Some(comment) = after_comment.strip_prefix("/*") {
            let end = comment.find("*/").ok_or_else(|| TemplateError::parse(line, "unclosed comment"))?;
            let (left, is_trimming) = close(&comment[end + 2..])
                .ok_or_else(|| TemplateError::parse(line, "comment ends before closing delimiter"))?;
            (rest, trims) = (left, is_trimming);
            continue;
        }
        let (tokens, left, is_trimming) = action(tail, line)?;
        out.push(Piece::Action(tokens, line));
        (rest, trims) = (left, is_trimming);
    }
}

fn push_text(out: &mut Vec<Piece>, text: &str) {
    if !text.is_empty() {
        out.push(Piece::Text(text.to_owned()));
    }
}

fn is_blank(letter: char) -> bool {
    matches!(letter, ' ' | '\t' | '\r' | '\n')
}

/// What follows the end of an action, if this is one, and whether it trims.
fn close(text: &str) -> Option<(&str, bool)> {
    if let Some(rest) = text.strip_prefix("}}") {
        return Some((rest, false));
    }
    let trimming = text.strip_prefix(is_blank)?.strip_prefix("-}}")?;
    Some((trimming, true))
}

/// The tokens up to `}}`, and what follows.
fn action(source: &str, line: usize) -> Result<(Vec<Token>, &str, bool), TemplateError> {
    let mut tokens = Vec::new();
    let mut rest = source;
    let mut open = 0usize;
    loop {
        if let Some((left, trims)) = close(rest) {
            if open > 0 {
                return Err(TemplateError::parse(line, "unclosed left paren"));
            }
            return Ok((tokens, left, trims));
        }
        let Some(first) = rest.chars().next() else {
            return Err(TemplateError::parse(line, "unclosed action"));
        };
        if is_blank(first) {
            rest = rest.trim_start_matches(is_blank);
            // A trimming end wants the blank before it.
            if rest.starts_with("-}}") {
                rest = &source[source.len() - rest.len() - 1..];
                let (left, trims) = close(rest).unwrap_or(("", true));
                return Ok((tokens, left, trims));
            }
            tokens.push(Token::Space);
            continue;
        }
        let (token, length) = token(rest, first, line)?;
        match token {
            Token::Sign("(") => open += 1,
            Token::Sign(")") => {
                open = open
                    .checked_sub(1)
                    .ok_or_else(|| TemplateError::parse(line, "unexpected right paren"))?;
            }
            _ => {}
        }
        tokens.push(token);
        rest = &rest[length..];
    }
}

fn token(rest: &str, first: char, line: usize) -> Result<(Token, usize), TemplateError> {
    let name_end = |from: usize| {
        rest[from..]
            .find(|letter: char| !letter.is_alphanumeric() && letter != '_')
            .map_or(rest.len(), |at| from + at)
    };
    for sign in ["|", "(", ")", ",", ":=", "="] {
        if rest.starts_with(sign) {
            return Ok((Token::Sign(sign), sign.len()));
        }
    }
    match first {
        '"' | '\'' => quoted(rest, first, line),
        '`' => {
            let end = rest[1..]
                .find('`')
                .ok_or_else(|| TemplateError::parse(line, "unterminated raw quoted string"))?;
            Ok((Token::Text(rest[1..=end].to_owned()), end + 2))
        }
        '$' => {
            let end = name_end(1);
            Ok((Token::Variable(rest[..end].to_owned()), end))
        }
        '.' if !rest[1..].starts_with(|letter: char| letter.is_ascii_digit()) => {
            let end = name_end(1);
            Ok((if end == 1 { Token::Dot } else { Token::Field(rest[1..end].to_owned()) }, end))
        }
        '0'..='9' | '+' | '-' | '.' => number(rest, line),
        letter if letter.is_alphabetic() || letter == '_' => {
            let end = name_end(0);
            Ok((Token::Word(rest[..end].to_owned()), end))
        }
        other => Err(TemplateError::parse(line, format!("unexpected {other:?} in command"))),
    }
}

fn number(rest: &str, line: usize) -> Result<(Token, usize), TemplateError> {
    let end = rest
        .find(|letter: char| !(letter.is_ascii_alphanumeric() || matches!(letter, '+' | '-' | '.' | '_')))
        .unwrap_or(rest.len());
    let text = &rest[..end];
    let plain = text.replace('_', "");
    let (sign, digits) = match plain.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", plain.strip_prefix('+').unwrap_or(&plain)),
    };
    let based = [("0x", 16), ("0X", 16), ("0b", 2), ("0o", 8)]
        .into_iter()
        .find_map(|(prefix, base)| Some((digits.strip_prefix(prefix)?, base)));
    let int = match based {
        Some((digits, base)) => i64::from_str_radix(&format!("{sign}{digits}"), base).ok(),
        None => plain.parse().ok(),
    };
    let token = int
        .map(Token::Int)
        .or_else(|| plain.parse().ok().filter(|_| based.is_none()).map(Token::Float))
        .ok_or_else(|| TemplateError::parse(line, format!("bad number syntax: {text:?}")))?;
    Ok((token, end))
}

/// A string, or a character, which is its number.
fn quoted(rest: &str, quote: char, line: usize) -> Result<(Token, usize), TemplateError> {
    let unclosed = || TemplateError::parse(line, "unterminated quoted string");
    let bad = || TemplateError::parse(line, "invalid syntax");
    let mut out = String::new();
    let mut letters = rest.char_indices().skip(1);
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\n' => return Err(unclosed()),
            letter if letter == quote => {
                let mut inside = out.chars();
                return match (quote, inside.next(), inside.next()) {
                    ('"', _, _) => Ok((Token::Text(out), at + 1)),
                    (_, Some(only), None) => Ok((Token::Int(u32::from(only).into()), at + 1)),
                    _ => Err(TemplateError::parse(
                        line,
                        format!("malformed character constant: {}", &rest[..=at]),
                    )),
                };
            }
            '\\' => {
                let (_, escape) = letters.next().ok_or_else(unclosed)?;
                let mut code = |count: usize, base: u32| {
                    let digits: String = letters.by_ref().take(count).map(|(_, digit)| digit).collect();
                    u32::from_str_radix(&digits, base).ok().and_then(char::from_u32)
                };
                out.push(match escape {
                    'n' => '\n',
                    't' => '\t',
                    'r' => '\r',
                    'a' => '\u{7}',
                    'b' => '\u{8}',
                    'f' => '\u{c}',
                    'v' => '\u{b}',
                    '\\' => '\\',
                    'x' => code(2, 16).ok_or_else(bad)?,
                    'u' => code(4, 16).ok_or_else(bad)?,
                    'U' => code(8, 16).ok_or_else(bad)?,
                    other if other == quote => other,
                    _ => return Err(bad()),
                });
            }
            letter => out.push(letter),
        }
    }
    Err(unclosed())
}
