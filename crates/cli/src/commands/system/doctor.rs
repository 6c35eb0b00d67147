//! `tare doctor`: whether this machine has what containers need, one line a matter.

use anyhow::Context as _;
use tare_engine::{Finding, Options, Verdict, examine};

use crate::output::print;
use crate::session::{Session, paths};

#[derive(clap::Parser)]
struct Line {
    /// Print one JSON object per matter
    #[arg(long)]
    json: bool,
}

/// `tare doctor`. Ends with 1 if containers cannot run here.
pub(crate) fn main(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Line = crate::flags::parse(&session.path("doctor"), args)?;
    let binary = std::env::current_exe().context("cannot find tare's own executable")?;
    let findings = examine(Options { paths: paths()?, binary, log: None });
    let text: String =
        findings.iter().map(|finding| if line.json { json(finding) } else { lines(finding) }).collect();
    print(&text)?;
    Ok(u8::from(findings.iter().any(|finding| finding.verdict == Verdict::Ill)))
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Well => "ok",
        Verdict::Poor => "poor",
        Verdict::Ill => "bad",
    }
}

fn lines(finding: &Finding) -> String {
    let mut text = format!("{:<5} {:<9} {}\n", word(finding.verdict), finding.matter, finding.found);
    if let Some(advice) = &finding.advice {
        text.push_str(&format!("      {:<9} -> {advice}\n", ""));
    }
    text
}

fn json(finding: &Finding) -> String {
    let value = serde_json::json!({
        "matter": finding.matter,
        "verdict": word(finding.verdict),
        "found": finding.found,
        "advice": finding.advice,
    });
    format!("{value}\n")
}
