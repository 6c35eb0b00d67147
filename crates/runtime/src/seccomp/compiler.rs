//! From rules to classic BPF: the architecture decides on a tree, in which the number is searched for as in a sorted
//! list, so that a system call costs about eight comparisons.

use super::profile::{Action, Argument, Comparison, Profile, Rule};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use tare_sys::seccomp::Instruction;

const LOAD: u16 = 0x20;
const AND: u16 = 0x54;
const RETURN: u16 = 0x06;
const JUMP: u16 = 0x05;
const JUMP_EQUAL: u16 = 0x15;
const JUMP_GREATER: u16 = 0x25;
const JUMP_GREATER_OR_EQUAL: u16 = 0x35;

/// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;

/// Set in the number of a system call with 32-bit pointers on x86-64; the rest of the number is the same.
const X32_BIT: u32 = 0x4000_0000;

/// The C libraries' sign to do without; the same number on every architecture that is here.
const ENOSYS: u16 = 38;

/// One architecture's system calls: names and numbers.
type Calls = Vec<(&'static str, u32)>;

fn calls<N: TryInto<u32>>(all: impl Iterator<Item = (&'static str, N)>) -> Calls {
    all.filter_map(|(name, number)| Some((name, number.try_into().ok()?))).collect()
}

#[cfg(target_arch = "x86_64")]
mod arch {
    pub(super) const NATIVE: u32 = 0xC000_003E;
    pub(super) const COMPAT: u32 = 0x4000_0003;
    pub(super) fn native() -> super::Calls {
        super::calls(syscalls::x86_64::Sysno::iter().map(|n| (n.name(), n.id())))
    }
    pub(super) fn compat() -> super::Calls {
        super::calls(syscalls::x86::Sysno::iter().map(|n| (n.name(), n.id())))
    }
}

#[cfg(target_arch = "aarch64")]
mod arch {
    pub(super) const NATIVE: u32 = 0xC000_00B7;
    pub(super) const COMPAT: u32 = 0x4000_0028;
    pub(super) fn native() -> super::Calls {
        super::calls(syscalls::aarch64::Sysno::iter().map(|n| (n.name(), n.id())))
    }
    pub(super) fn compat() -> super::Calls {
        super::calls(syscalls::arm::Sysno::iter().map(|n| (n.name(), n.id())))
    }
}

const fn step(code: u16, k: u32) -> Instruction {
    Instruction { code, jt: 0, jf: 0, k }
}

pub(super) fn compile(profile: &Profile) -> Vec<Instruction> {
    let names = Names::of(&profile.rules);
    let native = tree(&intervals(profile, &names, arch::native()));
    let mut native_code = vec![step(LOAD, NUMBER)];
    if cfg!(target_arch = "x86_64") {
        native_code.push(step(AND, !X32_BIT));
    }
    native_code.extend(native);
    let mut compat_code = Vec::new();
    if profile.has_compat {
        compat_code.push(step(LOAD, NUMBER));
        compat_code.extend(tree(&intervals(profile, &names, arch::compat())));
    }
    let mut out = vec![step(LOAD, ARCHITECTURE)];
    out.push(Instruction { code: JUMP_EQUAL, jt: 0, jf: 1, k: arch::NATIVE });
    // Over the next test and, when there is a second tree, over nothing else: the native tree comes first.
    let over = if profile.has_compat { 3 } else { 1 };
    out.push(step(JUMP, over));
    if profile.has_compat {
        out.push(Instruction { code: JUMP_EQUAL, jt: 0, jf: 1, k: arch::COMPAT });
        out.push(step(JUMP, 1 + length(&native_code)));
    }
    out.push(step(RETURN, Action::KillProcess.value()));
    out.extend(native_code);
    out.extend(compat_code);
    out
}

fn length(code: &[Instruction]) -> u32 {
    u32::try_from(code.len()).unwrap_or(u32::MAX)
}

/// FNV-1a: names are short and not an attacker's, and this runs at every start.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
    }
}

/// The rules of each name, as chains of positions in the profile.
struct Names<'a> {
    rules: &'a [Rule],
    first: HashMap<&'a str, usize, BuildHasherDefault<Fnv>>,
    next: Vec<Option<usize>>,
}

impl<'a> Names<'a> {
    fn of(rules: &'a [Rule]) -> Self {
        let mut first = HashMap::with_capacity_and_hasher(rules.len(), BuildHasherDefault::default());
        let mut next = vec![None; rules.len()];
        for (at, rule) in rules.iter().enumerate().rev() {
            next[at] = first.insert(&*rule.name, at);
        }
        Self { rules, first, next }
    }

    fn rules(&self, name: &str) -> impl Iterator<Item = &'a Rule> + Clone {
        std::iter::successors(self.first.get(name).copied(), |at| self.next[*at]).map(|at| &self.rules[at])
    }
}

/// What happens to the numbers from `start` up to the next interval.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Interval {
    start: u32,
    leaf: Leaf,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Leaf {
    /// This value, whatever the arguments.
    Return(u32),
    /// It depends on them.
    Code(Vec<Instruction>),
}

fn intervals(profile: &Profile, names: &Names<'_>, mut calls: Calls) -> Vec<Interval> {
    calls.sort_unstable_by_key(|(_, number)| *number);
    let default = Leaf::Return(profile.default.value());
    let mut out = vec![Interval { start: 0, leaf: default.clone() }];
    let mut put = |start: u32, leaf: Leaf| match out.last_mut() {
        Some(last) if last.leaf == leaf => {}
        Some(last) if last.start == start => last.leaf = leaf,
        _ => out.push(Interval { start, leaf }),
    };
    let mut next = 0;
    for (name, number) in calls {
        let mut rules = names.rules(name).peekable();
        if rules.peek().is_none() {
            continue;
        }
        if number > next {
            put(next, default.clone());
        }
        put(number, leaf(rules, profile.default));
        next = number + 1;
    }
    put(next, if next > 0 { newer(profile.default) } else { default });
    out
}

/// What system calls get that are newer than every one that the profile names: C libraries try those first, and fall back on
/// ENOSYS alone. A profile that lets through what it does not name lets these through as well. As runc does it.
fn newer(default: Action) -> Leaf {
    let action = match default {
        Action::Allow | Action::Log | Action::Trace(_) => default,
        _ => Action::Errno(ENOSYS),
    };
    Leaf::Return(action.value())
}

/// A rule without conditions decides; else those with conditions are tried in turn.
fn leaf<'a>(rules: impl Iterator<Item = &'a Rule> + Clone, default: Action) -> Leaf {
    if let Some(rule) = rules.clone().find(|rule| rule.args.is_empty()) {
        return Leaf::Return(rule.action.value());
    }
    let mut out = Vec::new();
    for rule in rules {
        out.extend(conditional(rule));
    }
    out.push(step(RETURN, default.value()));
    Leaf::Code(out)
}

/// Where a test goes on: the offset is known when the whole rule is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Goal {
    Next,
    /// The condition holds.
    Holds,
    /// The rule does not apply.
    Fails,
}

fn conditional(rule: &Rule) -> Vec<Instruction> {
    let conditions: Vec<_> = rule.args.iter().map(condition).collect();
    let total: usize = conditions.iter().map(Vec::len).sum::<usize>() + 1;
    let mut out = Vec::with_capacity(total);
    for condition in conditions {
        let end = out.len() + condition.len();
        for (mut instruction, if_true, if_false) in condition {
            let here = out.len() + 1;
            let offset = |goal| {
                let target = match goal {
                    Goal::Next => here,
                    Goal::Holds => end,
                    Goal::Fails => total,
                };
                u8::try_from(target - here).unwrap_or(u8::MAX)
            };
            (instruction.jt, instruction.jf) = (offset(if_true), offset(if_false));
            out.push(instruction);
        }
    }
    out.push(step(RETURN, rule.action.value()));
    out
}

/// Arguments are 64 bits wide and BPF words 32: the high half is tested first.
fn condition(argument: &Argument) -> Vec<(Instruction, Goal, Goal)> {
    let [high, low] = halves(argument.value);
    let offset = ARGUMENTS + argument.index * 8;
    let load_low = (step(LOAD, offset), Goal::Next, Goal::Next);
    let load_high = (step(LOAD, offset + 4), Goal::Next, Goal::Next);
    let test = |code, k, yes, no| (step(code, k), yes, no);
    let (holds, fails, next) = (Goal::Holds, Goal::Fails, Goal::Next);
    match argument.comparison {
        Comparison::Equal => vec![
            load_high,
            test(JUMP_EQUAL, high, next, fails),
            load_low,
            test(JUMP_EQUAL, low, holds, fails),
        ],
        Comparison::NotEqual => vec![
            load_high,
            test(JUMP_EQUAL, high, next, holds),
            load_low,
            test(JUMP_EQUAL, low, fails, holds),
        ],
        Comparison::MaskedEqual => {
            let [second_high, second_low] = halves(argument.second);
            vec![
                load_high,
                (step(AND, high), next, next),
                test(JUMP_EQUAL, second_high, next, fails),
                load_low,
                (step(AND, low), next, next),
                test(JUMP_EQUAL, second_low, holds, fails),
            ]
        }
        Comparison::Greater | Comparison::GreaterOrEqual => {
            let code =
                if argument.comparison == Comparison::Greater { JUMP_GREATER } else { JUMP_GREATER_OR_EQUAL };
            vec![
                load_high,
                test(JUMP_GREATER, high, holds, next),
                test(JUMP_EQUAL, high, next, fails),
                load_low,
                test(code, low, holds, fails),
            ]
        }
        Comparison::Less | Comparison::LessOrEqual => {
            let code =
                if argument.comparison == Comparison::Less { JUMP_GREATER_OR_EQUAL } else { JUMP_GREATER };
            vec![
                load_high,
                test(JUMP_GREATER, high, fails, next),
                test(JUMP_EQUAL, high, next, holds),
                load_low,
                test(code, low, fails, holds),
            ]
        }
    }
}

fn halves(value: u64) -> [u32; 2] {
    [value >> 32, value & 0xffff_ffff].map(|half| u32::try_from(half).unwrap_or(0))
}

/// A binary search over the intervals; jumps go forward only, the lower half comes first.
fn tree(intervals: &[Interval]) -> Vec<Instruction> {
    let mut backwards = Backwards::default();
    backwards.search(intervals);
    backwards.code.reverse();
    backwards.code
}

/// A program written from its end, so that the places to jump to are known. Branches to the same value share one
/// return as far as they reach: half the program otherwise, and the kernel's time to load it grows with its length.
#[derive(Default)]
struct Backwards {
    code: Vec<Instruction>,
    /// Where the return of a value was written last.
    returns: HashMap<u32, usize, BuildHasherDefault<Fnv>>,
}

impl Backwards {
    fn push(&mut self, instruction: Instruction) -> usize {
        self.code.push(instruction);
        self.code.len() - 1
    }

    /// How many instructions lie between `target` and the one written next.
    fn distance(&self, target: usize) -> usize {
        self.code.len() - target - 1
    }

    /// Writes the search; returns where it begins.
    fn search(&mut self, intervals: &[Interval]) -> usize {
        if let [only] = intervals {
            return self.leaf(&only.leaf);
        }
        let (lower, upper) = intervals.split_at(intervals.len() / 2);
        let mut high = self.search(upper);
        let low = self.search(lower);
        // The later of the two may push the earlier one out of reach, the new bridge only moves `low` by one.
        high = self.in_reach(high, 1);
        let low = self.in_reach(low, 0);
        let offset = |target| u8::try_from(self.distance(target)).unwrap_or(u8::MAX);
        let (jt, jf) = (offset(high), offset(low));
        self.push(Instruction { code: JUMP_GREATER_OR_EQUAL, jt, jf, k: upper[0].start })
    }

    fn leaf(&mut self, leaf: &Leaf) -> usize {
        match leaf {
            Leaf::Return(value) => match self.returns.get(value) {
                Some(&at) => at,
                None => self.value(*value),
            },
            Leaf::Code(code) => {
                self.code.extend(code.iter().rev());
                self.code.len() - 1
            }
        }
    }

    fn value(&mut self, value: u32) -> usize {
        let at = self.push(step(RETURN, value));
        self.returns.insert(value, at);
        at
    }

    /// A place that a conditional jump can reach although `more` instructions may come before it: they reach 255, an
    /// unconditional one any distance.
    fn in_reach(&mut self, target: usize, more: usize) -> usize {
        if self.distance(target) + more <= usize::from(u8::MAX) {
            return target;
        }
        match self.code[target] {
            Instruction { code: RETURN, k, .. } => self.value(k),
            _ => {
                let over = u32::try_from(self.distance(target)).unwrap_or(u32::MAX);
                self.push(step(JUMP, over))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{default, profile};
    use super::*;
    use tare_sys::caps::CapSet;

    fn number(calls: &Calls, name: &str) -> Option<u32> {
        calls.iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
    }

    /// Runs a program as the kernel would.
    fn run(code: &[Instruction], arch: u32, number: u32, args: &[u64]) -> u32 {
        let (mut at, mut a) = (0, 0);
        let load = |k: u32| match k {
            NUMBER => number,
            ARCHITECTURE => arch,
            _ => {
                let [high, low] =
                    halves(args.get(usize::try_from(k - ARGUMENTS).unwrap() / 8).copied().unwrap_or(0));
                if k % 8 == 4 { high } else { low }
            }
        };
        loop {
            let i = code[at];
            at += 1;
            let branch = |taken: bool| usize::from(if taken { i.jt } else { i.jf });
            match i.code {
                LOAD => a = load(i.k),
                AND => a &= i.k,
                RETURN => return i.k,
                JUMP => at += usize::try_from(i.k).unwrap(),
                JUMP_EQUAL => at += branch(a == i.k),
                JUMP_GREATER => at += branch(a > i.k),
                JUMP_GREATER_OR_EQUAL => at += branch(a >= i.k),
                other => panic!("instruction {other:#x}"),
            }
        }
    }

    const ALLOW: u32 = 0x7fff_0000;
    const EPERM: u32 = 0x0005_0001;
    const NO_SUCH_CALL: u32 = 0x0005_0026;

    fn named_denied(calls: &Calls) -> u32 {
        number(calls, "kexec_load").unwrap()
    }

    #[test]
    fn every_number_gets_what_its_rule_says() {
        let caps = CapSet::parse(["CHOWN"]).unwrap();
        let rules = default::profile(caps);
        let code = compile(&rules);
        for (architecture, calls) in [(arch::NATIVE, arch::native()), (arch::COMPAT, arch::compat())] {
            let number = |name: &str| number(&calls, name);
            let allowed: Vec<u32> = rules
                .rules
                .iter()
                .filter(|r| r.args.is_empty() && r.action == Action::Allow)
                .filter_map(|r| number(&r.name))
                .collect();
            let special: Vec<u32> = rules
                .rules
                .iter()
                .filter(|r| !r.args.is_empty() || r.action != Action::Allow)
                .filter_map(|r| number(&r.name))
                .collect();
            let newest = *allowed.iter().chain(&special).max().unwrap();
            assert!(newest > 400 && named_denied(&calls) < newest);
            for n in (0..600).chain([0x3fff_ffff]).filter(|n| !special.contains(n)) {
                let wanted = match n {
                    _ if allowed.contains(&n) => ALLOW,
                    _ if n > newest => NO_SUCH_CALL,
                    _ => EPERM,
                };
                assert_eq!(run(&code, architecture, n, &[]), wanted, "number {n}");
            }
            let named = |name, args: &[u64]| run(&code, architecture, number(name).unwrap(), args);
            assert_eq!(named("clone3", &[]), NO_SUCH_CALL);
            assert_eq!(named("clone", &[0x11]), ALLOW);
            assert_eq!(named("clone", &[0x1000_0011]), EPERM);
            assert_eq!(
                [1, 37, 38, 39, 40, 41, 1 << 40].map(|family| named("socket", &[family])),
                [ALLOW, ALLOW, EPERM, ALLOW, EPERM, ALLOW, ALLOW]
            );
            assert_eq!([8, 9, 0xffff_ffff].map(|p| named("personality", &[p])), [ALLOW, EPERM, ALLOW]);
            assert_eq!(named("mount", &[]), EPERM);
        }
        assert_eq!(run(&code, 0x1234, 0, &[]), 0x8000_0000);
    }

    #[test]
    fn capabilities_open_what_they_are_for() {
        let code = compile(&default::profile(CapSet::all()));
        for name in ["mount", "clone3", "unshare", "bpf", "reboot"] {
            assert_eq!(
                run(&code, arch::NATIVE, number(&arch::native(), name).unwrap(), &[1 << 28]),
                ALLOW,
                "{name}"
            );
        }
    }

    #[test]
    fn what_is_newer_than_a_profile_is_unknown_unless_it_allows_by_default() {
        for (default, wanted) in [
            ("SCMP_ACT_ERRNO", NO_SUCH_CALL),
            ("SCMP_ACT_KILL_PROCESS", NO_SUCH_CALL),
            ("SCMP_ACT_ALLOW", ALLOW),
        ] {
            let text = format!(
                r#"{{"defaultAction":"{default}","syscalls":[{{"names":["statx"],"action":"SCMP_ACT_ALLOW"}}]}}"#
            );
            let code = compile(&profile::parse(&text, CapSet::EMPTY).unwrap());
            let statx = number(&arch::native(), "statx").unwrap();
            assert_eq!(run(&code, arch::NATIVE, statx, &[]), ALLOW);
            assert_eq!(run(&code, arch::NATIVE, statx + 1, &[]), wanted, "{default}");
        }
    }

    #[test]
    fn a_json_profile_compares_whole_arguments() {
        let text = |op: &str| {
            format!(
                r#"{{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{{"names":["read"],"action":"SCMP_ACT_ERRNO","errnoRet":5,
                "args":[{{"index":1,"value":4294967297,"op":"{op}"}}]}}]}}"#
            )
        };
        let value = 4_294_967_297u64;
        for (op, wanted) in [
            ("SCMP_CMP_EQ", [false, true, false]),
            ("SCMP_CMP_NE", [true, false, true]),
            ("SCMP_CMP_LT", [true, false, false]),
            ("SCMP_CMP_LE", [true, true, false]),
            ("SCMP_CMP_GT", [false, false, true]),
            ("SCMP_CMP_GE", [false, true, true]),
        ] {
            let code = compile(&profile::parse(&text(op), CapSet::EMPTY).unwrap());
            let number = number(&arch::native(), "read").unwrap();
            let hit = [value - 1, value, value + 1]
                .map(|v| run(&code, arch::NATIVE, number, &[0, v]) == 0x0005_0005);
            assert_eq!(hit, wanted, "{op}");
            assert_eq!(run(&code, arch::COMPAT, 3, &[]), 0x8000_0000);
        }
        assert!(profile::parse("{}", CapSet::EMPTY).is_err());
    }
}
