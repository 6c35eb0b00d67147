//! Taking on an AppArmor profile: at the next program, or at once.

use crate::{Error, Result};
use std::io::ErrorKind;
use tare_sys::fstype::write_own;

/// The word for no profile.
const UNCONFINED: &str = "unconfined";

/// The next program that this process, or a child that it makes meanwhile, becomes has the profile. To be called while
/// `/proc` is still the caller's.
pub(crate) fn confine_next(profile: Option<&str>) -> Result<()> {
    let Some(name) = profile else { return Ok(()) };
    match write_own("attr/apparmor/exec", format!("exec {name}").as_bytes()) {
        // tare is confined itself, and may not leave its profile to others; so they have that one.
        Err(error) if name == UNCONFINED && error.kind() == ErrorKind::PermissionDenied => Ok(()),
        other => other.map_err(Error::path("taking on the AppArmor profile", name)),
    }
}

/// This process has the profile from now on. What executes no program, PID 1 of `--init`, has no other way.
pub(crate) fn confine_self(profile: Option<&str>) -> Result<()> {
    match profile {
        None | Some(UNCONFINED) => Ok(()),
        Some(name) => write_own("attr/apparmor/current", format!("changeprofile {name}").as_bytes())
            .map_err(Error::path("taking on the AppArmor profile", name)),
    }
}
