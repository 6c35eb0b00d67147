//! `GET /info` and `GET /version`.

use serde_json::{Value, json};
use tare_engine::{Paths, SystemFacts};
use tare_oci::Platform;

use crate::{API_VERSION, MIN_API_VERSION};

/// What of the answer the engine does not know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InfoContext {
    /// tare's version.
    pub version: String,
    /// Proxies of the environment, empty where there is none.
    pub http_proxy: String,
    /// For HTTPS.
    pub https_proxy: String,
    /// What is reached without.
    pub no_proxy: String,
}

/// The answer of `/info`.
#[must_use]
pub fn info(facts: &SystemFacts, paths: &Paths, context: &InfoContext) -> Value {
    let mut info = json!({
        "ID": facts.host_name,
        "Containers": facts.running + facts.paused + facts.stopped,
        "ContainersRunning": facts.running,
        "ContainersPaused": facts.paused,
        "ContainersStopped": facts.stopped,
        "Images": facts.images,
        "Driver": "overlayfs",
        "LoggingDriver": "json-file",
        "CgroupDriver": "cgroupfs",
        "CgroupVersion": facts.cgroup_version.to_string(),
        "DockerRootDir": paths.root.to_string_lossy(),
        "RunDir": paths.run.to_string_lossy(),
        "KernelVersion": facts.kernel,
        "OperatingSystem": facts.system,
        "OSType": "linux",
        "Architecture": facts.machine,
        "NCPU": facts.cpus,
        "MemTotal": facts.memory,
        "Name": facts.host_name,
        "ServerVersion": context.version,
        "DefaultRuntime": "tare",
        "SecurityOptions": ["name=seccomp,profile=builtin"],
        "Swarm": {"LocalNodeState": "inactive"},
        "LiveRestoreEnabled": true,
        "Warnings": Value::Null,
    });
    // In two parts: the macro has its limit.
    if let (Value::Object(info), Value::Object(more)) = (&mut info, for_tools(facts, context)) {
        info.extend(more);
    }
    info
}

/// What tools look for to know what the engine can do.
fn for_tools(facts: &SystemFacts, context: &InfoContext) -> Value {
    json!({
        "DriverStatus": [["Supports d_type", "true"], ["Using metacopy", "false"], ["Native Overlay Diff", "true"]],
        "Plugins": {"Volume": ["local"], "Network": ["bridge", "host", "null"], "Authorization": null,
                    "Log": ["json-file", "local", "none"]},
        "MemoryLimit": true,
        "SwapLimit": true,
        "CpuCfsPeriod": true,
        "CpuCfsQuota": true,
        "CPUShares": true,
        "CPUSet": true,
        "PidsLimit": true,
        "OomKillDisable": false,
        "IPv4Forwarding": facts.forwards_ipv4,
        "Debug": false,
        "SystemTime": facts.time.to_string(),
        "IndexServerAddress": "https://index.docker.io/v1/",
        "RegistryConfig": {"IndexConfigs": {}, "InsecureRegistryCIDRs": [], "Mirrors": null},
        "GenericResources": null,
        "HttpProxy": context.http_proxy,
        "HttpsProxy": context.https_proxy,
        "NoProxy": context.no_proxy,
        "Labels": [],
        "ExperimentalBuild": false,
        "Runtimes": {"tare": {"path": "tare"}},
        "InitBinary": "tare-init",
        "Isolation": "",
        "OSVersion": "",
        "ClientInfo": {"Debug": false, "Context": "default", "Plugins": [], "Warnings": null},
    })
}

/// Both sides of `docker version`, which are the same here.
#[must_use]
pub fn version(version: &str, kernel: &str) -> Value {
    let platform = Platform::host();
    let side = json!({
        "Version": version,
        "ApiVersion": API_VERSION,
        "MinAPIVersion": MIN_API_VERSION,
        "Os": platform.os,
        "Arch": platform.architecture,
        "KernelVersion": kernel,
        "GitCommit": "",
        "GoVersion": "",
        "BuildTime": "",
        "Platform": {"Name": "tare (no daemon)"},
        "Experimental": false,
        "Context": "default",
    });
    json!({"Client": side, "Server": side})
}

#[cfg(test)]
mod tests {
    #[test]
    fn both_sides_have_one_version() {
        let version = super::version("1.2.3", "6.1");
        assert_eq!(version["Client"], version["Server"]);
        assert_eq!(version["Server"]["KernelVersion"], "6.1");
    }
}
