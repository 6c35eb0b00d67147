//! Values as Go's `fmt` writes them: that is how BuildKit words the history.

/// `%v` of a list.
pub(crate) fn list(words: &[String]) -> String {
    format!("[{}]", words.join(" "))
}

/// `%q` of a list.
pub(crate) fn quoted(words: &[String]) -> String {
    list(&words.iter().map(|word| quote(word)).collect::<Vec<_>>())
}

fn quote(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        if c == '"' { out.push_str("\\\"") } else { out.push_str(&escaped(c)) }
    }
    out.push('"');
    out
}

/// `%q` of a number: a character.
pub(crate) fn rune(number: i64) -> String {
    let c = u32::try_from(number).ok().and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER);
    if c == '\'' { "'\\''".to_owned() } else { format!("'{}'", escaped(c)) }
}

fn escaped(c: char) -> String {
    match c {
        '\\' => "\\\\".to_owned(),
        '\u{7}' => "\\a".to_owned(),
        '\u{8}' => "\\b".to_owned(),
        '\u{b}' => "\\v".to_owned(),
        '\u{c}' => "\\f".to_owned(),
        '\n' => "\\n".to_owned(),
        '\r' => "\\r".to_owned(),
        '\t' => "\\t".to_owned(),
        c if c < ' ' || c == '\u{7f}' => format!("\\x{:02x}", u32::from(c)),
        c if c.is_control() => format!("\\u{:04x}", u32::from(c)),
        c => c.to_string(),
    }
}

/// Nanoseconds as Go writes a duration.
pub(crate) fn duration(nanoseconds: i64) -> String {
    let total = nanoseconds.unsigned_abs();
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let small = |unit: u64, name: &str| format!("{sign}{}{name}", fraction(total, unit));
    match total {
        0 => "0s".to_owned(),
        1..1_000 => small(1, "ns"),
        1_000..1_000_000 => small(1_000, "µs"),
        1_000_000..1_000_000_000 => small(1_000_000, "ms"),
        _ => {
            let minute = 60_000_000_000;
            let (minutes, rest) = (total / minute, total % minute);
            let seconds = format!("{}s", fraction(rest, 1_000_000_000));
            match (minutes / 60, minutes % 60) {
                (0, 0) => format!("{sign}{seconds}"),
                (0, minutes) => format!("{sign}{minutes}m{seconds}"),
                (hours, minutes) => format!("{sign}{hours}h{minutes}m{seconds}"),
            }
        }
    }
}

fn fraction(value: u64, unit: u64) -> String {
    let (whole, rest) = (value / unit, value % unit);
    if rest == 0 {
        return whole.to_string();
    }
    let width = unit.ilog10() as usize;
    format!("{whole}.{}", format!("{rest:0width$}").trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_go_writes_them() {
        let words = ["a\"b", "é", "\t\u{1}"].map(str::to_owned);
        assert_eq!(quoted(&words), r#"["a\"b" "é" "\t\x01"]"#);
        assert_eq!(list(&words[..2]), r#"[a"b é]"#);
        assert_eq!([0, 3, 10, 39, 65].map(rune), [r"'\x00'", r"'\x03'", r"'\n'", r"'\''", "'A'"]);
        let times = [0, 1_500, 1_500_000_000, 90_000_000_000, 3_600_000_000_000, 1];
        assert_eq!(times.map(duration), ["0s", "1.5µs", "1.5s", "1m30s", "1h0m0s", "1ns"]);
    }
}
