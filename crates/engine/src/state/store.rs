//! The state database: containers, networks, volumes and address leases.
//!
//! WAL with `synchronous=NORMAL`: a crash of a process loses nothing, a power cut at most the last moments, and no
//! file is left torn. Transactions are short and never held while a process is spawned. Records are JSON in a column of
//! their own with what is searched for beside it, so that a new field needs no migration.
//!
//! A record is changed by [`Transaction::update`] alone, which reads it in the transaction that writes it: of two commands
//! at once none undoes what the other did, and none brings back what the other removed. One that cannot be read is no
//! reason not to read the others: see [`All`].

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Serialize, de::DeserializeOwned};
use tare_words::near::Missing;

use crate::Paths;
use crate::state::error::{Error, Result};
use crate::state::private;

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

/// All records of a kind.
pub(crate) struct All<R> {
    /// Those that this tare understands.
    pub(crate) records: Vec<R>,
    /// The others.
    pub(crate) broken: Vec<Broken>,
}

/// A record that cannot be read: damaged, or a newer tare's.
pub(crate) struct Broken {
    /// Its key.
    pub(crate) key: String,
    /// Why.
    pub(crate) error: Error,
    text: String,
}

impl Broken {
    /// Whether a name stands in it as a text of its own: then what has that name may be in use.
    pub(crate) fn mentions(&self, name: &str) -> bool {
        self.text.contains(&format!("\"{name}\""))
    }
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

/// A record with an id and a name that no other of its kind has.
pub(crate) trait Stored: Record {
    fn id(&self) -> &str;
    fn name(&self) -> &str;
    /// What the table has beside.
    fn image(&self) -> Option<&str>;
    /// The error when its name is that of `holder`.
    fn taken(&self, holder: String) -> Error;
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
            .map_err(fail)?;
        prepare(&connection, &path)?;
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
        let text = text_of::<R>(&self.lock(), key).map_err(|e| self.fail(e))?;
        text.map(|text| parse(key, &text)).transpose()
    }

    /// Reads all records of a kind.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub(crate) fn all<R: Record>(&self) -> Result<All<R>> {
        all(&self.lock()).map_err(|e| self.fail(e))
    }

    /// The keys of all records of a kind, those that cannot be read too.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub(crate) fn keys<R: Record>(&self) -> Result<HashSet<String>> {
        keys::<R>(&self.lock()).map_err(|e| self.fail(e))
    }

    /// The ids of an image's containers.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub(crate) fn containers_of(&self, image: &str) -> Result<Vec<String>> {
        let guard = self.lock();
        strings(&guard, "SELECT id FROM containers WHERE image_id = ?1", image).map_err(|e| self.fail(e))
    }

    /// [`Transaction::update`] in a transaction of its own.
    ///
    /// # Errors
    /// Those of `change`, [`Error::Database`], [`Error::Stored`], and of a name that is taken.
    pub(crate) fn update<R: Stored>(
        &self,
        key: &str,
        change: impl FnOnce(&mut R) -> Result<()>,
    ) -> Result<Option<R>> {
        self.write(|tx| tx.update(key, change))
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

    /// The names in a table, for a name that is not.
    pub(crate) fn missing(&self, table: &'static str, name: &str) -> Missing {
        let known = strings(&self.lock(), &format!("SELECT name FROM {table} WHERE name <> ?1"), "");
        Missing::among(name, known.unwrap_or_default().iter().map(String::as_str))
    }
}

/// A write transaction; see [`StateStore::write`].
pub(crate) struct Transaction<'a> {
    tx: rusqlite::Transaction<'a>,
    path: &'a Path,
}

impl Transaction<'_> {
    fn fail(&self, source: rusqlite::Error) -> Error {
        Error::Database { path: self.path.into(), source }
    }

    fn run(&self, sql: &str, values: impl rusqlite::Params) -> Result<usize> {
        self.tx.prepare_cached(sql).and_then(|mut s| s.execute(values)).map_err(|e| self.fail(e))
    }

    /// Stores a new record.
    ///
    /// # Errors
    /// [`Error::Database`]; what [`Stored::taken`] says when its name is another's.
    pub(crate) fn insert<R: Stored>(&self, record: &R) -> Result<()> {
        self.check_name(record)?;
        self.put(record)
    }

    /// Changes a record, read in this transaction; `None`, and nothing is done, if there is none.
    ///
    /// # Errors
    /// Those of `change`, [`Error::Database`], [`Error::Stored`], and of a name that is taken; nothing is kept then.
    pub(crate) fn update<R: Stored>(
        &self,
        key: &str,
        change: impl FnOnce(&mut R) -> Result<()>,
    ) -> Result<Option<R>> {
        let Some(mut record) = self.get::<R>(key)? else { return Ok(None) };
        let name = record.name().to_owned();
        change(&mut record)?;
        if record.name() != name {
            self.check_name(&record)?;
        }
        self.put(&record)?;
        Ok(Some(record))
    }

    /// Reads one record.
    ///
    /// # Errors
    /// [`Error::Database`], [`Error::Stored`].
    pub(crate) fn get<R: Record>(&self, key: &str) -> Result<Option<R>> {
        let text = text_of::<R>(&self.tx, key).map_err(|e| self.fail(e))?;
        text.map(|text| parse(key, &text)).transpose()
    }

    fn check_name<R: Stored>(&self, record: &R) -> Result<()> {
        let sql = format!("SELECT id FROM {} WHERE name = ?1 AND id <> ?2", R::TABLE);
        let holder: Option<String> = self
            .tx
            .prepare_cached(&sql)
            .and_then(|mut s| s.query_row([record.name(), record.id()], |row| row.get(0)).optional())
            .map_err(|e| self.fail(e))?;
        holder.map_or(Ok(()), |holder| Err(record.taken(holder)))
    }

    fn put<R: Stored>(&self, record: &R) -> Result<()> {
        let json = encode(record, record.id())?;
        let mut columns = vec![record.id(), record.name()];
        columns.extend(record.image());
        columns.push(&json);
        let marks = vec!["?"; columns.len()].join(", ");
        let sql = format!("INSERT OR REPLACE INTO {} VALUES ({marks})", R::TABLE);
        self.run(&sql, rusqlite::params_from_iter(columns))?;
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
    /// [`Error::Database`].
    pub(crate) fn all<R: Record>(&self) -> Result<All<R>> {
        all(&self.tx).map_err(|e| self.fail(e))
    }

    /// See [`StateStore::keys`].
    ///
    /// # Errors
    /// [`Error::Database`].
    pub(crate) fn keys<R: Record>(&self) -> Result<HashSet<String>> {
        keys::<R>(&self.tx).map_err(|e| self.fail(e))
    }

    /// The leases of a network: (address, container id).
    ///
    /// # Errors
    /// [`Error::Database`].
    pub(crate) fn leases(&self, network: &str) -> Result<Vec<(String, String)>> {
        pairs(&self.tx, "SELECT address, container FROM leases WHERE network = ?1", network)
            .map_err(|e| self.fail(e))
    }

    /// Who holds leases, of those whose name begins so.
    ///
    /// # Errors
    /// The database's.
    pub(crate) fn lease_holders(&self, prefix: &str) -> Result<Vec<String>> {
        let sql = "SELECT DISTINCT container, '' FROM leases WHERE substr(container, 1, length(?1)) = ?1";
        let found = pairs(&self.tx, sql, prefix).map_err(|e| self.fail(e))?;
        Ok(found.into_iter().map(|(holder, _)| holder).collect())
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
fn prepare(connection: &Connection, path: &Path) -> Result<()> {
    let fail = |source| Error::Database { path: path.into(), source };
    let version = || connection.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0));
    let found = version().map_err(fail)?;
    if found > VERSION {
        return Err(Error::NewerDatabase { path: path.into(), found, known: VERSION });
    }
    if found == VERSION {
        return Ok(());
    }
    let make = || {
        connection.query_row("PRAGMA journal_mode=WAL", [], |_| Ok(()))?;
        connection.execute_batch("BEGIN IMMEDIATE")?;
        if version()? < VERSION {
            connection.execute_batch(SCHEMA)?;
            connection.execute_batch(&format!("PRAGMA user_version={VERSION}"))?;
        }
        connection.execute_batch("COMMIT")
    };
    make().map_err(fail)
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

fn text_of<R: Record>(connection: &Connection, key: &str) -> rusqlite::Result<Option<String>> {
    let sql = format!("SELECT record FROM {} WHERE {} = ?1", R::TABLE, R::KEY);
    connection.prepare_cached(&sql)?.query_row([key], |row| Ok(text(row.get_ref(0)?))).optional()
}

fn all<R: Record>(connection: &Connection) -> rusqlite::Result<All<R>> {
    let sql = format!("SELECT {}, record FROM {}", R::KEY, R::TABLE);
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, text(row.get_ref(1)?))))?;
    let mut all = All { records: Vec::new(), broken: Vec::new() };
    for row in rows {
        let (key, text): (String, String) = row?;
        match parse(&key, &text) {
            Ok(record) => all.records.push(record),
            Err(error) => all.broken.push(Broken { key, error, text }),
        }
    }
    Ok(all)
}

fn keys<R: Record>(connection: &Connection) -> rusqlite::Result<HashSet<String>> {
    let mut statement = connection.prepare_cached(&format!("SELECT {} FROM {}", R::KEY, R::TABLE))?;
    let rows = statement.query_map([], |row| row.get(0))?;
    rows.collect()
}

/// A column's text, whatever is in it.
fn text(column: ValueRef<'_>) -> String {
    column.as_bytes_or_null().ok().flatten().map(String::from_utf8_lossy).unwrap_or_default().into_owned()
}
