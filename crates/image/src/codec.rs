//! Compressed streams: recognised by their first bytes, not by what a media type says.

use std::io::{self, BufRead, BufReader, Read, Write};

use tare_oci::{Digest, Hasher};

/// How a stream is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Compression {
    /// Looks at the first bytes of a stream.
    pub(crate) fn sniff(start: &[u8]) -> io::Result<Self> {
        match start {
            [0x1f, 0x8b, ..] => Ok(Self::Gzip),
            // A zstd frame, or a skippable one in front of it (zstd:chunked, estargz).
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Ok(Self::Zstd),
            [b'B', b'Z', b'h', ..] => Err(unsupported("bzip2")),
            [0xfd, b'7', b'z', b'X', b'Z', ..] => Err(unsupported("xz")),
            _ => Ok(Self::None),
        }
    }
}

fn unsupported(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::Unsupported,
        format!("{what} compression is not supported: use gzip or zstd"),
    )
}

/// Undoes whatever compression `stream` has.
///
/// # Errors
/// Read errors, and compressions that are not known here.
pub fn decompress<'a>(mut stream: impl BufRead + Send + 'a) -> io::Result<Box<dyn Read + Send + 'a>> {
    Ok(match Compression::sniff(stream.fill_buf()?)? {
        Compression::None => Box::new(stream),
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(stream)),
        Compression::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(stream)?),
    })
}

/// Counts and hashes what is read through it.
pub(crate) struct HashReader<R> {
    inner: R,
    hasher: Hasher,
    count: u64,
}

impl<R: Read> HashReader<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self { inner, hasher: Hasher::new(), count: 0 }
    }

    /// With a buffer that makes each hash run long.
    pub(crate) fn buffered(inner: R) -> BufReader<Self> {
        BufReader::with_capacity(128 << 10, Self::new(inner))
    }

    /// Digest and length of all that was read.
    pub(crate) fn finish(self) -> (Digest, u64) {
        (self.hasher.finish(), self.count)
    }
}

impl<R: Read> Read for HashReader<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buf)?;
        self.hasher.update(&buf[..n]);
        self.count += n as u64;
        Ok(n)
    }
}

/// Counts and hashes what is written through it.
pub(crate) struct HashWriter<W> {
    inner: W,
    hasher: Hasher,
    count: u64,
}

impl<W: Write> HashWriter<W> {
    pub(crate) fn new(inner: W) -> Self {
        Self { inner, hasher: Hasher::new(), count: 0 }
    }

    /// The writer inside, and digest and length of all that was written.
    pub(crate) fn finish(self) -> (W, Digest, u64) {
        (self.inner, self.hasher.finish(), self.count)
    }
}

impl<W: Write> Write for HashWriter<W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(buf)?;
        self.hasher.update(&buf[..n]);
        self.count += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undoes_each_compression() {
        let text = vec![7u8; 300_000];
        let gzip = |data: &[u8]| {
            let mut e = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            e.write_all(data).unwrap();
            e.finish().unwrap()
        };
        // Two gzip members in a row are one stream (pigz, estargz).
        let multi = [gzip(&text[..1000]), gzip(&text[1000..])].concat();
        let zst = zstd::encode_all(&text[..], 1).unwrap();
        for packed in [text.clone(), multi, zst] {
            let mut out = Vec::new();
            decompress(&packed[..]).unwrap().read_to_end(&mut out).unwrap();
            assert_eq!(out, text);
        }
        assert!(decompress(&b"BZh91AY"[..]).is_err());
    }
}
