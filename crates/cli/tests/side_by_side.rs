//! The cases of `tests/side-by-side`: what Docker answered to small scripts was recorded there, and tare must answer the same.
//! One test per file of cases; `tests/side-by-side/cases` runs and compares. Needs root, python3 and a static busybox.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use libtest_mimic::{Arguments, Failed, Trial};

fn base() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/side-by-side")
}

fn check(path: &Path) -> Result<(), Failed> {
    let mut command = Command::new(base().join("cases"));
    command.arg("check").arg(path).env("TARE", env!("CARGO_BIN_EXE_tare")).stdin(Stdio::null());
    let output = command.output()?;
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(text.into_owned().into()) }
}

fn main() {
    let mut trials = Vec::new();
    for area in ["cli", "build", "compose"] {
        for entry in std::fs::read_dir(base().join(format!("{area}.d"))).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|end| end == "sh") {
                let name = path.file_stem().unwrap().to_string_lossy().into_owned();
                trials.push(Trial::test(format!("{area}::{name}"), move || check(&path)));
            }
        }
    }
    trials.sort_by(|a, b| a.name().cmp(b.name()));
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
