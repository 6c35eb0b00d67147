//! Project names.

use std::path::Path;

use crate::error::Error;

/// Makes a project name out of any text: lowercase, only letters, digits, `-` and `_`, beginning with one of the first
/// two. May be empty.
pub fn normalize_project_name(text: &str) -> String {
    let lower = text.to_lowercase();
    let kept: String = lower
        .chars()
        .filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-' || *c == '_')
        .collect();
    kept.trim_start_matches(['-', '_']).to_owned()
}

/// Accepts a name that a person gave: it must be in normal form already.
pub fn check_project_name(name: &str) -> Result<(), Error> {
    if !name.is_empty() && normalize_project_name(name) == name {
        Ok(())
    } else {
        Err(Error::ProjectName(name.to_owned()))
    }
}

/// The name that the project's folder gives.
pub(crate) fn name_of_folder(folder: &Path) -> Result<String, Error> {
    let base = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let name = normalize_project_name(&base);
    if name.is_empty() { Err(Error::NoProjectName(folder.to_owned())) } else { Ok(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!(normalize_project_name("_My App.2"), "myapp2");
        assert!(check_project_name("my-app_2").is_ok());
        assert!(check_project_name("My").is_err());
        assert!(check_project_name("").is_err());
        assert_eq!(name_of_folder(Path::new("/home/me/Django_Sample")).unwrap(), "django_sample");
    }
}
