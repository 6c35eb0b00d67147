//! A profile: rules by name, from our table or from Docker's JSON format.

use crate::{Error, Result};
use serde::Deserialize;
use std::borrow::Cow;
use tare_sys::caps::CapSet;

/// What happens to a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Allow,
    Errno(u16),
    KillThread,
    KillProcess,
    Trap,
    Log,
    Trace(u16),
}

impl Action {
    /// The filter's return value.
    pub(super) fn value(self) -> u32 {
        match self {
            Self::Allow => 0x7fff_0000,
            Self::Errno(code) => 0x0005_0000 | u32::from(code),
            Self::KillThread => 0,
            Self::KillProcess => 0x8000_0000,
            Self::Trap => 0x0003_0000,
            Self::Log => 0x7ffc_0000,
            Self::Trace(data) => 0x7ff0_0000 | u32::from(data),
        }
    }

    fn parse(name: &str, code: Option<u16>) -> Result<Self> {
        Ok(match name {
            "SCMP_ACT_ALLOW" => Self::Allow,
            "SCMP_ACT_ERRNO" => Self::Errno(code.unwrap_or(1)),
            "SCMP_ACT_KILL" | "SCMP_ACT_KILL_THREAD" => Self::KillThread,
            "SCMP_ACT_KILL_PROCESS" => Self::KillProcess,
            "SCMP_ACT_TRAP" => Self::Trap,
            "SCMP_ACT_LOG" => Self::Log,
            "SCMP_ACT_TRACE" => Self::Trace(code.unwrap_or(1)),
            _ => return Err(invalid(format!("the action {name:?} is not supported"))),
        })
    }
}

/// How an argument is compared; [`Comparison::MaskedEqual`] takes the mask first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) enum Comparison {
    #[serde(rename = "SCMP_CMP_NE")]
    NotEqual,
    #[serde(rename = "SCMP_CMP_LT")]
    Less,
    #[serde(rename = "SCMP_CMP_LE")]
    LessOrEqual,
    #[serde(rename = "SCMP_CMP_EQ")]
    Equal,
    #[serde(rename = "SCMP_CMP_GE")]
    GreaterOrEqual,
    #[serde(rename = "SCMP_CMP_GT")]
    Greater,
    #[serde(rename = "SCMP_CMP_MASKED_EQ")]
    MaskedEqual,
}

/// A condition on one argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Argument {
    pub(super) index: u32,
    #[serde(rename = "op")]
    pub(super) comparison: Comparison,
    pub(super) value: u64,
    #[serde(rename = "valueTwo", default)]
    pub(super) second: u64,
}

/// What happens to one system call when all its conditions hold.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) name: Cow<'static, str>,
    pub(super) action: Action,
    pub(super) args: Vec<Argument>,
}

/// All rules of one container.
#[derive(Clone, Debug)]
pub(super) struct Profile {
    pub(super) default: Action,
    /// Whether the 32-bit system calls of the machine are filtered (instead of being fatal).
    pub(super) has_compat: bool,
    pub(super) rules: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Json {
    default_action: String,
    default_errno_ret: Option<u16>,
    #[serde(default)]
    architectures: Option<Vec<String>>,
    #[serde(default)]
    arch_map: Option<Vec<JsonArch>>,
    #[serde(default)]
    syscalls: Option<Vec<JsonRule>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonArch {
    architecture: String,
    #[serde(default)]
    sub_architectures: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonRule {
    #[serde(default)]
    names: Vec<String>,
    #[serde(default)]
    name: Option<String>,
    action: String,
    errno_ret: Option<u16>,
    #[serde(default)]
    args: Option<Vec<Argument>>,
    #[serde(default)]
    includes: Option<Filter>,
    #[serde(default)]
    excludes: Option<Filter>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Filter {
    caps: Option<Vec<String>>,
    arches: Option<Vec<String>>,
    min_kernel: Option<String>,
}

#[cfg(target_arch = "x86_64")]
const NATIVE: (&[&str], &str, &str) = (&["amd64", "x32", "x86"], "SCMP_ARCH_X86_64", "SCMP_ARCH_X86");
#[cfg(target_arch = "aarch64")]
const NATIVE: (&[&str], &str, &str) = (&["arm64", "arm"], "SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM");

impl Filter {
    /// Whether each part that is given names something this container has.
    fn holds_all(&self, caps: CapSet) -> bool {
        self.caps.as_ref().is_none_or(|names| names.iter().all(|name| caps.has(name)))
            && self.arches.as_ref().is_none_or(|arches| arches.iter().any(|a| NATIVE.0.contains(&&**a)))
            && self.min_kernel.as_ref().is_none_or(|wanted| kernel_is_at_least(wanted))
    }

    /// Whether any part names something this container has.
    fn holds_any(&self, caps: CapSet) -> bool {
        self.caps.as_ref().is_some_and(|names| names.iter().any(|name| caps.has(name)))
            || self.arches.as_ref().is_some_and(|arches| arches.iter().any(|a| NATIVE.0.contains(&&**a)))
            || self.min_kernel.as_ref().is_some_and(|wanted| kernel_is_at_least(wanted))
    }
}

fn kernel_is_at_least(wanted: &str) -> bool {
    let numbers = |text: &str| -> Vec<u32> {
        text.split(|c: char| !c.is_ascii_digit()).take(2).map_while(|part| part.parse().ok()).collect()
    };
    numbers(&rustix::system::uname().release().to_string_lossy()) >= numbers(wanted)
}

fn invalid(reason: String) -> Error {
    Error::Invalid { field: "seccomp", reason }
}

/// Reads Docker's JSON format, leaving out the rules that do not concern this machine or these capabilities.
pub(super) fn parse(text: &str, caps: CapSet) -> Result<Profile> {
    let json: Json = serde_json::from_str(text).map_err(|e| invalid(format!("not a profile: {e}")))?;
    let mut rules = Vec::new();
    for rule in json.syscalls.unwrap_or_default() {
        if rule.includes.is_some_and(|filter| !filter.holds_all(caps))
            || rule.excludes.is_some_and(|filter| filter.holds_any(caps))
        {
            continue;
        }
        let action = Action::parse(&rule.action, rule.errno_ret.or(json.default_errno_ret))?;
        let args = rule.args.unwrap_or_default();
        if args.iter().any(|argument| argument.index > 5) {
            return Err(invalid("a system call has six arguments, 0 to 5".into()));
        }
        rules.extend(rule.names.into_iter().chain(rule.name).map(|name| Rule {
            name: Cow::Owned(name),
            action,
            args: args.clone(),
        }));
    }
    let lists_compat = |names: &[String]| names.iter().any(|name| name == NATIVE.2);
    let maps_compat = |arch: &JsonArch| {
        arch.architecture == NATIVE.1 && arch.sub_architectures.as_deref().is_some_and(lists_compat)
    };
    let has_compat = json.architectures.as_deref().is_some_and(lists_compat)
        || json.arch_map.is_some_and(|arches| arches.iter().any(maps_compat));
    let default = Action::parse(&json.default_action, json.default_errno_ret)?;
    Ok(Profile { default, has_compat, rules })
}
