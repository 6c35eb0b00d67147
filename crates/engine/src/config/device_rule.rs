//! `--device-cgroup-rule`.

use tare_runtime::cgroup::{DeviceKind, DeviceRule};

/// Reads `c 42:* rmw`.
///
/// # Errors
/// That it is none.
pub fn parse(text: &str) -> Result<DeviceRule, String> {
    words(text).ok_or_else(|| format!("invalid device cgroup rule {text:?}"))
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
        access: words.next()?.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn device_rules_are_read() {
        let rule = parse("c 42:* rmw").unwrap();
        assert_eq!((rule.major, rule.minor, rule.access.as_str()), (Some(42), None, "rmw"));
        assert_eq!(parse("x 1:2 r").unwrap_err(), r#"invalid device cgroup rule "x 1:2 r""#);
    }
}
