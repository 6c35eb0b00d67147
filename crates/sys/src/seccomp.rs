//! seccomp(2): installing a classic BPF program as the system call filter.

use crate::check;
use std::io;

/// One instruction of classic BPF, as the kernel's `struct sock_filter`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// Operation.
    pub code: u16,
    /// Instructions to skip when true.
    pub jt: u8,
    /// Instructions to skip when false.
    pub jf: u8,
    /// Operand.
    pub k: u32,
}

#[repr(C)]
struct Program {
    len: u16,
    filter: *const Instruction,
}

/// Puts the filter on the calling thread and what it executes. Needs CAP_SYS_ADMIN or no_new_privs.
pub fn install(program: &[Instruction]) -> io::Result<()> {
    let len = u16::try_from(program.len()).map_err(|_| io::Error::from_raw_os_error(libc::E2BIG))?;
    let raw = Program { len, filter: program.as_ptr() };
    // SAFETY: `Instruction` has the layout of sock_filter, and the kernel copies `len` of them during the call.
    let result =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const raw) };
    check(result).map(drop)
}
