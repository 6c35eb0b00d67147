//! `tare`, and `docker` and `docker-compose` when it is called by those names.
//!
//! The command word is read first and only that command's flag parser is built: a container starts in a few
//! milliseconds, and parsing must not be what takes them. In reading order: [`invocation`] (what was typed),
//! [`commands`] (one file per command), [`session`] (the engine behind them), [`output`] and [`error`] (what is printed).

mod attach;
mod commands;
mod completion;
mod contexts;
mod destination;
mod docker_config;
mod error;
mod flags;
mod global_flags;
mod hints;
mod invocation;
mod not_here;
mod output;
mod refused;
mod session;
mod terminal;
mod trace;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args_os();
    let program = args.next().unwrap_or_default();
    let args: Vec<std::ffi::OsString> = args.collect();
    let start = std::time::Instant::now();
    if let Some(wanted) = trace::wanted(&args)
        && let Err(error) = trace::to_stderr(&wanted, start)
    {
        output::note(&error);
        return ExitCode::from(error::OWN_FAILURE);
    }
    if args.first().is_some_and(|word| word == "monitor") {
        return commands::monitor::main(args.get(1..).unwrap_or_default());
    }
    if args.first().is_some_and(|word| word == tare_runtime::spawner::COMMAND) {
        return commands::spawner::main();
    }
    let called =
        std::path::Path::new(&program).file_name().unwrap_or_default().to_string_lossy().into_owned();
    if let Some(answered) = completion::answer(&called, &args) {
        return ExitCode::from(u8::from(answered.is_err()));
    }
    match invocation::run(&program, args) {
        Ok(code) => code,
        Err(error) => ExitCode::from(error::report(&error)),
    }
}
