//! `tare shell-init`: makes `docker` and `docker-compose` mean tare in one shell.

use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::Context as _;

use crate::output::print_line;
use crate::session::{Session, paths};

#[derive(clap::Parser)]
struct Line {}

/// `eval "$(tare shell-init)"`: links beside tare's state, and the line that puts them first in PATH.
pub(crate) fn main(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let _: Line = crate::flags::parse(&session.path("shell-init"), args)?;
    let binary = std::env::current_exe().context("cannot find tare's own executable")?;
    let folder = paths()?.root.join("bin");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    for name in ["docker", "docker-compose", "tare"] {
        link(&binary, &folder.join(name))?;
    }
    let folder = folder.to_string_lossy().replace('\'', "'\\''");
    print_line(&format!("export PATH='{folder}':\"$PATH\""))?;
    Ok(0)
}

/// Points a link at the binary, replacing one that points elsewhere.
fn link(binary: &Path, at: &Path) -> anyhow::Result<()> {
    if std::fs::read_link(at).is_ok_and(|target| target == binary) {
        return Ok(());
    }
    let beside = at.with_extension("new");
    // Left behind by a run that was killed here.
    let _ = std::fs::remove_file(&beside);
    symlink(binary, &beside).with_context(|| format!("cannot create {}", beside.display()))?;
    std::fs::rename(&beside, at).with_context(|| format!("cannot create {}", at.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_made_and_mended() {
        let folder = std::env::temp_dir().join(format!("tare-shell-init-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let at = folder.join("docker");
        link(Path::new("/old"), &at).unwrap();
        link(Path::new("/new"), &at).unwrap();
        assert_eq!(std::fs::read_link(&at).unwrap(), Path::new("/new"));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
