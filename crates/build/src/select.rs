//! What `COPY` and `ADD` copy: patterns become trees of entries, each with the digest of its content.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use tare_oci::Hasher;
use tare_sys::root::RootDir;

use crate::cache::{Cache, FileFacts, FileStamp, KeyHasher};
use crate::io_at::At as _;
use crate::place::{clean, handle_path};
use crate::sources::{Origin, SourceRoot};
use crate::{Cancel, Error, Excluded};
use tare_dockerfile::glob::{DoubleStar, Glob, is_pattern};
use tare_dockerfile::ignore::{Ignore, Verdict};

/// One file or folder that a source names.
pub(crate) struct Selected {
    /// The file, or the folder.
    handle: RootDir,
    /// Its own name.
    pub(crate) name: OsString,
    /// Its path in the source root.
    pub(crate) source: PathBuf,
    pub(crate) is_folder: bool,
    /// The folder's own.
    pub(crate) mtime: (i64, i64),
    /// The file itself with an empty path, or everything beneath the folder, parents first.
    pub(crate) entries: Vec<Entry>,
}

impl Selected {
    /// Opens a file of it. What lies on the way was no link when it was found, and must be none now.
    pub(crate) fn open(&self, entry: &Entry) -> std::io::Result<File> {
        // NONBLOCK: a FIFO that has taken the file's place must not stop the build.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = if entry.rel.as_os_str().is_empty() {
            rustix::fs::open(handle_path(&self.handle), flags, Mode::empty())?
        } else {
            self.handle.open_unlinked(&entry.rel, flags)?
        };
        if FileType::from_raw_mode(rustix::fs::fstat(&opened)?.st_mode).is_file() {
            return Ok(File::from(opened));
        }
        Err(std::io::Error::other("it is no longer a file"))
    }
}

/// One thing to copy.
pub(crate) struct Entry {
    pub(crate) rel: PathBuf,
    pub(crate) kind: Kind,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) mtime: (i64, i64),
    /// Device and inode, if it has several names.
    pub(crate) linked: Option<(u64, u64)>,
    stamp: FileStamp,
    pub(crate) facts: Option<FileFacts>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Folder,
    Symlink(PathBuf),
    Fifo,
    Socket,
    Device(u64),
}

/// Finds what one source names. Empty if there is nothing.
pub(crate) fn select(source: &SourceRoot, pattern: &str, exclude: &Ignore) -> Result<Vec<Selected>, Error> {
    let filter = Filter { ignore: &source.ignore, exclude };
    let mut found = Vec::new();
    for path in matching_paths(source, pattern, DoubleStar::Plain)? {
        if let Some(selected) = open_selected(source, &path, &filter)? {
            found.push(selected);
        }
    }
    Ok(found)
}

/// Finds what one source of `COPY --parents` names: `**` stands for any folders, and what is before `/./` does not become
/// part of the target.
pub(crate) fn select_with_parents(
    source: &SourceRoot,
    pattern: &str,
    exclude: &Ignore,
) -> Result<Vec<Selected>, Error> {
    // At the very beginning it only says «here».
    let (before, _) = pattern.trim_start_matches("./").split_once("/./").unwrap_or_default();
    let depth = clean(before).components().count();
    let filter = Filter { ignore: &source.ignore, exclude };
    let mut found = Vec::new();
    for path in matching_paths(source, pattern, DoubleStar::Deep)? {
        if let Some(mut selected) = open_selected(source, &path, &filter)? {
            selected.source = selected.source.components().skip(depth).collect();
            found.push(selected);
        }
    }
    Ok(found)
}

struct Filter<'a> {
    ignore: &'a Ignore,
    exclude: &'a Ignore,
}

impl Filter<'_> {
    fn keeps(&self, path: &str) -> bool {
        self.ignore.verdict(path) == Verdict::Included
    }

    /// Whether `--exclude` keeps it out, by its path in the folder that is copied.
    fn excludes(&self, rel: &str) -> bool {
        self.exclude.verdict(rel) != Verdict::Included
    }
}

fn in_root(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}

fn matching_paths(source: &SourceRoot, pattern: &str, stars: DoubleStar) -> Result<Vec<PathBuf>, Error> {
    let mut paths = vec![PathBuf::new()];
    for part in clean(pattern).components() {
        let part = part.as_os_str();
        let text = part.to_string_lossy();
        if text == "**" && stars == DoubleStar::Deep {
            let mut deep = Vec::new();
            paths.iter().for_each(|path| add_folders(source, path, &mut deep));
            paths = deep;
            continue;
        }
        if !is_pattern(&text) {
            for path in &mut paths {
                path.push(part);
            }
            continue;
        }
        let Some(glob) = Glob::new(&text, DoubleStar::Plain) else { return Ok(Vec::new()) };
        let mut next = Vec::new();
        for path in paths {
            // A part that is no folder, or not there, matches nothing.
            let Ok(handle) = source.root.locate(in_root(&path)) else { continue };
            let Ok(entries) = std::fs::read_dir(handle_path(&handle)) else { continue };
            let mut names: Vec<OsString> =
                entries.filter_map(|entry| Some(entry.ok()?.file_name())).collect();
            names.sort();
            next.extend(names.iter().filter(|n| glob.matches(&n.to_string_lossy())).map(|n| path.join(n)));
        }
        paths = next;
    }
    Ok(paths)
}

/// Adds a folder and all that are beneath it.
fn add_folders(source: &SourceRoot, path: &Path, found: &mut Vec<PathBuf>) {
    let Ok(handle) = source.root.locate(in_root(path)) else { return };
    let Ok(entries) = std::fs::read_dir(handle_path(&handle)) else { return };
    found.push(path.to_owned());
    // Links are not followed: they could lead round in a circle.
    let is_folder = |entry: &std::fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    let mut names: Vec<OsString> =
        entries.flatten().filter(is_folder).map(|entry| entry.file_name()).collect();
    names.sort();
    names.iter().for_each(|name| add_folders(source, &path.join(name), found));
}

fn open_selected(source: &SourceRoot, path: &Path, filter: &Filter<'_>) -> Result<Option<Selected>, Error> {
    let handle = match source.root.locate(in_root(path)) {
        Ok(handle) => handle,
        Err(error)
            if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(error).at("open", path),
    };
    let stat = rustix::fs::fstat(&handle).map_err(std::io::Error::from).at("look at", path)?;
    let handle = RootDir::new(handle);
    let named = path.to_string_lossy();
    // What a link leads to is not there either, if it is ignored.
    let text = real_path(source, &handle).unwrap_or_else(|| named.clone().into_owned());
    if text != named && !filter.keeps(&named) {
        return Ok(None);
    }
    let is_folder = FileType::from_raw_mode(stat.st_mode).is_dir();
    let mut entries = Vec::new();
    if is_folder {
        walk(&handle, Path::new(""), &text, filter, &mut entries)?;
        let hidden = !path.as_os_str().is_empty() && !filter.keeps(&text);
        if hidden && entries.is_empty() {
            return Ok(None);
        }
    } else {
        if !filter.keeps(&text) {
            return Ok(None);
        }
        entries.extend(entry(PathBuf::new(), &stat, None));
    }
    let name = path.file_name().unwrap_or_default().to_owned();
    let mtime = (stat.st_mtime, i64::try_from(stat.st_mtime_nsec).unwrap_or(0));
    Ok(Some(Selected { handle, name, source: path.to_owned(), is_folder, mtime, entries }))
}

/// The path of what was opened in a folder of the host, without a link in it.
fn real_path(source: &SourceRoot, opened: &RootDir) -> Option<String> {
    let Origin::Host(root) = &source.origin else { return None };
    let found = std::fs::read_link(handle_path(opened)).ok()?;
    found.strip_prefix(root).ok().map(|rel| rel.to_string_lossy().into_owned())
}

fn walk(
    root: &RootDir,
    rel: &Path,
    source: &str,
    filter: &Filter<'_>,
    found: &mut Vec<Entry>,
) -> Result<(), Error> {
    for child in children(root, rel).at("list", Path::new(source))? {
        let rel = rel.join(&child.name);
        let shown = child.name.to_string_lossy();
        let source = if source.is_empty() { shown.into_owned() } else { format!("{source}/{shown}") };
        let shown_rel = rel.to_string_lossy();
        let is_excluded = filter.excludes(&shown_rel);
        let keeps = filter.keeps(&source) && !is_excluded;
        let may_keep_beneath = (filter.keeps(&source) || filter.ignore.may_let_in_beneath(&source))
            && (!is_excluded || filter.exclude.may_let_in_beneath(&shown_rel));
        let is_folder = FileType::from_raw_mode(child.stat.st_mode).is_dir();
        if !is_folder {
            if keeps {
                found.extend(entry(rel, &child.stat, child.link));
            }
            continue;
        }
        if !keeps && !may_keep_beneath {
            continue;
        }
        let before = found.len();
        found.extend(entry(rel.clone(), &child.stat, None));
        walk(root, &rel, &source, filter, found)?;
        // A folder that is kept out comes along only for what it holds.
        if !keeps && found.len() == before + 1 {
            found.pop();
        }
    }
    Ok(())
}

/// What a folder holds.
struct Child {
    name: OsString,
    stat: Stat,
    /// Where a link points to.
    link: Option<PathBuf>,
}

/// Lists a folder by name. Nothing of it stays open, so that trees may be deep.
fn children(root: &RootDir, rel: &Path) -> std::io::Result<Vec<Child>> {
    let folder = root.open_unlinked(in_root(rel), OFlags::RDONLY | OFlags::DIRECTORY)?;
    let mut children = Vec::new();
    for listed in Dir::read_from(&folder)? {
        let listed = listed?;
        let name = listed.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let stat = rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let link = if FileType::from_raw_mode(stat.st_mode).is_symlink() {
            let target = rustix::fs::readlinkat(&folder, name, Vec::new())?;
            Some(PathBuf::from(OsString::from_vec(target.into_bytes())))
        } else {
            None
        };
        children.push(Child { name: OsString::from_vec(name.to_bytes().to_vec()), stat, link });
    }
    children.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(children)
}

/// None for what cannot be copied.
fn entry(rel: PathBuf, stat: &Stat, link: Option<PathBuf>) -> Option<Entry> {
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Folder,
        FileType::Symlink => Kind::Symlink(link?),
        FileType::Fifo => Kind::Fifo,
        FileType::BlockDevice | FileType::CharacterDevice => Kind::Device(stat.st_rdev),
        // A socket means nothing without its process: BuildKit makes an empty file of it.
        FileType::Socket => Kind::Socket,
        FileType::Unknown => return None,
    };
    let rest = |nanoseconds: u64| i64::try_from(nanoseconds).unwrap_or(0);
    let (mtime, ctime) =
        ((stat.st_mtime, rest(stat.st_mtime_nsec)), (stat.st_ctime, rest(stat.st_ctime_nsec)));
    let nanoseconds =
        |(seconds, rest): (i64, i64)| seconds.saturating_mul(1_000_000_000).saturating_add(rest);
    let stamp = FileStamp {
        device: stat.st_dev,
        inode: stat.st_ino,
        size: u64::try_from(stat.st_size).unwrap_or(0),
        mtime: nanoseconds(mtime),
        ctime: nanoseconds(ctime),
    };
    Some(Entry {
        rel,
        kind,
        mode: stat.st_mode,
        uid: stat.st_uid,
        gid: stat.st_gid,
        mtime,
        linked: (stat.st_nlink > 1).then_some((stat.st_dev, stat.st_ino)),
        stamp,
        facts: None,
    })
}

/// Fills in the digests of all files, from the cache where it knows them.
pub(crate) fn hash_files(
    selected: &mut [Selected],
    source: &SourceRoot,
    cache: &Cache,
    cancel: &Cancel,
) -> Result<(), Error> {
    let _span = tracing::debug_span!("hash files").entered();
    let remember = matches!(source.origin, Origin::Host(_));
    // A file changed just now may change again within the same tick of the clock.
    let fresh = SystemTime::now()
        .checked_sub(Duration::from_millis(100))
        .and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok())
        .and_then(|since| i64::try_from(since.as_nanos()).ok())
        .unwrap_or(0);
    let mut learnt = Vec::new();
    for one in selected {
        for index in 0..one.entries.len() {
            let entry = &one.entries[index];
            if entry.kind != Kind::File {
                continue;
            }
            let known = if remember { cache.file(&entry.stamp)? } else { None };
            let facts = match known {
                Some(facts) => facts,
                None => {
                    cancel.check().at("read", one.source.join(&entry.rel))?;
                    let facts =
                        one.open(entry).and_then(read_facts).at("read", one.source.join(&entry.rel))?;
                    if remember && entry.stamp.ctime < fresh {
                        learnt.push((entry.stamp, facts));
                    }
                    facts
                }
            };
            one.entries[index].facts = Some(facts);
        }
    }
    if learnt.is_empty() { Ok(()) } else { cache.put_files(&learnt) }
}

fn read_facts(mut file: File) -> std::io::Result<FileFacts> {
    let mut hasher = Hasher::new();
    let mut buffer = vec![0_u8; 128 << 10];
    let mut crlf_script = None;
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(FileFacts { digest: hasher.finish(), crlf_script: crlf_script.unwrap_or(false) });
        }
        let first_line = buffer[..read].split(|byte| *byte == b'\n').next().unwrap_or_default();
        crlf_script.get_or_insert(first_line.starts_with(b"#!") && first_line.ends_with(b"\r"));
        hasher.update(&buffer[..read]);
    }
}

/// Adds to a key what would be copied: names, content, permissions, and owners where these are kept.
pub(crate) fn add_to_key(key: &mut KeyHasher, selected: &[Selected], source: &SourceRoot) {
    use std::os::unix::ffi::OsStrExt as _;
    for one in selected {
        key.field(one.name.as_bytes()).field([u8::from(one.is_folder)]);
        for entry in &one.entries {
            key.field(entry.rel.as_os_str().as_bytes()).field(entry.mode.to_le_bytes());
            if source.origin == Origin::Layers {
                key.field(entry.uid.to_le_bytes()).field(entry.gid.to_le_bytes());
            }
            match (&entry.kind, &entry.facts) {
                (Kind::Symlink(target), _) => key.field(target.as_os_str().as_bytes()),
                (Kind::Device(number), _) => key.field(number.to_le_bytes()),
                (_, Some(facts)) => key.digest(&facts.digest),
                (_, None) => key.field(""),
            };
        }
    }
}

/// Why a source was not found: the rule that keeps it out, or names that are alike.
pub(crate) fn explain_missing(source: &SourceRoot, pattern: &str, line: u32) -> Error {
    let path = clean(pattern);
    let text = path.to_string_lossy().into_owned();
    let excluded = match (source.root.locate(in_root(&path)), source.ignore.verdict(&text)) {
        (Ok(_), Verdict::Excluded { line, pattern }) => {
            let file = source.ignore.file().to_owned();
            Some(Box::new(Excluded { file, line, pattern }))
        }
        _ => None,
    };
    let near = if excluded.is_none() { near_names(source, &path) } else { Vec::new() };
    Error::SourceNotFound { line, path: pattern.to_owned(), place: source.place.clone(), excluded, near }
}

fn near_names(source: &SourceRoot, path: &Path) -> Vec<String> {
    let (Some(name), parent) = (path.file_name(), path.parent().unwrap_or(Path::new(""))) else {
        return Vec::new();
    };
    let name = name.to_string_lossy().to_lowercase();
    let Ok(handle) = source.root.locate(in_root(parent)) else { return Vec::new() };
    let Ok(entries) = std::fs::read_dir(handle_path(&handle)) else { return Vec::new() };
    let stem = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
    let alike = |other: &str| {
        let other = other.to_lowercase();
        other == name
            || nearly_equal(&other, &name)
            || (stem(&other) == stem(&name) && !stem(&name).is_empty())
    };
    let mut near: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|other| alike(other))
        .map(|other| parent.join(other).to_string_lossy().into_owned())
        .collect();
    near.sort();
    near.truncate(3);
    near
}

/// Whether two names differ by a letter or two, replaced, left out or added: one for each three at most.
fn nearly_equal(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let best = (diagonal + usize::from(x != y)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], best);
        }
    }
    row[b.len()] <= (a.len().min(b.len()) / 3).min(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> (tempfile::TempDir, SourceRoot) {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["src/deep", "docs"] {
            std::fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        for (file, text) in [
            ("a.txt", "a"),
            ("b.txt", "b"),
            ("src/m.py", "#!/bin/sh\r\n"),
            ("src/deep/x", "x"),
            ("docs/k", "k"),
        ] {
            std::fs::write(dir.path().join(file), text).unwrap();
        }
        std::os::unix::fs::symlink("/etc/passwd", dir.path().join("src/link")).unwrap();
        std::os::unix::fs::symlink("../../../../etc", dir.path().join("out")).unwrap();
        let ignore = Ignore::parse(".dockerignore", "b.txt\ndocs\n!docs/k\n");
        let source = SourceRoot::host(dir.path(), ignore).unwrap();
        (dir, source)
    }

    fn names(source: &SourceRoot, pattern: &str) -> Vec<String> {
        let selected = select(source, pattern, &Ignore::default()).unwrap();
        let join = |s: &Selected, e: &Entry| {
            s.source.join(&e.rel).to_string_lossy().trim_end_matches('/').to_owned()
        };
        selected.iter().flat_map(|s| s.entries.iter().map(move |e| join(s, e))).collect()
    }

    #[test]
    fn patterns_folders_and_ignored_files() {
        let (_dir, source) = tree();
        assert_eq!(names(&source, "*.txt"), ["a.txt"]);
        assert_eq!(names(&source, "./src/"), ["src/deep", "src/deep/x", "src/link", "src/m.py"]);
        assert_eq!(names(&source, "../../a.txt"), ["a.txt"]);
        assert!(names(&source, ".").contains(&"docs/k".to_owned()));
        assert!(names(&source, "out/passwd").is_empty(), "a symlink must not lead out of the context");
        let Error::SourceNotFound { excluded: Some(rule), .. } = explain_missing(&source, "b.txt", 3) else {
            panic!("not explained")
        };
        assert_eq!(rule.line, 1);
        let Error::SourceNotFound { near, .. } = explain_missing(&source, "a.tx", 3) else { panic!() };
        assert_eq!(near, ["a.txt"]);
    }

    #[test]
    fn what_is_swapped_for_a_link_leads_nowhere() {
        let (dir, source) = tree();
        let selected = select(&source, "src", &Ignore::default()).unwrap().remove(0);
        let [folder, file] = ["deep/x", "m.py"]
            .map(|name| selected.entries.iter().find(|entry| entry.rel == Path::new(name)).unwrap());
        assert!(selected.open(folder).is_ok() && selected.open(file).is_ok());
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("x"), "secret").unwrap();
        let src = dir.path().join("src");
        std::fs::rename(src.join("deep"), src.join("away")).unwrap();
        std::os::unix::fs::symlink(outside.path(), src.join("deep")).unwrap();
        std::fs::remove_file(src.join("m.py")).unwrap();
        std::os::unix::fs::symlink(outside.path().join("x"), src.join("m.py")).unwrap();
        assert!(selected.open(folder).is_err() && selected.open(file).is_err());
        assert!(children(&selected.handle, Path::new("deep")).is_err());
        std::fs::remove_file(src.join("m.py")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, src.join("m.py"), Mode::RWXU).unwrap();
        assert!(selected.open(file).is_err());
    }

    #[test]
    fn keys_follow_content() {
        let (dir, source) = tree();
        let cache_dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(cache_dir.path()).unwrap();
        let key = || {
            let mut selected = select(&source, "src", &Ignore::default()).unwrap();
            hash_files(&mut selected, &source, &cache, &Cancel::default()).unwrap();
            assert!(selected[0].entries.iter().any(|e| e.facts.is_some_and(|f| f.crlf_script)));
            let mut key = KeyHasher::new("t");
            add_to_key(&mut key, &selected, &source);
            key.finish()
        };
        let first = key();
        assert_eq!(key(), first);
        std::fs::write(dir.path().join("src/deep/x"), "y").unwrap();
        assert_ne!(key(), first);
    }
}
