//! `--env`, `--env-file`, `--label-file`: Docker's line format, which knows no quotes and no expansion.

use super::Host;
use crate::error::Failure;

/// Adds one `--env`: `KEY=value`, or `KEY`, which takes the host's value and is left out when there is none.
pub(crate) fn push(env: &mut Vec<String>, text: &str, host: &Host<'_>) -> anyhow::Result<()> {
    if text.is_empty() || text.starts_with('=') {
        return Err(super::invalid("-e, --env", text, &format!("invalid environment variable: {text}")));
    }
    if text.contains('=') {
        env.push(text.to_owned());
    } else if let Some(value) = (host.variable)(text) {
        env.push(format!("{text}={value}"));
    }
    Ok(())
}

/// The lines of a variables file, `KEY=value` and bare `KEY`s.
pub(crate) fn read(path: &str) -> anyhow::Result<Vec<String>> {
    let text = tare_sys::bounded::text(path)
        .map_err(|error| Failure::usage(crate::error::OWN_FAILURE, format!("open {path}: {error}")))?;
    lines(path, &text)
}

fn lines(path: &str, text: &str) -> anyhow::Result<Vec<String>> {
    let text = text.trim_start_matches('\u{feff}');
    let mut found = Vec::new();
    for line in text.lines() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let key = line.split('=').next().unwrap_or(line);
        if key.is_empty() {
            return Err(refused(path, &format!("no variable name on line '{line}'")));
        }
        if key.contains(char::is_whitespace) {
            return Err(refused(path, &format!("variable '{key}' contains whitespaces")));
        }
        found.push(line.to_owned());
    }
    Ok(found)
}

fn refused(path: &str, why: &str) -> anyhow::Error {
    Failure::usage(crate::error::OWN_FAILURE, format!("invalid env file ({path}): {why}")).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dockers_file_format() {
        let text = "\u{feff}# comment\nA=1\n\n  B=\"quoted\"\nC\nD=a b # kept\n";
        assert_eq!(lines("f", text).unwrap(), ["A=1", "B=\"quoted\"", "C", "D=a b # kept"]);
        assert!(lines("f", "=x").is_err());
        assert!(lines("f", "a b=c").is_err());
    }
}
