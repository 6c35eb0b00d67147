//! Finding images by what people type.

use rusqlite::{Connection, OptionalExtension as _};
use tare_oci::{Digest, Reference};
use tare_words::near::{Missing, nearest};

use crate::create::{lookup_name, parse_config, seconds};
use crate::error::{Doing as _, Error, Result};
use crate::{HistoryEntry, Image, Store, db};

/// Repositories to ask for one layer, before it is uploaded after all.
const NEIGHBOURS: usize = 3;

impl Store {
    /// The image that `name` means: a name with a tag or digest, or an ID or the start of one.
    pub fn find(&self, name: &str) -> Result<Option<Image>> {
        match self.resolve(name)? {
            Some(id) => self.get(&id),
            None => Ok(None),
        }
    }

    /// Like [`Store::find`]; [`crate::Error::NoSuchImage`] when there is none.
    pub fn require(&self, name: &str) -> Result<Image> {
        self.find(name)?.ok_or_else(|| Error::NoSuchImage(self.missing(name)))
    }

    /// A name that no image has, with the one that was likely meant; `latest` is left out.
    #[must_use]
    pub fn missing(&self, name: &str) -> Missing {
        let known = all_names(&self.db()).unwrap_or_default();
        let short = |name: &'_ str| name.strip_suffix(":latest").unwrap_or(name).to_owned();
        let known: Vec<String> = known.iter().map(|name| short(name)).collect();
        let near = nearest(&short(name), known.iter().map(String::as_str)).map(str::to_owned);
        Missing { name: name.to_owned(), near }
    }

    /// The ID that `name` means. A name wins over the start of an ID, as in Docker.
    pub(crate) fn resolve(&self, name: &str) -> Result<Option<Digest>> {
        if let Ok(id) = name.parse::<Digest>().or_else(|_| Digest::from_hex(name)) {
            return by_prefix(&self.db(), name, &id.hex());
        }
        let reference = name.parse::<Reference>();
        if let Ok(reference) = &reference
            && let Some(id) = by_name(&self.db(), reference)?
        {
            return Ok(Some(id));
        }
        let prefix = name.strip_prefix("sha256:").unwrap_or(name);
        if !prefix.is_empty() && prefix.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
            return by_prefix(&self.db(), name, prefix);
        }
        reference.map(|_| None).map_err(Error::from)
    }

    /// The image with this ID.
    pub fn get(&self, id: &Digest) -> Result<Option<Image>> {
        let db = self.db();
        let text = id.to_string();
        let config: Option<Vec<u8>> = db
            .prepare_cached("SELECT config FROM image WHERE id = ?1")
            .and_then(|mut q| q.query_row([&text], |r| r.get(0)).optional())
            .doing("look up an image")?;
        let Some(config) = config else { return Ok(None) };
        let mut layers = Vec::new();
        let mut query = db
            .prepare_cached(
                "SELECT il.diff_id, l.size FROM image_layer il JOIN layer l USING (diff_id)
                 WHERE il.image = ?1 ORDER BY il.idx",
            )
            .doing("look up layers")?;
        let rows =
            query.query_map([&text], |r| Ok((db::digest(r, 0)?, db::size(r, 1)?))).doing("look up layers")?;
        for row in rows {
            let (diff_id, size) = row.doing("look up layers")?;
            layers.push(self.layer_at(diff_id, size));
        }
        let config = parse_config(id, &config)?;
        Ok(Some(Image {
            id: *id,
            created: seconds(config.created.as_deref()),
            config,
            repo_tags: tags(&db, &text)?,
            repo_digests: names(&db, "SELECT name FROM repo_digest WHERE image = ?1 ORDER BY name", &text)?,
            size: layers.iter().map(|l| l.size).sum(),
            layers,
        }))
    }

    /// All images, the newest first.
    pub fn list(&self) -> Result<Vec<Image>> {
        let ids: Vec<Digest> = {
            let db = self.db();
            let mut query =
                db.prepare_cached("SELECT id FROM image ORDER BY created DESC, id").doing("list")?;
            let rows = query.query_map([], |r| db::digest(r, 0)).doing("list")?;
            rows.collect::<rusqlite::Result<_>>().doing("list")?
        };
        let mut images = Vec::with_capacity(ids.len());
        for id in ids {
            // None: removed by another process since.
            images.extend(self.get(&id)?);
        }
        Ok(images)
    }

    /// The images that no tag names.
    pub fn dangling(&self) -> Result<Vec<Image>> {
        Ok(self.list()?.into_iter().filter(Image::is_dangling).collect())
    }

    /// The steps that made an image, the newest first.
    #[must_use]
    pub fn history(&self, image: &Image) -> Vec<HistoryEntry> {
        let mut layers = image.layers.iter();
        let mut rows: Vec<HistoryEntry> = image
            .config
            .history
            .iter()
            .map(|step| HistoryEntry {
                id: None,
                created: seconds(step.created.as_deref()),
                created_by: step.created_by.clone(),
                size: if step.empty_layer { 0 } else { layers.next().map_or(0, |l| l.size) },
                comment: step.comment.clone(),
                tags: Vec::new(),
            })
            .collect();
        // Configs need not tell their history: each layer shows all the same.
        rows.extend(layers.map(|layer| HistoryEntry {
            id: None,
            created: image.created,
            created_by: String::new(),
            size: layer.size,
            comment: String::new(),
            tags: Vec::new(),
        }));
        rows.reverse();
        if let Some(newest) = rows.first_mut() {
            newest.id = Some(image.id);
            newest.tags = image.repo_tags.clone();
        }
        rows
    }

    /// The config exactly as it was pulled or made.
    pub fn config_json(&self, id: &Digest) -> Result<Vec<u8>> {
        self.db()
            .query_row("SELECT config FROM image WHERE id = ?1", [id.to_string()], |r| r.get(0))
            .optional()
            .doing("look up an image")?
            .ok_or_else(|| Error::NoSuchImage(id.to_string().into()))
    }

    /// Repositories of the registry that `name` is on, its own left out, which are known to have a layer: their paths,
    /// a few.
    pub(crate) fn neighbours_with(&self, diff_id: &Digest, name: &Reference) -> Result<Vec<String>> {
        let db = self.db();
        let mut query = db
            .prepare_cached(
                "SELECT DISTINCT d.name FROM image_layer il JOIN repo_digest d ON d.image = il.image
                 WHERE il.diff_id = ?1 ORDER BY d.name",
            )
            .doing("look up names")?;
        let rows =
            query.query_map([diff_id.to_string()], |r| r.get::<_, String>(0)).doing("look up names")?;
        let mut paths: Vec<String> = Vec::new();
        for row in rows {
            let Ok(other) = row.doing("look up names")?.parse::<Reference>() else { continue };
            if other.domain() == name.domain() && other.path() != name.path() {
                paths.push(other.path().to_owned());
            }
        }
        paths.dedup();
        paths.truncate(NEIGHBOURS);
        Ok(paths)
    }

    /// The manifest exactly as it was pulled, with its media type.
    pub fn manifest_json(&self, id: &Digest) -> Result<Option<(Vec<u8>, String)>> {
        self.db()
            .query_row(
                "SELECT manifest, manifest_type FROM image WHERE id = ?1 AND manifest IS NOT NULL",
                [id.to_string()],
                |r| Ok((r.get(0)?, r.get(1)?)),
            )
            .optional()
            .doing("look up a manifest")
    }
}

fn by_name(db: &Connection, name: &Reference) -> Result<Option<Digest>> {
    let table = if name.digest().is_some() { "repo_digest" } else { "tag" };
    db.prepare_cached(&format!("SELECT image FROM {table} WHERE name = ?1"))
        .and_then(|mut q| q.query_row([lookup_name(name)], |r| db::digest(r, 0)).optional())
        .doing("look up a name")
}

fn by_prefix(db: &Connection, typed: &str, prefix: &str) -> Result<Option<Digest>> {
    let mut query = db
        .prepare_cached("SELECT id FROM image WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT 4")
        .doing("look up an ID")?;
    let from = format!("sha256:{prefix}");
    let to = format!("{from}g");
    let rows = query.query_map([from, to], |r| db::digest(r, 0)).doing("look up an ID")?;
    let ids = rows.collect::<rusqlite::Result<Vec<Digest>>>().doing("look up an ID")?;
    match ids.as_slice() {
        [] => Ok(None),
        [id] => Ok(Some(*id)),
        several => Err(Error::Ambiguous {
            prefix: typed.to_owned(),
            candidates: several.iter().map(Digest::short).collect(),
        }),
    }
}

/// An image's tags, in short form.
pub(crate) fn tags(db: &Connection, image: &str) -> Result<Vec<String>> {
    names(db, "SELECT name FROM tag WHERE image = ?1 ORDER BY name", image)
}

/// The names of all images, in short form.
fn all_names(db: &Connection) -> Result<Vec<String>> {
    names(db, "SELECT name FROM tag WHERE name <> ?1 ORDER BY name", "")
}

/// Names of an image in short form.
fn names(db: &Connection, sql: &str, image: &str) -> Result<Vec<String>> {
    let mut query = db.prepare_cached(sql).doing("look up names")?;
    let rows = query.query_map([image], |r| r.get::<_, String>(0)).doing("look up names")?;
    let mut out = Vec::new();
    for row in rows {
        let canonical = row.doing("look up names")?;
        out.push(canonical.parse::<Reference>().map_or(canonical, |r| r.familiar()));
    }
    Ok(out)
}
