//! Durations, byte sizes and decimal amounts as Compose writes them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tare_words::quantity;

/// A duration such as `1m30s`, `500ms` or `1h`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

/// Why a quantity could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// Not a duration.
    #[error("`{0}` is not a duration; write it like 1m30s or 500ms")]
    Duration(String),
    /// Not a size.
    #[error("`{0}` is not a size; write it like 512m or 1gb")]
    Size(String),
    /// Not a number.
    #[error("`{0}` is not a number")]
    Number(String),
}

/// Units of a duration, longest name first where one is a prefix of another.
const DURATION_UNITS: quantity::Units = &[
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
    ("w", 604_800_000_000_000),
];

impl FromStr for Span {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        quantity::duration(text.trim(), DURATION_UNITS)
            .map(Self)
            .ok_or_else(|| QuantityError::Duration(text.to_owned()))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let nanos = self.0.subsec_nanos();
        if seconds == 0 && nanos != 0 {
            let (value, digits, unit) = match nanos {
                1_000_000.. => (nanos, 6, "ms"),
                1_000.. => (nanos, 3, "µs"),
                _ => (nanos, 0, "ns"),
            };
            return write!(f, "{}{unit}", fixed(u64::from(value), digits));
        }
        let (hours, minutes) = (seconds / 3600, seconds % 3600 / 60);
        if hours > 0 {
            write!(f, "{hours}h")?;
        }
        if hours > 0 || minutes > 0 {
            write!(f, "{minutes}m")?;
        }
        let total = seconds % 60 * 1_000_000_000 + u64::from(nanos);
        write!(f, "{}s", fixed(total, 9))
    }
}

/// `value / 10^digits` without trailing zeros.
fn fixed(value: u64, digits: usize) -> String {
    let text = format!("{value:0width$}", width = digits + 1);
    let (whole, fraction) = text.split_at(text.len() - digits);
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }
}

/// A size in bytes, read from `512m`, `1gb`, `1.5 GiB` or a number; -1 where that means «no limit».
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub i64);

impl FromStr for ByteSize {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || QuantityError::Size(text.to_owned());
        if text == "-1" {
            return Ok(Self(-1));
        }
        // The unit begins after the last digit; one blank may stand between.
        let end = text.rfind(|c: char| c.is_ascii_digit() || c == '.').ok_or_else(bad)? + 1;
        let (number, unit) = text.split_at(end);
        let unit = unit.strip_prefix(' ').unwrap_or(unit);
        let scale = quantity::factor(unit).ok_or_else(bad)?;
        let bytes = quantity::scaled(number.strip_prefix('+').unwrap_or(number), scale).ok_or_else(bad)?;
        Ok(Self(i64::try_from(bytes).map_err(|_| bad())?))
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A decimal number such as the `0.5` of `cpus`.
#[derive(Debug, Clone, Copy, Default, PartialEq, PartialOrd)]
pub struct Decimal(pub f64);

impl FromStr for Decimal {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number: f64 = text.trim().parse().map_err(|_| QuantityError::Number(text.to_owned()))?;
        if number.is_finite() { Ok(Self(number)) } else { Err(QuantityError::Number(text.to_owned())) }
    }
}

/// A number as Go prints it: the shortest text that reads back, with an exponent below 10^-4 and from 10^21 on.
pub(crate) fn shortest(number: f64) -> String {
    let text = format!("{number:e}");
    let Some((mantissa, exponent)) = text.split_once('e') else { return text };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..21).contains(&exponent) {
        return number.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

impl Decimal {
    /// The number in single precision.
    #[expect(clippy::cast_possible_truncation, reason = "less precision is what is asked for")]
    fn single(self) -> f32 {
        self.0 as f32
    }
}

macro_rules! serde_as_text {
    ($($type:ident),*) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}
serde_as_text!(Span, ByteSize);

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Single precision, as Compose keeps it: 0.1 stays 0.1.
        let single: f64 = self.single().to_string().parse().unwrap_or(self.0);
        // A whole number is written without a point.
        match single.to_string().parse::<i64>() {
            Ok(whole) => serializer.serialize_i64(whole),
            Err(_) => serializer.serialize_f64(single),
        }
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        f64::deserialize(deserializer).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_round_trip_in_go_form() {
        for (text, shown) in [
            ("1m30s", "1m30s"),
            ("90s", "1m30s"),
            ("1h", "1h0m0s"),
            ("500ms", "500ms"),
            ("1.5s", "1.5s"),
            ("2d", "48h0m0s"),
        ] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), shown);
        }
        assert!("5".parse::<Span>().is_err());
        assert!("x".parse::<Span>().is_err());
        assert!("".parse::<Span>().is_err());
    }

    #[test]
    fn sizes_are_binary() {
        for (text, bytes) in [
            ("512m", 512 << 20),
            ("1gb", 1 << 30),
            ("1.5k", 1536),
            ("100", 100),
            ("-1", -1),
            ("2 MiB", 2 << 20),
        ] {
            assert_eq!(text.parse::<ByteSize>().unwrap(), ByteSize(bytes), "{text}");
        }
        assert!("1x".parse::<ByteSize>().is_err());
        assert!("m".parse::<ByteSize>().is_err());
    }
}
