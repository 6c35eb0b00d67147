//! A state folder of its own for one test, with a busybox image made of the machine's static busybox.
#![allow(dead_code, reason = "each test file uses what it needs")]

use std::io::Write;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A state folder of its own, with a busybox image; all of it goes with the value.
pub(crate) struct Lab {
    pub(crate) folder: PathBuf,
}

impl Lab {
    pub(crate) fn new() -> Self {
        Self::with_image(&[], |_| {})
    }

    /// `changes` are of `import`; `add` puts more files into the image's root.
    pub(crate) fn with_image(changes: &[&str], add: impl FnOnce(&Path)) -> Self {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        // Short, because sockets lie below it.
        let lab = Self { folder: PathBuf::from(format!("/tmp/td{}-{count}", std::process::id())) };
        let root = lab.folder.join("image");
        std::fs::create_dir_all(root.join("bin")).unwrap();
        std::fs::copy("/usr/bin/busybox", root.join("bin/busybox")).expect("a static busybox in /usr/bin");
        for applet in ["sh", "sleep", "cat", "true", "touch", "env"] {
            symlink("busybox", root.join("bin").join(applet)).unwrap();
        }
        add(&root);
        let tar = Command::new("tar").arg("-C").arg(&root).args(["-c", "."]).output().unwrap();
        let mut import = lab.command(&["import"]);
        import.args(changes.iter().flat_map(|change| ["--change", change]));
        import.args(["-", "busybox"]).stdin(Stdio::piped()).stdout(Stdio::null());
        let mut import = import.spawn().unwrap();
        import.stdin.take().unwrap().write_all(&tar.stdout).unwrap();
        assert!(import.wait().unwrap().success());
        lab
    }

    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tare"));
        command
            .args(words)
            .env("TARE_ROOT", self.folder.join("root"))
            .env("TARE_RUN", self.folder.join("run"))
            .env_remove("SSL_CERT_FILE")
            .env("DOCKER_CONFIG", self.folder.join("docker"))
            .env_remove("DOCKER_HOST")
            .env_remove("DOCKER_CONTEXT")
            .env_remove("DOCKER_TLS_VERIFY")
            .env_remove("DOCKER_TLS")
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    /// Runs a command that must succeed; both of its outputs.
    pub(crate) fn ok(&self, words: &[&str]) -> String {
        let output = self.run(words);
        assert!(output.status.success(), "{words:?}: {}", text(&output));
        text(&output)
    }

    /// Runs a command that must fail with this code; both of its outputs.
    pub(crate) fn fails(&self, code: i32, words: &[&str]) -> String {
        let output = self.run(words);
        assert_eq!(output.status.code(), Some(code), "{words:?}: {}", text(&output));
        text(&output)
    }

    /// A folder of the user 1000 for bind mounts.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        let folder = self.folder.join(name);
        std::fs::create_dir_all(&folder).unwrap();
        chown(&folder, Some(1000), Some(1000)).unwrap();
        folder
    }

    /// A program below a folder, to be executed.
    pub(crate) fn program(&self, folder: &Path, name: &str, text: &str) {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let left = String::from_utf8(self.run(&["ps", "-aq"]).stdout).unwrap();
        left.lines().for_each(|id| drop(self.run(&["rm", "-f", id])));
        let is_left = !prune_networks(|words| self.run(words));
        let _ = std::fs::remove_dir_all(&self.folder);
        assert!(!is_left || std::thread::panicking(), "an interface is left");
    }
}

/// Removes a state's networks, and the default one's interface; whether none is left.
pub(crate) fn prune_networks(run: impl Fn(&[&str]) -> Output) -> bool {
    let ids = String::from_utf8(run(&["network", "ls", "-q", "--no-trunc"]).stdout).unwrap_or_default();
    let interfaces: Vec<PathBuf> =
        ids.lines().filter_map(|id| Some(format!("/sys/class/net/tr-{}", id.get(..12)?).into())).collect();
    // The kernel takes the interface of a build's namespace away a little after its end.
    let end = std::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        run(&["network", "prune", "-f"]);
        let is_gone = !interfaces.iter().any(|interface| interface.exists());
        if is_gone || std::time::Instant::now() > end {
            return is_gone;
        }
        std::thread::yield_now();
    }
}

pub(crate) fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The mount argument `SOURCE:TARGET`.
pub(crate) fn mount(source: &Path, target: &str) -> String {
    format!("{}:{target}", source.display())
}

/// Looks until there is something to see, half a minute at most.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while std::time::Instant::now() < end {
        if let Some(seen) = look() {
            return seen;
        }
        std::thread::yield_now();
    }
    panic!("not within half a minute: {what}")
}
