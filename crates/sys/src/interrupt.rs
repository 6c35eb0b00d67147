//! Signals that ask a program to end, as a readable descriptor: sigaction(2) with SA_RESETHAND.
//!
//! Each signal is caught once. When it comes again it takes its default action, so that a program that is slow to end, or
//! stuck, is ended by a second Ctrl-C whatever its threads do. A signalfd would swallow that one.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicI32, Ordering};

use rustix::pipe::{PipeFlags, pipe_with};

use crate::signal::Signal;

/// Where the handler writes the signal's number; -1 when nobody watches.
static WRITER: AtomicI32 = AtomicI32::new(-1);

extern "C" fn on_signal(number: libc::c_int) {
    let Ok(byte) = u8::try_from(number) else { return };
    // SAFETY: the location of this thread's errno is always valid; write(2) is async-signal-safe, and a descriptor that
    // is not open any more gives an error that nobody needs. The interrupted code finds its errno as it was.
    unsafe {
        let errno = libc::__errno_location();
        let saved = *errno;
        libc::write(WRITER.load(Ordering::Relaxed), (&raw const byte).cast(), 1);
        *errno = saved;
    }
}

/// Watches for signals as long as it lives; one per process at a time. Its descriptor is readable once a signal came.
#[derive(Debug)]
pub struct Interrupts {
    reader: OwnedFd,
    _writer: OwnedFd,
    caught: Vec<Signal>,
}

impl Interrupts {
    /// Catches the next of each of these signals; one that is ignored (nohup) stays so.
    pub fn watch(signals: &[Signal]) -> io::Result<Self> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        if WRITER.compare_exchange(-1, writer.as_raw_fd(), Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return Err(io::Error::from(io::ErrorKind::AlreadyExists));
        }
        let mut watch = Self { reader, _writer: writer, caught: Vec::new() };
        for signal in signals {
            let handler = on_signal as extern "C" fn(libc::c_int) as libc::sighandler_t;
            if action(*signal, None)? != libc::SIG_IGN {
                action(*signal, Some(handler))?;
                watch.caught.push(*signal);
            }
        }
        Ok(watch)
    }

    /// The first signal that came. What [`AsFd`] gives is not readable any more after that.
    pub fn take(&self) -> io::Result<Option<Signal>> {
        let mut byte = [0_u8];
        match rustix::io::read(&self.reader, &mut byte) {
            Ok(1) => Ok(Signal::from_number(i32::from(byte[0]))),
            Ok(_) | Err(rustix::io::Errno::AGAIN) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for Interrupts {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}

impl Drop for Interrupts {
    fn drop(&mut self) {
        for signal in &self.caught {
            // It worked the other way round.
            let _ = action(*signal, Some(libc::SIG_DFL));
        }
        WRITER.store(-1, Ordering::Relaxed);
    }
}

/// Sets what a signal does, if anything is given, and returns what it did.
fn action(signal: Signal, handler: Option<libc::sighandler_t>) -> io::Result<libc::sighandler_t> {
    let mut old = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: both structures live through the call; zeroes are a valid `sigaction` (default action, empty mask). The
    // handler is a function that only makes async-signal-safe calls.
    let result = unsafe {
        let mut new = MaybeUninit::<libc::sigaction>::zeroed().assume_init();
        new.sa_sigaction = handler.unwrap_or(libc::SIG_DFL);
        new.sa_flags = libc::SA_RESETHAND | libc::SA_RESTART;
        let new = if handler.is_some() { &raw const new } else { std::ptr::null() };
        libc::sigaction(signal.number(), new, old.as_mut_ptr())
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel filled it, and it was zeroed before.
    Ok(unsafe { old.assume_init() }.sa_sigaction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_caught_once() {
        let watch = Interrupts::watch(&[Signal::USR2]).unwrap();
        assert!(Interrupts::watch(&[Signal::USR2]).is_err(), "one at a time");
        assert_eq!(watch.take().unwrap(), None);
        crate::signal::kill(std::process::id().try_into().unwrap(), Signal::USR2).unwrap();
        while watch.take().unwrap().is_none() {
            std::thread::yield_now();
        }
        assert_eq!(action(Signal::USR2, None).unwrap(), libc::SIG_DFL, "the second one ends the process");
        drop(watch);
        drop(Interrupts::watch(&[Signal::USR2]).unwrap());
        assert_eq!(action(Signal::USR2, None).unwrap(), libc::SIG_DFL);
    }
}
