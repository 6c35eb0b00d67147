//! The system call filter: [`default`] has Docker's rules as a table, [`profile`] reads a profile of the user's, and
//! [`compiler`] makes a BPF program of either.

mod compiler;
mod default;
mod profile;

use crate::Result;
use crate::spec::Seccomp;
use tare_sys::caps::CapSet;
use tare_sys::seccomp::Instruction;

/// The program for a container with these capabilities; `None` without a filter.
pub(crate) fn compile(seccomp: &Seccomp, caps: CapSet) -> Result<Option<Vec<Instruction>>> {
    Ok(match seccomp {
        Seccomp::Unconfined => None,
        Seccomp::Default => Some(compiler::compile(&default::profile(caps))),
        Seccomp::Profile(text) => Some(compiler::compile(&profile::parse(text, caps)?)),
    })
}
