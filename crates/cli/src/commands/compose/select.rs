//! Docker's own commands, for a service's container.

use super::project::Context;
use crate::commands;
use crate::error::Failure;

/// Runs one of docker's own commands.
pub(super) fn docker(context: &Context<'_>, name: &str, words: &[String]) -> anyhow::Result<u8> {
    match commands::named(name) {
        Some(command) => (command.run)(context.session, words),
        None => Err(Failure::new(format!("docker {name} does not exist")).into()),
    }
}
