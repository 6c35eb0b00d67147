//! Repository chores, run as `cargo xtask NAME`.
//!
//! There is one: `tidy`, which checks what STYLE (in CONTRIBUTING.md) and ARCHITECTURE.md promise and neither rustc nor
//! clippy can see. Each rule is a function from text to findings, in [`tidy`]; this file only walks and prints.

mod tidy;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};

fn main() -> ExitCode {
    match run(std::env::args().skip(1).collect()) {
        Ok(code) => code,
        Err(error) => {
            report(&format!("xtask: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Vec<String>) -> anyhow::Result<ExitCode> {
    match arguments.first().map(String::as_str) {
        Some("tidy") if arguments.len() == 1 => tidy(),
        _ => bail!("there is one chore: `cargo xtask tidy`"),
    }
}

fn tidy() -> anyhow::Result<ExitCode> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in no repository")?;
    let sources = tidy::files::rust_sources(root)?;
    let mut findings = Vec::new();
    for source in &sources {
        findings.extend(tidy::rules::check(source));
    }
    findings.extend(tidy::messages::check(&sources));
    findings.extend(tidy::rooms::check(&sources));
    findings.extend(tidy::layers::check(&tidy::layers::dependencies(root)?));
    findings.sort();
    for finding in &findings {
        report(&finding.to_string());
    }
    report(&format!("tidy: {} files, {} findings", sources.len(), findings.len()));
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[expect(clippy::print_stderr, reason = "a chore's findings are for the person at the terminal")]
fn report(line: &str) {
    eprintln!("{line}");
}
