//! `compose version`.

use clap::Args;

use crate::output::print_line;

/// The Compose that tare's is measured against: scripts compare this number with the least they need.
const COMPOSE: &str = "2.40.0";

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
    match (args.short, args.format.as_str()) {
        (true, _) => print_line(COMPOSE)?,
        (_, "json") => print_line(&serde_json::json!({ "version": format!("v{COMPOSE}") }).to_string())?,
        // What stands after `+` is no part of a version's order.
        _ => print_line(&format!("Docker Compose version v{COMPOSE}+tare.{}", env!("CARGO_PKG_VERSION")))?,
    }
    Ok(0)
}
