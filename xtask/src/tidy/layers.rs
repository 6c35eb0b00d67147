//! Which crate may depend on which: the map of ARCHITECTURE.md, checked against `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};
use serde_json::Value;

use super::Finding;

/// Folder name → the crates that it may use, in the order of ARCHITECTURE.md: from the command line down. A crate may use
/// what those may use, too (cli reaches image through engine), but never what is above it.
const MAP: [(&str, &[&str]); 15] = [
    ("cli", &["api", "build", "compose", "engine", "template"]),
    ("api", &["engine", "image"]),
    ("compose", &["engine", "build", "compose-model"]),
    ("engine", &["image", "network", "monitor", "runtime"]),
    ("build", &["dockerfile", "image", "runtime"]),
    ("monitor", &["runtime", "network"]),
    ("image", &["oci"]),
    ("network", &["words"]),
    ("runtime", &["sys", "words"]),
    ("compose-model", &["words"]),
    ("dockerfile", &["words"]),
    ("template", &["words"]),
    ("oci", &["words"]),
    ("sys", &["words"]),
    ("words", &[]),
];

/// Crates without input or output: what they may never use, each with the reason.
const PURE: [&str; 5] = ["compose-model", "dockerfile", "oci", "template", "words"];
const NOT_IN_PURE: [&str; 6] = ["rustix", "libc", "tokio", "reqwest", "rusqlite", "tempfile"];
/// Crates of the synchronous core: they allocate before they clone, and an async runtime's threads would not survive that.
const SYNCHRONOUS: [&str; 4] = ["sys", "runtime", "network", "monitor"];
const NOT_IN_SYNCHRONOUS: [&str; 3] = ["tokio", "hyper", "reqwest"];

/// Package name → what it depends on for building and running (tests may use what they like).
pub(crate) type Dependencies = BTreeMap<String, BTreeSet<String>>;

/// Asks cargo for the dependencies of the workspace's own packages.
pub(crate) fn dependencies(root: &Path) -> anyhow::Result<Dependencies> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--locked"])
        .current_dir(root)
        .output()
        .context("running cargo metadata")?;
    if !output.status.success() {
        bail!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    parse(&serde_json::from_slice(&output.stdout).context("reading what cargo metadata says")?)
}

fn parse(metadata: &Value) -> anyhow::Result<Dependencies> {
    let packages = metadata["packages"].as_array().context("cargo metadata names no packages")?;
    let mut found = Dependencies::new();
    for package in packages {
        let name = package["name"].as_str().context("a package has no name")?;
        let entries = package["dependencies"].as_array().map(Vec::as_slice).unwrap_or_default();
        let used =
            entries.iter().filter(|entry| entry["kind"] != "dev").filter_map(|entry| entry["name"].as_str());
        found.insert(name.to_owned(), used.map(str::to_owned).collect());
    }
    Ok(found)
}

/// What of it the map does not allow.
pub(crate) fn check(dependencies: &Dependencies) -> Vec<Finding> {
    let mut found = Vec::new();
    for (package, used) in dependencies {
        let Some(folder) = package.strip_prefix("tare-") else { continue };
        let Some(allowed) = reachable(folder) else {
            found.push(finding(
                folder,
                format!("{package} is not on the map in ARCHITECTURE.md; add it there and in xtask"),
            ));
            continue;
        };
        for name in used {
            if let Some(text) = objection(folder, name, &allowed) {
                found.push(finding(folder, text));
            }
        }
    }
    found
}

fn finding(folder: &str, text: String) -> Finding {
    Finding { path: format!("crates/{folder}/Cargo.toml"), line: 0, text }
}

fn objection(folder: &str, used: &str, allowed: &BTreeSet<&str>) -> Option<String> {
    if let Some(other) = used.strip_prefix("tare-") {
        return (!allowed.contains(other))
            .then(|| format!("{folder} must not depend on {other}: see the map in ARCHITECTURE.md"));
    }
    if PURE.contains(&folder) && NOT_IN_PURE.contains(&used) {
        return Some(format!("{folder} is pure (no input, no output): {used} has no place in it"));
    }
    if SYNCHRONOUS.contains(&folder) && NOT_IN_SYNCHRONOUS.contains(&used) {
        return Some(format!("{folder} is synchronous: {used} has no place in it"));
    }
    None
}

/// All that a crate may use, directly or through others; nothing when the map does not have it.
fn reachable(folder: &str) -> Option<BTreeSet<&'static str>> {
    let direct = |name: &str| MAP.iter().find(|(crate_name, _)| *crate_name == name).map(|(_, used)| *used);
    let mut all = BTreeSet::new();
    let mut pending: Vec<&'static str> = direct(folder)?.to_vec();
    while let Some(name) = pending.pop() {
        if all.insert(name) {
            pending.extend(direct(name).unwrap_or_default());
        }
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(package: &str, used: &[&str]) -> Vec<String> {
        let used = used.iter().map(|name| (*name).to_owned()).collect();
        check(&Dependencies::from([(package.to_owned(), used)])).into_iter().map(|f| f.to_string()).collect()
    }

    #[test]
    fn down_is_allowed_and_up_is_not() {
        assert_eq!(found("tare-engine", &["tare-image", "tare-sys", "rusqlite"]), Vec::<String>::new());
        assert_eq!(found("tare-cli", &["tare-image"]), Vec::<String>::new());
        assert!(found("tare-image", &["tare-engine"])[0].contains("image must not depend on engine"));
        assert_eq!(found("tare-network", &["tare-runtime"]).len(), 1);
        assert_eq!(found("tare-sys", &["tare-oci"]).len(), 1);
    }

    #[test]
    fn pure_and_synchronous_crates_stay_so() {
        assert!(found("tare-dockerfile", &["rustix"])[0].contains("pure"));
        assert!(found("tare-monitor", &["tokio"])[0].contains("synchronous"));
        assert_eq!(found("tare-image", &["tokio"]).len(), 0);
    }

    #[test]
    fn a_crate_that_is_not_on_the_map_is_found() {
        assert!(found("tare-new", &[])[0].contains("not on the map"));
        assert_eq!(found("xtask", &["anyhow"]).len(), 0);
    }

    #[test]
    fn the_map_has_no_cycle() {
        for (name, _) in MAP {
            assert!(!reachable(name).expect("on the map").contains(name), "{name} reaches itself");
        }
    }

    #[test]
    fn test_dependencies_do_not_count() {
        let metadata = serde_json::json!({"packages": [{"name": "tare-sys", "dependencies": [
            {"name": "tokio", "kind": "dev"}, {"name": "libc", "kind": null}, {"name": "cc", "kind": "build"}]}]});
        let parsed = parse(&metadata).expect("valid");
        assert_eq!(parsed["tare-sys"], BTreeSet::from(["libc".to_owned(), "cc".to_owned()]));
    }
}
