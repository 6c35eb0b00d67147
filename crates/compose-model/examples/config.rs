//! Prints the canonical form of a Compose file: `cargo run -p tare-compose-model --example config -- compose.yaml …`.

use std::path::{Path, PathBuf};

use tare_compose_model::{Files, LoadOptions, Source, load};

struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> std::io::Result<String> {
        std::fs::read_to_string(path)
    }

    fn exists(&self, path: &Path) -> bool {
        path.exists()
    }
}

#[allow(clippy::print_stdout, clippy::print_stderr)]
fn main() -> std::process::ExitCode {
    let paths: Vec<PathBuf> =
        std::env::args_os().skip(1).filter_map(|path| std::path::absolute(path).ok()).collect();
    let project_directory =
        paths.first().and_then(|path| path.parent()).map(Path::to_owned).unwrap_or_default();
    let sources = paths.into_iter().map(Source::File).collect();
    let options =
        LoadOptions { sources, project_directory, env: std::env::vars().collect(), ..LoadOptions::default() };
    match load(&options, &Disk) {
        Ok((project, warnings)) => {
            for warning in warnings {
                eprintln!("warning: {warning}");
            }
            print!("{}", project.to_yaml());
            std::process::ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}
