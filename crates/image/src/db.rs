//! `image.db`: its schema, and how it is opened.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Row, types::Type};
use tare_oci::Digest;

use crate::error::{Doing as _, Error, Result};

const VERSION: i64 = 1;

const SCHEMA: &str = "
CREATE TABLE image (
    id       TEXT PRIMARY KEY,      -- digest of the config
    config   BLOB NOT NULL,         -- exact bytes
    created  INTEGER NOT NULL,      -- seconds since 1970
    manifest BLOB,                  -- exact bytes, of pulled images
    manifest_type TEXT
);
CREATE TABLE image_layer (
    image   TEXT NOT NULL REFERENCES image(id) ON DELETE CASCADE,
    idx     INTEGER NOT NULL,
    diff_id TEXT NOT NULL,
    PRIMARY KEY (image, idx)
) WITHOUT ROWID;
CREATE INDEX image_layer_diff ON image_layer(diff_id);
CREATE TABLE layer (
    diff_id TEXT PRIMARY KEY,
    size    INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE layer_blob (           -- the stored blob that unpacks to a layer
    diff_id    TEXT PRIMARY KEY,
    digest     TEXT NOT NULL,
    media_type TEXT NOT NULL,
    size       INTEGER NOT NULL,
    tar_size   INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE tag (
    name  TEXT PRIMARY KEY,         -- docker.io/library/postgres:latest
    image TEXT NOT NULL REFERENCES image(id) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX tag_image ON tag(image);
CREATE TABLE repo_digest (
    name  TEXT PRIMARY KEY,         -- docker.io/library/postgres@sha256:…
    image TEXT NOT NULL REFERENCES image(id) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX repo_digest_image ON repo_digest(image);
CREATE TABLE pin (
    diff_id TEXT NOT NULL,
    owner   TEXT NOT NULL,
    PRIMARY KEY (diff_id, owner)
) WITHOUT ROWID;
";

/// Opens the database, making its tables the first time.
pub(crate) fn open(path: &Path) -> Result<Connection> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(path, flags).doing("open")?;
    db.busy_timeout(Duration::from_secs(30)).doing("open")?;
    // The last one out would else copy the whole log back and sync, in every single command.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).doing("open")?;
    db.execute_batch("PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON; PRAGMA wal_autocheckpoint=64;")
        .doing("open")?;
    match version(&db)? {
        VERSION => Ok(db),
        0 => {
            // WAL is a property of the file: set once.
            db.pragma_update(None, "journal_mode", "WAL").doing("switch to WAL")?;
            let tx = immediate(&mut db)?;
            if version(&tx)? == 0 {
                tx.execute_batch(SCHEMA).doing("make tables")?;
                tx.pragma_update(None, "user_version", VERSION).doing("make tables")?;
            }
            tx.commit().doing("make tables")?;
            Ok(db)
        }
        found => Err(Error::NewerDatabase { path: path.to_owned(), found, known: VERSION }),
    }
}

fn version(db: &Connection) -> Result<i64> {
    db.query_row("PRAGMA user_version", [], |r| r.get(0)).doing("read its version")
}

/// A transaction that writes: taken at once, so that two of them never deadlock.
pub(crate) fn immediate(db: &mut Connection) -> Result<rusqlite::Transaction<'_>> {
    db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).doing("begin")
}

/// A digest column.
pub(crate) fn digest(row: &Row<'_>, column: usize) -> rusqlite::Result<Digest> {
    let text: String = row.get(column)?;
    text.parse().map_err(|e| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(e)))
}

/// A size column; sizes are never negative.
pub(crate) fn size(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(|n| u64::try_from(n).unwrap_or(0))
}

/// A size as SQLite keeps it.
pub(crate) fn int(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
