//! `--device-cgroup-rule`.

use tare_runtime::cgroup::{DeviceKind, DeviceRule};

use super::written::Reads;

impl Reads for DeviceRule {
    /// `c 42:* rmw`.
    fn read(text: &str) -> Result<DeviceRule, String> {
        words(text).ok_or_else(|| format!("invalid device cgroup rule {text:?}"))
    }
}

fn words(text: &str) -> Option<DeviceRule> {
    let mut words = text.split_whitespace();
    let kind = match words.next()? {
        "a" => DeviceKind::All,
        "b" => DeviceKind::Block,
        "c" => DeviceKind::Char,
        _ => return None,
    };
    let (major, minor) = words.next()?.split_once(':')?;
    let number = |t: &str| if t == "*" { Some(None) } else { t.parse().ok().map(Some) };
    Some(DeviceRule {
        allow: true,
        kind,
        major: number(major)?,
        minor: number(minor)?,
        access: words.next().filter(|access| access.bytes().all(|byte| b"rwm".contains(&byte)))?.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_rules_are_read() {
        let rule = DeviceRule::read("c 42:* rmw").unwrap();
        assert_eq!((rule.major, rule.minor, rule.access.as_str()), (Some(42), None, "rmw"));
        assert_eq!(DeviceRule::read("x 1:2 r").unwrap_err(), r#"invalid device cgroup rule "x 1:2 r""#);
        assert!(DeviceRule::read("c 1:3 rx").is_err() && DeviceRule::read("c 1 r").is_err());
    }
}
