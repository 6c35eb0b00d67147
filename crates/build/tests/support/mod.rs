//! A world for tests that build: a tiny image of busybox, a context, and state.
#![allow(dead_code, clippy::unwrap_used, clippy::panic, reason = "a test program")]

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::sync::Mutex;

use tare_build::{
    AtWork, BuildNetwork, Cancel, Context, Error, Event, NoNetworks, Outcome, Processes, Progress, Request,
    Workshop,
};
use tare_image::{Image, Store};
use tare_oci::ImageConfig;

/// A store with a base image, a context folder, and state.
pub(crate) struct World {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) store: Store,
}

#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) output: Mutex<String>,
    pub(crate) warnings: Mutex<Vec<String>>,
}

impl Progress for Seen {
    fn event(&self, event: Event<'_>) {
        match event {
            Event::StepOutput { bytes, .. } => {
                self.output.lock().unwrap().push_str(&String::from_utf8_lossy(bytes))
            }
            Event::Warning { text, .. } => self.warnings.lock().unwrap().push(text.to_owned()),
            _ => {}
        }
    }
}

pub(crate) struct Built {
    pub(crate) outcome: Outcome,
    pub(crate) output: String,
    pub(crate) warnings: Vec<String>,
}

impl World {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store")).unwrap();
        let layer = store.new_layer().unwrap();
        let root = layer.diff().to_owned();
        for folder in ["bin", "etc", "tmp"] {
            std::fs::create_dir(root.join(folder)).unwrap();
        }
        std::fs::set_permissions(root.join("tmp"), std::fs::Permissions::from_mode(0o1777)).unwrap();
        std::fs::copy("/bin/busybox", root.join("bin/busybox")).unwrap();
        for tool in
            ["sh", "cat", "ls", "id", "mkdir", "rm", "echo", "env", "test", "true", "touch", "stat", "wc"]
        {
            symlink("busybox", root.join("bin").join(tool)).unwrap();
        }
        std::fs::write(root.join("etc/passwd"), "root:x:0:0:root:/:/bin/sh\napp:x:1000:1001::/:/bin/sh\n")
            .unwrap();
        std::fs::write(root.join("etc/group"), "root:x:0:\napp:x:1001:\n").unwrap();
        let layer = layer.commit().unwrap();
        let host = tare_oci::Platform::host();
        let mut config =
            ImageConfig { os: host.os.clone(), architecture: host.architecture, ..ImageConfig::default() };
        config.config.set_env("PATH", "/bin");
        config.config.cmd = Some(vec!["sh".into()]);
        config.config.on_build = vec!["ENV TRIGGERED=yes".into()];
        store.create_image(&config, &[layer.diff_id], &["base".parse().unwrap()]).unwrap();
        std::fs::create_dir(dir.path().join("context")).unwrap();
        Self { dir, store }
    }

    pub(crate) fn write(&self, path: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join("context").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn request(&self, dockerfile: &str) -> Request {
        let context = Context::Dir(self.dir.path().join("context"));
        let mut request = Request::new(
            dockerfile.into(),
            context,
            self.dir.path().join("cache"),
            self.dir.path().join("run"),
        );
        request.network = BuildNetwork::None;
        request
    }

    pub(crate) fn try_build(&self, mut request: Request) -> Result<Built, Error> {
        let seen = Seen::default();
        let outcome = self.build_by(Processes::Caller, &AtWork::default(), &mut request, &seen)?;
        Ok(Built {
            outcome,
            output: seen.output.into_inner().unwrap(),
            warnings: seen.warnings.into_inner().unwrap(),
        })
    }

    pub(crate) fn build_by(
        &self,
        processes: Processes<'_>,
        others: &AtWork,
        request: &mut Request,
        seen: &Seen,
    ) -> Result<Outcome, Error> {
        let workshop = Workshop { store: &self.store, networks: &NoNetworks, processes, others };
        tare_build::build(workshop, request, seen, &Cancel::default())
    }

    #[track_caller]
    pub(crate) fn build(&self, dockerfile: &str) -> Built {
        self.try_build(self.request(dockerfile)).unwrap_or_else(|error| panic!("{}", chain(&error)))
    }

    pub(crate) fn image(&self, built: &Built) -> Image {
        self.store.get(&built.outcome.image_id).unwrap().unwrap()
    }

    /// Where a file of an image lies, in its topmost layer that has it.
    pub(crate) fn find(&self, built: &Built, path: &str) -> Option<PathBuf> {
        let image = self.image(built);
        image.layers.iter().rev().map(|l| l.path.join(path)).find(|p| p.symlink_metadata().is_ok())
    }
}

pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
