//! Splitting of a command string into words, as Compose does: quotes and backslashes count, nothing is expanded.

/// A command string in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CommandLine {
    pub(crate) words: Vec<String>,
    /// The shell's operator, such as `&&`, at which Compose stops reading; none when all of the text is in `words`.
    pub(crate) operator: Option<String>,
}

/// What `;`, `&`, `|`, `<` and `>` outside of quotes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operators {
    /// The end of the command.
    End,
    /// Characters like others.
    Plain,
}

/// Splits `text` into words; `None` when a quote stays open.
pub fn split_words(text: &str) -> Option<Vec<String>> {
    split(text, Operators::Plain).map(|line| line.words)
}

/// Splits a command up to the first operator of a shell; `None` when a quote stays open or a parenthesis is not `$(…)`.
pub(crate) fn command_line(text: &str) -> Option<CommandLine> {
    split(text, Operators::End)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    Nothing,
    Quotes(char),
    /// `$(…)`.
    Substitution,
}

fn split(text: &str, operators: Operators) -> Option<CommandLine> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut inside = Inside::Nothing;
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match (c, inside) {
            ('\\', Inside::Quotes('\'')) => word.get_or_insert_default().push(c),
            ('\\', _) => word.get_or_insert_default().push(chars.next()?.1),
            (' ' | '\t' | '\n' | '\r', Inside::Nothing) => words.extend(word.take()),
            ('"' | '\'', Inside::Nothing) => {
                word.get_or_insert_default();
                inside = Inside::Quotes(c);
            }
            ('"' | '\'', Inside::Quotes(open)) if open == c => inside = Inside::Nothing,
            ('`', Inside::Nothing) => {
                word.get_or_insert_default().push(c);
                inside = Inside::Quotes(c);
            }
            ('`', Inside::Quotes('`')) => {
                word.get_or_insert_default().push(c);
                inside = Inside::Nothing;
            }
            ('(', Inside::Nothing) if operators == Operators::End => {
                let word = word.as_mut().filter(|word| word.ends_with('$'))?;
                word.push(c);
                inside = Inside::Substitution;
            }
            (')', Inside::Nothing) if operators == Operators::End => return None,
            (')', Inside::Substitution) => {
                word.get_or_insert_default().push(c);
                inside = Inside::Nothing;
            }
            (';' | '&' | '|' | '<' | '>', Inside::Nothing) if operators == Operators::End => {
                // The number of a redirection, as in `2>file`, is part of it.
                let is_number =
                    c == '>' && word.as_deref().is_some_and(|w| w.starts_with(|c: char| c.is_ascii_digit()));
                words.extend(word.filter(|_| !is_number));
                let rest = &text[at..];
                let end = rest.find(|c| !";&|<>".contains(c)).unwrap_or(rest.len());
                return Some(CommandLine { words, operator: Some(rest[..end].to_owned()) });
            }
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    (inside == Inside::Nothing).then_some(CommandLine { words, operator: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_like_compose() {
        let split = |text| split_words(text).unwrap();
        assert_eq!(
            split("python manage.py  runserver 0:8000"),
            ["python", "manage.py", "runserver", "0:8000"]
        );
        assert_eq!(split(r#"sh -c "echo \"a b\" 'c'" '' d\ e"#), ["sh", "-c", "echo \"a b\" 'c'", "", "d e"]);
        assert_eq!(split("echo # a#b"), ["echo", "#", "a#b"]);
        assert_eq!(split(r#"a\nb "c\nd" 'e\nf'"#), ["anb", "cnd", r"e\nf"]);
        assert!(split("").is_empty());
        assert_eq!(split_words("a 'b"), None);
        assert_eq!(split_words("a \\"), None);
    }

    #[test]
    fn a_command_ends_at_what_only_a_shell_understands() {
        for (text, words, operator) in [
            ("echo a && b", &["echo", "a"][..], Some("&&")),
            ("echo a;b", &["echo", "a"], Some(";")),
            ("a 2>&1", &["a"], Some(">&")),
            ("sh -c 'a && b' \"c|d\"", &["sh", "-c", "a && b", "c|d"], None),
            ("echo $(a b) `c d`", &["echo", "$(a b)", "`c d`"], None),
        ] {
            let words = words.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(
                command_line(text).unwrap(),
                CommandLine { words, operator: operator.map(str::to_owned) }
            );
        }
        assert_eq!(command_line("echo (a)"), None);
    }
}
