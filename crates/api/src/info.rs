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
    /// The context that commands are in.
    pub context: String,
    /// Proxies of the environment, empty where there is none.
    pub http_proxy: String,
    /// For HTTPS.
    pub https_proxy: String,
    /// What is reached without.
    pub no_proxy: String,
}

/// The answer of `/info`, in Docker's order.
#[must_use]
pub fn info(facts: &SystemFacts, paths: &Paths, context: &InfoContext) -> Value {
    let parts = [
        of_objects(facts),
        of_kernel(facts),
        of_machine(facts),
        of_registries(),
        of_engine(facts, paths, context),
        of_runtimes(),
        json!({"ClientInfo": client(context)}),
    ];
    let objects = parts.into_iter().filter_map(|part| match part {
        Value::Object(part) => Some(part),
        _ => None,
    });
    Value::Object(objects.flatten().collect())
}

fn of_objects(facts: &SystemFacts) -> Value {
    json!({
        "ID": facts.host_name,
        "Containers": facts.running + facts.paused + facts.stopped,
        "ContainersRunning": facts.running,
        "ContainersPaused": facts.paused,
        "ContainersStopped": facts.stopped,
        "Images": facts.images,
        "Driver": crate::graph_driver::DRIVER,
        "DriverStatus": [["Supports d_type", "true"], ["Using metacopy", "false"], ["Native Overlay Diff", "true"]],
        "Plugins": {"Volume": ["local"], "Network": ["bridge", "host", "null"], "Authorization": null,
                    "Log": ["json-file", "local", "none"]},
    })
}

/// What tools look for to know what limits there are.
fn of_kernel(facts: &SystemFacts) -> Value {
    json!({
        "MemoryLimit": true,
        "SwapLimit": true,
        "CpuCfsPeriod": true,
        "CpuCfsQuota": true,
        "CPUShares": true,
        "CPUSet": true,
        "PidsLimit": true,
        "IPv4Forwarding": facts.forwards_ipv4,
        "Debug": false,
        "NFd": 0,
        "OomKillDisable": facts.cgroup_version == 1,
        "NGoroutines": 0,
        "SystemTime": facts.time.to_string(),
    })
}

fn of_machine(facts: &SystemFacts) -> Value {
    json!({
        "LoggingDriver": "json-file",
        "CgroupDriver": "cgroupfs",
        "CgroupVersion": facts.cgroup_version.to_string(),
        "NEventsListener": 0,
        "KernelVersion": facts.kernel,
        "OperatingSystem": facts.system,
        "OSVersion": "",
        "OSType": "linux",
        "Architecture": facts.machine,
    })
}

fn of_registries() -> Value {
    let hub = json!({"Mirrors": [], "Name": "docker.io", "Official": true, "Secure": true});
    json!({
        "IndexServerAddress": "https://index.docker.io/v1/",
        "RegistryConfig": {"IndexConfigs": {"docker.io": hub}, "InsecureRegistryCIDRs": ["::1/128", "127.0.0.0/8"],
                           "Mirrors": null},
    })
}

fn of_engine(facts: &SystemFacts, paths: &Paths, context: &InfoContext) -> Value {
    json!({
        "NCPU": facts.cpus,
        "MemTotal": facts.memory,
        "GenericResources": null,
        "DockerRootDir": paths.root.to_string_lossy(),
        "HttpProxy": context.http_proxy,
        "HttpsProxy": context.https_proxy,
        "NoProxy": context.no_proxy,
        "Name": facts.host_name,
        "Labels": [],
        "ExperimentalBuild": false,
        "ServerVersion": context.version,
    })
}

/// Containers say `runc` of their runtime, for tools that read it; the program is tare's own.
fn of_runtimes() -> Value {
    json!({
        "Runtimes": {"runc": {"path": "tare"}},
        "DefaultRuntime": "runc",
        "Swarm": {"NodeID": "", "NodeAddr": "", "LocalNodeState": "inactive", "ControlAvailable": false, "Error": "",
                  "RemoteManagers": null},
        "LiveRestoreEnabled": true,
        "Isolation": "",
        "InitBinary": "tare-init",
        "ContainerdCommit": {"ID": ""},
        "RuncCommit": {"ID": ""},
        "InitCommit": {"ID": ""},
        "SecurityOptions": ["name=seccomp,profile=builtin"],
        "FirewallBackend": {"Driver": "nftables"},
        "CDISpecDirs": [],
        "Warnings": null,
    })
}

/// The commands that Docker has as plugins are part of the program.
fn client(context: &InfoContext) -> Value {
    let plugin = |name: &str, about: &str| {
        json!({"SchemaVersion": "0.1.0", "Vendor": "tare", "Version": context.version, "ShortDescription": about,
               "Name": name, "Path": ""})
    };
    let platform = Platform::host();
    json!({
        "Debug": false,
        "Version": context.version,
        "DefaultAPIVersion": API_VERSION,
        "GitCommit": "",
        "GoVersion": "",
        "Os": platform.os,
        "Arch": platform.architecture,
        "BuildTime": "",
        "Context": context.context,
        "Plugins": [plugin("buildx", "Builds"), plugin("compose", "Compose projects")],
        "Warnings": null,
    })
}

/// Both sides of `docker version`: one program.
#[must_use]
pub fn version(version: &str, kernel: &str, context: &str) -> Value {
    let platform = Platform::host();
    let details = json!({
        "ApiVersion": API_VERSION,
        "Arch": platform.architecture,
        "BuildTime": "",
        "Experimental": "false",
        "GitCommit": "",
        "GoVersion": "",
        "KernelVersion": kernel,
        "MinAPIVersion": MIN_API_VERSION,
        "Os": platform.os,
    });
    json!({
        "Client": {
            "Version": version,
            "ApiVersion": API_VERSION,
            "DefaultAPIVersion": API_VERSION,
            "GitCommit": "",
            "GoVersion": "",
            "Os": platform.os,
            "Arch": platform.architecture,
            "BuildTime": "",
            "Context": context,
        },
        "Server": {
            "Platform": {"Name": "tare (no daemon)"},
            "Components": [{"Name": "Engine", "Version": version, "Details": details}],
            "Version": version,
            "ApiVersion": API_VERSION,
            "MinAPIVersion": MIN_API_VERSION,
            "GitCommit": "",
            "GoVersion": "",
            "Os": platform.os,
            "Arch": platform.architecture,
            "KernelVersion": kernel,
            "BuildTime": "",
        },
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn both_sides_have_one_version() {
        let version = super::version("1.2.3", "6.1", "default");
        assert_eq!(version["Client"]["Version"], version["Server"]["Version"]);
        assert_eq!(version["Server"]["Components"][0]["Details"]["KernelVersion"], "6.1");
        assert_eq!(version["Client"]["Context"], "default");
    }
}
