//! AppArmor, where the kernel has it: which profile a container gets, and tare's own one, loaded when it is missing.
//!
//! A container that asks for nothing gets [`DEFAULT`], a privileged one none. Where the default one cannot be loaded, that
//! is said once and containers go without; a profile that was asked for is had, or the container does not start.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use tare_monitor::status::Note;

use crate::Engine;
use crate::config::ContainerConfig;
use crate::state::error::{Error, Result};

/// tare's own profile.
pub use crate::config::security_option::PROFILE as DEFAULT;
/// The word for none.
pub const UNCONFINED: &str = "unconfined";
const TEXT: &str = include_str!("tare-default.profile");
/// The profiles that are loaded, a line each. Is there where AppArmor is on and the machine is tare's to confine: a container
/// around it does not show the file.
const LOADED: &str = "/sys/kernel/security/apparmor/profiles";
const ENABLED: &str = "/sys/module/apparmor/parameters/enabled";
const PARSERS: [&str; 4] = [
    "/usr/sbin/apparmor_parser",
    "/sbin/apparmor_parser",
    "/usr/bin/apparmor_parser",
    "/bin/apparmor_parser",
];
/// What has been said when the kernel or the parser refused the default profile; it is not tried again in this boot.
const REFUSED: &str = "apparmor-refused";

/// What a container gets.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Confinement {
    /// The profile's name, [`UNCONFINED`], or `None` where there is no AppArmor.
    pub profile: Option<String>,
    /// Why it is not the default one.
    pub note: Option<Note>,
}

/// Whether this machine's AppArmor is tare's to use.
#[must_use]
pub fn is_on() -> bool {
    Path::new(LOADED).exists()
}

/// Whether a profile that was asked for can be had at all.
pub(crate) fn check(config: &ContainerConfig) -> Result<()> {
    match config.apparmor.as_deref() {
        None | Some(UNCONFINED) => Ok(()),
        Some(name) => loaded().ok_or_else(|| unavailable(name)).and_then(|list| known(&list, name)),
    }
}

/// Why the default profile is not to be had.
struct Lack {
    message: String,
    hint: &'static str,
    /// By which it is known whether it has been said.
    mark: &'static str,
}

impl Engine {
    /// The profile of a container that is about to start.
    ///
    /// # Errors
    /// One that was asked for by name and cannot be had.
    pub(crate) fn confine(&self, config: &ContainerConfig) -> Result<Confinement> {
        let only = |name: &str| Confinement { profile: Some(name.to_owned()), note: None };
        match (config.apparmor.as_deref(), config.privileged) {
            (None, false) => Ok(self.default_confinement()),
            (None | Some(UNCONFINED), _) if is_on() => Ok(only(UNCONFINED)),
            (None | Some(UNCONFINED), _) => Ok(Confinement::default()),
            (Some(DEFAULT), _) => {
                let list = loaded().ok_or_else(|| unavailable(DEFAULT))?;
                let had = self.have_default(&list);
                had.map_err(|lack| Error::NotSupported {
                    message: lack.message,
                    hint: Some(lack.hint.into()),
                })?;
                Ok(only(DEFAULT))
            }
            (Some(name), _) => check(config).map(|()| only(name)),
        }
    }

    /// The default profile, loaded if it is missing; what `RUN` steps get, too.
    #[must_use]
    pub fn default_confinement(&self) -> Confinement {
        let Some(list) = loaded() else { return Confinement::default() };
        let Err(lack) = self.have_default(&list) else {
            return Confinement { profile: Some(DEFAULT.to_owned()), note: None };
        };
        let note = Note {
            message: format!("{}: containers run without it", lack.message),
            hint: Some(lack.hint.to_owned()),
        };
        Confinement { profile: Some(UNCONFINED.to_owned()), note: self.says_first(lack.mark).then_some(note) }
    }

    fn have_default(&self, list: &str) -> std::result::Result<(), Lack> {
        if is_listed(list, DEFAULT) {
            return Ok(());
        }
        let lack = |why: &str, hint, mark| Lack {
            message: format!("the AppArmor profile {DEFAULT} cannot be loaded: {why}"),
            hint,
            mark,
        };
        let Some(parser) = PARSERS.iter().find(|path| Path::new(path).exists()) else {
            let hint = "install it: the package `apparmor`";
            return Err(lack("there is no apparmor_parser", hint, "no-apparmor-parser"));
        };
        let hint = "this is not tried again before the machine starts anew";
        if self.has_said(REFUSED) {
            return Err(lack("it was refused before", hint, REFUSED));
        }
        load(parser).map_err(|why| lack(&why, hint, REFUSED))
    }
}

fn loaded() -> Option<String> {
    std::fs::read_to_string(LOADED).ok()
}

fn is_listed(list: &str, name: &str) -> bool {
    list.lines().filter_map(|line| line.rsplit_once(" (")).any(|(listed, _)| listed == name)
}

fn known(list: &str, name: &str) -> Result<()> {
    // tare's own is loaded at a start.
    if name == DEFAULT || is_listed(list, name) {
        return Ok(());
    }
    Err(Error::Invalid {
        message: format!("no AppArmor profile {name} is loaded"),
        hint: Some(format!("load it with `apparmor_parser -r FILE`; the default one is {DEFAULT}")),
    })
}

fn unavailable(name: &str) -> Error {
    let is_enabled = std::fs::read_to_string(ENABLED).is_ok_and(|word| word.starts_with('Y'));
    let why = if is_enabled {
        "securityfs is not mounted at /sys/kernel/security"
    } else {
        "AppArmor is not on in this kernel"
    };
    Error::NotSupported {
        message: format!("the AppArmor profile {name} cannot be applied: {why}"),
        hint: Some("leave `apparmor=` away, or say `apparmor=unconfined`".into()),
    }
}

/// Loads the default profile; the reason why not is the parser's first line.
fn load(parser: &str) -> std::result::Result<(), String> {
    let _span = tracing::debug_span!("load the AppArmor profile").entered();
    let run = || {
        let mut command = Command::new(parser);
        // Replaced if another start was faster; and without a cache on disk.
        command.arg("-Kr").env_clear().env("LC_ALL", "C").current_dir("/");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        if let Some(mut input) = child.stdin.take() {
            input.write_all(TEXT.as_bytes())?;
        }
        child.wait_with_output()
    };
    let output = run().map_err(|error| format!("{parser}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let line = said.lines().map(str::trim).find(|line| !line.is_empty());
    Err(line.map_or_else(|| format!("{parser} ended with {}", output.status), str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_whole_and_modes_are_not_part_of_them() {
        let list = "tare-default (enforce)\n/usr/bin/man (enforce)\na name (complain)\n";
        assert!(is_listed(list, DEFAULT) && is_listed(list, "a name"));
        assert!(!is_listed(list, "tare") && !is_listed("tare-default//sub (enforce)\n", DEFAULT));
        assert!(known(list, "nope").unwrap_err().to_string().contains("no AppArmor profile nope"));
    }

    #[test]
    fn the_profile_has_the_name_that_is_asked_for() {
        assert!(TEXT.lines().any(|line| line.starts_with(&format!("profile {DEFAULT} "))));
    }
}
