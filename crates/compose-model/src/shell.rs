//! Splitting of a command string into words, as a POSIX shell would without expanding anything.

/// Splits `text` into words; `None` when a quote stays open.
pub fn split_words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\n' | '\r' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        '\'' => break,
                        c => word.push(c),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        '"' => break,
                        '\\' => match chars.next()? {
                            c @ ('"' | '\\' | '$' | '`') => word.push(c),
                            '\n' => {}
                            c => word.extend(['\\', c]),
                        },
                        c => word.push(c),
                    }
                }
            }
            '\\' => match chars.next() {
                Some('\n') => {}
                Some(c) => word.get_or_insert_default().push(c),
                None => return None,
            },
            '#' if word.is_none() => while chars.next_if(|c| *c != '\n').is_some() {},
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::split_words;

    #[test]
    fn splits_like_a_shell() {
        let split = |text| split_words(text).unwrap();
        assert_eq!(
            split("python manage.py  runserver 0:8000"),
            ["python", "manage.py", "runserver", "0:8000"]
        );
        assert_eq!(split(r#"sh -c "echo \"a b\" 'c'" '' d\ e"#), ["sh", "-c", "echo \"a b\" 'c'", "", "d e"]);
        assert!(split("").is_empty());
        assert_eq!(split_words("a 'b"), None);
    }
}
