//! `docker build --check`: what a build would warn of, and no build.

use tare_build::Request;
use tare_dockerfile::Checks;

use crate::error::Failure;
use crate::output::{note, print_line};

/// Prints the warnings with their places; 1 if there are any.
pub(crate) fn main(request: &Request) -> anyhow::Result<u8> {
    let (name, text) = (&request.dockerfile_name, &request.dockerfile);
    let file = tare_dockerfile::parse(text).map_err(|error| {
        if let Some(excerpt) = tare_dockerfile::excerpt(name, text, error.line) {
            note(&excerpt);
        }
        let failure = Failure::new(format!("{name}: {error}"));
        match error.hint() {
            Some(hint) => failure.with_hint(hint),
            None => failure,
        }
    })?;
    let checks = file.directives.check.as_deref().map(Checks::parse).unwrap_or_default();
    let mut count = 0;
    for warning in file.warnings.iter().filter(|warning| !checks.skips(warning.lint)) {
        count += 1;
        print_line(&format!("\nWARNING: {}\n{}", warning.lint.name(), warning.message))?;
        if let Some(hint) = &warning.hint {
            print_line(&format!("hint: {hint}"))?;
        }
        if let Some(excerpt) = tare_dockerfile::excerpt(name, text, warning.line) {
            print_line(&excerpt)?;
        }
    }
    let (found, code) = match count {
        0 => ("no warnings found.".to_owned(), 0),
        1 => ("1 warning has been found!".to_owned(), 1),
        more => (format!("{more} warnings have been found!"), 1),
    };
    print_line(&format!("Check complete, {found}"))?;
    Ok(code)
}
