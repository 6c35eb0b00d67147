//! A look at Rust text that is just good enough: no parser, but comments and literals do not count as code.

/// The text with every comment and the inside of every string and character literal replaced by blanks. Lines and
/// columns stay where they were.
pub(crate) fn code_only(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = literal_end(&chars, at);
        if end == at {
            out.push(chars[at]);
            at += 1;
        } else {
            out.extend(chars[at..end].iter().map(|&c| if c == '\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    out
}

/// Where the comment or literal that starts at `at` ends; `at` itself when none starts there.
fn literal_end(chars: &[char], at: usize) -> usize {
    let next = chars.get(at + 1).copied();
    match (chars[at], next) {
        ('/', Some('/')) => find(chars, at, |c| c == '\n'),
        ('/', Some('*')) => block_comment_end(chars, at),
        ('"', _) => quoted_end(chars, at + 1, '"'),
        ('r', Some('"' | '#')) if !continues_name(chars, at) => raw_string_end(chars, at),
        ('\'', _) => char_literal_end(chars, at),
        _ => at,
    }
}

fn find(chars: &[char], from: usize, wanted: impl Fn(char) -> bool) -> usize {
    (from..chars.len()).find(|&i| wanted(chars[i])).unwrap_or(chars.len())
}

/// Whether the letter at `at` is inside a name, such as the r of `for`. `br"…"` is a literal all the same.
fn continues_name(chars: &[char], at: usize) -> bool {
    let before = |back: usize| at.checked_sub(back).map(|i| chars[i]);
    let in_name = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let byte_prefix = before(1) == Some('b') && !in_name(before(2));
    in_name(before(1)) && !byte_prefix
}

fn block_comment_end(chars: &[char], at: usize) -> usize {
    let (mut depth, mut i) = (0, at);
    while i < chars.len() {
        match (chars[i], chars.get(i + 1)) {
            ('/', Some('*')) => {
                depth += 1;
                i += 1;
            }
            ('*', Some('/')) => {
                depth -= 1;
                i += 1;
                if depth == 0 {
                    return i + 1;
                }
            }
            _ => {}
        }
        i += 1;
    }
    chars.len()
}

fn quoted_end(chars: &[char], mut i: usize, quote: char) -> usize {
    while i < chars.len() {
        match chars[i] {
            '\\' => i += 1,
            c if c == quote => return i + 1,
            _ => {}
        }
        i += 1;
    }
    chars.len()
}

/// `r"…"`, `r#"…"#` and so on; `r#name` is a name and no literal.
fn raw_string_end(chars: &[char], at: usize) -> usize {
    let hashes = find(chars, at + 1, |c| c != '#') - at - 1;
    if chars.get(at + 1 + hashes) != Some(&'"') {
        return at;
    }
    let mut i = at + 2 + hashes;
    while i < chars.len() {
        let closes = chars[i] == '"' && (1..=hashes).all(|n| chars.get(i + n) == Some(&'#'));
        if closes {
            return i + 1 + hashes;
        }
        i += 1;
    }
    chars.len()
}

/// A lifetime starts with the same mark as a character: it has no second mark where one would close the character.
fn char_literal_end(chars: &[char], at: usize) -> usize {
    match (chars.get(at + 1), chars.get(at + 2)) {
        (Some('\\'), _) => quoted_end(chars, at + 1, '\''),
        (Some(_), Some('\'')) => at + 3,
        _ => at,
    }
}

/// A function: its name, its first line (from 1), and how many lines it has, signature and closing brace included.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) line: usize,
    pub(crate) lines: usize,
}

/// The functions of a text that [`code_only`] has been through. Ones without a body, as in traits, are left out.
pub(crate) fn functions(code: &str) -> Vec<Function> {
    let chars: Vec<char> = code.chars().collect();
    let mut found = Vec::new();
    let mut line = 1;
    for at in 0..chars.len() {
        if chars[at] == '\n' {
            line += 1;
        }
        let name = function_name(&chars, at);
        if name.is_empty() {
            continue;
        }
        if let Some(end) = body_end(&chars, at) {
            let lines = chars[at..end].iter().filter(|&&c| c == '\n').count() + 1;
            found.push(Function { name, line, lines });
        }
    }
    found
}

/// The name after the word `fn` at `at`; empty where no function is declared (a pointer type has no name).
fn function_name(chars: &[char], at: usize) -> String {
    let is_word = chars[at] == 'f' && chars.get(at + 1) == Some(&'n') && chars.get(at + 2) == Some(&' ');
    let inside = at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_');
    if !is_word || inside {
        return String::new();
    }
    chars[at + 3..].iter().take_while(|c| c.is_alphanumeric() || **c == '_').collect()
}

/// One past the brace that closes the body of the function declared at `at`. A `;` outside brackets ends a declaration
/// without a body; inside them it belongs to an array type.
fn body_end(chars: &[char], at: usize) -> Option<usize> {
    let (mut braces, mut brackets) = (0usize, 0usize);
    for (i, c) in chars.iter().enumerate().skip(at) {
        match c {
            '(' | '[' => brackets += 1,
            ')' | ']' => brackets = brackets.saturating_sub(1),
            ';' if braces == 0 && brackets == 0 => return None,
            '{' => braces += 1,
            '}' => {
                braces = braces.saturating_sub(1);
                if braces == 0 {
                    return Some(i + 1);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blanked_and_lines_stay() {
        let text = "let a = \"un\\\"safe\"; // unsafe\n/* un /* nested */ safe */ let b = r#\"unsafe \" \"#;\nlet c = '{';";
        let code = code_only(text);
        assert!(!code.contains("unsafe") && !code.contains("safe"), "{code}");
        assert!(!code.contains('{'), "{code}");
        assert_eq!(code.lines().count(), 3);
        assert_eq!(code.chars().count(), text.chars().count());
    }

    #[test]
    fn lifetimes_and_names_that_end_in_r_are_code() {
        let text = "fn f<'a>(x: &'a str) { for_r#x(); br\"gone\" }";
        let code = code_only(text);
        assert!(code.contains("<'a>(x: &'a str)"), "{code}");
        assert!(!code.contains("gone"), "{code}");
        assert!(code_only("'\\'' unsafe '\\u{7d}'").contains("unsafe"));
    }

    #[test]
    fn functions_are_measured_from_signature_to_brace() {
        let code = "fn one() {}\ntrait T { fn none(&self, a: [u8; 4]); }\npub fn three(\n    a: [u8; 2],\n) {\n    if a { b }\n}\n";
        let found = functions(code);
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(found[0], Function { name: "one".into(), line: 1, lines: 1 });
        assert_eq!(found[1], Function { name: "three".into(), line: 3, lines: 5 });
    }

    #[test]
    fn function_pointer_types_are_no_functions() {
        assert!(functions("type F = fn (u8) -> u8; struct S { f: fn(u8) }").is_empty());
    }
}
