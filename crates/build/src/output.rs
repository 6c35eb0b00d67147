//! `--output`: what a build made as files, in a folder or a tar archive.

use std::collections::{HashMap, hash_map};
use std::io::Write;
use std::path::{Path, PathBuf};

use rustix::process::{getegid, geteuid};
use tare_dockerfile::ignore::Ignore;
use tare_image::{Image, Store};
use tare_sys::root::RootDir;

use crate::copy::{Style, Target, Writer};
use crate::io_at::At as _;
use crate::select::{self, Entry, Kind, Selected};
use crate::sources::SourceRoot;
use crate::users::Owner;
use crate::{Cancel, Error};

/// Where the files go.
pub enum Output<'a> {
    /// A folder, made if it is missing; its files belong to the caller, as with BuildKit.
    Folder(&'a Path),
    /// A tar archive, with the image's owners.
    Archive(&'a mut dyn Write),
}

/// Writes out the files of an image.
///
/// # Errors
/// A folder or an archive that cannot be written.
pub fn write_files(store: &Store, image: &Image, output: Output<'_>, cancel: &Cancel) -> Result<(), Error> {
    let staging = store.new_layer().map_err(|source| Error::image("making a layer", source))?;
    let mut lowers: Vec<PathBuf> = Vec::new();
    for layer in image.layers.iter().rev() {
        if !lowers.contains(&layer.path) {
            lowers.push(layer.path.clone());
        }
    }
    if lowers.is_empty() {
        // overlayfs wants one at least.
        lowers.push(staging.diff().to_owned());
    }
    let root = SourceRoot::layers(store, lowers, image.display_name(), 0)?;
    let found = select::select(&root, ".", &Ignore::default())?;
    let Some(all) = found.first() else { return Ok(()) };
    match output {
        Output::Folder(folder) => into_folder(all, folder, cancel),
        Output::Archive(out) => {
            let mut archive = tar::Builder::new(out);
            let mut linked = HashMap::new();
            for entry in &all.entries {
                cancel.check().at("write", &entry.rel)?;
                let first = entry.linked.and_then(|identity| match linked.entry(identity) {
                    hash_map::Entry::Occupied(first) => Some(*first.get()),
                    hash_map::Entry::Vacant(new) => {
                        new.insert(entry.rel.as_path());
                        None
                    }
                });
                append(&mut archive, all, (entry, first)).at("write", &entry.rel)?;
            }
            archive.into_inner().and_then(|out| out.flush()).at("write", "the archive")
        }
    }
}

fn into_folder(all: &Selected, folder: &Path, cancel: &Cancel) -> Result<(), Error> {
    std::fs::create_dir_all(folder).at("make", folder)?;
    let inside = RootDir::open_host(folder).at("open", folder)?;
    let owner = Some(Owner { uid: geteuid().as_raw(), gid: getegid().as_raw() });
    let target = Target { path: PathBuf::from("/"), is_folder: true };
    Writer::new(&inside, Style { owner, mode: None }, cancel).copy(all, &target)
}

fn append<W: Write>(
    archive: &mut tar::Builder<W>,
    all: &Selected,
    (entry, first): (&Entry, Option<&Path>),
) -> std::io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_mode(entry.mode & 0o7777);
    header.set_uid(u64::from(entry.uid));
    header.set_gid(u64::from(entry.gid));
    header.set_mtime(u64::try_from(entry.mtime.0).unwrap_or(0));
    header.set_size(0);
    if let (Kind::File, Some(first)) = (&entry.kind, first) {
        header.set_entry_type(tar::EntryType::Link);
        return archive.append_link(&mut header, &entry.rel, first);
    }
    match &entry.kind {
        Kind::Socket => Ok(()),
        Kind::File => {
            let file = all.open(entry)?;
            header.set_size(file.metadata()?.len());
            archive.append_data(&mut header, &entry.rel, file)
        }
        Kind::Symlink(target) => {
            header.set_entry_type(tar::EntryType::Symlink);
            archive.append_link(&mut header, &entry.rel, target)
        }
        Kind::Folder => {
            header.set_entry_type(tar::EntryType::Directory);
            archive.append_data(&mut header, &entry.rel, std::io::empty())
        }
        Kind::Fifo => {
            header.set_entry_type(tar::EntryType::Fifo);
            archive.append_data(&mut header, &entry.rel, std::io::empty())
        }
        Kind::Device(number) => {
            let is_block = entry.mode & 0o170_000 == 0o060_000;
            header.set_entry_type(if is_block { tar::EntryType::Block } else { tar::EntryType::Char });
            header.set_device_major(rustix::fs::major(*number))?;
            header.set_device_minor(rustix::fs::minor(*number))?;
            archive.append_data(&mut header, &entry.rel, std::io::empty())
        }
    }
}
