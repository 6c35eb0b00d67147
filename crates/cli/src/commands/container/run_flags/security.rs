//! Privileges: capabilities, seccomp, devices, sysctls, shared namespaces.

use clap::Args;
use tare_engine::config::{Capability, ContainerConfig, NamespaceMode, Seccomp, UsernsMode, Written, flags};
use tare_engine::security_option;

use super::{invalid, pair};
use crate::error::{Failure, OWN_FAILURE};
use crate::refused::{Flag, refuse};

/// The privileges' flags.
#[derive(Args, Debug, Clone)]
pub(crate) struct SecurityFlags {
    /// Give extended privileges to this container
    #[arg(long)]
    pub(crate) privileged: bool,
    /// Add Linux capabilities
    #[arg(long, value_name = "list")]
    pub(crate) cap_add: Vec<String>,
    /// Drop Linux capabilities
    #[arg(long, value_name = "list")]
    pub(crate) cap_drop: Vec<String>,
    /// Security Options
    #[arg(long, value_name = "list")]
    pub(crate) security_opt: Vec<String>,
    /// Add a host device to the container
    #[arg(long, value_name = "list")]
    pub(crate) device: Vec<String>,
    /// Add a rule to the cgroup allowed devices list
    #[arg(long, value_name = "list")]
    pub(crate) device_cgroup_rule: Vec<String>,
    /// Sysctl options
    #[arg(long, value_name = "map")]
    pub(crate) sysctl: Vec<String>,
    /// PID namespace to use
    #[arg(long, value_name = "string")]
    pub(crate) pid: Option<String>,
    /// IPC mode to use
    #[arg(long, value_name = "string")]
    pub(crate) ipc: Option<String>,
    /// UTS namespace to use
    #[arg(long, value_name = "string")]
    pub(crate) uts: Option<String>,
    /// User namespace to use (host, or auto: root in the container is an ordinary user of the host)
    #[arg(long, value_name = "string")]
    pub(crate) userns: Option<String>,
    #[arg(long, hide = true)]
    runtime: Option<String>,
    #[arg(long, hide = true)]
    isolation: Option<String>,
}

impl SecurityFlags {
    pub(super) fn apply(&self, config: &mut ContainerConfig) -> anyhow::Result<()> {
        config.privileged = self.privileged;
        config.cap_add = capabilities("CapAdd", &self.cap_add)?;
        config.cap_drop = capabilities("CapDrop", &self.cap_drop)?;
        for text in &self.security_opt {
            security_option(config, text)?;
        }
        for text in &self.device {
            config.devices.push(flags::device(text).map_err(|why| invalid("--device", text, &why))?);
        }
        for rule in &self.device_cgroup_rule {
            let rule = Written::read(rule)
                .map_err(|_| invalid("--device-cgroup-rule", rule, "invalid device cgroup format"))?;
            config.device_cgroup_rules.push(rule);
        }
        for text in &self.sysctl {
            let (key, value) = pair(text);
            if !text.contains('=') {
                return Err(invalid("--sysctl", text, "use KEY=VALUE"));
            }
            if !["net.", "fs.mqueue.", "kernel.msg", "kernel.sem", "kernel.shm"]
                .iter()
                .any(|known| key.starts_with(known))
            {
                return Err(invalid("--sysctl", text, "not a setting that belongs to a container"));
            }
            config.sysctls.insert(key, value);
        }
        let namespace = |flag: &str, text: &Option<String>| {
            let text = text.as_deref().unwrap_or_default();
            flags::namespace(text).map_err(|why| invalid(flag, text, &why))
        };
        config.pid_mode = namespace("--pid", &self.pid)?;
        let ipc = self.ipc.as_deref().unwrap_or_default();
        config.ipc_mode = flags::ipc(ipc).map_err(|why| invalid("--ipc", ipc, &why))?;
        config.uts_mode = namespace("--uts", &self.uts)?;
        if matches!(config.uts_mode, NamespaceMode::Container(_)) {
            return Err(invalid("--uts", self.uts.as_deref().unwrap_or_default(), "invalid UTS mode"));
        }
        let userns = self.userns.as_deref().unwrap_or_default();
        config.userns = UsernsMode::parse(userns)
            .map_err(|expected| invalid("--userns", userns, &format!("use {expected}")))?;
        if config.uts_mode == NamespaceMode::Host
            && !(config.hostname.is_empty() && config.domainname.is_empty())
        {
            return Err(Failure::new("conflicting options: hostname and the UTS mode").into());
        }
        let is_own = |name: &str| matches!(name, "" | "runc" | "io.containerd.runc.v2");
        refuse(&[
            Flag {
                name: "--runtime",
                given: self.runtime.as_deref().is_some_and(|name| !is_own(name)),
                why: "tare runs containers itself",
            },
            Flag {
                name: "--isolation",
                given: self.isolation.as_deref().is_some_and(|mode| !["", "default"].contains(&mode)),
                why: "it is Windows'",
            },
        ])
    }
}

fn capabilities(list: &str, names: &[String]) -> anyhow::Result<Vec<Capability>> {
    Ok(flags::capabilities(names).map_err(|why| Failure::new(format!("invalid {list}: {why}")))?)
}

fn security_option(config: &mut ContainerConfig, text: &str) -> anyhow::Result<()> {
    let refused =
        |expected| invalid("--security-opt", text, &format!("invalid --security-opt; use {expected}"));
    let Some(file) = security_option::apply(config, text).map_err(refused)? else { return Ok(()) };
    let profile = tare_sys::bounded::text(file).map_err(|error| {
        Failure::usage(OWN_FAILURE, format!("opening seccomp profile ({file}) failed: {error}"))
    })?;
    serde_json::from_str::<serde_json::Value>(&profile).map_err(|error| {
        Failure::usage(OWN_FAILURE, format!("compacting json for seccomp profile ({file}) failed: {error}"))
    })?;
    config.seccomp = Seccomp::Profile(profile);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{config, refusal};
    use super::*;

    #[test]
    fn capabilities_are_normalised() {
        let read = config(&["--cap-add", "net_admin", "--cap-drop=CAP_CHOWN", "--cap-add=ALL", "img"]);
        assert_eq!(read.cap_add, [Capability::One("NET_ADMIN".into()), Capability::All]);
        assert_eq!(read.cap_drop[0].name(), "CHOWN");
        let said = refusal(&["--cap-drop=nope", "img"]);
        assert_eq!(said, r#"invalid CapDrop: unknown capability: "CAP_NOPE""#);
    }

    #[test]
    fn security_options() {
        assert!(config(&["--security-opt", "no-new-privileges", "img"]).no_new_privileges);
        assert_eq!(config(&["--security-opt=seccomp=unconfined", "img"]).seccomp, Seccomp::Unconfined);
        assert!(
            refusal(&["--security-opt", "seccomp=/nonexistent", "img"]).contains("opening seccomp profile")
        );
        for text in [
            "bogus=1",
            "no-new-privileges=maybe",
            "systempaths=foo",
            "writable-cgroups",
            "apparmor=",
            "label=",
            "seccomp=",
            "disable",
        ] {
            assert!(refusal(&["--security-opt", text, "img"]).contains("invalid --security-opt"), "{text}");
        }
        let read = config(&[
            "--security-opt=no-new-privileges:false",
            "--security-opt=systempaths=unconfined",
            "--security-opt=writable-cgroups=true",
            "--security-opt=apparmor=docker-default",
            "--security-opt=label:disable",
            "img",
        ]);
        assert!(!read.no_new_privileges && read.unmasked && read.writable_cgroups);
        assert_eq!(read.apparmor.as_deref(), Some(tare_engine::apparmor::DEFAULT));
    }

    #[test]
    fn devices_and_namespaces() {
        assert_eq!(config(&["--device=/dev/fuse:r", "img"]).devices[0].permissions, "r");
        assert!(refusal(&["--device=dev/a", "img"]).contains("--device"));
        assert!(refusal(&["--device-cgroup-rule=c 1 r", "img"]).contains("invalid device cgroup format"));
        assert_eq!(config(&["--pid=host", "img"]).pid_mode, NamespaceMode::Host);
        assert_eq!(config(&["--userns=auto", "img"]).userns, UsernsMode::Auto);
        assert!(refusal(&["--userns=keep-id", "img"]).contains("use host or auto"));
        assert!(refusal(&["--pid=bogus", "img"]).contains("container:<name|id>"));
        assert!(refusal(&["--sysctl", "kernel.hostname=x", "img"]).contains("sysctl"));
    }
}
