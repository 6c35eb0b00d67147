//! `compose attach`.

use clap::Args;

use super::project::Context;
use super::select;

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
    let mut words = Vec::new();
    if let Some(keys) = &args.detach_keys {
        words.extend(["--detach-keys".to_owned(), keys.clone()]);
    }
    if args.no_stdin {
        words.push("--no-stdin".to_owned());
    }
    words.push(format!("--sig-proxy={}", args.sig_proxy));
    words.push(container.id);
    select::docker(context, "attach", &words)
}
