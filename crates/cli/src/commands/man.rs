//! `tare man FOLDER`: writes the manual pages, one per command, as `make install` does.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::completion::tree;
use crate::session::Session;

#[derive(clap::Parser)]
struct Line {
    /// Folder to write the pages to, as tare.1, tare-run.1, …
    #[arg(value_name = "FOLDER", value_hint = clap::ValueHint::DirPath)]
    folder: PathBuf,
}

/// `tare man`.
pub(crate) fn main(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Line = crate::flags::parse(&session.path("man"), args)?;
    std::fs::create_dir_all(&line.folder)
        .with_context(|| format!("cannot make the folder {}", line.folder.display()))?;
    let mut root = tree::root(session.program);
    root.build();
    write(&line.folder, session.program, &root)?;
    Ok(0)
}

/// The page of a command, and those below it.
fn write(folder: &Path, name: &str, command: &clap::Command) -> anyhow::Result<()> {
    let path = folder.join(format!("{name}.1"));
    let mut page = Vec::new();
    let title = command.clone().display_name(name.to_owned());
    clap_mangen::Man::new(title).title(name.to_uppercase()).render(&mut page)?;
    std::fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()))?;
    command
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
        .try_for_each(|command| write(folder, &format!("{name}-{}", command.get_name()), command))
}
