//! Variable substitution: `$VAR`, `${VAR}`, `:-` `-` `:?` `?` `:+` `+`, nested, and `$$` for a dollar sign.

/// `${A:-${B:-…}}`: no person nests deeper, and each level is a level of the stack.
const MAX_DEPTH: usize = 100;

/// The kernel hands no program a variable of more than 128 KiB; a `.env` file whose every line doubles the one before would
/// fill the memory.
const MAX_LENGTH: usize = 16 << 20;

/// Why a text with variables cannot be resolved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TemplateError {
    #[error("invalid interpolation format `{0}`; write $$ for a dollar sign of its own")]
    Malformed(String),
    #[error("required variable {name} is missing a value{}", if message.is_empty() { String::new() } else { format!(": {message}") })]
    Required { name: String, message: String },
    #[error("variables are nested more than {MAX_DEPTH} deep")]
    TooDeep,
    #[error("the value is longer than {MAX_LENGTH} bytes once its variables are replaced")]
    TooLong,
}

/// Where values come from, and who hears of the unset ones.
pub(crate) trait Variables {
    fn get(&self, name: &str) -> Option<String>;
    fn unset(&mut self, name: &str);
}

/// Replaces the variables in `text`.
pub(crate) fn substitute(text: &str, variables: &mut dyn Variables) -> Result<String, TemplateError> {
    within(text, variables, 0)
}

fn within(text: &str, variables: &mut dyn Variables, depth: usize) -> Result<String, TemplateError> {
    if depth > MAX_DEPTH {
        return Err(TemplateError::TooDeep);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        out.push_str(&rest[..dollar]);
        let after = &rest[dollar + 1..];
        if let Some(tail) = after.strip_prefix('$') {
            out.push('$');
            rest = tail;
        } else if after.starts_with('{') {
            let close = closing_brace(after).ok_or_else(|| TemplateError::Malformed(text.to_owned()))?;
            append(&mut out, &braced(&after[1..close], text, variables, depth)?)?;
            rest = &after[close + 1..];
        } else {
            let length = name_length(after);
            // A dollar sign before anything else stands for itself, as in `$(pwd)` and `$1`.
            let value = if length == 0 { "$".to_owned() } else { lookup(&after[..length], variables) };
            append(&mut out, &value)?;
            rest = &after[length..];
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// Appends a value, unless the whole becomes longer than a value may be.
fn append(text: &mut String, value: &str) -> Result<(), TemplateError> {
    if !value.is_empty() && text.len() + value.len() > MAX_LENGTH {
        return Err(TemplateError::TooLong);
    }
    text.push_str(value);
    Ok(())
}

fn lookup(name: &str, variables: &mut dyn Variables) -> String {
    variables.get(name).unwrap_or_else(|| {
        variables.unset(name);
        String::new()
    })
}

fn name_length(text: &str) -> usize {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return 0;
    }
    text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len())
}

/// The index of the brace that closes the one `text` begins with.
fn closing_brace(text: &str) -> Option<usize> {
    let mut open = 0_usize;
    for (index, c) in text.char_indices() {
        match c {
            '{' => open += 1,
            '}' => {
                open -= 1;
                if open == 0 {
                    return Some(index);
                }
            }
            _ => {}
        }
    }
    None
}

fn braced(
    body: &str,
    whole: &str,
    variables: &mut dyn Variables,
    depth: usize,
) -> Result<String, TemplateError> {
    let length = name_length(body);
    let (name, rest) = body.split_at(length);
    if name.is_empty() {
        return Err(TemplateError::Malformed(whole.to_owned()));
    }
    if rest.is_empty() {
        return Ok(lookup(name, variables));
    }
    let (empty_counts, rest) = match rest.strip_prefix(':') {
        Some(rest) => (false, rest),
        None => (true, rest),
    };
    let value = variables.get(name).filter(|value| empty_counts || !value.is_empty());
    let mut chars = rest.chars();
    let operator = chars.next();
    let word = chars.as_str();
    if !matches!(operator, Some('-' | '?' | '+')) {
        return Err(TemplateError::Malformed(whole.to_owned()));
    }
    // Compose evaluates the word in any case: what it demands must be set also when it is not used.
    let word = within(word, variables, depth + 1)?;
    match (operator, value) {
        (Some('-' | '?'), Some(value)) => Ok(value),
        (Some('?'), None) => Err(TemplateError::Required { name: name.to_owned(), message: word }),
        (Some('+'), None) => Ok(variables.get(name).unwrap_or_default()),
        _ => Ok(word),
    }
}

/// A variable as a file uses it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// What `:-` or `-` gives when it is not set.
    pub default: String,
    /// What `:+` or `+` gives when it is set.
    pub alternate: String,
    /// Whether `:?` or `?` demands it.
    pub required: bool,
}

/// The variables in a text, and those in what stands in for them; malformed ones are left out.
pub(crate) fn expressions(text: &str) -> Vec<Variable> {
    expressions_within(text, 0)
}

fn expressions_within(text: &str, depth: usize) -> Vec<Variable> {
    let mut found = Vec::new();
    if depth > MAX_DEPTH {
        return found;
    }
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        let after = &rest[dollar + 1..];
        if let Some(tail) = after.strip_prefix('$') {
            rest = tail;
        } else if after.starts_with('{') {
            let Some(close) = closing_brace(after) else { break };
            let (name, tail) = after[1..close].split_at(name_length(&after[1..close]));
            let tail = tail.strip_prefix(':').unwrap_or(tail);
            let word = tail.get(1..).unwrap_or_default().to_owned();
            let inner = expressions_within(&word, depth + 1);
            let mut variable = Variable { name: name.to_owned(), ..Variable::default() };
            match tail.chars().next() {
                Some('-') => variable.default = word,
                Some('+') => variable.alternate = word,
                Some('?') => variable.required = true,
                _ => {}
            }
            found.extend(Some(variable).filter(|variable| !variable.name.is_empty()));
            found.extend(inner);
            rest = &after[close + 1..];
        } else {
            let (name, tail) = after.split_at(name_length(after));
            if !name.is_empty() {
                found.push(Variable { name: name.to_owned(), ..Variable::default() });
            }
            rest = tail;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(Vec<String>);

    impl Variables for Fixed {
        fn get(&self, name: &str) -> Option<String> {
            match name {
                "A" => Some("a".to_owned()),
                "EMPTY" => Some(String::new()),
                _ => None,
            }
        }
        fn unset(&mut self, name: &str) {
            self.0.push(name.to_owned());
        }
    }

    #[test]
    fn every_operator() {
        for (text, expected) in [
            ("$A-${A}", "a-a"),
            ("$$A", "$A"),
            ("$${A}", "${A}"),
            ("${X:-d}${EMPTY:-d}${EMPTY-d}${X-d}", "ddd"),
            ("${A:+y}${X:+y}${EMPTY:+y}${EMPTY+y}", "yy"),
            ("${X:-${A}}", "a"),
            ("${X:-${Y:-{z}}}", "{z}"),
            ("${X:-http://h:80/}", "http://h:80/"),
            ("${A:?needed}", "a"),
            ("${X:-}", ""),
            ("$(x) $1 ${X:-$(y)} 5$", "$(x) $1 $(y) 5$"),
        ] {
            assert_eq!(substitute(text, &mut Fixed(Vec::new())).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn nesting_and_length_are_bounded() {
        let nested = |depth: usize| format!("{}x{}", "${X:-".repeat(depth), "}".repeat(depth));
        let mut variables = Fixed(Vec::new());
        assert_eq!(substitute(&nested(100), &mut variables).as_deref(), Ok("x"));
        assert_eq!(expressions(&nested(100)).len(), 100);
        for depth in [102, 100_000] {
            assert_eq!(substitute(&nested(depth), &mut variables), Err(TemplateError::TooDeep));
            assert_eq!(expressions(&nested(depth)).len(), 101, "{depth}");
        }
        struct Long;
        impl Variables for Long {
            fn get(&self, _: &str) -> Option<String> {
                Some("x".repeat(9 << 20))
            }
            fn unset(&mut self, _: &str) {}
        }
        assert_eq!(substitute("$A$A", &mut Long), Err(TemplateError::TooLong));
    }

    #[test]
    fn unset_variables_are_reported_and_required_ones_fail() {
        let mut variables = Fixed(Vec::new());
        assert_eq!(substitute("[$X]", &mut variables).unwrap(), "[]");
        assert_eq!(variables.0, ["X"]);
        let error = substitute("${X:?set it for $A}", &mut variables).unwrap_err();
        assert_eq!(error.to_string(), "required variable X is missing a value: set it for a");
        assert!(substitute("${EMPTY:?}", &mut variables).is_err());
        assert_eq!(substitute("${EMPTY?}", &mut variables).unwrap(), "");
        for bad in ["${", "${A", "${}", "${A!b}", "${1A}"] {
            assert!(substitute(bad, &mut variables).is_err(), "{bad}");
        }
    }
}
