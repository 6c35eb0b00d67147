//! Sizes and times for people, in Docker's words: `1.23kB`, `2 minutes ago`, `512m`.

use std::time::Duration;

const DECIMAL: [&str; 9] = ["B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"];
const BINARY: [&str; 9] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"];

/// `1.234GB`: powers of 1000, four digits.
pub(crate) fn size(bytes: u64) -> String {
    scaled(bytes, 1000.0, &DECIMAL, 4)
}

/// `1.23GB`: powers of 1000, three digits, as image and container lists have it.
pub(crate) fn size_short(bytes: u64) -> String {
    scaled(bytes, 1000.0, &DECIMAL, 3)
}

/// `1.234GiB`: powers of 1024, four digits.
pub(crate) fn size_binary(bytes: u64) -> String {
    scaled(bytes, 1024.0, &BINARY, 4)
}

#[expect(clippy::cast_precision_loss, reason = "three or four digits are shown")]
fn scaled(bytes: u64, base: f64, units: &[&str], digits: usize) -> String {
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= base && unit + 1 < units.len() {
        value /= base;
        unit += 1;
    }
    format!("{}{}", significant(value, digits), units[unit])
}

/// C's `%.{digits}g` for values below 10^digits.
fn significant(value: f64, digits: usize) -> String {
    let mut whole = 1;
    let mut bound = 10.0;
    while value >= bound {
        whole += 1;
        bound *= 10.0;
    }
    // A value below one has its significant digits after the zeros; sizes are never that small but percentages are not
    // printed here either, so decimals after the point are counted from the first digit.
    let decimals = digits.saturating_sub(whole);
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// `About a minute`, `3 hours`: Docker's words for a length of time.
pub(crate) fn duration(length: Duration) -> String {
    let seconds = length.as_secs();
    let minutes = seconds / 60;
    let hours = (seconds + 1800) / 3600;
    match () {
        () if seconds < 1 => "Less than a second".to_owned(),
        () if seconds == 1 => "1 second".to_owned(),
        () if seconds < 60 => format!("{seconds} seconds"),
        () if minutes == 1 => "About a minute".to_owned(),
        () if minutes < 60 => format!("{minutes} minutes"),
        () if hours == 1 => "About an hour".to_owned(),
        () if hours < 48 => format!("{hours} hours"),
        () if hours < 24 * 7 * 2 => format!("{} days", hours / 24),
        () if hours < 24 * 30 * 2 => format!("{} weeks", hours / 24 / 7),
        () if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        () => format!("{} years", hours / 24 / 365),
    }
}

/// The second that a moment is in.
pub(crate) fn whole_second(at: jiff::Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_second(at.as_second()).unwrap_or(at)
}

/// `2 minutes ago`.
pub(crate) fn ago(then: jiff::Timestamp) -> String {
    format!("{} ago", duration(since(then)))
}

/// The time since `then`; zero for a time to come.
pub(crate) fn since(then: jiff::Timestamp) -> Duration {
    Duration::try_from(jiff::Timestamp::now().duration_since(then)).unwrap_or_default()
}

/// `2026-01-31 12:00:00 +0000 UTC`, the form of the `CreatedAt` columns, in the local zone.
pub(crate) fn timestamp(at: jiff::Timestamp) -> String {
    at.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S %z %Z").to_string()
}

/// RFC 3339 with nanoseconds and `Z`, as Docker's JSON has it.
pub(crate) fn rfc3339(at: jiff::Timestamp) -> String {
    at.to_string()
}

/// Reads `512m`, `1.5g`, `64KiB`, `1024`.
pub(crate) fn parse_size(text: &str) -> Option<u64> {
    tare_engine::config::size::parse(text)
}

/// Reads Go's durations: `1m30s`, `500ms`, `1.5h`.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    tare_engine::filter::duration(text)
}

/// Reads `--since` and `--until`: a Unix time, an RFC 3339 time or date, or a duration before now.
pub(crate) fn parse_time(text: &str) -> Option<jiff::Timestamp> {
    tare_engine::filter::moment(text, &jiff::Zoned::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_dockers() {
        assert_eq!(size(0), "0B");
        assert_eq!(size(1000), "1kB");
        assert_eq!(size(1_234_567), "1.235MB");
        assert_eq!(size_short(117_345_678), "117MB");
        assert_eq!(size_short(4_431_000), "4.43MB");
        assert_eq!(size_binary(1536), "1.5KiB");
    }

    #[test]
    fn durations_are_dockers() {
        let words = |seconds| duration(Duration::from_secs(seconds));
        assert_eq!(words(0), "Less than a second");
        assert_eq!(words(59), "59 seconds");
        assert_eq!(words(60), "About a minute");
        assert_eq!(words(7200), "2 hours");
        assert_eq!(words(86_400 * 3), "3 days");
        assert_eq!(words(86_400 * 20), "2 weeks");
        assert_eq!(words(86_400 * 100), "3 months");
    }

    #[test]
    fn times_are_read() {
        assert_eq!(parse_duration("1m30s"), Some(Duration::from_secs(90)));
        assert_eq!(parse_duration("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(parse_duration("30"), None);
        assert_eq!(parse_time("1700000000").map(jiff::Timestamp::as_second), Some(1_700_000_000));
        assert_eq!(parse_time("1700000000.5").map(|at| at.as_millisecond()), Some(1_700_000_000_500));
        assert_eq!(parse_time("2026-01-02T03:04:05Z").map(jiff::Timestamp::as_second), Some(1_767_323_045));
        let hour_ago = parse_time("1h").map(since).unwrap_or_default();
        assert!(hour_ago >= Duration::from_secs(3600) && hour_ago < Duration::from_secs(3610));
        assert!(parse_time("nonsense").is_none());
    }
}
