//! `compose version`.

use clap::Args;

use crate::output::print_line;

/// Flags of `version`.
#[derive(Debug, Default, Args)]
pub(super) struct VersionArgs {
    /// pretty or json
    #[arg(short = 'f', long, default_value = "pretty", value_parser = ["pretty", "json"])]
    format: String,
    /// Only the number
    #[arg(long)]
    short: bool,
}

/// `compose version`.
pub(super) fn main(args: &VersionArgs) -> anyhow::Result<u8> {
    let version = env!("CARGO_PKG_VERSION");
    match (args.short, args.format.as_str()) {
        (true, _) => print_line(version)?,
        (_, "json") => print_line(&serde_json::json!({ "version": version }).to_string())?,
        _ => print_line(&format!("Docker Compose version {version} (tare)"))?,
    }
    Ok(0)
}
