//! What `compose config` prints, against what Docker Compose 2.40.3 printed for the same small projects: the case files of
//! `tests/side-by-side/compose-config.d`, recorded by `tests/side-by-side/compose-config --record`.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

/// The folder above the projects when they were recorded.
const RECORDED_IN: &str = "/tmp/compose-config-cases";

/// A small project and how `config` is called.
#[derive(Default)]
struct Case {
    name: String,
    args: String,
    opts: Option<String>,
    env: Vec<(String, String)>,
    body: Vec<String>,
    files: Vec<(String, Vec<String>)>,
}

fn cases(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in text.split('\n') {
        if let Some(name) = line.strip_prefix("== ") {
            cases.push(Case { name: name.to_owned(), ..Case::default() });
            continue;
        }
        let Some(case) = cases.last_mut() else { continue };
        if let Some(name) = line.strip_prefix("-- ") {
            case.files.push((name.to_owned(), Vec::new()));
        } else if let Some((_, lines)) = case.files.last_mut() {
            lines.push(line.to_owned());
        } else if let Some(args) = line.strip_prefix("args: ") {
            case.args = args.to_owned();
        } else if let Some(opts) = line.strip_prefix("opts: ") {
            case.opts = Some(opts.to_owned());
        } else if let Some((key, value)) = line.strip_prefix("env: ").and_then(|text| text.split_once('=')) {
            case.env.push((key.to_owned(), value.to_owned()));
        } else if !line.trim().is_empty() && !line.starts_with('#') {
            case.body.push(line.to_owned());
        }
    }
    cases
}

impl Case {
    /// The body alone is the service `web`.
    fn spell_out(&mut self) {
        if self.body.is_empty() || self.files.iter().any(|(name, _)| name == "compose.yaml") {
            return;
        }
        let sources = ["image:", "build:", "provider:", "extends:"];
        let has_source = self.body.iter().any(|line| sources.iter().any(|key| line.starts_with(key)));
        let mut lines = vec!["services:".to_owned(), "  web:".to_owned()];
        lines.extend((!has_source).then(|| "    image: alpine".to_owned()));
        lines.extend(self.body.iter().map(|line| format!("    {line}")));
        self.files.push(("compose.yaml".to_owned(), lines));
    }

    fn runs(&self) -> Vec<String> {
        match &self.opts {
            Some(opts) => vec![opts.clone()],
            None => vec![String::new(), "--format json".to_owned()],
        }
    }

    fn write(&self, folder: &Path) {
        std::fs::create_dir_all(folder).unwrap();
        for (name, lines) in &self.files {
            let path = folder.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let text = lines.join("\n").trim_end_matches('\n').to_owned() + "\n";
            std::fs::write(path, text.replace('␍', "\r").replace('␉', "\t")).unwrap();
        }
    }

    /// The exit code and the output of one run.
    fn run(&self, folder: &Path, opts: &str) -> (i32, String) {
        let script = format!("exec \"$TARE\" compose {} config {opts}", self.args);
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &script]).current_dir(folder).stdin(Stdio::null()).env_clear();
        command.env("TARE", env!("CARGO_BIN_EXE_tare"));
        command.envs([("PATH", "/usr/local/bin:/usr/bin:/bin"), ("HOME", "/home/lab"), ("USER", "lab")]);
        command.env("PWD", folder).envs(self.env.iter().cloned());
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).replace(folder.to_str().unwrap(), "$DIR");
        let text = text.replace(folder.parent().unwrap().to_str().unwrap(), RECORDED_IN);
        (output.status.code().unwrap(), text)
    }
}

fn is_same(wanted: &Value, code: i32, text: &str) -> bool {
    if wanted["code"].as_i64().unwrap_or(0) != 0 || code != 0 {
        return wanted["code"].as_i64().unwrap_or(0) == i64::from(code);
    }
    let wanted = wanted["out"].as_str().unwrap_or_default();
    wanted == text
        || match (serde_json::from_str::<Value>(wanted), serde_json::from_str::<Value>(text)) {
            (Ok(wanted), Ok(found)) => wanted == found,
            _ => false,
        }
}

/// The cases of a file that differ, each with what was wanted and what came.
fn differing(kind: &str) -> BTreeMap<String, String> {
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/side-by-side/compose-config.d");
    let text = std::fs::read_to_string(base.join(format!("{kind}.txt"))).unwrap();
    let recorded = std::fs::read_to_string(base.join(format!("{kind}.txt.expected"))).unwrap();
    let recorded: BTreeMap<String, Vec<Value>> =
        recorded.lines().map(|line| serde_json::from_str::<(String, Vec<Value>)>(line).unwrap()).collect();
    let root: PathBuf = std::env::temp_dir().join(format!("tare-config-{kind}-{}", std::process::id()));
    let cases = cases(&text);
    let next = AtomicUsize::new(0);
    let work = || {
        let mut found = BTreeMap::new();
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            let mut case = Case {
                name: case.name.clone(),
                args: case.args.clone(),
                opts: case.opts.clone(),
                env: case.env.clone(),
                body: case.body.clone(),
                files: case.files.clone(),
            };
            case.spell_out();
            let folder = root.join(&case.name);
            case.write(&folder);
            for (wanted, opts) in recorded[&case.name].iter().zip(case.runs()) {
                let (code, text) = case.run(&folder, &opts);
                if !is_same(wanted, code, &text) {
                    found.insert(case.name.clone(), format!("[{opts}] want {wanted}\n  got {code} {text}"));
                }
            }
        }
        found
    };
    let found = std::thread::scope(|scope| {
        let workers = [scope.spawn(work), scope.spawn(work)];
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    std::fs::remove_dir_all(&root).unwrap();
    found
}

/// Compares a file of cases; those of `deliberate.txt` differ and are said why, all others are the same.
fn compare(kind: &str) {
    let reasons = include_str!("../../../tests/side-by-side/compose-config.d/deliberate.txt");
    let deliberate: BTreeSet<&str> = reasons
        .lines()
        .filter(|line| !line.starts_with('#'))
        .flat_map(|line| line.split(':').next().unwrap_or_default().split_whitespace())
        .filter_map(|word| word.strip_prefix(kind)?.strip_prefix('/'))
        .collect();
    let differing = differing(kind);
    let surprises: Vec<String> = differing
        .iter()
        .filter(|(name, _)| !deliberate.contains(name.as_str()))
        .map(|(name, difference)| format!("{name} {difference}"))
        .collect();
    assert!(surprises.is_empty(), "{} cases differ:\n{}", surprises.len(), surprises.join("\n"));
    let mended: Vec<&&str> = deliberate.iter().filter(|name| !differing.contains_key(**name)).collect();
    assert!(mended.is_empty(), "no longer different, so not for deliberate.txt: {mended:?}");
}

macro_rules! kinds {
    ($($kind:ident)*) => {$(
        #[test]
        fn $kind() {
            compare(stringify!($kind));
        }
    )*};
}

kinds! {
    build command depends deploy dotenv durations env envfile extends files include interpolation merge mounts names
    networks options scalars short sizes yaml
}
