//! bpf(2): device filters of cgroup v2.

use crate::{check, own};
use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use std::io;

/// One instruction of extended BPF, as the kernel's `struct bpf_insn`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// Operation.
    pub code: u8,
    /// Destination register in the low half, source register in the high one.
    pub registers: u8,
    /// Offset of a jump or of a memory access.
    pub offset: i16,
    /// Operand.
    pub immediate: i32,
}

const PROG_LOAD: i32 = 5;
const PROG_ATTACH: i32 = 8;
const TYPE_CGROUP_DEVICE: u32 = 15;
const ATTACH_CGROUP_DEVICE: u32 = 6;
const ALLOW_MULTI: u32 = 2;

#[repr(C)]
#[derive(Default)]
struct Load {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kern_version: u32,
    prog_flags: u32,
}

#[repr(C)]
struct Attach {
    target_fd: u32,
    attach_bpf_fd: u32,
    attach_type: u32,
    attach_flags: u32,
    replace_bpf_fd: u32,
}

/// Loads a program of type BPF_PROG_TYPE_CGROUP_DEVICE.
pub fn load_device_filter(program: &[Instruction]) -> io::Result<OwnedFd> {
    let attributes = Load {
        prog_type: TYPE_CGROUP_DEVICE,
        insn_cnt: u32::try_from(program.len()).map_err(|_| io::Error::from_raw_os_error(libc::E2BIG))?,
        insns: program.as_ptr() as u64,
        license: c"Apache-2.0".as_ptr() as u64,
        ..Load::default()
    };
    // SAFETY: the kernel reads the instructions and the license during the call; the size is the structure's.
    own(unsafe { libc::syscall(libc::SYS_bpf, PROG_LOAD, &raw const attributes, size_of::<Load>()) })
}

/// Attaches a device filter to a cgroup v2 folder, for as long as the folder exists.
pub fn attach_device_filter(cgroup: impl AsFd, program: impl AsFd) -> io::Result<()> {
    let attributes = Attach {
        target_fd: cgroup.as_fd().as_raw_fd().cast_unsigned(),
        attach_bpf_fd: program.as_fd().as_raw_fd().cast_unsigned(),
        attach_type: ATTACH_CGROUP_DEVICE,
        attach_flags: ALLOW_MULTI,
        replace_bpf_fd: 0,
    };
    // SAFETY: both descriptors are borrowed for the call; the size is the structure's.
    check(unsafe { libc::syscall(libc::SYS_bpf, PROG_ATTACH, &raw const attributes, size_of::<Attach>()) })
        .map(drop)
}
