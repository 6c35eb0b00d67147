//! Writes a folder in overlayfs form as a layer's tar stream, always the same bytes for the same folder.
//!
//! The inverse of `unpack`. Entries are sorted by name; times are whole seconds, as Docker writes them; owners have
//! numbers only; only `security.capability` and `user.` attributes go in. Of files with several names the first in
//! order carries the data. Sockets are left out. The root folder itself is left out, as Docker does.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{File, Metadata};
use std::io::{self, Read as _, Write};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use rustix::fs as rfs;

use crate::error::{At as _, Error, Result};

const BLOCK: usize = 512;

/// Writes the tar stream of `dir` to `out`, and returns the sum of the sizes of files and symlinks.
pub(crate) fn pack(dir: &Path, out: &mut dyn Write) -> Result<u64> {
    let mut packer =
        Packer { out, root: dir.to_owned(), links: HashMap::new(), size: 0, buffer: vec![0; 256 << 10] };
    packer.folder(dir, b"")?;
    packer.write(&END)?;
    packer.out.flush().at("write tar stream of", dir)?;
    Ok(packer.size)
}

/// The header of a plain file of an archive; `name` has at most 100 bytes.
pub(crate) fn file_header(name: &str, size: u64) -> [u8; BLOCK] {
    Header { name: name.as_bytes(), flag: b'0', mode: 0o644, size, ..Header::default() }.block()
}

/// The zeros that fill the last block of a file of `size` bytes.
pub(crate) fn file_padding(size: u64) -> &'static [u8] {
    let over = usize::try_from(size % BLOCK as u64).unwrap_or(0);
    if over == 0 { &[] } else { &[0u8; BLOCK][over..] }
}

/// The two zero blocks at the end of an archive.
pub(crate) const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

struct Packer<'a> {
    out: &'a mut dyn Write,
    root: PathBuf,
    /// First name of each file with several.
    links: HashMap<(u64, u64), Vec<u8>>,
    size: u64,
    buffer: Vec<u8>,
}

/// What goes into one header.
#[derive(Default)]
struct Header<'a> {
    name: &'a [u8],
    link: &'a [u8],
    flag: u8,
    mode: u32,
    uid: u32,
    gid: u32,
    size: u64,
    mtime: i64,
    device: Option<(u32, u32)>,
    xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Packer<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes).at("write tar stream of", &self.root)
    }

    fn folder(&mut self, dir: &Path, prefix: &[u8]) -> Result<()> {
        let mut names: Vec<OsString> = Vec::new();
        for entry in std::fs::read_dir(dir).at("list", dir)? {
            names.push(entry.at("list", dir)?.file_name());
        }
        names.sort_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
        for name in names {
            let path = dir.join(&name);
            let full = [prefix, name.as_bytes()].concat();
            self.entry(&path, &full)?;
        }
        Ok(())
    }

    fn entry(&mut self, path: &Path, name: &[u8]) -> Result<()> {
        let meta = path.symlink_metadata().at("stat", path)?;
        let kind = meta.file_type();
        if kind.is_char_device() && meta.rdev() == 0 {
            return self.marker(name, b".wh.");
        }
        if kind.is_socket() {
            return Ok(());
        }
        if kind.is_dir() {
            return self.folder_entry(path, name, &meta);
        }
        let mut header = Header::of(&meta, name);
        header.xattrs = xattrs(path)?;
        if meta.nlink() > 1 {
            if let Some(first) = self.links.get(&(meta.dev(), meta.ino())) {
                let first = first.clone();
                return self.header(&Header {
                    link: &first,
                    flag: b'1',
                    size: 0,
                    xattrs: Vec::new(),
                    ..header
                });
            }
            self.links.insert((meta.dev(), meta.ino()), name.to_vec());
        }
        if kind.is_file() {
            header.flag = b'0';
            header.size = meta.len();
            self.header(&header)?;
            return self.data(path, meta.len());
        }
        let target;
        if kind.is_symlink() {
            target = std::fs::read_link(path).at("read link", path)?.into_os_string().into_vec();
            header.flag = b'2';
            header.link = &target;
            self.size += meta.len();
        } else if kind.is_fifo() {
            header.flag = b'6';
        } else {
            header.flag = if kind.is_char_device() { b'3' } else { b'4' };
            header.device = Some((rfs::major(meta.rdev()), rfs::minor(meta.rdev())));
        }
        self.header(&header)
    }

    fn folder_entry(&mut self, path: &Path, name: &[u8], meta: &Metadata) -> Result<()> {
        let inside = [name, b"/"].concat();
        let mut header = Header::of(meta, &inside);
        header.flag = b'5';
        header.xattrs = xattrs(path)?;
        self.header(&header)?;
        if is_opaque(path)? {
            self.marker(&[inside.as_slice(), b".wh..opq"].concat(), b".wh.")?;
        }
        self.folder(path, &inside)
    }

    /// An empty file whose name says what is hidden: `prefix` goes in front of the last component.
    fn marker(&mut self, name: &[u8], prefix: &[u8]) -> Result<()> {
        let cut = name.iter().rposition(|b| *b == b'/').map_or(0, |i| i + 1);
        let name = [&name[..cut], prefix, &name[cut..]].concat();
        self.header(&Header { name: &name, flag: b'0', ..Header::default() })
    }

    /// Exactly `len` bytes of the file, whatever happens to it meanwhile.
    fn data(&mut self, path: &Path, len: u64) -> Result<()> {
        let mut file = File::open(path).at("open", path)?;
        let mut left = len;
        while left > 0 {
            let want = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len());
            let n = file.read(&mut self.buffer[..want]).at("read", path)?;
            if n == 0 {
                return Err(io::Error::other("it became shorter while being read")).at("read", path);
            }
            self.out.write_all(&self.buffer[..n]).at("write tar stream of", &self.root)?;
            left -= n as u64;
        }
        self.size += len;
        self.pad(len)
    }

    fn pad(&mut self, len: u64) -> Result<()> {
        self.write(file_padding(len))
    }

    fn header(&mut self, h: &Header<'_>) -> Result<()> {
        let mut records = Vec::new();
        let plain = |text: &[u8]| text.len() <= 100 && text.is_ascii();
        if !plain(h.name) {
            record(&mut records, b"path", h.name);
        }
        if !plain(h.link) {
            record(&mut records, b"linkpath", h.link);
        }
        for (key, n, max) in [
            (&b"size"[..], h.size, 0o777_7777_7777),
            (b"uid", u64::from(h.uid), 0o777_7777),
            (b"gid", u64::from(h.gid), 0o777_7777),
        ] {
            if n > max {
                record(&mut records, key, n.to_string().as_bytes());
            }
        }
        if !(0..=0o777_7777_7777).contains(&h.mtime) {
            record(&mut records, b"mtime", h.mtime.to_string().as_bytes());
        }
        for (key, value) in &h.xattrs {
            record(&mut records, &[b"SCHILY.xattr.", key.as_slice()].concat(), value);
        }
        if !records.is_empty() {
            let pax = Header {
                name: b"PaxHeaders.0",
                flag: b'x',
                mode: 0o644,
                size: records.len() as u64,
                ..Header::default()
            };
            self.write(&pax.block())?;
            self.write(&records)?;
            self.pad(records.len() as u64)?;
        }
        self.write(&h.block())
    }
}

impl<'a> Header<'a> {
    fn of(meta: &Metadata, name: &'a [u8]) -> Self {
        Self {
            name,
            mode: meta.mode() & 0o7777,
            uid: meta.uid(),
            gid: meta.gid(),
            mtime: meta.mtime(),
            ..Self::default()
        }
    }

    fn block(&self) -> [u8; BLOCK] {
        let mut b = [0u8; BLOCK];
        put(&mut b[..100], self.name);
        octal(&mut b[100..108], u64::from(self.mode));
        octal(&mut b[108..116], u64::from(self.uid));
        octal(&mut b[116..124], u64::from(self.gid));
        octal(&mut b[124..136], self.size);
        octal(&mut b[136..148], u64::try_from(self.mtime).unwrap_or(0));
        b[156] = self.flag;
        put(&mut b[157..257], self.link);
        put(&mut b[257..265], b"ustar\x0000");
        let (major, minor) = self.device.unwrap_or_default();
        octal(&mut b[329..337], u64::from(major));
        octal(&mut b[337..345], u64::from(minor));
        b[148..156].fill(b' ');
        let sum: u64 = b.iter().map(|x| u64::from(*x)).sum();
        octal(&mut b[148..155], sum);
        b
    }
}

fn put(field: &mut [u8], text: &[u8]) {
    let n = text.len().min(field.len());
    field[..n].copy_from_slice(&text[..n]);
}

/// Octal digits that fill the field but for a NUL at its end; 0 when the number does not fit (PAX has it then).
fn octal(field: &mut [u8], n: u64) {
    let digits = field.len() - 1;
    let text = format!("{n:0digits$o}");
    let text = if text.len() > digits { "0".repeat(digits) } else { text };
    put(field, text.as_bytes());
}

/// Appends `LEN KEY=VALUE\n`, LEN counting itself.
fn record(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut len = rest + 1;
    while len != rest + len.to_string().len() {
        len = rest + len.to_string().len();
    }
    out.extend_from_slice(format!("{len} ").as_bytes());
    out.extend_from_slice(key);
    out.push(b'=');
    out.extend_from_slice(value);
    out.push(b'\n');
}

fn is_opaque(path: &Path) -> Result<bool> {
    let mut value = [0u8; 4];
    for name in ["trusted.overlay.opaque", "user.overlay.opaque"] {
        match rfs::lgetxattr(path, name, &mut value[..]) {
            Ok(n) => return Ok(value[..n] == *b"y"),
            Err(rustix::io::Errno::NODATA | rustix::io::Errno::OPNOTSUPP) => {}
            Err(e) => return Err(e).at("read attributes of", path),
        }
    }
    Ok(false)
}

/// The attributes that belong to the layer, sorted by name.
fn xattrs(path: &Path) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut names = vec![0u8; 1024];
    let len = loop {
        match rfs::llistxattr(path, names.as_mut_slice()) {
            Ok(n) => break n,
            Err(rustix::io::Errno::RANGE) => names.resize(names.len() * 4, 0),
            Err(rustix::io::Errno::OPNOTSUPP) => return Ok(Vec::new()),
            Err(e) => return Err(e).at("list attributes of", path),
        }
    };
    let mut out = Vec::new();
    for name in names[..len].split(|b| *b == 0).filter(|n| !n.is_empty()) {
        if name.ends_with(b".overlay.redirect") || name.ends_with(b".overlay.metacopy") {
            return Err(Error::BadLayer {
                layer: path.display().to_string(),
                entry: String::from_utf8_lossy(name).into_owned(),
                problem: "an overlay folder made with redirect_dir or metacopy is no layer".to_owned(),
                source: None,
            });
        }
        let keep = name == b"security.capability"
            || (name.starts_with(b"user.") && !name.starts_with(b"user.overlay."));
        if keep {
            let mut value = vec![0u8; 64 << 10];
            let n = rfs::lgetxattr(path, name, value.as_mut_slice()).at("read attributes of", path)?;
            value.truncate(n);
            out.push((name.to_vec(), value));
        }
    }
    out.sort();
    Ok(out)
}
