//! Docker's own settings of a user: the folder with `config.json`.

use std::path::PathBuf;
use std::sync::OnceLock;

use anyhow::Context as _;

/// The folder that `--config` named; a process runs one command.
static NAMED: OnceLock<PathBuf> = OnceLock::new();

/// Takes the folder of `--config`, which goes before the environment. Given twice, the first counts.
pub(crate) fn name_folder(folder: &str) {
    NAMED.get_or_init(|| PathBuf::from(folder));
}

/// `config.json` in the folder of `--config`, else of `DOCKER_CONFIG`, else in `~/.docker`.
pub(crate) fn path() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    NAMED
        .get()
        .cloned()
        .or_else(|| variable("DOCKER_CONFIG"))
        .or_else(|| variable("HOME").map(|home| home.join(".docker")))
        .map(|folder| folder.join("config.json"))
}

/// Makes a context the current one, or none.
pub(crate) fn set_current_context(name: Option<&str>) -> anyhow::Result<()> {
    let path = path().context("no home folder: set DOCKER_CONFIG or HOME")?;
    tare_image::auth::change_config(&path, |config| match name {
        Some(name) => {
            config.entry("auths").or_insert_with(|| serde_json::json!({}));
            config.insert("currentContext".to_owned(), name.into());
            true
        }
        None => config.shift_remove("currentContext").is_some(),
    })?;
    Ok(())
}

/// The context that `docker context use` left there. None in a file that is not there or cannot be read, as with Docker.
pub(crate) fn current_context() -> Option<String> {
    let config: serde_json::Value = serde_json::from_slice(&tare_sys::bounded::file(path()?).ok()?).ok()?;
    config["currentContext"].as_str().filter(|name| !name.is_empty()).map(str::to_owned)
}
