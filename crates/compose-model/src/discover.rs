//! Which Compose files a folder holds.

use std::io;
use std::path::{Path, PathBuf};

/// The files of the caller's world.
pub trait Files {
    /// The text of a file.
    fn read(&self, path: &Path) -> io::Result<String>;
    /// Whether there is something at `path`.
    fn exists(&self, path: &Path) -> bool;
}

/// Names of the main file, the preferred one first.
const MAIN: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];
/// Names of the file that is merged over it.
const OVERRIDE: [&str; 4] = [
    "compose.override.yml",
    "compose.override.yaml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
];

/// The Compose files that were found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovered {
    /// The folder that holds them: the project directory.
    pub folder: PathBuf,
    /// The main file and, when there is one, its override.
    pub files: Vec<PathBuf>,
    /// Further main files in the folder, which are not used.
    pub unused: Vec<PathBuf>,
}

/// Looks for Compose files in `folder` and then upwards.
pub fn discover(folder: &Path, files: &dyn Files) -> Option<Discovered> {
    let existing = |folder: &Path, names: &[&str]| -> Vec<PathBuf> {
        names.iter().map(|name| folder.join(name)).filter(|path| files.exists(path)).collect()
    };
    folder.ancestors().find_map(|folder| {
        let mut main = existing(folder, &MAIN).into_iter();
        let first = main.next()?;
        let overriding = existing(folder, &OVERRIDE).into_iter().next();
        let files = std::iter::once(first).chain(overriding).collect();
        Some(Discovered { folder: folder.to_owned(), files, unused: main.collect() })
    })
}
