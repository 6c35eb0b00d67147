//! Blobs: content kept by digest, byte for byte. Only compressed layers are kept as files.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

use rusqlite::{OptionalExtension as _, params};
use tare_oci::{Digest, media_type};

use crate::codec::{Compression, HashWriter};
use crate::error::{At as _, Doing as _, Result};
use crate::staging::Staging;
use crate::{Store, db};

/// Media type of blobs that only this store uses: a layer that came uncompressed, packed to save space.
pub(crate) const LOCAL_ZSTD: &str = "application/x-tare-layer+zstd";

/// The stored blob that unpacks to a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LayerBlob {
    pub(crate) digest: Digest,
    pub(crate) media_type: String,
    pub(crate) size: u64,
    /// Length of what it unpacks to.
    pub(crate) tar_size: u64,
}

impl Store {
    /// The blob of a layer, if it has one: layers that were built here have none until they are pushed.
    pub(crate) fn layer_blob(&self, diff_id: &Digest) -> Result<Option<LayerBlob>> {
        self.db()
            .prepare_cached("SELECT digest, media_type, size, tar_size FROM layer_blob WHERE diff_id = ?1")
            .and_then(|mut q| {
                q.query_row([diff_id.to_string()], |r| {
                    Ok(LayerBlob {
                        digest: db::digest(r, 0)?,
                        media_type: r.get(1)?,
                        size: db::size(r, 2)?,
                        tar_size: db::size(r, 3)?,
                    })
                })
                .optional()
            })
            .doing("look up a layer's blob")
    }

    /// Notes which blob holds a layer; the blob must be in place.
    pub(crate) fn set_layer_blob(&self, diff_id: &Digest, blob: &LayerBlob) -> Result<()> {
        self.db()
            .execute(
                "INSERT OR REPLACE INTO layer_blob (diff_id, digest, media_type, size, tar_size)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
                params![
                    diff_id.to_string(),
                    blob.digest.to_string(),
                    blob.media_type,
                    db::int(blob.size),
                    db::int(blob.tar_size)
                ],
            )
            .doing("add a layer's blob")?;
        Ok(())
    }

    /// The gzip or zstd blob to push for a layer; made, and kept, when there is none that registries take.
    pub(crate) fn pushable_blob(&self, diff_id: &Digest) -> Result<LayerBlob> {
        if let Some(blob) = self.layer_blob(diff_id)?
            && blob.media_type != LOCAL_ZSTD
        {
            return Ok(blob);
        }
        let staging = Staging::new(&self.staging_dir())?;
        let path = staging.path().join("blob");
        let file = File::create(&path).at("make", &path)?;
        let packed = HashWriter::new(BufWriter::with_capacity(128 << 10, file));
        let mut tar = HashWriter::new(flate2::write::GzEncoder::new(packed, flate2::Compression::new(6)));
        self.layer_tar(diff_id, &mut tar)?;
        let (gzip, _, tar_size) = tar.finish();
        let (mut file, digest, size) = gzip.finish().at("write", &path)?.finish();
        file.flush().at("write", &path)?;
        let target = self.blob_path(&digest);
        std::fs::rename(&path, &target).at("move into the store", &target)?;
        let blob = LayerBlob { digest, media_type: media_type::DOCKER_LAYER_GZIP.to_owned(), size, tar_size };
        self.set_layer_blob(diff_id, &blob)?;
        Ok(blob)
    }
}

/// Passes a layer's stream through and keeps its exact bytes in a file beside: nobody else's tar writer can be repeated
/// from the files alone. Plain streams are packed with zstd to save space.
pub(crate) struct Tee<'a, R> {
    inner: R,
    sink: Sink,
    path: &'a Path,
    media_type: &'static str,
}

type Output = HashWriter<BufWriter<File>>;

enum Sink {
    Raw(Output),
    Packed(zstd::stream::write::Encoder<'static, Output>),
}

impl<'a, R: Read> Tee<'a, R> {
    /// `compression` is that of `inner`.
    pub(crate) fn new(inner: R, compression: Compression, path: &'a Path) -> Result<Self> {
        let file = File::create(path).at("make", path)?;
        let writer = HashWriter::new(BufWriter::with_capacity(128 << 10, file));
        let (sink, media_type) = match compression {
            Compression::None => {
                (Sink::Packed(zstd::stream::write::Encoder::new(writer, 1).at("compress", path)?), LOCAL_ZSTD)
            }
            Compression::Gzip => (Sink::Raw(writer), media_type::DOCKER_LAYER_GZIP),
            Compression::Zstd => (Sink::Raw(writer), media_type::OCI_LAYER_ZSTD),
        };
        Ok(Self { inner, sink, path, media_type })
    }

    /// The kept file as a blob whose unpacked length is still to be set.
    pub(crate) fn finish(self) -> Result<LayerBlob> {
        let writer = match self.sink {
            Sink::Raw(writer) => writer,
            Sink::Packed(encoder) => encoder.finish().at("write", self.path)?,
        };
        let (mut file, digest, size) = writer.finish();
        file.flush().at("write", self.path)?;
        Ok(LayerBlob { digest, media_type: self.media_type.to_owned(), size, tar_size: 0 })
    }
}

impl<R: Read> Read for Tee<'_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buf)?;
        match &mut self.sink {
            Sink::Raw(out) => out.write_all(&buf[..n])?,
            Sink::Packed(out) => out.write_all(&buf[..n])?,
        }
        Ok(n)
    }
}
