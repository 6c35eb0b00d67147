//! Files of variables.

use std::collections::BTreeMap;
use std::path::Path;

use tare_compose_model::{EnvFileFormat, Known, parse_env_file_with};
use tare_sys::bounded;

use super::Error;

/// Adds what `path` sets and `fixed` does not. A file given later wins over one given earlier.
pub(super) fn add_file(
    env: &mut BTreeMap<String, String>,
    path: &Path,
    fixed: &BTreeMap<String, String>,
) -> Result<(), Error> {
    let text = match bounded::text(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(Error::Read { path: path.to_owned(), source }),
    };
    let known = Known { first: &[fixed], earlier: Some(env) };
    for (key, value) in parse_env_file_with(path, &text, EnvFileFormat::Compose, known)? {
        if let Some(value) = value.filter(|_| !fixed.contains_key(&key)) {
            env.insert(key, value);
        }
    }
    Ok(())
}
