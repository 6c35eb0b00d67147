//! Which devices a container may use: files under v1, a BPF program of ours under v2.

use super::{DeviceKind, DeviceRule, Resources, write};
use crate::{Error, Result};
use std::path::Path;
use tare_sys::bpf::Instruction;

/// Docker's defaults: any node may be made; null, zero, full, random, urandom, tty, console, ptmx and pts are usable.
const DEFAULT: &[(DeviceKind, Option<u32>, Option<u32>, &str)] = &[
    (DeviceKind::Char, None, None, "m"),
    (DeviceKind::Block, None, None, "m"),
    (DeviceKind::Char, Some(1), Some(3), "rwm"),
    (DeviceKind::Char, Some(1), Some(5), "rwm"),
    (DeviceKind::Char, Some(1), Some(7), "rwm"),
    (DeviceKind::Char, Some(1), Some(8), "rwm"),
    (DeviceKind::Char, Some(1), Some(9), "rwm"),
    (DeviceKind::Char, Some(5), Some(0), "rwm"),
    (DeviceKind::Char, Some(5), Some(1), "rwm"),
    (DeviceKind::Char, Some(5), Some(2), "rwm"),
    (DeviceKind::Char, Some(136), None, "rwm"),
];

fn default_rules() -> impl Iterator<Item = DeviceRule> {
    DEFAULT.iter().map(|&(kind, major, minor, access)| DeviceRule {
        allow: true,
        kind,
        major,
        minor,
        access: access.into(),
    })
}

pub(super) fn write_v1(folder: &Path, resources: &Resources) -> Result<()> {
    let Some(rules) = &resources.devices else { return Ok(()) };
    write(&folder.join("devices.deny"), "a")?;
    let number = |n: Option<u32>| n.map_or("*".into(), |n: u32| n.to_string());
    for rule in default_rules().chain(rules.iter().cloned()) {
        let file = folder.join(if rule.allow { "devices.allow" } else { "devices.deny" });
        let kinds: &[&str] = match rule.kind {
            DeviceKind::All => &["b", "c"],
            DeviceKind::Block => &["b"],
            DeviceKind::Char => &["c"],
        };
        for kind in kinds {
            write(&file, &format!("{kind} {}:{} {}", number(rule.major), number(rule.minor), rule.access))?;
        }
    }
    Ok(())
}

pub(super) fn attach_v2(folder: &Path, resources: &Resources) -> Result<()> {
    let Some(rules) = &resources.devices else { return Ok(()) };
    let program = compile(&default_rules().chain(rules.iter().cloned()).collect::<Vec<_>>());
    let fail =
        |source| Error::Cgroup { action: "attaching the device filter to", path: folder.into(), source };
    let program = tare_sys::bpf::load_device_filter(&program).map_err(fail)?;
    let flags = rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::CLOEXEC;
    let group = rustix::fs::open(folder, flags, rustix::fs::Mode::empty()).map_err(|e| fail(e.into()))?;
    tare_sys::bpf::attach_device_filter(&group, &program).map_err(fail)
}

const fn instruction(code: u8, registers: u8, offset: i16, immediate: i32) -> Instruction {
    Instruction { code, registers, offset, immediate }
}

/// The last rule that covers a request decides, so they are tested from the last to the first; none denies.
/// The context is `struct bpf_cgroup_dev_ctx { u32 access_type; u32 major; u32 minor; }`.
fn compile(rules: &[DeviceRule]) -> Vec<Instruction> {
    let mut out = vec![
        instruction(0x61, 0x12, 0, 0),      // r2 = access_type
        instruction(0xbc, 0x23, 0, 0),      // w3 = w2
        instruction(0x54, 0x02, 0, 0xffff), // w2 &= 0xffff: block 1, char 2
        instruction(0x74, 0x03, 0, 16),     // w3 >>= 16: mknod 1, read 2, write 4
        instruction(0x61, 0x14, 4, 0),      // r4 = major
        instruction(0x61, 0x15, 8, 0),      // r5 = minor
    ];
    for rule in rules.iter().rev() {
        let mut tests = Vec::new();
        match rule.kind {
            DeviceKind::All => {}
            DeviceKind::Block => tests.push(instruction(0x55, 0x02, 0, 1)),
            DeviceKind::Char => tests.push(instruction(0x55, 0x02, 0, 2)),
        }
        let missing = 7 & !access_bits(&rule.access);
        if missing != 0 {
            // An allowing rule must cover every access asked for.
            tests.push(instruction(0xbc, 0x31, 0, 0)); // w1 = w3
            tests.push(instruction(0x54, 0x01, 0, missing)); // w1 &= what the rule lacks
            tests.push(instruction(0x55, 0x01, 0, 0));
        }
        for (register, number) in [(4, rule.major), (5, rule.minor)] {
            if let Some(number) = number {
                tests.push(instruction(0x55, register, 0, number.cast_signed()));
            }
        }
        tests.push(instruction(0xb7, 0, 0, i32::from(rule.allow)));
        tests.push(instruction(0x95, 0, 0, 0));
        let length = tests.len();
        for (at, test) in tests.iter_mut().enumerate().filter(|(_, test)| test.code == 0x55) {
            test.offset = i16::try_from(length - at - 1).unwrap_or(i16::MAX);
        }
        out.extend(tests);
    }
    out.extend([instruction(0xb7, 0, 0, 0), instruction(0x95, 0, 0, 0)]);
    out
}

fn access_bits(access: &str) -> i32 {
    access.chars().fold(0, |bits, c| {
        bits | match c {
            'm' => 1,
            'r' => 2,
            'w' => 4,
            _ => 0,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_accepts_the_program() {
        let deny = DeviceRule {
            allow: false,
            kind: DeviceKind::All,
            major: Some(10),
            minor: None,
            access: "rw".into(),
        };
        let program = compile(&default_rules().chain([deny]).collect::<Vec<_>>());
        match tare_sys::bpf::load_device_filter(&program) {
            Ok(_) => {}
            // A kernel built without BPF cannot be asked.
            Err(e) => assert_eq!(e.raw_os_error(), Some(libc::ENOSYS), "{e}"),
        }
    }
}
