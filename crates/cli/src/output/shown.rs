//! Text of others (containers, images, registries, files) on a terminal: control characters are shown, not obeyed.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether a terminal would do something with it, or show the text in another order than it has.
fn acts(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// With every control character as `\u001b`, which means the same in JSON; line ends and tabs stay.
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    escape(text, |c| acts(c) && !matches!(c, '\n' | '\t'))
}

/// One cell of a table: line ends and tabs are shown too.
pub(crate) fn cell(text: &str) -> Cow<'_, str> {
    escape(text, acts)
}

fn escape(text: &str, is_shown: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_shown) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' if is_shown(c) => out.push_str("\\n"),
            '\t' if is_shown(c) => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if is_shown(c) => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_shown() {
        assert!(matches!(escaped("plain, 한국어\n\tx"), Cow::Borrowed(_)));
        assert_eq!(escaped("a\x1b]0;title\x07b\r\n"), "a\\u001b]0;title\\u0007b\\r\n");
        assert_eq!(escaped("\u{9b}31m \u{7f}"), "\\u009b31m \\u007f");
        assert_eq!(escaped("exe\u{202e}txt"), "exe\\u202etxt");
        assert_eq!(cell("a\nb\tc\x1b[2J"), "a\\nb\\tc\\u001b[2J");
    }
}
