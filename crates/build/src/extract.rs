//! Unpacks tar archives into a root: `ADD archive.tar.gz /`, and a context that came as a stream. Every path is
//! resolved inside the root; a link cannot lead out of it.

use std::fs::{File, Permissions};
use std::io::{self, BufRead as _, BufReader, Read};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid};
use tar::EntryType;
use tare_sys::root::RootDir;

use crate::chmod::Chmod;
use crate::place::{clean, handle_path};
use crate::users::Owner;
use crate::{Cancel, Error};

/// How an archive is unpacked.
pub(crate) struct Options {
    /// `None` takes the archive's owners.
    pub(crate) owner: Option<Owner>,
    pub(crate) mode: Option<Chmod>,
    pub(crate) line: u32,
    pub(crate) archive: String,
    pub(crate) bounds: Bounds,
    pub(crate) cancel: Cancel,
}

/// What becomes of an entry or a link that leads out of the folder where the archive is unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bounds {
    /// It stays in the root.
    Root,
    /// It is an error, as in Docker.
    Folder,
}

impl Options {
    /// For a build's context.
    pub(crate) fn context(cancel: &Cancel) -> Self {
        Self {
            owner: Some(Owner::ROOT),
            mode: None,
            line: 0,
            archive: "the build context".to_owned(),
            bounds: Bounds::Root,
            cancel: cancel.clone(),
        }
    }
}

/// Whether a file starts like an archive that `ADD` unpacks.
pub(crate) fn is_archive(file: File) -> io::Result<bool> {
    let mut start = Vec::new();
    let mut stream = match decompress(Box::new(file)) {
        Ok(stream) => stream,
        // Compressed in a way that we cannot undo: unpacking says so.
        Err(error) if error.kind() == io::ErrorKind::Unsupported => return Ok(true),
        Err(error) => return Err(error),
    };
    // Not what its first bytes promise: a plain file then.
    if stream.by_ref().take(512).read_to_end(&mut start).is_err() {
        return Ok(false);
    }
    Ok(start.get(257..262) == Some(b"ustar"))
}

/// What an xz archive may have the unpacker allocate, in KiB: the densest preset needs half of it, a header can ask for
/// gigabytes.
const XZ_MEMORY: u32 = 128 << 10;
/// The same for zstd, as a power of two of bytes: that of `zstd --ultra`.
const ZSTD_WINDOW: u32 = 27;

/// Reads through gzip, zstd or xz, whichever the stream begins with; anything else as it is.
///
/// # Errors
/// Those of reading the first bytes; `Unsupported` for bzip2.
pub fn decompress(stream: Box<dyn Read + Send>) -> io::Result<Box<dyn Read + Send>> {
    let mut stream = BufReader::with_capacity(64 << 10, stream);
    match stream.fill_buf()? {
        [0x1f, 0x8b, ..] => Ok(Box::new(flate2::bufread::MultiGzDecoder::new(stream))),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(stream)?;
            decoder.window_log_max(ZSTD_WINDOW)?;
            Ok(Box::new(decoder))
        }
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => {
            Ok(Box::new(lzma_rust2::XzReader::new_mem_limit(stream, true, XZ_MEMORY)))
        }
        [b'B', b'Z', b'h', b'1'..=b'9', b'1', b'A', ..] => {
            let text = "bzip2 compression is not supported: use gzip, xz or zstd";
            Err(io::Error::new(io::ErrorKind::Unsupported, text))
        }
        _ => Ok(Box::new(stream)),
    }
}

/// Unpacks an archive beneath `target`.
pub(crate) fn unpack(
    stream: Box<dyn Read + Send>,
    root: &RootDir,
    target: &Path,
    options: &Options,
) -> Result<(), Error> {
    let wrap = |entry: &Path, source: io::Error| Error::Archive {
        line: options.line,
        archive: options.archive.clone(),
        entry: entry.to_string_lossy().into_owned(),
        source,
    };
    let stream = decompress(stream).map_err(|e| wrap(Path::new(""), e))?;
    let mut archive = tar::Archive::new(stream);
    let mut folder_modes: Vec<(PathBuf, u32)> = Vec::new();
    for entry in archive.entries().map_err(|e| wrap(Path::new(""), e))? {
        let mut entry = entry.map_err(|e| wrap(Path::new(""), e))?;
        let name = entry.path().map_err(|e| wrap(Path::new(""), e))?.into_owned();
        let rel = clean(&name.to_string_lossy());
        if rel.as_os_str().is_empty() {
            continue;
        }
        if options.bounds == Bounds::Folder {
            check_bounds(&name, &entry).map_err(|e| wrap(&name, e))?;
        }
        let place = target.join(&rel);
        options.cancel.check().map_err(|e| wrap(&name, e))?;
        let mode = place_entry(&mut entry, root, target, &place, options).map_err(|e| wrap(&name, e))?;
        folder_modes.extend(mode.map(|mode| (place, mode)));
    }
    // Last, and the deepest first: a folder without permission to write would keep its own content out.
    for (place, mode) in folder_modes.iter().rev() {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        let handle = root.open(place, flags, Mode::empty()).map_err(|e| wrap(place, e))?;
        std::fs::set_permissions(handle_path(&handle), Permissions::from_mode(*mode))
            .map_err(|e| wrap(place, e))?;
    }
    Ok(())
}

/// An error for what would lead out of the folder.
fn check_bounds<R: Read>(name: &Path, entry: &tar::Entry<'_, R>) -> io::Result<()> {
    let outside = |what: &str, path: &Path| {
        io::Error::other(format!("{what} {:?} leads out of the folder", path.to_string_lossy()))
    };
    if leads_out(name) {
        return Err(outside("the path", name));
    }
    let Some(target) = entry.link_name()? else { return Ok(()) };
    let from = match entry.header().entry_type() {
        EntryType::Symlink => name.parent().unwrap_or(Path::new("")),
        EntryType::Link => Path::new(""),
        _ => return Ok(()),
    };
    let relative = target.strip_prefix("/").unwrap_or(&target);
    if leads_out(&from.join(relative)) { Err(outside("the link", &target)) } else { Ok(()) }
}

/// Whether a path, taken as text, goes above where it starts.
fn leads_out(path: &Path) -> bool {
    let mut depth = 0_usize;
    for component in path.components() {
        match component {
            Component::Normal(_) => depth += 1,
            Component::ParentDir => match depth.checked_sub(1) {
                Some(above) => depth = above,
                None => return true,
            },
            _ => {}
        }
    }
    false
}

/// Puts one entry in its place; the mode comes back for a folder.
fn place_entry<R: Read>(
    entry: &mut tar::Entry<'_, R>,
    root: &RootDir,
    target: &Path,
    place: &Path,
    options: &Options,
) -> io::Result<Option<u32>> {
    let invalid = || io::Error::from(io::ErrorKind::InvalidData);
    let header = entry.header();
    let number = |id: u64| u32::try_from(id).map_err(|_| invalid());
    let owner = match options.owner {
        Some(owner) => owner,
        None => Owner { uid: number(header.uid()?)?, gid: number(header.gid()?)? },
    };
    let mtime = i64::try_from(header.mtime()?).unwrap_or(0);
    let kind = header.entry_type();
    let mode = header.mode()? & 0o7777;
    let mode = options.mode.as_ref().map_or(mode, |chmod| chmod.apply(mode, kind == EntryType::Directory));
    // Only devices have numbers; other entries may have anything there.
    let part = |part: io::Result<Option<u32>>| part.ok().flatten().unwrap_or(0);
    let device = rustix::fs::makedev(part(header.device_major()), part(header.device_minor()));
    let name = place.file_name().ok_or_else(invalid)?;
    let parent = root.mkdir_all(place.parent().unwrap_or(Path::new("/")), Mode::from_raw_mode(0o755))?;
    let is_folder = |flags| root.open(place, OFlags::PATH | OFlags::DIRECTORY | flags, Mode::empty()).is_ok();
    if kind == EntryType::Directory {
        if !is_folder(OFlags::NOFOLLOW) {
            remove(&parent, name)?;
            rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(0o755))?;
        }
        set_owner(&parent, name, owner)?;
        return Ok(Some(mode));
    }
    remove(&parent, name)?;
    match kind {
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let mut file = File::from(rustix::fs::openat(&parent, name, flags, Mode::from_raw_mode(0o600))?);
            io::copy(entry, &mut file)?;
            std::os::unix::fs::fchown(&file, Some(owner.uid), Some(owner.gid))?;
            file.set_permissions(Permissions::from_mode(mode))?;
        }
        EntryType::Symlink => {
            rustix::fs::symlinkat(&*entry.link_name()?.ok_or_else(invalid)?, &parent, name)?;
            set_owner(&parent, name, owner)?;
        }
        EntryType::Link => {
            let source = target.join(clean(&entry.link_name()?.ok_or_else(invalid)?.to_string_lossy()));
            let folder = root.open(
                source.parent().unwrap_or(Path::new("/")),
                OFlags::PATH | OFlags::DIRECTORY,
                Mode::empty(),
            )?;
            let source = source.file_name().ok_or_else(invalid)?;
            rustix::fs::linkat(&folder, source, &parent, name, AtFlags::empty())?;
            return Ok(None);
        }
        EntryType::Fifo | EntryType::Char | EntryType::Block => {
            let file_type = match kind {
                EntryType::Fifo => FileType::Fifo,
                EntryType::Char => FileType::CharacterDevice,
                _ => FileType::BlockDevice,
            };
            rustix::fs::mknodat(&parent, name, file_type, Mode::from_raw_mode(mode), device)?;
            set_owner(&parent, name, owner)?;
            // Again, because the process's mask took some away.
            rustix::fs::chmodat(&parent, name, Mode::from_raw_mode(mode), AtFlags::empty())?;
        }
        _ => return Ok(None),
    }
    let time = Timespec { tv_sec: mtime, tv_nsec: 0 };
    let times = Timestamps { last_access: time, last_modification: time };
    rustix::fs::utimensat(&parent, name, &times, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(None)
}

fn set_owner(parent: &rustix::fd::OwnedFd, name: &std::ffi::OsStr, owner: Owner) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid));
    Ok(rustix::fs::chownat(parent, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?)
}

fn remove(parent: &rustix::fd::OwnedFd, name: &std::ffi::OsStr) -> io::Result<()> {
    match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
        // A folder makes room, with all that is in it.
        Err(rustix::io::Errno::ISDIR) => remove_folder(parent, name),
        Err(error) => Err(error.into()),
    }
}

fn remove_folder(parent: &rustix::fd::OwnedFd, name: &std::ffi::OsStr) -> io::Result<()> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = rustix::fs::openat(parent, name, flags, Mode::empty())?;
    // The path of a descriptor; the library follows no link beneath it.
    for entry in std::fs::read_dir(handle_path(&folder))? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            std::fs::remove_dir_all(entry.path())?;
        } else {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR)?)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn archive(entries: &[(EntryType, &str, &str)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (kind, name, content) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_mode(0o755);
            header.set_uid(0);
            header.set_gid(0);
            header.set_mtime(1);
            let raw = &mut header.as_gnu_mut().unwrap().name;
            raw[..name.len()].copy_from_slice(name.as_bytes());
            let body = if *kind == EntryType::Regular { content.as_bytes() } else { &[] };
            if *kind != EntryType::Regular && !content.is_empty() {
                header.set_link_name_literal(content).unwrap();
            }
            header.set_size(body.len() as u64);
            header.set_cksum();
            builder.append(&header, body).unwrap();
        }
        builder.into_inner().unwrap()
    }

    #[test]
    fn hostile_links_and_paths_stay_inside() {
        let dir = tempfile::tempdir().unwrap();
        let inside = dir.path().join("root");
        std::fs::create_dir(&inside).unwrap();
        let root = RootDir::open_host(&inside).unwrap();
        let bytes = archive(&[
            (EntryType::Symlink, "up", "../.."),
            (EntryType::Regular, "up/escaped", "x"),
            (EntryType::Regular, "../../dots", "x"),
            (EntryType::Directory, "d/", ""),
            (EntryType::Regular, "d/f", "text"),
            (EntryType::Link, "d/hard", "d/f"),
            (EntryType::Regular, "etc/passwd", "own"),
            (EntryType::Link, "d/up", "up/../etc/passwd"),
            (EntryType::Link, "d/root", "/etc/passwd"),
            (EntryType::Symlink, "d/link", "/etc/passwd"),
            (EntryType::Link, "d/tolink", "d/link"),
            (EntryType::Regular, "d/tolink", "new"),
        ]);
        unpack(
            Box::new(io::Cursor::new(bytes)),
            &root,
            Path::new("/"),
            &Options::context(&Cancel::default()),
        )
        .unwrap();
        assert!(!dir.path().join("escaped").exists() && !dir.path().join("dots").exists());
        assert!(inside.join("escaped").exists() && inside.join("dots").exists());
        let read = |name: &str| std::fs::read_to_string(inside.join(name)).unwrap();
        assert_eq!(["d/hard", "d/up", "d/root", "d/tolink"].map(read), ["text", "own", "own", "new"]);
    }

    #[test]
    fn reads_what_docker_reads() {
        let dir = tempfile::tempdir().unwrap();
        let plain = archive(&[(EntryType::Regular, "a", "text")]);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&plain).unwrap();
        let options = lzma_rust2::XzOptions::with_preset(6);
        let mut xz = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
        xz.write_all(&plain).unwrap();
        let xz = xz.finish().unwrap();
        let packed = [gzip.finish().unwrap(), zstd::encode_all(&plain[..], 1).unwrap(), xz.clone(), plain];
        for (number, bytes) in packed.into_iter().enumerate() {
            let file = dir.path().join("f");
            std::fs::write(&file, &bytes).unwrap();
            assert!(is_archive(File::open(&file).unwrap()).unwrap(), "{number}");
            let inside = dir.path().join(number.to_string());
            std::fs::create_dir(&inside).unwrap();
            let root = RootDir::open_host(&inside).unwrap();
            let options = Options::context(&Cancel::default());
            unpack(Box::new(io::Cursor::new(bytes)), &root, Path::new("/"), &options).unwrap();
            assert_eq!(std::fs::read_to_string(inside.join("a")).unwrap(), "text");
        }
        // Cut short, and with a byte changed.
        let mut damaged = xz.clone();
        damaged[40] ^= 0x55;
        for bytes in [xz[..xz.len() / 2].to_vec(), damaged] {
            let root = RootDir::open_host(dir.path()).unwrap();
            let options = Options::context(&Cancel::default());
            let failed = unpack(Box::new(io::Cursor::new(bytes)), &root, Path::new("/"), &options);
            assert!(matches!(failed, Err(Error::Archive { .. })));
        }
    }

    #[test]
    fn an_archive_may_not_ask_for_memory_without_bound() {
        let mut options = lzma_rust2::XzOptions::with_preset(0);
        options.lzma_options.dict_size = 256 << 20;
        let mut xz = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
        xz.write_all(&archive(&[(EntryType::Regular, "a", "text")])).unwrap();
        let mut stream = decompress(Box::new(io::Cursor::new(xz.finish().unwrap()))).unwrap();
        let error = stream.read_to_end(&mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("memory"), "{error}");
    }

    #[test]
    fn knows_archives_by_content() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f");
        std::fs::write(&file, archive(&[(EntryType::Regular, "a", "b")])).unwrap();
        assert!(is_archive(File::open(&file).unwrap()).unwrap());
        std::fs::write(&file, "just text").unwrap();
        assert!(!is_archive(File::open(&file).unwrap()).unwrap());
    }
}
