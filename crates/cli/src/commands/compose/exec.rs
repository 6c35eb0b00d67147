//! `compose exec`.

use clap::Args;
use std::io::IsTerminal as _;

use super::project::Context;
use super::select;

/// Flags of `exec`.
#[derive(Debug, Args)]
pub(super) struct ExecArgs {
    /// Run the command in the background
    #[arg(short = 'd', long)]
    detach: bool,
    /// Set environment variables
    #[arg(short = 'e', long, value_name = "KEY=VALUE")]
    env: Vec<String>,
    /// Index of the container if the service has several
    #[arg(long, default_value_t = 0)]
    index: u32,
    /// Don't allocate a terminal
    #[arg(short = 'T', long = "no-tty", alias = "no-TTY")]
    no_tty: bool,
    /// Accepted and without effect: stdin is attached always
    #[arg(short = 'i', long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    interactive: Option<bool>,
    /// Accepted and without effect: a terminal is allocated when there is one
    #[arg(short = 't', long, hide = true)]
    tty: bool,
    /// Give extended privileges to the process
    #[arg(long)]
    privileged: bool,
    /// Run the command as this user
    #[arg(short = 'u', long)]
    user: Option<String>,
    /// Working directory of the command
    #[arg(short = 'w', long)]
    workdir: Option<String>,
    /// The service
    service: String,
    /// The command
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

/// `compose exec`: a terminal unless `-T` is given or there is none, stdin always.
pub(super) fn main(context: &Context<'_>, args: &ExecArgs) -> anyhow::Result<u8> {
    let container = context.one(&args.service, args.index)?;
    let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let mut words = Vec::new();
    if args.detach {
        words.push("-d".to_owned());
    } else {
        if args.interactive != Some(false) {
            words.push("-i".to_owned());
        }
        if terminal && !args.no_tty {
            words.push("-t".to_owned());
        }
    }
    if args.privileged {
        words.push("--privileged".to_owned());
    }
    for variable in &args.env {
        words.extend(["-e".to_owned(), variable.clone()]);
    }
    for (flag, value) in [("-u", &args.user), ("-w", &args.workdir)] {
        words.extend(value.iter().flat_map(|value| [flag.to_owned(), value.clone()]));
    }
    words.push(container.id);
    words.extend(args.command.iter().cloned());
    select::docker(context, "exec", &words)
}
