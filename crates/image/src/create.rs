//! New images and names for them.

use rusqlite::{OptionalExtension as _, Transaction, params};
use tare_oci::{Digest, ImageConfig, Reference};

use crate::error::{Doing as _, Error, Result};
use crate::{Image, Store, db};

/// An image to be recorded.
pub(crate) struct NewImage<'a> {
    /// Exact bytes of the config.
    pub(crate) config: &'a [u8],
    /// Exact bytes and media type of the manifest it was pulled by.
    pub(crate) manifest: Option<(&'a [u8], &'a str)>,
    /// Names it gets, with tags.
    pub(crate) tags: &'a [Reference],
    /// Names by digest it gets.
    pub(crate) digests: &'a [Reference],
}

impl Store {
    /// Makes an image of layers that are in the store (`config.rootfs` is set to them) and names it. Fails with
    /// [`crate::Error::NoSuchLayer`] when a layer was removed meanwhile.
    pub fn create_image(&self, config: &ImageConfig, layers: &[Digest], tags: &[Reference]) -> Result<Image> {
        let mut config = config.clone();
        config.rootfs.diff_ids = layers.to_vec();
        let json = config
            .to_json()
            .map_err(|source| Error::Json { what: "the new image's config".into(), source })?;
        self.record(&NewImage { config: &json, manifest: None, tags, digests: &[] })
    }

    /// Records an image all of whose layers are here.
    pub(crate) fn record(&self, new: &NewImage<'_>) -> Result<Image> {
        let id = Digest::of(new.config);
        let config = parse_config(&id, new.config)?;
        {
            let mut db = self.db();
            // Garbage collection takes the same lock: either it sees this image, or this sees its layers gone.
            let tx = db::immediate(&mut db)?;
            for diff_id in &config.rootfs.diff_ids {
                let row = tx
                    .query_row("SELECT 1 FROM layer WHERE diff_id = ?1", [diff_id.to_string()], |_| Ok(()))
                    .optional()
                    .doing("look up a layer")?;
                if row.is_none() || !self.layer_dir(diff_id).exists() {
                    return Err(Error::NoSuchLayer(*diff_id));
                }
            }
            insert(&tx, &id, &config, new).doing("add an image")?;
            tx.commit().doing("add an image")?;
        }
        self.get(&id)?.ok_or_else(|| Error::NoSuchImage(id.to_string().into()))
    }

    /// Gives the image `source` (a name or an ID) another name, taking it from whichever image had it.
    pub fn tag(&self, source: &str, to: &Reference) -> Result<()> {
        let image = self.require(source)?;
        // It may have been removed since.
        let sql = "INSERT OR REPLACE INTO tag (name, image) SELECT ?1, id FROM image WHERE id = ?2";
        match self.db().execute(sql, params![to.canonical(), image.id.to_string()]).doing("add a name")? {
            0 => Err(Error::NoSuchImage(source.to_owned().into())),
            _ => Ok(()),
        }
    }

    pub(crate) fn add_digest_name(&self, name: &Reference, image: &Digest) -> Result<()> {
        let sql = "INSERT OR REPLACE INTO repo_digest (name, image) VALUES (?1, ?2)";
        self.db().execute(sql, params![lookup_name(name), image.to_string()]).doing("add a name")?;
        Ok(())
    }

    /// Takes a name away. Returns whether it was there. The image stays, maybe nameless.
    pub fn untag(&self, name: &Reference) -> Result<bool> {
        let table = if name.digest().is_some() { "repo_digest" } else { "tag" };
        let gone = self
            .db()
            .execute(&format!("DELETE FROM {table} WHERE name = ?1"), [lookup_name(name)])
            .doing("remove a name")?;
        Ok(gone > 0)
    }
}

/// The name under which the database has a reference: by digest, when it has one, without the tag.
pub(crate) fn lookup_name(name: &Reference) -> String {
    match name.digest() {
        Some(digest) => name.with_digest(digest).canonical(),
        None => name.canonical(),
    }
}

pub(crate) fn parse_config(id: &Digest, json: &[u8]) -> Result<ImageConfig> {
    ImageConfig::from_json(json)
        .map_err(|source| Error::Json { what: format!("config of image {}", id.short()), source })
}

/// Seconds since 1970 of an RFC 3339 time; 0 for none.
pub(crate) fn seconds(created: Option<&str>) -> i64 {
    created.and_then(|t| t.parse::<jiff::Timestamp>().ok()).map_or(0, jiff::Timestamp::as_second)
}

fn insert(
    tx: &Transaction<'_>,
    id: &Digest,
    config: &ImageConfig,
    new: &NewImage<'_>,
) -> rusqlite::Result<()> {
    let id = id.to_string();
    let (manifest, kind) = new.manifest.unzip();
    tx.execute(
        "INSERT INTO image (id, config, created, manifest, manifest_type) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (id) DO UPDATE SET manifest = coalesce(excluded.manifest, manifest),
                                        manifest_type = coalesce(excluded.manifest_type, manifest_type)",
        params![id, new.config, seconds(config.created.as_deref()), manifest, kind],
    )?;
    for (idx, diff_id) in config.rootfs.diff_ids.iter().enumerate() {
        tx.execute(
            "INSERT OR IGNORE INTO image_layer (image, idx, diff_id) VALUES (?1, ?2, ?3)",
            params![id, db::int(idx as u64), diff_id.to_string()],
        )?;
    }
    for tag in new.tags {
        let sql = "INSERT OR REPLACE INTO tag (name, image) VALUES (?1, ?2)";
        tx.execute(sql, params![tag.canonical(), id])?;
    }
    for name in new.digests {
        let sql = "INSERT OR REPLACE INTO repo_digest (name, image) VALUES (?1, ?2)";
        tx.execute(sql, params![lookup_name(name), id])?;
    }
    Ok(())
}
