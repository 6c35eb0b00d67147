//! What the errors of the crates below mean for the person at the terminal: exit codes and «hint:» lines.

/// The exit code of an error that carries none of its own.
pub(crate) fn code(_error: &anyhow::Error) -> u8 {
    1
}

/// What may help.
pub(crate) fn hints(_error: &anyhow::Error) -> Vec<String> {
    Vec::new()
}
