//! `compose exec`.

use clap::Args;
use std::io::IsTerminal as _;

use super::project::Context;
use crate::commands::container::exec;

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
    let mut words = vec![container.record.id];
    words.extend(args.command.iter().cloned());
    let line = exec::Line {
        detach: args.detach,
        detach_keys: String::new(),
        env: args.env.clone(),
        env_file: Vec::new(),
        interactive: !args.detach && args.interactive != Some(false),
        privileged: args.privileged,
        tty: !args.detach && terminal && !args.no_tty,
        user: args.user.clone(),
        workdir: args.workdir.clone(),
        words,
    };
    exec::run_line(context.session, &line)
}
