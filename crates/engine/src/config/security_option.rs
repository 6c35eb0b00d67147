//! `--security-opt` and Compose's `security_opt`: each is done or refused, none is taken without effect.

use std::path::Path;

use crate::config::{ContainerConfig, Seccomp};

/// tare's own AppArmor profile.
pub const PROFILE: &str = "tare-default";
/// Docker's name for what it is.
const DOCKERS_PROFILE: &str = "docker-default";
/// Is there where SELinux is on.
const SELINUX: &str = "/sys/fs/selinux/enforce";

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
        ("apparmor", "") => return Err("apparmor=PROFILE or apparmor=unconfined"),
        ("apparmor", name) => {
            config.apparmor = Some(if name == DOCKERS_PROFILE { PROFILE } else { name }.to_owned())
        }
        // What is so anyway, and, as with Docker, what means nothing to this kernel.
        ("label", "disable") => config.label_options.push(text.to_owned()),
        ("label", value) if !value.is_empty() && !Path::new(SELINUX).exists() => {
            config.label_options.push(text.to_owned());
        }
        ("label", _) => {
            return Err(
                "label=disable: SELinux is on, but tare sets no labels; containers run in tare's own domain",
            );
        }
        _ => return Err("no-new-privileges, seccomp, systempaths, writable-cgroups, apparmor or label"),
    }
    Ok(None)
}
