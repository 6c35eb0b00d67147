//! Sizes as people write them.

/// Reads `512m`, `1.5g`, `64KiB`, `1024`: powers of 1024 whatever the unit is called, as Docker's memory flags do.
#[must_use]
pub fn parse(text: &str) -> Option<u64> {
    let trimmed = text.trim();
    let split = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(split);
    let power = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 1,
        "m" | "mb" | "mib" => 2,
        "g" | "gb" | "gib" => 3,
        "t" | "tb" | "tib" => 4,
        "p" | "pb" | "pib" => 5,
        _ => return None,
    };
    let factor = 1024u64.pow(power);
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(factor);
    }
    let (whole, fraction) = number.split_once('.')?;
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let digits = u32::try_from(fraction.len()).ok().filter(|digits| (1..=9).contains(digits))?;
    let part: u64 = fraction.parse().ok()?;
    let part = u128::from(part) * u128::from(factor) / 10u128.pow(digits);
    whole.checked_mul(factor)?.checked_add(u64::try_from(part).ok()?)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn sizes_are_read() {
        assert_eq!(parse("512m"), Some(512 << 20));
        assert_eq!(parse("1.5g"), Some(3 << 29));
        assert_eq!(parse("0.5m"), Some(1 << 19));
        assert_eq!(parse("64KiB"), Some(65536));
        assert_eq!(parse("7"), Some(7));
        for text in ["x", "1q", "", ".", "1.", "-1", "50%", "99999999999p"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
