//! `compose attach`.

use clap::Args;

use super::project::Context;
use crate::commands::container::attach;

/// Flags of `attach`.
#[derive(Debug, Args)]
pub(super) struct AttachArgs {
    /// Keys that detach
    #[arg(long)]
    detach_keys: Option<String>,
    /// Index of the container if the service has several
    #[arg(long, default_value_t = 0)]
    index: u32,
    /// Do not attach stdin
    #[arg(long)]
    no_stdin: bool,
    /// Pass signals to the process
    #[arg(long, num_args = 0..=1, default_value_t = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    sig_proxy: bool,
    /// The service
    service: String,
}

/// `compose attach`.
pub(super) fn main(context: &Context<'_>, args: &AttachArgs) -> anyhow::Result<u8> {
    let container = context.one(&args.service, args.index)?;
    let line = attach::Line {
        detach_keys: args.detach_keys.clone().unwrap_or_default(),
        no_stdin: args.no_stdin,
        sig_proxy: args.sig_proxy,
        name: container.record.id,
    };
    attach::run_line(context.session, &line)
}
