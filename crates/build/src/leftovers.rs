//! What a build that was killed left: folders under the run root and control groups, both named
//! after the process. The next build takes them away.

use std::path::Path;

use tare_runtime::cgroup::Manager;

/// The folders that builds make under the run root.
const FOLDERS: [&str; 2] = ["build", "contexts"];
/// Those under the cache root that do not outlive a build.
const TEMPORARY: [&str; 2] = ["contexts", "downloads"];

/// Removes what belongs to processes that are gone. Nothing of it is needed, so failing to is no reason not to build.
pub(crate) fn sweep(run_root: &Path, cache_root: &Path) {
    let here = FOLDERS.map(|name| run_root.join(name));
    let there = TEMPORARY.map(|name| cache_root.join(name));
    for folder in here.iter().chain(&there) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if is_dead(&entry.file_name().to_string_lossy()) {
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
    }
    let Ok(manager) = Manager::detect() else { return };
    for name in manager.children("/tare") {
        if name.strip_prefix("build-").is_some_and(is_dead) {
            let group = manager.group(&format!("/tare/{name}"));
            let _ = group.kill_all();
            let _ = group.remove();
        }
    }
}

/// Whether `<pid>-…` is of a process that is gone. A number that was given anew keeps its leavings for another time.
fn is_dead(name: &str) -> bool {
    let pid = name.split('-').next().and_then(|pid| pid.parse::<u32>().ok());
    pid.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_dead_left_is_removed() {
        let root = tempfile::tempdir().unwrap();
        let mine = format!("{}-0", std::process::id());
        for name in ["4194304999-0", &mine, "notes"] {
            std::fs::create_dir_all(root.path().join("build").join(name)).unwrap();
        }
        sweep(root.path(), root.path());
        assert!(!root.path().join("build/4194304999-0").exists());
        assert!(root.path().join("build").join(&mine).exists());
        assert!(root.path().join("build/notes").exists());
    }
}
