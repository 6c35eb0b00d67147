//! `--env`, `--env-file`, `--label-file`: Docker's line format, which knows no quotes and no expansion.

use super::Host;
use crate::error::Failure;

/// Adds one `--env`: `KEY=value`, or `KEY`, which takes the host's value; where the host has none, it takes the image's
/// variable of that name away.
pub(crate) fn push(env: &mut Vec<String>, text: &str, host: &Host<'_>) -> anyhow::Result<()> {
    if text.is_empty() || text.starts_with('=') {
        return Err(super::invalid("-e, --env", text, &format!("invalid environment variable: {text}")));
    }
    env.push(match (host.variable)(text) {
        Some(value) if !text.contains('=') => format!("{text}={value}"),
        _ => text.to_owned(),
    });
    Ok(())
}

/// Adds one line of an `--env-file`: as [`push`], but a bare key that the host does not have is passed over.
pub(crate) fn push_line(env: &mut Vec<String>, line: &str, host: &Host<'_>) -> anyhow::Result<()> {
    if line.contains('=') || (host.variable)(line).is_some() { push(env, line, host) } else { Ok(()) }
}

/// The lines of a variables file, `KEY=value` and bare `KEY`s.
pub(crate) fn read(path: &str) -> anyhow::Result<Vec<String>> {
    let bytes = tare_sys::bounded::file(path)
        .map_err(|error| Failure::usage(crate::error::OWN_FAILURE, format!("open {path}: {error}")))?;
    lines(path, &bytes)
}

fn lines(path: &str, bytes: &[u8]) -> anyhow::Result<Vec<String>> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let mut found = Vec::new();
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() > LONGEST_LINE {
            return Err(refused(path, &format!("line {} is longer than {LONGEST_LINE} bytes", index + 1)));
        }
        let Ok(line) = std::str::from_utf8(line) else {
            return Err(refused(path, &format!("invalid utf8 bytes at line {}: {line:?}", index + 1)));
        };
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

/// Docker's reader takes no longer lines.
const LONGEST_LINE: usize = 64 * 1024 - 1;

fn refused(path: &str, why: &str) -> anyhow::Error {
    Failure::usage(crate::error::OWN_FAILURE, format!("invalid env file ({path}): {why}")).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dockers_file_format() {
        let text = "\u{feff}# comment\nA=1\n\n  B=\"quoted\"\nC\nD=a b # kept\n";
        let kept = lines("f", text.as_bytes()).unwrap();
        assert_eq!(kept, ["A=1", "B=\"quoted\"", "C", "D=a b # kept"]);
        assert_eq!(lines("f", b"A=1\r\nB=2\r\n").unwrap(), ["A=1", "B=2"]);
        assert!(lines("f", b"=x").is_err());
        assert!(lines("f", b"a b=c").is_err());
        let said = lines("f", b"\nX=\xff\n").unwrap_err().to_string();
        assert!(said.contains("invalid utf8 bytes at line 2: [88, 61, 255]"), "{said}");
        assert!(lines("f", &[b'x'; LONGEST_LINE + 1]).is_err());
    }
}
