//! Completion: the shell asks tare itself, which knows its flags and, by the engine, the names of what there is.
//!
//! `docker completion SHELL` prints a few lines for the shell; they call the program again with [`VARIABLE`] set and the
//! words of the line after `--`, and get what may follow. [`tree`] has every command and flag, taken from the commands' own parsers;
//! [`values`] says what a flag or an operand can be. Manuals are made of the same tree.

pub(crate) mod registration;
pub(crate) mod tree;
mod values;

use std::ffi::OsString;

use clap_complete::env::Shells;

use crate::output::print;

/// Its value is the shell that asks.
pub(crate) const VARIABLE: &str = "TARE_COMPLETE";

/// Answers the shell, if it is the one that asks: nothing else is done then.
pub(crate) fn answer(program: &str, args: &[OsString]) -> Option<anyhow::Result<()>> {
    let shell = std::env::var(VARIABLE).ok().filter(|shell| !shell.is_empty())?;
    let words = args.iter().position(|word| word == "--").map(|at| args[at + 1..].to_vec())?;
    Some(candidates(program, &shell, words))
}

fn candidates(program: &str, shell: &str, words: Vec<OsString>) -> anyhow::Result<()> {
    let shells = Shells::builtins();
    let Some(shell) = shells.completer(shell) else { return Ok(()) };
    let line: Vec<String> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let mut root = values::attached(tree::root(program), &line);
    let mut text = Vec::new();
    let folder = std::env::current_dir().ok();
    // Words for which nothing is known are no error to somebody who presses a key.
    if shell.write_complete(&mut root, words, folder.as_deref(), &mut text).is_ok() {
        print(&String::from_utf8_lossy(&text))?;
    }
    Ok(())
}
