//! Layers in the store: coming in from a tar stream or an overlay folder, going out as a tar stream.

use std::io::{self, BufRead as _, BufReader, BufWriter, Read, Write};
use std::path::Path;

use rusqlite::{OptionalExtension as _, params};
use tare_oci::{Digest, Hasher};

use crate::ahead::Ahead;
use crate::blob::{LayerBlob, Tee};
use crate::codec::{Compression, HashReader, HashWriter, decompress};
use crate::error::{At as _, Doing as _, Error, Result};
use crate::staging::Staging;
use crate::{Layer, Store, db, pack, unpack};

/// The diff ID of a folder in overlayfs form, and the sum of its files' sizes: what [`Store::commit_layer`] wants.
/// Needs no store and may run on a background thread.
pub fn diff_id_of(diff_dir: &Path) -> Result<(Digest, u64)> {
    let _span = tracing::debug_span!("hash layer").entered();
    let mut out = BufWriter::with_capacity(64 << 10, HashWriter::new(io::sink()));
    let size = pack::pack(diff_dir, &mut out)?;
    let writer = out.into_inner().map_err(io::IntoInnerError::into_error).at("hash", diff_dir)?;
    Ok((writer.finish().1, size))
}

/// A layer that came from a tar stream.
pub(crate) struct Ingested {
    pub(crate) layer: Layer,
    pub(crate) tar_size: u64,
}

impl Store {
    /// The layer with this diff ID, if it is here.
    pub fn layer(&self, diff_id: &Digest) -> Result<Option<Layer>> {
        let db = self.db();
        let size = db
            .prepare_cached("SELECT size FROM layer WHERE diff_id = ?1")
            .and_then(|mut q| q.query_row([diff_id.to_string()], |r| db::size(r, 0)).optional())
            .doing("look up a layer")?;
        Ok(size.map(|size| self.layer_at(*diff_id, size)))
    }

    /// The same, kept until this process is done with the store.
    pub fn pinned_layer(&self, diff_id: &Digest) -> Result<Option<Layer>> {
        match self.pin(&[*diff_id]) {
            Err(Error::NoSuchLayer(_)) => Ok(None),
            pinned => pinned.and_then(|()| self.layer(diff_id)),
        }
    }

    pub(crate) fn layer_at(&self, diff_id: Digest, size: u64) -> Layer {
        Layer { diff_id, path: self.layer_dir(&diff_id).join("diff"), size }
    }

    /// Moves a finished overlay upper folder (on the store's file system, not mounted) into the store as the layer
    /// `diff_id`, as [`diff_id_of`] told it; if the layer is here already, the folder is left to its owner.
    pub fn commit_layer(&self, diff_dir: &Path, diff_id: Digest, size: u64) -> Result<Layer> {
        let _span = tracing::debug_span!("commit layer").entered();
        let target = self.layer_dir(&diff_id);
        let owner = self.pin_owner()?;
        let mut db = self.db();
        let tx = db::immediate(&mut db)?;
        // Until it has an image, it is this process's.
        crate::pin::insert(&tx, &diff_id, owner)?;
        // Under the database's write lock, so that no garbage collection runs between the folder and its row.
        if !target.join("diff").exists() {
            std::fs::create_dir_all(&target).at("make", &target)?;
            std::fs::rename(diff_dir, target.join("diff")).at("move into the store", diff_dir)?;
        }
        tx.execute(
            "INSERT INTO layer (diff_id, size) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
            params![diff_id.to_string(), db::int(size)],
        )
        .doing("add a layer")?;
        tx.commit().doing("add a layer")?;
        Ok(self.layer_at(diff_id, size))
    }

    /// Unpacks a compressed or plain tar stream and adds it as a layer. Fails when it is not the layer `expected`.
    pub(crate) fn ingest(
        &self,
        stream: impl Read + Send,
        label: &str,
        expected: Option<Digest>,
    ) -> Result<Ingested> {
        let _span = tracing::debug_span!("unpack layer", label).entered();
        let staging = Staging::new(&self.staging_dir())?;
        let diff = staging.folder("diff")?;
        let (size, found, tar_size) = std::thread::scope(|scope| -> Result<_> {
            let tar = Ahead::start(scope, || decompress(BufReader::with_capacity(128 << 10, stream)));
            let mut tar = HashReader::buffered(tar);
            let size = unpack::unpack(&mut tar, &diff, label, self.privilege())?;
            let (found, tar_size) = tar.into_inner().finish();
            Ok((size, found, tar_size))
        })?;
        if let Some(expected) = expected
            && expected != found
        {
            return Err(Error::Corrupt { what: format!("layer {label} (uncompressed)"), expected, found });
        }
        let layer = self.commit_layer(&diff, found, size)?;
        Ok(Ingested { layer, tar_size })
    }

    /// Like [`Store::ingest`], and keeps the exact bytes of the stream as the layer's blob.
    pub(crate) fn ingest_keeping(
        &self,
        stream: impl Read + Send,
        label: &str,
        expected: Option<Digest>,
    ) -> Result<Layer> {
        let staging = Staging::new(&self.staging_dir())?;
        let path = staging.path().join("blob");
        let mut stream = BufReader::with_capacity(128 << 10, stream);
        let start = stream.fill_buf().at("read the stream of layer", label)?;
        let compression = Compression::sniff(start).at("read the stream of layer", label)?;
        let mut tee = Tee::new(stream, compression, &path)?;
        let Ingested { layer, tar_size } = self.ingest(&mut tee, label, expected)?;
        let blob = LayerBlob { tar_size, ..tee.finish()? };
        if self.layer_blob(&layer.diff_id)?.is_none() {
            let target = self.blob_path(&blob.digest);
            std::fs::rename(&path, &target).at("move into the store", &target)?;
            self.set_layer_blob(&layer.diff_id, &blob)?;
        }
        Ok(layer)
    }

    /// Writes a layer's uncompressed tar stream, whose digest is its diff ID.
    pub fn layer_tar(&self, diff_id: &Digest, out: &mut dyn Write) -> Result<()> {
        let layer = self.layer(diff_id)?.ok_or(Error::NoSuchLayer(*diff_id))?;
        let mut out = HashWriter::new(out);
        if let Some(blob) = self.layer_blob(diff_id)? {
            let path = self.blob_path(&blob.digest);
            let file = std::fs::File::open(&path).at("open", &path)?;
            let mut tar = decompress(BufReader::with_capacity(128 << 10, file)).at("decompress", &path)?;
            io::copy(&mut tar, &mut out).at("copy", &path)?;
        } else {
            let mut buffered = BufWriter::with_capacity(64 << 10, &mut out);
            pack::pack(&layer.path, &mut buffered)?;
        }
        let (_, found, _) = out.finish();
        if found != *diff_id {
            let what = format!("layer {} in {}", diff_id.short(), layer.path.display());
            return Err(Error::Corrupt { what, expected: *diff_id, found });
        }
        Ok(())
    }

    /// Length of the layer's tar stream.
    pub(crate) fn layer_tar_size(&self, diff_id: &Digest) -> Result<u64> {
        if let Some(LayerBlob { tar_size, .. }) = self.layer_blob(diff_id)? {
            return Ok(tar_size);
        }
        let mut count = HashWriter::new(io::sink());
        self.layer_tar(diff_id, &mut count)?;
        Ok(count.finish().2)
    }
}

/// The digest of a whole file.
pub(crate) fn hash_file(path: &Path) -> Result<(Hasher, u64)> {
    let mut file = std::fs::File::open(path).at("open", path)?;
    let mut hasher = Hasher::new();
    let mut buffer = vec![0u8; 256 << 10];
    let mut total = 0;
    loop {
        let n = file.read(&mut buffer).at("read", path)?;
        if n == 0 {
            return Ok((hasher, total));
        }
        hasher.update(&buffer[..n]);
        total += n as u64;
    }
}
