//! `--ulimit`, `--cpus`, `--cpuset-cpus`, `--cpuset-mems`, and limits of block devices.

use crate::config::{BlockDevice, BlockLimit, Ulimit, size};

/// Reads `--device-read-bps`, `--device-write-iops`, `--blkio-weight-device`…: `/dev/sda:1mb`, `/dev/sda:300`.
///
/// # Errors
/// What is wrong, in Docker's words.
pub fn block_device(text: &str, limit: BlockLimit) -> Result<BlockDevice, String> {
    let (path, amount) = text.split_once(':').ok_or_else(|| format!("bad format: {text}"))?;
    if !path.starts_with("/dev/") {
        return Err(format!("bad format for device path: {text}"));
    }
    let value = match limit {
        BlockLimit::ReadBps | BlockLimit::WriteBps => size::parse(amount),
        BlockLimit::ReadIops | BlockLimit::WriteIops => amount.parse().ok(),
        BlockLimit::Weight => {
            amount.parse().ok().filter(|weight| *weight == 0 || (10..=1000).contains(weight))
        }
    };
    let value = value.ok_or_else(|| match limit {
        BlockLimit::Weight => format!("invalid weight for device: {text}"),
        _ => format!("invalid rate for device: {text}"),
    })?;
    Ok(BlockDevice { path: path.into(), limit, value })
}

/// Reads `--cpus`: `1.5`, or `3/2`, is 1_500_000_000.
#[must_use]
pub fn nano_cpus(text: &str) -> Option<u64> {
    if let Some((above, below)) = text.split_once('/') {
        let (above, below): (u64, u64) = (above.parse().ok()?, below.parse().ok()?);
        return above.checked_mul(1_000_000_000)?.checked_div(below);
    }
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
    if name.to_ascii_lowercase() != name || !tare_runtime::Rlimit::is_known(name) {
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
        for text in ["nofile=20:10", "bogus=1", "NOFILE=5", "nofile", "nofile=x"] {
            assert!(ulimit(text).is_err(), "{text}");
        }
    }

    #[test]
    fn block_devices() {
        let device = |limit, value| Ok(BlockDevice { path: "/dev/sda".into(), limit, value });
        assert_eq!(block_device("/dev/sda:1mb", BlockLimit::ReadBps), device(BlockLimit::ReadBps, 1 << 20));
        assert_eq!(block_device("/dev/sda:20", BlockLimit::Weight), device(BlockLimit::Weight, 20));
        for (text, limit) in [
            ("/dev/sda", BlockLimit::ReadBps),
            ("sda:1mb", BlockLimit::ReadBps),
            ("/dev/sda:1mb", BlockLimit::WriteIops),
            ("/dev/sda:5", BlockLimit::Weight),
        ] {
            assert!(block_device(text, limit).unwrap_err().contains(text), "{text}");
        }
    }

    #[test]
    fn processors() {
        assert_eq!((nano_cpus("1/2"), nano_cpus("1/0")), (Some(500_000_000), None));
        assert_eq!(
            (nano_cpus("1.5"), nano_cpus(".25"), nano_cpus("2")),
            (Some(1_500_000_000), Some(250_000_000), Some(2_000_000_000))
        );
        assert_eq!((nano_cpus("a"), nano_cpus("."), nano_cpus("1.0000000001")), (None, None, None));
        assert!(list("0-3,5").is_ok() && list("3-1").is_err() && list("").is_err());
    }
}
