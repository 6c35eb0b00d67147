//! Words: cutting the rest of a line at blanks, with or without regard to quotes.

/// Cuts at blanks outside quotes; quotes and escapes stay in the words, for [`crate::expand`] to take off.
pub(crate) fn quoted(text: &str, escape: char) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote: Option<char> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match quote {
            None if c.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                continue;
            }
            None if c == '\'' || c == '"' => quote = Some(c),
            Some(open) if c == open => quote = None,
            _ => {}
        }
        word.push(c);
        if c == escape && quote != Some('\'') {
            word.extend(chars.next());
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// Cuts at blanks, whatever the quotes.
pub(crate) fn plain(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_escapes_hold_words_together() {
        assert_eq!(quoted(r#"a="x y" b=p\ q  c='it"s'"#, '\\'), [r#"a="x y""#, r"b=p\ q", r#"c='it"s'"#]);
        assert_eq!(quoted(r#"a="\" b""#, '\\'), [r#"a="\" b""#]);
        assert_eq!(quoted("a='x\\' b", '\\'), ["a='x\\'", "b"]);
    }
}
