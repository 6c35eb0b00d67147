//! What single keys take.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Verdict, did_you_mean};

/// A key and what its scalars must be.
type Rule = (&'static str, fn(&str) -> Verdict);

/// Keys on the way down and what the scalars there must be.
type NestedRule = (&'static [&'static str], fn(&str) -> Verdict);

/// Keys of a service.
pub(super) const SERVICE: &[Rule] = &[
    ("cap_add", capability),
    ("cap_drop", capability),
    ("container_name", container_name),
    ("dns", address),
    ("extra_hosts", host_address),
    ("image", image),
    ("ipc", ipc),
    ("mac_address", mac_address),
    ("mem_swappiness", swappiness),
    ("network_mode", network_mode),
    ("pid", pid),
    ("platform", platform),
    ("restart", restart),
    ("security_opt", security),
    ("stop_signal", signal),
    ("uts", uts),
];

/// Keys of a service about which Compose is as strict.
pub(super) const AS_COMPOSE: &[NestedRule] = &[
    (&["configs", "*", "mode"], file_mode),
    (&["container_name"], has_container_name),
    (&["cpu_percent"], percent),
    (&["env_file", "*", "format"], env_format),
    (&["oom_score_adj"], oom_score),
    (&["ports", "*", "host_ip"], address),
    (&["secrets", "*", "mode"], file_mode),
    (&["volumes", "*", "tmpfs", "size"], tmpfs_size),
];

/// Keys further down in a service.
pub(super) const NESTED: &[NestedRule] = &[
    (&["ports", "*", "protocol"], protocol),
    (&["ports", "*", "mode"], port_mode),
    (&["ports", "*", "published"], ports),
    (&["networks", "*", "ipv4_address"], address4),
    (&["networks", "*", "ipv6_address"], address6),
    (&["networks", "*", "mac_address"], mac_address),
    (&["devices", "*", "permissions"], device_permissions),
    (&["deploy", "mode"], deploy_mode),
    (&["deploy", "restart_policy", "condition"], restart_condition),
];

/// Keys of a network.
pub(super) const NETWORK: &[NestedRule] = &[
    (&["ipam", "config", "*", "subnet"], subnet),
    (&["ipam", "config", "*", "ip_range"], subnet),
    (&["ipam", "config", "*", "gateway"], address),
    (&["ipam", "config", "*", "aux_addresses", "*"], address),
];

/// The names of resource limits, getrlimit(2).
pub(super) const ULIMITS: [&str; 16] = [
    "as",
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

const CAPABILITIES: [&str; 42] = [
    "ALL",
    "AUDIT_CONTROL",
    "AUDIT_READ",
    "AUDIT_WRITE",
    "BLOCK_SUSPEND",
    "BPF",
    "CHECKPOINT_RESTORE",
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "IPC_LOCK",
    "IPC_OWNER",
    "KILL",
    "LEASE",
    "LINUX_IMMUTABLE",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "MKNOD",
    "NET_ADMIN",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_RAW",
    "PERFMON",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYSLOG",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_CHROOT",
    "SYS_MODULE",
    "SYS_NICE",
    "SYS_PACCT",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "WAKE_ALARM",
];

const SIGNALS: [&str; 33] = [
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE",
    "POLL", "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU",
    "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU",
];

fn one_of(text: &str, words: &[&str]) -> Verdict {
    if words.contains(&text) {
        return Ok(());
    }
    Err(format!("`{text}` is not one of {}{}", words.join(", "), did_you_mean(text, words)))
}

fn restart(text: &str) -> Verdict {
    let retries = text.strip_prefix("on-failure").and_then(|rest| rest.strip_prefix(':'));
    let valid = ["", "no", "always", "unless-stopped", "on-failure"].contains(&text)
        || retries.is_some_and(|number| number.parse::<u32>().is_ok());
    if valid {
        return Ok(());
    }
    let near = did_you_mean(text, &["always", "unless-stopped", "on-failure"]);
    Err(format!(
        "`{text}` is no restart policy; there are no, always, unless-stopped and on-failure[:retries]{near}"
    ))
}

/// One of the words, or the namespace of a service or container.
fn namespace(text: &str, what: &str, words: &[&str]) -> Verdict {
    let other = ["service:", "container:"]
        .iter()
        .any(|prefix| text.strip_prefix(prefix).is_some_and(|name| !name.is_empty()));
    if other || words.contains(&text) {
        return Ok(());
    }
    let near = did_you_mean(text, words);
    Err(format!(
        "`{text}` is no {what}; there are {}, service:NAME and container:NAME{near}",
        words.join(", ")
    ))
}

fn network_mode(text: &str) -> Verdict {
    if text == "default" || text == "private" || text.is_empty() {
        return Ok(());
    }
    namespace(text, "network mode", &["bridge", "host", "none"])
}

fn ipc(text: &str) -> Verdict {
    namespace(text, "IPC namespace", &["host", "private", "shareable", "none"])
}

fn pid(text: &str) -> Verdict {
    namespace(text, "PID namespace", &["host", "private"])
}

fn uts(text: &str) -> Verdict {
    one_of(text, &["host", "private"])
}

fn address(text: &str) -> Verdict {
    let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    match text.is_empty() || inner.parse::<IpAddr>().is_ok() {
        true => Ok(()),
        false => Err(format!("`{text}` is not an IP address")),
    }
}

fn address4(text: &str) -> Verdict {
    match text.is_empty() || text.parse::<Ipv4Addr>().is_ok() {
        true => Ok(()),
        false => Err(format!("`{text}` is not an IPv4 address such as 172.28.0.10")),
    }
}

fn address6(text: &str) -> Verdict {
    match text.is_empty() || text.parse::<Ipv6Addr>().is_ok() {
        true => Ok(()),
        false => Err(format!("`{text}` is not an IPv6 address")),
    }
}

fn host_address(text: &str) -> Verdict {
    if text == "host-gateway" { Ok(()) } else { address(text).map_err(|error| error + " or host-gateway") }
}

fn subnet(text: &str) -> Verdict {
    let parsed = text.split_once('/').and_then(|(ip, length)| {
        let bits = if ip.parse::<IpAddr>().ok()?.is_ipv4() { 32 } else { 128 };
        length.parse::<u8>().ok().filter(|length| *length <= bits)
    });
    match parsed {
        Some(_) => Ok(()),
        None => Err(format!("`{text}` is not a subnet such as 172.28.0.0/16")),
    }
}

fn mac_address(text: &str) -> Verdict {
    let parts: Vec<&str> = text.split([':', '-']).collect();
    let valid = parts.len() == 6
        && parts.iter().all(|part| part.len() == 2 && part.chars().all(|c| c.is_ascii_hexdigit()));
    match text.is_empty() || valid {
        true => Ok(()),
        false => Err(format!("`{text}` is not a MAC address such as 02:42:ac:11:00:02")),
    }
}

fn capability(text: &str) -> Verdict {
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("CAP_").unwrap_or(&upper);
    match CAPABILITIES.contains(&name) {
        true => Ok(()),
        false => Err(format!("there is no capability `{text}`{}", did_you_mean(name, &CAPABILITIES))),
    }
}

fn signal(text: &str) -> Verdict {
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let real_time = ["RTMIN", "RTMAX"].iter().any(|base| {
        name.strip_prefix(base).is_some_and(|rest| {
            rest.is_empty() || rest.strip_prefix(['+', '-']).is_some_and(|n| n.parse::<u8>().is_ok())
        })
    });
    let number = name.parse::<u8>().is_ok_and(|number| (1..=64).contains(&number));
    match number || real_time || name == "XFSZ" || SIGNALS.contains(&name) {
        true => Ok(()),
        false => Err(format!("there is no signal `{text}`{}", did_you_mean(name, &SIGNALS))),
    }
}

fn container_name(text: &str) -> Verdict {
    let valid = text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.len() > 1
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c));
    match valid {
        true => Ok(()),
        false => Err(format!(
            "`{text}` is no container name: two or more letters, digits, `_`, `.` and `-`, a letter or digit first"
        )),
    }
}

/// Compose looks for two letters of a name only, anywhere.
fn has_container_name(text: &str) -> Verdict {
    let letters: Vec<char> = text.chars().collect();
    let found = letters.windows(2).any(|pair| {
        pair[0].is_ascii_alphanumeric() && (pair[1].is_ascii_alphanumeric() || "_.-".contains(pair[1]))
    });
    if found { Ok(()) } else { container_name(text) }
}

/// The two usual slips: blanks, and capital letters in the path.
fn image(text: &str) -> Verdict {
    if text.chars().any(char::is_whitespace) {
        return Err(format!("`{text}` is no image name: it has a blank"));
    }
    let name = text.split('@').next().unwrap_or_default();
    let first_is_host =
        name.split_once('/').is_some_and(|(host, _)| host.contains(['.', ':']) || host == "localhost");
    let path = if first_is_host { name.split_once('/').map_or("", |(_, path)| path) } else { name };
    let path = path.split(':').next().unwrap_or_default();
    match path.chars().any(char::is_uppercase) {
        true => Err(format!(
            "`{text}` is no image name: letters must be lowercase, as in `{}`",
            text.replacen(path, &path.to_lowercase(), 1)
        )),
        false => Ok(()),
    }
}

fn platform(text: &str) -> Verdict {
    let parts: Vec<&str> = text.split('/').collect();
    match text.is_empty() || (parts.len() <= 3 && parts.iter().all(|part| !part.is_empty())) {
        true => Ok(()),
        false => Err(format!("`{text}` is no platform such as linux/amd64 or linux/arm/v7")),
    }
}

fn security(text: &str) -> Verdict {
    let known = ["no-new-privileges", "seccomp", "apparmor", "label", "systempaths", "writable-cgroups"];
    let key = text.split(['=', ':']).next().unwrap_or(text);
    match known.contains(&key) {
        true => Ok(()),
        false => Err(format!("there is no security option `{key}`{}", did_you_mean(key, &known))),
    }
}

fn number(text: &str, low: i64, high: i64) -> Verdict {
    match text.parse::<i64>().is_ok_and(|number| (low..=high).contains(&number)) {
        true => Ok(()),
        false => Err(format!("`{text}` is not a number from {low} to {high}")),
    }
}

fn swappiness(text: &str) -> Verdict {
    number(text, -1, 100)
}

fn percent(text: &str) -> Verdict {
    match text.parse::<f64>().is_ok_and(|number| (0.0..=100.0).contains(&number)) {
        true => Ok(()),
        false => Err(format!("`{text}` is not a number from 0 to 100")),
    }
}

fn tmpfs_size(text: &str) -> Verdict {
    match text.starts_with('-') {
        true => Err(format!("`{text}` is less than nothing")),
        false => Ok(()),
    }
}

fn oom_score(text: &str) -> Verdict {
    number(text, -1000, 1000)
}

fn protocol(text: &str) -> Verdict {
    one_of(text, &["tcp", "udp", "sctp"])
}

fn port_mode(text: &str) -> Verdict {
    one_of(text, &["host", "ingress"])
}

fn ports(text: &str) -> Verdict {
    let valid = text.is_empty() || text.split('-').all(|port| port.parse::<u16>().is_ok());
    match valid && text.matches('-').count() < 2 {
        true => Ok(()),
        false => Err(format!("`{text}` is not a port or a range such as 8000-8010")),
    }
}

fn device_permissions(text: &str) -> Verdict {
    match text.chars().all(|c| "rwm".contains(c)) {
        true => Ok(()),
        false => Err(format!("`{text}` is not made of r, w and m")),
    }
}

fn file_mode(text: &str) -> Verdict {
    match u32::from_str_radix(text, 8).is_ok_and(|mode| mode <= 0o7777) {
        true => Ok(()),
        false => Err(format!("`{text}` is not an octal mode such as 0440")),
    }
}

fn env_format(text: &str) -> Verdict {
    one_of(text, &["raw"])
}

fn deploy_mode(text: &str) -> Verdict {
    one_of(text, &["replicated", "global", "replicated-job", "global-job"])
}

fn restart_condition(text: &str) -> Verdict {
    one_of(text, &["none", "on-failure", "any"])
}
