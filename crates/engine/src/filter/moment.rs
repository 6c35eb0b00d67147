//! Times and durations as people write them.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp, Zoned};
use tare_words::quantity;

/// Reads Go's durations: `1m30s`, `500ms`, `1.5h`.
#[must_use]
pub fn duration(text: &str) -> Option<Duration> {
    quantity::duration(text.trim(), quantity::GO_UNITS)
}

/// Reads a Unix time, an RFC 3339 time, a date and time or a date in the zone of `now`, or a duration before `now`.
#[must_use]
pub fn moment(text: &str, now: &Zoned) -> Option<Timestamp> {
    if let Some(length) = duration(text).filter(|_| text.ends_with(|c: char| c.is_ascii_alphabetic())) {
        return now.timestamp().checked_sub(SignedDuration::try_from(length).ok()?).ok();
    }
    if let Some((seconds, fraction)) = text.split_once('.')
        && let (Ok(seconds), Ok(_)) = (seconds.parse::<i64>(), fraction.parse::<u64>())
    {
        let nanos: i32 = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
        return Timestamp::new(seconds, nanos).ok();
    }
    if let Ok(seconds) = text.parse::<i64>() {
        return Timestamp::from_second(seconds).ok();
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at);
    }
    let zone = now.time_zone().clone();
    if let Ok(local) = text.parse::<jiff::civil::DateTime>() {
        return local.to_zoned(zone).ok().map(|zoned| zoned.timestamp());
    }
    text.parse::<jiff::civil::Date>().ok()?.to_zoned(zone).ok().map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_time_a_date_or_a_while_ago() {
        let now = Timestamp::from_second(1_000_000).unwrap().to_zoned(jiff::tz::TimeZone::UTC);
        let read = |text: &str| moment(text, &now).map(Timestamp::as_second);
        assert_eq!(read("1h"), Some(996_400));
        assert_eq!(read("1h30m"), Some(994_600));
        assert_eq!(read("1700000000"), Some(1_700_000_000));
        assert_eq!(read("1700000000.5"), Some(1_700_000_000));
        assert_eq!(read("2026-01-02T03:04:05Z"), Some(1_767_323_045));
        assert_eq!(read("1970-01-02"), Some(86_400));
        assert_eq!(read("nonsense"), None);
        assert_eq!(duration("30"), None);
    }
}
