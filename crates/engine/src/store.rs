//! The state database: containers, networks, volumes and address leases.
//!
//! WAL with `synchronous=NORMAL`: a crash of a process loses nothing, a power cut at most the last moments, and no
//! file is left torn. Transactions are short and never held while a process is spawned. Records are JSON in a column of
//! their own with what is searched for beside it, so that a new field needs no migration.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Serialize, de::DeserializeOwned};

use crate::error::{Error, Result};
use crate::{Paths, private};

/// Bumped when a table changes; see [`SCHEMA`].
const VERSION: i64 = 1;

const SCHEMA: &str = "
CREATE TABLE containers (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, image_id TEXT NOT NULL, record TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE networks (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, record TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE volumes (name TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE leases (network TEXT NOT NULL, address TEXT NOT NULL, container TEXT NOT NULL, PRIMARY KEY (network, address)) WITHOUT ROWID;
CREATE INDEX leases_container ON leases (container);
";

/// The database handle; one per process, shared by its threads.
#[derive(Debug)]
pub(crate) struct StateStore {
    path: PathBuf,
    connection: Mutex<Connection>,
}

/// Something with a JSON record.
pub(crate) trait Record: Serialize + DeserializeOwned {
    /// `container`, `network`, `volume`: for error messages.
    const WHAT: &'static str;
    /// The table.
    const TABLE: &'static str;
    /// The table's key column.
    const KEY: &'static str;
}

impl StateStore {
    /// Opens, and makes if need be, `state.db` under the root.
    ///
    /// # Errors
    /// [`Error::Io`] for the folder, [`Error::Database`] for the file.
    pub(crate) fn open(paths: &Paths) -> Result<Self> {
        let path = paths.root.join("state.db");
        private::secure(paths, &path)?;
        let fail = |source| Error::Database { path: path.clone(), source };
        let connection = Connection::open(&path).map_err(fail)?;
        connection.busy_timeout(Duration::from_secs(20)).map_err(fail)?;
        // The last one out would else copy the whole log back and sync, in every single command; and the first
        // one in reads the whole log, so it is kept short.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(fail)?;
        connection
            .execute_batch(
                "PRAGMA synchronous=NORMAL; PRAGMA temp_store=MEMORY; PRAGMA wal_autocheckpoint=64;",
            )
            .and_then(|()| prepare(&connection))
            .map_err(fail)?;
        Ok(Self { path, connection: Mutex::new(connection) })
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn fail(&self, source: rusqlite::Error) -> Error {
        Error::Database { path: self.path.clone(), source }
    }

    /// Runs `work` in one immediate (write) transaction.
    ///
    /// # Errors
    /// What `work` returns, or [`Error::Database`]; nothing is kept then.
    pub(crate) fn write<T>(&self, work: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        let mut guard = self.lock();
        let tx = guard
            .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
            .map_err(|e| self.fail(e))?;
        let transaction = Transaction { tx, path: &self.path };
        let value = work(&transaction)?;
        transaction.tx.commit().map_err(|e| self.fail(e))?;
        Ok(value)
    }

    /// Reads one record by its key.
    ///
    /// # Errors
    /// [`Error::Database`], [`Error::Stored`].
    pub(crate) fn get<R: Record>(&self, key: &str) -> Result<Option<R>> {
        let guard = self.lock();
        let sql = format!("SELECT record FROM {} WHERE {} = ?1", R::TABLE, R::KEY);
        let text: Option<String> = guard
            .prepare_cached(&sql)
            .and_then(|mut s| s.query_row([key], |row| row.get(0)).optional())
            .map_err(|e| self.fail(e))?;
        text.map(|text| parse(key, &text)).transpose()
    }

    /// Reads all records of a kind.
    ///
    /// # Errors
    /// [`Error::Database`], [`Error::Stored`].
    pub(crate) fn all<R: Record>(&self) -> Result<Vec<R>> {
        let guard = self.lock();
        let sql = format!("SELECT {}, record FROM {}", R::KEY, R::TABLE);
        let mut statement = guard.prepare_cached(&sql).map_err(|e| self.fail(e))?;
        let rows = statement
            .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))
            .map_err(|e| self.fail(e))?;
        rows.map(|row| row.map_err(|e| self.fail(e)).and_then(|(key, text)| parse(&key, &text))).collect()
    }

    /// Container ids (with names) that equal `text` as id or name, else those whose id begins with it.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub(crate) fn find_ids(&self, table: &'static str, text: &str) -> Result<Vec<String>> {
        let guard = self.lock();
        let exact = format!("SELECT id FROM {table} WHERE name = ?1 OR id = ?1");
        let found = strings(&guard, &exact, text).map_err(|e| self.fail(e))?;
        if !found.is_empty() || text.is_empty() || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Ok(found);
        }
        let prefix = format!("SELECT id FROM {table} WHERE id >= ?1 AND id < ?1 || 'g'");
        strings(&guard, &prefix, text).map_err(|e| self.fail(e))
    }
}

/// A write transaction; see [`StateStore::write`].
pub(crate) struct Transaction<'a> {
    tx: rusqlite::Transaction<'a>,
    path: &'a Path,
}

impl Transaction<'_> {
    fn run(&self, sql: &str, values: impl rusqlite::Params) -> Result<usize> {
        self.tx
            .prepare_cached(sql)
            .and_then(|mut s| s.execute(values))
            .map_err(|source| Error::Database { path: self.path.into(), source })
    }

    /// Stores a container; `Ok(Err(holder id))` if the name is taken.
    ///
    /// # Errors
    /// [`Error::Database`], [`Error::NameInUse`].
    pub(crate) fn put_container(
        &self,
        id: &str,
        name: &str,
        image: &str,
        record: &impl Record,
    ) -> Result<()> {
        let holder: Option<String> = self
            .tx
            .query_row("SELECT id FROM containers WHERE name = ?1 AND id <> ?2", [name, id], |r| r.get(0))
            .optional()
            .map_err(|source| Error::Database { path: self.path.into(), source })?;
        if let Some(holder) = holder {
            return Err(Error::NameInUse { name: name.into(), holder });
        }
        let json = encode(record, id)?;
        self.run(
            "INSERT OR REPLACE INTO containers VALUES (?1, ?2, ?3, ?4)",
            params![id, name, image, json],
        )?;
        Ok(())
    }

    /// Stores a network; a name that is taken is an error.
    ///
    /// # Errors
    /// [`Error::Exists`], [`Error::Database`].
    pub(crate) fn put_network(&self, id: &str, name: &str, record: &impl Record) -> Result<()> {
        let json = encode(record, id)?;
        let known: Option<String> = self
            .tx
            .query_row("SELECT id FROM networks WHERE name = ?1 AND id <> ?2", [name, id], |r| r.get(0))
            .optional()
            .map_err(|source| Error::Database { path: self.path.into(), source })?;
        if known.is_some() {
            return Err(Error::Exists { what: "network", name: name.into() });
        }
        self.run("INSERT OR REPLACE INTO networks VALUES (?1, ?2, ?3)", params![id, name, json])?;
        Ok(())
    }

    /// Stores a volume; returns whether it is new (an existing one is left as it is).
    ///
    /// # Errors
    /// [`Error::Database`].
    pub(crate) fn put_volume(&self, name: &str, record: &impl Record) -> Result<bool> {
        let json = encode(record, name)?;
        Ok(self.run("INSERT OR IGNORE INTO volumes VALUES (?1, ?2)", params![name, json])? == 1)
    }

    /// Deletes a record; returns whether it was there.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub(crate) fn delete<R: Record>(&self, key: &str) -> Result<bool> {
        let sql = format!("DELETE FROM {} WHERE {} = ?1", R::TABLE, R::KEY);
        Ok(self.run(&sql, [key])? > 0)
    }

    /// All records of a kind, inside the transaction.
    ///
    /// # Errors
    /// [`Error::Database`], [`Error::Stored`].
    pub(crate) fn all<R: Record>(&self) -> Result<Vec<R>> {
        let fail = |source| Error::Database { path: self.path.into(), source };
        let sql = format!("SELECT {}, record FROM {}", R::KEY, R::TABLE);
        let rows = pairs_all(&self.tx, &sql).map_err(fail)?;
        rows.into_iter().map(|(key, text)| parse(&key, &text)).collect()
    }

    /// The leases of a network: (address, container id).
    ///
    /// # Errors
    /// [`Error::Database`].
    pub(crate) fn leases(&self, network: &str) -> Result<Vec<(String, String)>> {
        pairs(&self.tx, "SELECT address, container FROM leases WHERE network = ?1", network)
            .map_err(|source| Error::Database { path: self.path.into(), source })
    }

    /// Takes an address for a container (over whoever had it: the caller has checked).
    ///
    /// # Errors
    /// [`Error::Database`].
    pub(crate) fn lease(&self, network: &str, address: &str, container: &str) -> Result<()> {
        self.run("INSERT OR REPLACE INTO leases VALUES (?1, ?2, ?3)", [network, address, container])?;
        Ok(())
    }

    /// Gives back a container's addresses, of one network or of all.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub(crate) fn release(&self, container: &str, network: Option<&str>) -> Result<()> {
        match network {
            Some(n) => {
                self.run("DELETE FROM leases WHERE container = ?1 AND network = ?2", [container, n])?
            }
            None => self.run("DELETE FROM leases WHERE container = ?1", [container])?,
        };
        Ok(())
    }
}

/// Sets up a new file. WAL mode stays in the file, so only the first opener pays for it.
fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version >= VERSION {
        return Ok(());
    }
    connection.query_row("PRAGMA journal_mode=WAL", [], |_| Ok(()))?;
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version < VERSION {
        connection.execute_batch(SCHEMA)?;
        connection.execute_batch(&format!("PRAGMA user_version={VERSION}"))?;
    }
    connection.execute_batch("COMMIT")
}

fn encode(record: &impl Record, id: &str) -> Result<String> {
    fn what<R: Record>(_: &R) -> &'static str {
        R::WHAT
    }
    serde_json::to_string(record).map_err(|source| Error::Stored {
        what: what(record),
        id: id.into(),
        source,
    })
}

fn parse<R: Record>(key: &str, text: &str) -> Result<R> {
    serde_json::from_str(text).map_err(|source| Error::Stored { what: R::WHAT, id: key.into(), source })
}

fn strings(connection: &Connection, sql: &str, value: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([value], |row| row.get(0))?;
    rows.collect()
}

fn pairs(connection: &Connection, sql: &str, value: &str) -> rusqlite::Result<Vec<(String, String)>> {
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([value], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

fn pairs_all(connection: &Connection, sql: &str) -> rusqlite::Result<Vec<(String, String)>> {
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}
