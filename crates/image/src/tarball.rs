//! Reads tar streams: ustar, GNU (long names, sparse, base-256 numbers) and PAX.
//!
//! Our own reader, because the `tar` crate 0.4 splits PAX records at line ends: a `SCHILY.xattr.security.capability`
//! whose binary value holds the byte 0x0a (CAP_DAC_OVERRIDE with CAP_FOWNER) makes it refuse the whole archive.

use std::io::{self, BufRead, Read};

const BLOCK: usize = 512;
/// Longest name or PAX header taken; beyond it an archive is hostile.
const MAX_META: u64 = 1 << 20;
/// The kernel's largest file.
const MAX_SIZE: u64 = u64::MAX >> 1;
/// Most segments of a sparse file.
const MAX_SEGMENTS: usize = 1 << 16;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Hardlink,
    Symlink,
    Char,
    Block,
    Dir,
    Fifo,
}

/// One entry, with PAX and GNU extensions applied.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) path: Vec<u8>,
    pub(crate) kind: Kind,
    pub(crate) link: Vec<u8>,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) mtime: (i64, u32),
    /// Size of the file when unpacked.
    pub(crate) size: u64,
    pub(crate) device: (u32, u32),
    pub(crate) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// For a sparse file: offset and length of each run of data, in order.
    pub(crate) segments: Option<Vec<(u64, u64)>>,
}

/// A tar stream being read.
pub(crate) struct Reader<R> {
    inner: R,
    /// Data of the current entry not yet read.
    remaining: u64,
    /// Padding behind it.
    padding: u64,
}

/// The current entry's data as a stream.
pub(crate) struct Data<'a, R>(pub(crate) &'a mut Reader<R>);

impl<R: BufRead> Read for Data<'_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let data = self.0.data()?;
        let n = data.len().min(buf.len());
        buf[..n].copy_from_slice(&data[..n]);
        self.0.consume(n);
        Ok(n)
    }
}

#[derive(Default, Clone)]
struct Extensions {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    records: Vec<(Vec<u8>, Vec<u8>)>,
}

fn bad(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

impl<R: BufRead> Reader<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self { inner, remaining: 0, padding: 0 }
    }

    /// The next entry; what is left of the current one is skipped.
    pub(crate) fn next(&mut self) -> io::Result<Option<Entry>> {
        let mut ext = Extensions::default();
        loop {
            self.skip_rest()?;
            let Some(header) = self.header()? else { return Ok(None) };
            let size = number(&header[124..136])?;
            match header[156] {
                b'L' => ext.path = Some(until_nul(&self.meta(size)?)),
                b'K' => ext.link = Some(until_nul(&self.meta(size)?)),
                b'x' => ext.records = parse_pax(&self.meta(size)?)?,
                // Global records only carry comments (git archive) in practice.
                b'g' => drop(self.meta(size)?),
                flag => match self.entry(&header, flag, size, ext)? {
                    Some(entry) => return Ok(Some(entry)),
                    None => ext = Extensions::default(),
                },
            }
        }
    }

    /// Some of the current entry's data; empty at its end. Follow with [`Reader::consume`].
    pub(crate) fn data(&mut self) -> io::Result<&[u8]> {
        if self.remaining == 0 {
            return Ok(&[]);
        }
        let buf = self.inner.fill_buf()?;
        if buf.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let take = usize::try_from(self.remaining).unwrap_or(usize::MAX).min(buf.len());
        Ok(&buf[..take])
    }

    /// Marks `n` bytes of [`Reader::data`] as read.
    pub(crate) fn consume(&mut self, n: usize) {
        self.inner.consume(n);
        self.remaining -= n as u64;
    }

    /// Reads on to the very end of the stream, behind the end-of-archive blocks, so that it is hashed in full.
    pub(crate) fn drain(mut self) -> io::Result<R> {
        loop {
            let n = self.inner.fill_buf()?.len();
            if n == 0 {
                return Ok(self.inner);
            }
            self.inner.consume(n);
        }
    }

    fn skip_rest(&mut self) -> io::Result<()> {
        let mut left = self.remaining + self.padding;
        while left > 0 {
            let n = self.inner.fill_buf()?.len();
            if n == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let take = usize::try_from(left).unwrap_or(usize::MAX).min(n);
            self.inner.consume(take);
            left -= take as u64;
        }
        (self.remaining, self.padding) = (0, 0);
        Ok(())
    }

    /// The next header block; `None` at the end of the archive, marked or not.
    fn header(&mut self) -> io::Result<Option<[u8; BLOCK]>> {
        if self.inner.fill_buf()?.is_empty() {
            return Ok(None);
        }
        let mut block = [0u8; BLOCK];
        self.inner.read_exact(&mut block)?;
        if block.iter().all(|b| *b == 0) {
            return Ok(None);
        }
        let stored = number(&block[148..156])?;
        let sum: u64 = block
            .iter()
            .enumerate()
            .map(|(i, b)| if (148..156).contains(&i) { 32 } else { u64::from(*b) })
            .sum();
        if stored != sum {
            return Err(bad("not a tar header (checksum)"));
        }
        Ok(Some(block))
    }

    fn meta(&mut self, size: u64) -> io::Result<Vec<u8>> {
        if size > MAX_META {
            return Err(bad("a name or extended header is longer than 1 MiB"));
        }
        let mut out = Vec::new();
        (&mut self.inner).take(size).read_to_end(&mut out)?;
        if out.len() as u64 != size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.padding = padding(size);
        Ok(out)
    }

    fn entry(
        &mut self,
        header: &[u8; BLOCK],
        flag: u8,
        size: u64,
        ext: Extensions,
    ) -> io::Result<Option<Entry>> {
        let mut entry = basic(header, ext.path, ext.link)?;
        let mut data_size = size;
        let mut sparse = Sparse::default();
        for (key, value) in ext.records {
            apply_pax(&mut entry, &mut data_size, &mut sparse, &key, value)?;
        }
        if let Some(name) = sparse.name.take() {
            entry.path = name;
        }
        let kind = match flag {
            b'0' | 0 | b'7' if entry.path.ends_with(b"/") => Kind::Dir,
            b'0' | 0 | b'7' | b'S' => Kind::File,
            b'1' => Kind::Hardlink,
            b'2' => Kind::Symlink,
            b'3' => Kind::Char,
            b'4' => Kind::Block,
            b'5' => Kind::Dir,
            b'6' => Kind::Fifo,
            // Unknown kinds are skipped, as tar(1) and Docker do.
            _ => {
                self.set_data(data_size)?;
                return Ok(None);
            }
        };
        entry.kind = kind;
        // POSIX: only files have data, whatever the size field of other kinds says.
        let data_size = if kind == Kind::File { data_size } else { 0 };
        self.set_data(data_size)?;
        entry.size = data_size;
        if flag == b'S' {
            self.gnu_sparse(header, &mut entry)?;
        } else if kind == Kind::File {
            self.pax_sparse(sparse, &mut entry)?;
        }
        check_segments(&entry, self.remaining)?;
        Ok(Some(entry))
    }

    fn set_data(&mut self, size: u64) -> io::Result<()> {
        // No file is larger, and what is reckoned with sizes must not wrap: a reader that skips nothing where others skip
        // all sees other entries.
        if size > MAX_SIZE {
            return Err(bad("a file is larger than files can be"));
        }
        (self.remaining, self.padding) = (size, padding(size));
        Ok(())
    }

    /// Old GNU sparse: the map is in the header and in blocks behind it.
    fn gnu_sparse(&mut self, header: &[u8; BLOCK], entry: &mut Entry) -> io::Result<()> {
        let mut segments = Vec::new();
        let add = |bytes: &[u8], segments: &mut Vec<(u64, u64)>| -> io::Result<()> {
            for pair in bytes.chunks_exact(24).filter(|p| p[0] != 0) {
                segments.push((number(&pair[..12])?, number(&pair[12..])?));
            }
            Ok(())
        };
        add(&header[386..482], &mut segments)?;
        entry.size = number(&header[483..495])?;
        let mut more = header[482] != 0;
        while more {
            let mut block = [0u8; BLOCK];
            self.inner.read_exact(&mut block)?;
            add(&block[..504], &mut segments)?;
            more = block[504] != 0;
            if segments.len() > MAX_SEGMENTS {
                return Err(bad("too many segments in a sparse file"));
            }
        }
        entry.segments = Some(segments);
        Ok(())
    }

    fn pax_sparse(&mut self, sparse: Sparse, entry: &mut Entry) -> io::Result<()> {
        if let Some(real) = sparse.real_size {
            entry.size = real;
        }
        if sparse.major == Some(1) {
            // PAX sparse 1.0: the map is text in front of the data, padded to whole blocks.
            let before = self.remaining;
            let count = self.line_number()?;
            if count > MAX_SEGMENTS as u64 {
                return Err(bad("too many segments in a sparse file"));
            }
            let mut segments = Vec::new();
            for _ in 0..count {
                segments.push((self.line_number()?, self.line_number()?));
            }
            for _ in 0..padding(before - self.remaining) {
                self.byte()?;
            }
            entry.segments = Some(segments);
        } else if let Some(map) = sparse.map {
            if map.len() % 2 != 0 {
                return Err(bad("odd sparse map"));
            }
            entry.segments = Some(map.chunks_exact(2).map(|p| (p[0], p[1])).collect());
        }
        Ok(())
    }

    fn byte(&mut self) -> io::Result<u8> {
        let byte = self.data()?.first().copied().ok_or_else(|| bad("a sparse map is cut short"))?;
        self.consume(1);
        Ok(byte)
    }

    fn line_number(&mut self) -> io::Result<u64> {
        let mut n: u64 = 0;
        for _ in 0..21 {
            match self.byte()? {
                b'\n' => return Ok(n),
                d @ b'0'..=b'9' => {
                    n = n
                        .checked_mul(10)
                        .and_then(|n| n.checked_add(u64::from(d - b'0')))
                        .ok_or_else(|| bad("a sparse map's number is too large"))?;
                }
                _ => return Err(bad("a sparse map holds no numbers")),
            }
        }
        Err(bad("a sparse map's number is too long"))
    }
}

#[derive(Default)]
struct Sparse {
    major: Option<u64>,
    real_size: Option<u64>,
    map: Option<Vec<u64>>,
    name: Option<Vec<u8>>,
}

fn check_segments(entry: &Entry, data: u64) -> io::Result<()> {
    let Some(segments) = &entry.segments else { return Ok(()) };
    let (mut end, mut total) = (0u64, 0u64);
    for (offset, len) in segments {
        if *offset < end {
            return Err(bad("segments of a sparse file overlap"));
        }
        end = offset.checked_add(*len).ok_or_else(|| bad("a sparse segment is too large"))?;
        total += len;
    }
    if end > entry.size || total != data {
        return Err(bad("the map of a sparse file does not fit its sizes"));
    }
    Ok(())
}

fn basic(header: &[u8; BLOCK], path: Option<Vec<u8>>, link: Option<Vec<u8>>) -> io::Result<Entry> {
    let ustar = &header[257..263] == b"ustar\0";
    let path = path.unwrap_or_else(|| {
        let name = until_nul(&header[..100]);
        let prefix = if ustar { until_nul(&header[345..500]) } else { Vec::new() };
        if prefix.is_empty() { name } else { [prefix, b"/".to_vec(), name].concat() }
    });
    let id = |range: &[u8]| u32::try_from(number(range)?).map_err(|_| bad("an owner's number is too large"));
    let is_device = matches!(header[156], b'3' | b'4');
    Ok(Entry {
        path,
        kind: Kind::File,
        link: link.unwrap_or_else(|| until_nul(&header[157..257])),
        mode: u32::try_from(number(&header[100..108])? & 0o7777).unwrap_or(0),
        uid: id(&header[108..116])?,
        gid: id(&header[116..124])?,
        mtime: (i64::try_from(number(&header[136..148])?).unwrap_or(0), 0),
        size: 0,
        device: if is_device { (id(&header[329..337])?, id(&header[337..345])?) } else { (0, 0) },
        xattrs: Vec::new(),
        segments: None,
    })
}

fn apply_pax(
    entry: &mut Entry,
    size: &mut u64,
    sparse: &mut Sparse,
    key: &[u8],
    value: Vec<u8>,
) -> io::Result<()> {
    let text = || std::str::from_utf8(&value).map_err(|_| bad("a PAX number is not text"));
    let int = || text()?.parse::<u64>().map_err(|_| bad("a PAX number is not a number"));
    let id = || u32::try_from(int()?).map_err(|_| bad("an owner's number is too large"));
    match key {
        b"path" => entry.path = value,
        b"linkpath" => entry.link = value,
        b"size" => *size = int()?,
        b"uid" => entry.uid = id()?,
        b"gid" => entry.gid = id()?,
        b"mtime" => entry.mtime = timestamp(text()?)?,
        b"GNU.sparse.major" => sparse.major = Some(int()?),
        b"GNU.sparse.realsize" | b"GNU.sparse.size" => sparse.real_size = Some(int()?),
        b"GNU.sparse.name" => sparse.name = Some(value),
        b"GNU.sparse.map" => {
            let numbers: Result<Vec<u64>, _> = text()?.split(',').map(str::parse).collect();
            sparse.map = Some(numbers.map_err(|_| bad("a sparse map holds no numbers"))?);
        }
        _ => {
            if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                entry.xattrs.push((name.to_vec(), value));
            }
        }
    }
    Ok(())
}

/// `1700000000.123456789`, maybe negative, as seconds (rounded down) and nanoseconds.
fn timestamp(text: &str) -> io::Result<(i64, u32)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().map_err(|_| bad("a PAX time is not a number"))?;
    let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    let nanos: u32 = digits.parse().map_err(|_| bad("a PAX time is not a number"))?;
    if text.starts_with('-') && nanos > 0 {
        return Ok((seconds.saturating_sub(1), 1_000_000_000 - nanos));
    }
    Ok((seconds, nanos))
}

/// `LEN KEY=VALUE\n`, where LEN counts the whole record; values are binary.
fn parse_pax(mut data: &[u8]) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let malformed = || bad("malformed PAX record");
    let mut out = Vec::new();
    while data.first().is_some_and(|b| *b != 0) {
        let space = data.iter().take(20).position(|b| *b == b' ').ok_or_else(malformed)?;
        let len: usize =
            std::str::from_utf8(&data[..space]).ok().and_then(|n| n.parse().ok()).ok_or_else(malformed)?;
        if len <= space + 1 || len > data.len() || data[len - 1] != b'\n' {
            return Err(malformed());
        }
        let record = &data[space + 1..len - 1];
        let equals = record.iter().position(|b| *b == b'=').ok_or_else(malformed)?;
        out.push((record[..equals].to_vec(), record[equals + 1..].to_vec()));
        data = &data[len..];
    }
    Ok(out)
}

/// Octal text, or base-256 when the top bit is set.
fn number(field: &[u8]) -> io::Result<u64> {
    if field[0] & 0x80 != 0 {
        let mut n = u64::from(field[0] & 0x3f);
        // Negative base-256 numbers are only ever times before 1970.
        if field[0] & 0x40 != 0 {
            return Ok(0);
        }
        for b in &field[1..] {
            if n >> 56 != 0 {
                return Err(bad("a number in a tar header is too large"));
            }
            n = n << 8 | u64::from(*b);
        }
        return Ok(n);
    }
    let mut n = 0u64;
    for b in field.iter().skip_while(|b| **b == b' ').take_while(|b| **b != 0 && **b != b' ') {
        if !(b'0'..=b'7').contains(b) || n >> 60 != 0 {
            return Err(bad("a number in a tar header is not octal"));
        }
        n = n << 3 | u64::from(b - b'0');
    }
    Ok(n)
}

fn until_nul(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().take_while(|b| *b != 0).collect()
}

fn padding(size: u64) -> u64 {
    let block = BLOCK as u64;
    (block - size % block) % block
}
