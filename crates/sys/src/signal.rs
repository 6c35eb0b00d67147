//! Signals: names and numbers, masks, signalfd(2), kill(2).

use rustix::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use std::io;
use std::mem::MaybeUninit;

/// Standard signals by name, without `SIG`.
const NAMES: &[(&str, i32)] = &[
    ("HUP", libc::SIGHUP),
    ("INT", libc::SIGINT),
    ("QUIT", libc::SIGQUIT),
    ("ILL", libc::SIGILL),
    ("TRAP", libc::SIGTRAP),
    ("ABRT", libc::SIGABRT),
    ("BUS", libc::SIGBUS),
    ("FPE", libc::SIGFPE),
    ("KILL", libc::SIGKILL),
    ("USR1", libc::SIGUSR1),
    ("SEGV", libc::SIGSEGV),
    ("USR2", libc::SIGUSR2),
    ("PIPE", libc::SIGPIPE),
    ("ALRM", libc::SIGALRM),
    ("TERM", libc::SIGTERM),
    ("STKFLT", libc::SIGSTKFLT),
    ("CHLD", libc::SIGCHLD),
    ("CONT", libc::SIGCONT),
    ("STOP", libc::SIGSTOP),
    ("TSTP", libc::SIGTSTP),
    ("TTIN", libc::SIGTTIN),
    ("TTOU", libc::SIGTTOU),
    ("URG", libc::SIGURG),
    ("XCPU", libc::SIGXCPU),
    ("XFSZ", libc::SIGXFSZ),
    ("VTALRM", libc::SIGVTALRM),
    ("PROF", libc::SIGPROF),
    ("WINCH", libc::SIGWINCH),
    ("IO", libc::SIGIO),
    ("PWR", libc::SIGPWR),
    ("SYS", libc::SIGSYS),
    ("CLD", libc::SIGCHLD),
    ("IOT", libc::SIGABRT),
    ("POLL", libc::SIGIO),
];

/// The kernel's first and last real-time signal, as Docker counts them (the C library keeps 32 and 33).
const RT_MIN: i32 = 34;
const RT_MAX: i32 = 64;

/// A signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Signal(i32);

impl Signal {
    /// Hang-up.
    pub const HUP: Self = Self(libc::SIGHUP);
    /// Interrupt from the keyboard.
    pub const INT: Self = Self(libc::SIGINT);
    /// Quit from the keyboard.
    pub const QUIT: Self = Self(libc::SIGQUIT);
    /// Kill, which cannot be caught.
    pub const KILL: Self = Self(libc::SIGKILL);
    /// Termination.
    pub const TERM: Self = Self(libc::SIGTERM);
    /// A child changed its state.
    pub const CHLD: Self = Self(libc::SIGCHLD);
    /// The terminal changed its size.
    pub const WINCH: Self = Self(libc::SIGWINCH);
    /// Free for programs.
    pub const USR1: Self = Self(libc::SIGUSR1);
    /// Free for programs.
    pub const USR2: Self = Self(libc::SIGUSR2);
    /// Stop from the keyboard.
    pub const TSTP: Self = Self(libc::SIGTSTP);
    /// Go on.
    pub const CONT: Self = Self(libc::SIGCONT);

    /// The signal with this number, 1 to 64.
    pub fn from_number(number: i32) -> Option<Self> {
        (1..=RT_MAX).contains(&number).then_some(Self(number))
    }

    /// Reads `SIGTERM`, `TERM`, `term`, `15`, `SIGRTMIN+3`, `RTMAX-1`.
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(number) = text.parse() {
            return Self::from_number(number);
        }
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        if let Some((_, number)) = NAMES.iter().find(|(known, _)| *known == name) {
            return Some(Self(*number));
        }
        let number = if let Some(rest) = name.strip_prefix("RTMIN") {
            RT_MIN + if rest.is_empty() { 0 } else { rest.strip_prefix('+')?.parse().ok()? }
        } else {
            let rest = name.strip_prefix("RTMAX")?;
            RT_MAX - if rest.is_empty() { 0 } else { rest.strip_prefix('-')?.parse().ok()? }
        };
        (RT_MIN..=RT_MAX).contains(&number).then_some(Self(number))
    }

    /// Whether it ends a process that has said nothing about it, signal(7).
    pub fn ends_by_default(self) -> bool {
        !matches!(
            self.0,
            libc::SIGCHLD
                | libc::SIGCONT
                | libc::SIGURG
                | libc::SIGWINCH
                | libc::SIGSTOP
                | libc::SIGTSTP
                | libc::SIGTTIN
                | libc::SIGTTOU
        )
    }

    /// Its number.
    pub fn number(self) -> i32 {
        self.0
    }

    /// `SIGTERM`; real-time signals as `SIGRTMIN+n`.
    pub fn name(self) -> String {
        match NAMES.iter().find(|(_, number)| *number == self.0) {
            Some((name, _)) => format!("SIG{name}"),
            None => format!("SIGRTMIN+{}", self.0 - RT_MIN),
        }
    }
}

/// A set of signals.
#[derive(Clone, Copy)]
pub struct SignalSet(libc::sigset_t);

impl std::fmt::Debug for SignalSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SignalSet")
    }
}

impl SignalSet {
    /// No signal.
    pub fn empty() -> Self {
        let mut set = MaybeUninit::uninit();
        // SAFETY: sigemptyset initialises the whole set and cannot fail.
        unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            Self(set.assume_init())
        }
    }

    /// Every signal.
    pub fn all() -> Self {
        let mut set = MaybeUninit::uninit();
        // SAFETY: sigfillset initialises the whole set and cannot fail.
        unsafe {
            libc::sigfillset(set.as_mut_ptr());
            Self(set.assume_init())
        }
    }

    /// These signals.
    pub fn of(signals: &[Signal]) -> Self {
        let mut set = Self::empty();
        for signal in signals {
            // SAFETY: the set is initialised; the number is in range by construction of `Signal`.
            unsafe { libc::sigaddset(&raw mut set.0, signal.0) };
        }
        set
    }

    /// Takes a signal out.
    pub fn without(mut self, signal: Signal) -> Self {
        // SAFETY: the set is initialised; the number is in range by construction of `Signal`.
        unsafe { libc::sigdelset(&raw mut self.0, signal.0) };
        self
    }
}

fn mask(how: i32, set: &SignalSet) -> io::Result<SignalSet> {
    let mut old = SignalSet::empty();
    // SAFETY: both sets are initialised and live during the call.
    match unsafe { libc::pthread_sigmask(how, &raw const set.0, &raw mut old.0) } {
        0 => Ok(old),
        code => Err(io::Error::from_raw_os_error(code)),
    }
}

/// Adds to the signals that wait instead of being delivered; returns the mask before.
pub fn block(set: &SignalSet) -> io::Result<SignalSet> {
    mask(libc::SIG_BLOCK, set)
}

/// Sets the whole mask; returns the one before.
pub fn set_mask(set: &SignalSet) -> io::Result<SignalSet> {
    mask(libc::SIG_SETMASK, set)
}

/// Gives every signal its default action and blocks none, as a new program expects it. (Rust ignores SIGPIPE, and
/// what is ignored or blocked stays so across execve.)
pub fn reset_all() -> io::Result<()> {
    for number in 1..=RT_MAX {
        if number == libc::SIGKILL || number == libc::SIGSTOP || (32..34).contains(&number) {
            continue;
        }
        // SAFETY: SIG_DFL installs no code of ours. Most signals are at their default: look before writing would
        // cost the same call, so write.
        unsafe { libc::signal(number, libc::SIG_DFL) };
    }
    set_mask(&SignalSet::empty()).map(drop)
}

/// Blocked signals as a readable descriptor.
#[derive(Debug)]
pub struct SignalFd(OwnedFd);

/// A signal taken from a [`SignalFd`].
#[derive(Clone, Copy, Debug)]
pub struct SignalInfo {
    /// Which one.
    pub signal: Signal,
    /// Who sent it, when a process did.
    pub pid: i32,
}

impl SignalFd {
    /// Blocks the signals and opens the descriptor.
    pub fn new(set: &SignalSet) -> io::Result<Self> {
        block(set)?;
        // SAFETY: the set is initialised; -1 asks for a new descriptor, which is owned here.
        let fd = unsafe { libc::signalfd(-1, &raw const set.0, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: a fresh descriptor that nothing else owns.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// The next pending signal, `None` when there is none.
    pub fn read(&self) -> io::Result<Option<SignalInfo>> {
        let mut bytes = [0u8; size_of::<libc::signalfd_siginfo>()];
        match rustix::io::read(&self.0, &mut bytes) {
            Ok(n) if n == bytes.len() => {
                // SAFETY: a plain C structure of integers, read whole.
                let info: libc::signalfd_siginfo = unsafe { std::ptr::read_unaligned(bytes.as_ptr().cast()) };
                let signal = Signal(i32::try_from(info.ssi_signo).unwrap_or(0));
                Ok(Some(SignalInfo { signal, pid: i32::try_from(info.ssi_pid).unwrap_or(0) }))
            }
            Ok(_) | Err(rustix::io::Errno::AGAIN) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for SignalFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// kill(2).
pub fn kill(pid: i32, signal: Signal) -> io::Result<()> {
    // SAFETY: no memory is involved.
    match unsafe { libc::kill(pid, signal.0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// pidfd_send_signal(2): never hits a process that took over the number.
pub fn pidfd_send(pidfd: impl AsFd, signal: Signal) -> io::Result<()> {
    use rustix::fd::AsRawFd;
    let (fd, null) = (pidfd.as_fd().as_raw_fd(), std::ptr::null::<libc::siginfo_t>());
    // SAFETY: the descriptor is borrowed for the call and the null siginfo is allowed.
    match unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, signal.0, null, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_agree() {
        for text in ["SIGTERM", "TERM", "term", "15", "sigterm"] {
            assert_eq!(Signal::parse(text), Some(Signal::TERM), "{text}");
        }
        assert_eq!(Signal::parse("SIGRTMIN+3").map(Signal::number), Some(37));
        assert_eq!(Signal::parse("RTMAX").map(Signal::number), Some(64));
        for text in ["", "SIG", "0", "65", "-1", "NOPE", "RTMIN+31"] {
            assert_eq!(Signal::parse(text), None, "{text}");
        }
        assert_eq!(Signal::TERM.name(), "SIGTERM");
        assert_eq!(Signal::from_number(37).unwrap().name(), "SIGRTMIN+3");
    }
}
