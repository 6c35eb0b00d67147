//! Sizes and durations as people write them, without the rounding of floats.

use std::time::Duration;

/// Units of a duration with their nanoseconds.
pub type Units = &'static [(&'static str, u64)];

/// Go's units.
pub const GO_UNITS: Units = &[
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Reads `1m30s`, `500ms`, `1.5h`, and `0`, which needs no unit.
#[must_use]
pub fn duration(text: &str, units: Units) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text;
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(digits);
        let unit_len = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_len);
        let scale = units.iter().find(|(name, _)| *name == unit)?.1;
        total = total.checked_add(scaled(number, scale)?)?;
        rest = tail;
    }
    (!text.is_empty()).then(|| Duration::from_nanos(total))
}

/// Reads `512m`, `1.5g`, `64KiB`, `1024`: powers of 1024 whatever the unit is called, as Docker's memory flags do.
#[must_use]
pub fn size(text: &str) -> Option<u64> {
    let trimmed = text.trim();
    let split = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(split);
    if number.ends_with('.') {
        return None;
    }
    scaled(number, factor(unit.trim())?)
}

/// How many bytes a unit of sizes has: `k`, `kB` and `KiB` are one.
#[must_use]
pub fn factor(unit: &str) -> Option<u64> {
    let power = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 1,
        "m" | "mb" | "mib" => 2,
        "g" | "gb" | "gib" => 3,
        "t" | "tb" | "tib" => 4,
        "p" | "pb" | "pib" => 5,
        _ => return None,
    };
    Some(1024_u64.pow(power))
}

/// `number × scale`, for a number with an optional fraction; what is below one is cut off.
#[must_use]
pub fn scaled(number: &str, scale: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut total = u128::from(whole) * u128::from(scale);
    let fraction = fraction.get(..fraction.len().min(15))?;
    if !fraction.is_empty() {
        let digits: u64 = fraction.parse().ok()?;
        let divisor = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
        total += u128::from(digits) * u128::from(scale) / divisor;
    }
    u64::try_from(total).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_gos() {
        let read = |text: &str| duration(text, GO_UNITS);
        assert_eq!(read("1m30s"), Some(Duration::from_secs(90)));
        assert_eq!(read("1.5h"), Some(Duration::from_secs(5400)));
        assert_eq!(read(".5s"), Some(Duration::from_millis(500)));
        assert_eq!(read("0"), Some(Duration::ZERO));
        for bad in ["", "30", "s", "1x", "-1s", ".s", "1d", "99999999999h"] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn sizes_are_read() {
        assert_eq!(size("512m"), Some(512 << 20));
        assert_eq!(size("1.5g"), Some(3 << 29));
        assert_eq!(size("0.5m"), Some(1 << 19));
        assert_eq!(size("64KiB"), Some(65536));
        assert_eq!(size("7"), Some(7));
        for text in ["x", "1q", "", ".", "1.", "-1", "50%", "99999999999p"] {
            assert_eq!(size(text), None, "{text:?}");
        }
    }
}
