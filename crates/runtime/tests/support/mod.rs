//! A root with busybox, and running things in it. Every test forks, so each holds a lock: a copy of a process whose
//! other thread holds the allocator's lock would hang.
#![allow(clippy::unwrap_used, clippy::panic, dead_code, unreachable_pub, missing_docs)]

use rustix::fd::OwnedFd;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};
use tare_runtime::cgroup::{Group, Manager};
use tare_runtime::{Error, Process, RootFs, Running, Spec, Stdio};

static TURN: Mutex<()> = Mutex::new(());

/// What a container did.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

pub struct Sandbox {
    dir: PathBuf,
    id: String,
    _turn: Option<MutexGuard<'static, ()>>,
}

impl Sandbox {
    pub fn new(name: &str) -> Self {
        let turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Self::made(name, Some(turn))
    }

    /// A second one in the same test, which lives no longer than the first.
    pub fn sharing(_first: &Self, name: &str) -> Self {
        Self::made(name, None)
    }

    fn made(name: &str, turn: Option<MutexGuard<'static, ()>>) -> Self {
        let id = format!("test-{name}-{}", std::process::id());
        let dir = std::env::temp_dir().join(format!("tare-runtime-{id}"));
        let image = dir.join("image");
        for folder in ["bin", "etc", "root", "home/ana"] {
            fs::create_dir_all(image.join(folder)).unwrap();
        }
        fs::copy("/bin/busybox", image.join("bin/busybox")).expect("these tests need busybox-static");
        for tool in "sh true sleep cat echo id hostname grep ls unshare mkdir chmod stat touch mount readlink tty stty test chown rm kill head mknod nc ln mv umount rmdir".split(' ') {
            symlink("busybox", image.join("bin").join(tool)).unwrap();
        }
        fs::write(
            image.join("etc/passwd"),
            "root:x:0:0::/root:/bin/sh\nana:x:1000:1000::/home/ana:/bin/sh\n",
        )
        .unwrap();
        fs::write(image.join("etc/group"), "root:x:0:\nana:x:1000:\nstaff:x:50:ana\n").unwrap();
        Self { dir, id, _turn: turn }
    }

    pub fn image(&self) -> PathBuf {
        self.dir.join("image")
    }

    pub fn upper(&self) -> PathBuf {
        self.dir.join("upper")
    }

    pub fn script(&self, name: &str, text: &str) {
        let path = self.image().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub fn host_folder(&self, name: &str, owner: u32) -> PathBuf {
        let path = self.dir.join(name);
        fs::create_dir_all(&path).unwrap();
        std::os::unix::fs::chown(&path, Some(owner), Some(owner)).unwrap();
        path
    }

    pub fn spec<const N: usize>(&self, args: [&str; N]) -> Spec {
        for folder in ["upper", "work"] {
            let _ = fs::remove_dir_all(self.dir.join(folder));
            fs::create_dir_all(self.dir.join(folder)).unwrap();
        }
        let root = RootFs {
            lowers: vec![self.image()],
            upper: self.dir.join("upper"),
            work: self.dir.join("work"),
            volatile: true,
            readonly: false,
        };
        Spec::new(self.id.clone(), root, Process::new(args))
    }

    pub fn cgroup(&self) -> String {
        format!("/tare/{}", self.id)
    }

    pub fn group(&self) -> Group {
        Manager::detect().unwrap().group(&self.cgroup())
    }

    pub fn run<const N: usize>(&self, args: [&str; N]) -> Outcome {
        self.run_with(args, |_| {})
    }

    pub fn run_with<const N: usize>(&self, args: [&str; N], change: impl FnOnce(&mut Spec)) -> Outcome {
        let mut spec = self.spec(args);
        change(&mut spec);
        let outcome = collect(|stdio| tare_runtime::create(&spec, stdio)?.start());
        self.group().remove().unwrap();
        outcome
    }

    pub fn start<const N: usize>(&self, args: [&str; N], change: impl FnOnce(&mut Spec)) -> Running {
        let mut spec = self.spec(args);
        change(&mut spec);
        tare_runtime::create(&spec, null_streams()).unwrap().start().unwrap()
    }

    pub fn error<const N: usize>(&self, args: [&str; N], change: impl FnOnce(&mut Spec)) -> Error {
        let mut spec = self.spec(args);
        change(&mut spec);
        tare_runtime::create(&spec, null_streams()).and_then(|created| created.start()).unwrap_err()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let group = self.group();
        let _ = group.kill_all();
        let _ = group.remove();
        assert!(!mounted().contains(&*self.dir.to_string_lossy()), "a mount is left on the host");
        fs::remove_dir_all(&self.dir).unwrap();
    }
}

fn mounted() -> String {
    fs::read_to_string("/proc/self/mountinfo").unwrap()
}

pub fn null_streams() -> Stdio {
    let null = || OwnedFd::from(File::options().read(true).write(true).open(Path::new("/dev/null")).unwrap());
    Stdio::Streams { stdin: null(), stdout: null(), stderr: null() }
}

pub fn collect(start: impl FnOnce(Stdio) -> Result<Running, Error>) -> Outcome {
    let (out, out_end) = std::io::pipe().unwrap();
    let (err, err_end) = std::io::pipe().unwrap();
    let stdin = File::open("/dev/null").unwrap().into();
    let running = start(Stdio::Streams { stdin, stdout: out_end.into(), stderr: err_end.into() }).unwrap();
    let text = |mut from: std::io::PipeReader| {
        let mut text = String::new();
        from.read_to_string(&mut text).unwrap();
        text
    };
    let (stdout, stderr) = (text(out), text(err));
    Outcome { status: wait(running.pid), stdout, stderr }
}

/// Reads until the other side is closed, which a terminal says with EIO.
pub fn read_terminal(master: OwnedFd) -> String {
    let (mut file, mut text, mut buffer) = (File::from(master), String::new(), [0u8; 512]);
    while let Ok(length @ 1..) = file.read(&mut buffer) {
        text.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
    }
    text
}

/// Reads until the text ends so, or there is no more.
pub fn read_terminal_until(master: &OwnedFd, end: &str) -> String {
    let (mut file, mut text, mut buffer) =
        (File::from(master.try_clone().unwrap()), String::new(), [0u8; 512]);
    while !text.ends_with(end)
        && let Ok(length @ 1..) = file.read(&mut buffer)
    {
        text.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
    }
    text
}

pub fn wait(pid: i32) -> i32 {
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    let (_, status) =
        rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty()).unwrap().unwrap();
    status.exit_status().or_else(|| status.terminating_signal().map(|s| 128 + s)).unwrap()
}
