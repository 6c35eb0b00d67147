//! build.db: which step made which layer, and the digests of files already read.
//!
//! ```text
//! step  key → diff ID of the layer, time, and when it was used last in seconds since 1970
//! image key of a whole config → time, so that a build from cache is the same image
//! same  key → another key that stands for the same result and takes longer to work out
//! file  device, inode, size, times → digest, so that an unchanged file is not read again
//! ```
//! All of it can be lost: the next build is slower, nothing else.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use rusqlite::{Connection, OptionalExtension as _, params};
use tare_oci::{Digest, Hasher};

use crate::Error;
use crate::io_at::At as _;

/// Raised when a key's meaning changes; older entries are then dropped.
const FORMAT: i64 = 2;

const SCHEMA: &str = "
    CREATE TABLE step (key BLOB PRIMARY KEY, diff_id TEXT, created TEXT NOT NULL, used INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE image (key BLOB PRIMARY KEY, created TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE same (key BLOB PRIMARY KEY, other BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE file (device INTEGER, inode INTEGER, size INTEGER, mtime INTEGER, ctime INTEGER, digest BLOB,
                       crlf INTEGER, PRIMARY KEY (device, inode)) WITHOUT ROWID;";

/// A use within so many seconds of the one that is on record is not written down.
const USE_GRAIN: i64 = 3600;

fn seconds_now() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// The open cache.
pub(crate) struct Cache {
    path: PathBuf,
    db: Connection,
}

/// What a step made before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StepResult {
    pub(crate) diff_id: Option<Digest>,
    pub(crate) created: String,
}

/// What identifies a file's content without reading it. Times in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileStamp {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) size: u64,
    pub(crate) mtime: i64,
    pub(crate) ctime: i64,
}

/// What is known of a file's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileFacts {
    pub(crate) digest: Digest,
    /// A script whose first line ends in CR LF.
    pub(crate) crlf_script: bool,
}

impl Cache {
    /// Opens `<root>/build.db`, making it if it is not there.
    pub(crate) fn open(root: &Path) -> Result<Self, Error> {
        let path = root.join("build.db");
        if !path.exists() {
            use std::os::unix::fs::DirBuilderExt as _;
            // Steps' results and caches, with what they were given: for nobody else on the host.
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(root).at("make", root)?;
        }
        let open = || -> rusqlite::Result<Connection> {
            let db = Connection::open(&path)?;
            db.busy_timeout(std::time::Duration::from_secs(10))?;
            let found: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
            if found < FORMAT {
                db.execute_batch("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;")?;
                let drop = "DROP TABLE IF EXISTS step; DROP TABLE IF EXISTS image; DROP TABLE IF EXISTS same; \
                            DROP TABLE IF EXISTS file;";
                // Another process may make the tables at the same time: only one of the two does.
                db.execute_batch("BEGIN IMMEDIATE")?;
                let found: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
                if found < FORMAT {
                    db.execute_batch(&format!("{drop}{SCHEMA} PRAGMA user_version={FORMAT};"))?;
                }
                db.execute_batch("COMMIT")?;
            }
            db.execute_batch("PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=64;")?;
            Ok(db)
        };
        let db = open().map_err(|source| Error::Cache { action: "open", path: path.clone(), source })?;
        let found = db.query_row("PRAGMA user_version", [], |row| row.get(0));
        let found: i64 =
            found.map_err(|source| Error::Cache { action: "open", path: path.clone(), source })?;
        if found > FORMAT {
            return Err(Error::NewerCache { path, found, known: FORMAT });
        }
        Ok(Self { path, db })
    }

    fn error(&self, action: &'static str) -> impl FnOnce(rusqlite::Error) -> Error {
        let path = self.path.clone();
        move |source| Error::Cache { action, path, source }
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) -> Result<(), Error> {
        self.db
            .execute_batch(
                "BEGIN; DELETE FROM step; DELETE FROM image; DELETE FROM same; DELETE FROM file; COMMIT",
            )
            .map_err(self.error("forget the steps"))?;
        // Only where no build is at work; the room is used again anyway.
        let _ = self.db.execute_batch("VACUUM");
        Ok(())
    }

    pub(crate) fn step(&self, key: &Digest) -> Result<Option<StepResult>, Error> {
        let read = |row: &rusqlite::Row<'_>| {
            let diff_id: Option<String> = row.get(0)?;
            Ok((diff_id, row.get::<_, String>(1)?, row.get::<_, i64>(2)?))
        };
        let found = self
            .db
            .prepare_cached("SELECT diff_id, created, used FROM step WHERE key = ?1")
            .and_then(|mut query| query.query_row([key.as_bytes()], read).optional())
            .map_err(self.error("look up a step"))?;
        let now = seconds_now();
        if found.as_ref().is_some_and(|(_, _, used)| now.saturating_sub(*used) > USE_GRAIN) {
            self.db
                .execute("UPDATE step SET used = ?2 WHERE key = ?1", params![key.as_bytes(), now])
                .map_err(self.error("note the use of a step"))?;
        }
        // A damaged entry is no entry.
        Ok(found.and_then(|(diff_id, created, _)| {
            let diff_id = diff_id.map(|text| Digest::from_str(&text)).transpose().ok()?;
            Some(StepResult { diff_id, created })
        }))
    }

    /// The layers of all steps and when each was used last, the longest unused first.
    pub(crate) fn layers_by_use(&self) -> Result<Vec<(Digest, i64)>, Error> {
        let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get(1)?));
        let found = self
            .db
            .prepare("SELECT diff_id, MAX(used) FROM step WHERE diff_id IS NOT NULL GROUP BY 1 ORDER BY 2")
            .and_then(|mut query| {
                query.query_map([], read)?.collect::<rusqlite::Result<Vec<(String, i64)>>>()
            })
            .map_err(self.error("list the steps"))?;
        Ok(found.into_iter().filter_map(|(id, used)| Some((Digest::from_str(&id).ok()?, used))).collect())
    }

    /// Forgets the steps that made these layers.
    pub(crate) fn forget_layers(&self, layers: &[Digest]) -> Result<(), Error> {
        for layer in layers {
            self.db
                .execute("DELETE FROM step WHERE diff_id = ?1", [layer.to_string()])
                .map_err(self.error("forget a step"))?;
        }
        Ok(())
    }

    pub(crate) fn put_step(&self, key: &Digest, result: &StepResult) -> Result<(), Error> {
        let diff_id = result.diff_id.map(|diff_id| diff_id.to_string());
        self.db
            .prepare_cached("INSERT OR REPLACE INTO step VALUES (?1, ?2, ?3, ?4)")
            .and_then(|mut query| {
                query.execute(params![key.as_bytes(), diff_id, result.created, seconds_now()])
            })
            .map_err(self.error("record a step"))?;
        Ok(())
    }

    /// The time of an image with this key, or `now` from now on.
    pub(crate) fn image_time(&self, key: &Digest, now: &str) -> Result<String, Error> {
        let query = || -> rusqlite::Result<String> {
            let known = self
                .db
                .query_row("SELECT created FROM image WHERE key = ?1", [key.as_bytes()], |row| row.get(0))
                .optional()?;
            if let Some(created) = known {
                return Ok(created);
            }
            self.db.execute("INSERT OR REPLACE INTO image VALUES (?1, ?2)", params![key.as_bytes(), now])?;
            Ok(now.to_owned())
        };
        query().map_err(self.error("date an image"))
    }

    /// The key that `key` was found to stand for.
    pub(crate) fn same(&self, key: &Digest) -> Result<Option<Digest>, Error> {
        let read = |row: &rusqlite::Row<'_>| row.get::<_, [u8; 32]>(0);
        let found = self
            .db
            .prepare_cached("SELECT other FROM same WHERE key = ?1")
            .and_then(|mut query| query.query_row([key.as_bytes()], read).optional())
            .map_err(self.error("look up a key"))?;
        Ok(found.map(Digest::from_bytes))
    }

    pub(crate) fn put_same(&self, key: &Digest, other: &Digest) -> Result<(), Error> {
        self.db
            .execute("INSERT OR REPLACE INTO same VALUES (?1, ?2)", params![key.as_bytes(), other.as_bytes()])
            .map_err(self.error("record a key"))?;
        Ok(())
    }

    pub(crate) fn file(&self, stamp: &FileStamp) -> Result<Option<FileFacts>, Error> {
        let read = |row: &rusqlite::Row<'_>| {
            let same = row.get::<_, i64>(0)? == stamp.size.cast_signed()
                && row.get::<_, i64>(1)? == stamp.mtime
                && row.get::<_, i64>(2)? == stamp.ctime;
            let digest: [u8; 32] = row.get(3)?;
            Ok(same.then_some(FileFacts { digest: Digest::from_bytes(digest), crlf_script: row.get(4)? }))
        };
        let key = params![stamp.device.cast_signed(), stamp.inode.cast_signed()];
        let found = self
            .db
            .prepare_cached(
                "SELECT size, mtime, ctime, digest, crlf FROM file WHERE device = ?1 AND inode = ?2",
            )
            .and_then(|mut query| query.query_row(key, read).optional())
            .map_err(self.error("look up a file"))?;
        Ok(found.flatten())
    }

    pub(crate) fn put_files(&self, files: &[(FileStamp, FileFacts)]) -> Result<(), Error> {
        let insert = || -> rusqlite::Result<()> {
            self.db.execute_batch("BEGIN IMMEDIATE")?;
            let mut query =
                self.db.prepare_cached("INSERT OR REPLACE INTO file VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?;
            for (stamp, facts) in files {
                query.execute(params![
                    stamp.device.cast_signed(),
                    stamp.inode.cast_signed(),
                    stamp.size.cast_signed(),
                    stamp.mtime,
                    stamp.ctime,
                    facts.digest.as_bytes(),
                    facts.crlf_script
                ])?;
            }
            self.db.execute_batch("COMMIT")
        };
        insert().map_err(|error| {
            // The transaction is over either way; the first error is the one to tell.
            self.db.execute_batch("ROLLBACK").ok();
            self.error("record files")(error)
        })
    }
}

/// Hashes fields with their lengths, so that no two lists of fields run together.
pub(crate) struct KeyHasher(Hasher);

impl KeyHasher {
    pub(crate) fn new(kind: &str) -> Self {
        let mut hasher = Self(Hasher::new());
        hasher.field(kind);
        hasher
    }

    pub(crate) fn field(&mut self, field: impl AsRef<[u8]>) -> &mut Self {
        let field = field.as_ref();
        self.0.update(&u64::try_from(field.len()).unwrap_or(u64::MAX).to_le_bytes());
        self.0.update(field);
        self
    }

    pub(crate) fn list<T: AsRef<[u8]>>(&mut self, list: impl IntoIterator<Item = T>) -> &mut Self {
        let mut count: u64 = 0;
        for field in list {
            self.field(field);
            count += 1;
        }
        self.field(count.to_le_bytes())
    }

    pub(crate) fn digest(&mut self, digest: &Digest) -> &mut Self {
        self.field(digest.as_bytes())
    }

    pub(crate) fn finish(self) -> Digest {
        self.0.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_steps_and_files() {
        let dir = tempfile::tempdir().unwrap();
        let key = Digest::of(b"key");
        let result = StepResult { diff_id: Some(Digest::of(b"layer")), created: "t".into() };
        let stamp = FileStamp { device: 1, inode: u64::MAX, size: 3, mtime: 4, ctime: 5 };
        let facts = FileFacts { digest: Digest::of(b"file"), crlf_script: true };
        let cache = Cache::open(dir.path()).unwrap();
        assert_eq!(cache.step(&key).unwrap(), None);
        cache.put_step(&key, &result).unwrap();
        cache.put_files(&[(stamp, facts)]).unwrap();
        drop(cache);
        let cache = Cache::open(dir.path()).unwrap();
        assert_eq!(cache.step(&key).unwrap(), Some(result));
        assert_eq!(cache.file(&stamp).unwrap(), Some(facts));
        assert_eq!(cache.file(&FileStamp { mtime: 6, ..stamp }).unwrap(), None);
        assert_eq!(cache.image_time(&key, "first").unwrap(), "first");
        assert_eq!(cache.image_time(&key, "second").unwrap(), "first");
    }

    #[test]
    fn fields_do_not_run_together() {
        let key = |fields: &[&str]| {
            let mut hasher = KeyHasher::new("k");
            hasher.list(fields);
            hasher.finish()
        };
        assert_ne!(key(&["ab", "c"]), key(&["a", "bc"]));
    }
}
