//! stub
use crate::Result;
use crate::spec::Seccomp;
use tare_sys::caps::CapSet;
use tare_sys::seccomp::Instruction;
pub(crate) fn compile(_s: &Seccomp, _c: CapSet) -> Result<Option<Vec<Instruction>>> {
    Ok(None)
}
