//! `--security-opt` and Compose's `security_opt`: each is done or refused, none is taken without effect.

use crate::config::{ContainerConfig, Seccomp};

/// Takes one option on. Returns the file of a seccomp profile, which the caller reads.
///
/// # Errors
/// What can be asked for instead.
pub fn apply<'a>(config: &mut ContainerConfig, text: &'a str) -> Result<Option<&'a str>, &'static str> {
    let (key, value) = text.split_once('=').or_else(|| text.split_once(':')).unwrap_or((text, ""));
    match (key, value) {
        ("no-new-privileges", "" | "true") => config.no_new_privileges = true,
        ("no-new-privileges", "false") => config.no_new_privileges = false,
        ("no-new-privileges", _) => return Err("no-new-privileges, with =true or =false at most"),
        ("seccomp", "unconfined") => config.seccomp = Seccomp::Unconfined,
        ("seccomp", "builtin") => config.seccomp = Seccomp::Default,
        ("seccomp", "") => return Err("seccomp=unconfined, seccomp=builtin or seccomp=FILE"),
        ("seccomp", file) => return Ok(Some(file)),
        ("systempaths", "unconfined") => config.unmasked = true,
        ("systempaths", _) => return Err("systempaths=unconfined"),
        ("writable-cgroups", "true") => config.writable_cgroups = true,
        ("writable-cgroups", "false") => config.writable_cgroups = false,
        ("writable-cgroups", _) => return Err("writable-cgroups=true or writable-cgroups=false"),
        // What is so anyway.
        ("apparmor", "unconfined") | ("label", "disable") => {}
        ("apparmor", _) => return Err("apparmor=unconfined: containers get no AppArmor profile here"),
        ("label", _) => return Err("label=disable: containers get no SELinux label here"),
        _ => return Err("no-new-privileges, seccomp, systempaths, writable-cgroups, apparmor or label"),
    }
    Ok(None)
}
