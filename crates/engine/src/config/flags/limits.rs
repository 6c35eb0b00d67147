//! `--ulimit`, `--cpus`, `--cpuset-cpus` and `--cpuset-mems`.

use crate::config::Ulimit;

/// Reads `--cpus`: `1.5` is 1_500_000_000.
#[must_use]
pub fn nano_cpus(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if fraction.len() > 9 || !digits(whole) || !digits(fraction) || (whole.is_empty() && fraction.is_empty())
    {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let nanos: u64 = format!("{fraction:0<9}").parse().ok()?;
    whole.checked_mul(1_000_000_000)?.checked_add(nanos)
}

/// Reads `--cpuset-cpus` and `--cpuset-mems`: `0-3,5`.
///
/// # Errors
/// What is wrong, in Docker's words.
pub fn list(text: &str) -> Result<String, String> {
    let good = text.split(',').all(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        matches!((first.parse::<u32>(), last.parse::<u32>()), (Ok(first), Ok(last)) if first <= last)
    });
    if good { Ok(text.to_owned()) } else { Err("use a list of numbers and ranges: 0-3,5".to_owned()) }
}

/// Reads one `--ulimit`: `nofile=1024:2048`, `core=-1`.
///
/// # Errors
/// What is wrong, in Docker's words.
pub fn ulimit(text: &str) -> Result<Ulimit, String> {
    let (name, limits) = text.split_once('=').ok_or_else(|| format!("invalid ulimit argument: {text}"))?;
    if !tare_runtime::Rlimit::is_known(name) {
        return Err(format!("invalid ulimit type: {name}"));
    }
    let number = |text: &str| match text {
        "unlimited" => Ok(-1),
        text => text.parse::<i64>().map_err(|_| format!("invalid ulimit value: {text}")),
    };
    let (soft, hard) = limits.split_once(':').unwrap_or((limits, limits));
    let (soft, hard) = (number(soft)?, number(hard)?);
    if hard != -1 && (soft == -1 || soft > hard) {
        return Err(format!("ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}"));
    }
    Ok(Ulimit { name: name.to_owned(), soft, hard })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ulimits() {
        assert_eq!(ulimit("nofile=10:20").unwrap(), Ulimit { name: "nofile".into(), soft: 10, hard: 20 });
        assert_eq!(ulimit("core=-1").unwrap().hard, -1);
        for text in ["nofile=20:10", "bogus=1", "nofile", "nofile=x"] {
            assert!(ulimit(text).is_err(), "{text}");
        }
    }

    #[test]
    fn processors() {
        assert_eq!(
            (nano_cpus("1.5"), nano_cpus(".25"), nano_cpus("2")),
            (Some(1_500_000_000), Some(250_000_000), Some(2_000_000_000))
        );
        assert_eq!((nano_cpus("a"), nano_cpus("."), nano_cpus("1.0000000001")), (None, None, None));
        assert!(list("0-3,5").is_ok() && list("3-1").is_err() && list("").is_err());
    }
}
