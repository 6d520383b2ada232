//! Tables, settings and versions of the database.

use super::StoreError;
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use std::path::Path;

/// "GATE": marks a SQLite file as ours.
const APPLICATION_ID: i64 = 0x4741_5445;

/// The version this release writes.
const VERSION: i64 = 2;

/// The file is ours alone: no shared memory file, no file lock per read.
const EXCLUSIVE: &str = "PRAGMA locking_mode = EXCLUSIVE";

/// Settings of the connection.
///
/// `page_size` 1024: a lone commit writes one block. `synchronous=FULL`: nothing else survives a power cut.
/// No automatic checkpoint: it would run within
/// a commit; the thread makes them when the answers are out. No memory mapping: a bad sector must be an error
/// code, not a signal.
const SETTINGS: &str = "
    PRAGMA page_size = 1024;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA wal_autocheckpoint = 0;
    PRAGMA cache_size = -4096;
    PRAGMA mmap_size = 0;
    PRAGMA foreign_keys = OFF;
";

/// What leads from each version to the next, beginning with version 1: the first release.
const MIGRATIONS: [&str; 1] = ["CREATE TABLE ix(upto INTEGER PRIMARY KEY, b BLOB NOT NULL);"];

/// The latest version.
///
/// `msg`: one row per message, however many read it. `rc` tells the receivers (see `pack`): an integer for one, a
/// blob for many, NULL for a row of session states, which lies in `payload`. `ix`: the index, which tells for a range of
/// numbers up to `upto` which sessions still want them, so that a start reads only the messages behind it. `expiry` and `meta.clock` are microseconds
/// of the time this store's gateways were running.
const TABLES: &str = "
    CREATE TABLE msg(id INTEGER PRIMARY KEY, rc, topic TEXT, flags INTEGER, payload BLOB, props BLOB, expiry INTEGER);
    CREATE TABLE ix(upto INTEGER PRIMARY KEY, b BLOB NOT NULL);
    CREATE TABLE session(no INTEGER PRIMARY KEY, client_id TEXT NOT NULL UNIQUE, expiry INTEGER NOT NULL);
    CREATE TABLE sub(session INTEGER, filter TEXT, opts INTEGER NOT NULL, ident INTEGER NOT NULL,
        PRIMARY KEY(session, filter)) WITHOUT ROWID;
    CREATE TABLE retained(topic TEXT PRIMARY KEY, flags INTEGER NOT NULL, payload BLOB, props BLOB, expiry INTEGER)
        WITHOUT ROWID;
    CREATE TABLE meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
    INSERT INTO meta VALUES('boots', 0), ('next_session', 1), ('clock', 0);
";

/// Opens the database and brings it to the version of this release.
pub fn open(file: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open(file)?;
    // Before the first look: without it SQLite makes a shared memory file, which a full card has no room for.
    connection.execute_batch(EXCLUSIVE)?;
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let application: i64 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if version > VERSION && application == APPLICATION_ID {
        return Err(StoreError::TooNew { file: file.to_owned(), found: version, known: VERSION });
    }
    if tables > 0 && application != APPLICATION_ID {
        return Err(StoreError::Foreign(file.to_owned()));
    }
    connection.execute_batch(SETTINGS)?;
    if tables == 0 {
        let marks = format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION};");
        connection.execute_batch(&format!("BEGIN IMMEDIATE; {marks} {TABLES} COMMIT;"))?;
    } else {
        migrate(&connection, version)?;
    }
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(connection)
}

/// Brings a file of an earlier release to the latest version: each step is one transaction, so that a power cut leaves
/// one version or the next.
fn migrate(connection: &Connection, version: i64) -> Result<(), StoreError> {
    for (from, step) in (1..).zip(MIGRATIONS).skip_while(|(from, _)| *from < version) {
        let mark = format!("PRAGMA user_version = {};", from + 1);
        connection.execute_batch(&format!("BEGIN IMMEDIATE; {step} {mark} COMMIT;"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_a_later_release_is_refused() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let file = directory.path().join("gatehouse.db");
        let connection = open(&file).expect("new store");
        connection.execute_batch("PRAGMA user_version = 99").expect("version set");
        drop(connection);
        assert!(matches!(open(&file), Err(StoreError::TooNew { found: 99, .. })));
    }

    #[test]
    fn a_file_of_another_program_is_refused() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let file = directory.path().join("gatehouse.db");
        Connection::open(&file).and_then(|c| c.execute_batch("CREATE TABLE t(a)")).expect("foreign file");
        assert!(matches!(open(&file), Err(StoreError::Foreign(_))));
    }

    #[test]
    fn every_setting_is_in_force() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let connection = open(&directory.path().join("gatehouse.db")).expect("new store");
        let text = |name: &str| -> String {
            connection
                .query_row(&format!("SELECT CAST({name} AS TEXT) FROM pragma_{name}"), [], |row| row.get(0))
                .expect("pragma")
        };
        assert_eq!(text("page_size"), "1024");
        assert_eq!(text("journal_mode"), "wal");
        assert_eq!(text("synchronous"), "2");
        assert_eq!(text("locking_mode"), "exclusive");
    }
}
