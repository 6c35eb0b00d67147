//! Comma-separated values, as `--mount` and the builder's flags have them.

/// One line of comma-separated values; a value in double quotes may hold commas.
#[must_use]
pub fn columns(text: &str) -> Vec<String> {
    let mut columns = vec![String::new()];
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                if let Some(last) = columns.last_mut() {
                    last.push('"');
                }
            }
            '"' => quoted = !quoted,
            ',' if !quoted => columns.push(String::new()),
            c => {
                if let Some(last) = columns.last_mut() {
                    last.push(c);
                }
            }
        }
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::columns;

    #[test]
    fn quotes_hold_commas() {
        assert_eq!(columns("a,\"b,c\",\"d\"\"e\""), ["a", "b,c", "d\"e"]);
    }
}
