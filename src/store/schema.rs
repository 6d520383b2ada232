//! Tables, settings and versions of the database.

use super::StoreError;
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use std::path::{Path, PathBuf};

/// "GATE": marks a SQLite file as ours.
pub const APPLICATION_ID: i64 = 0x4741_5445;

/// The version this release writes.
pub const VERSION: i64 = 2;

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
const MIGRATIONS: [&str; 1] = [FROM_1];

/// Version 1 had no index, kept moments as microseconds of one time line that stood still while the gateway was off, and
/// forgot when sessions went away and wills that waited.
const FROM_1: &str = "
    CREATE TABLE ix(upto INTEGER PRIMARY KEY, b BLOB NOT NULL);
    CREATE TABLE will(session INTEGER PRIMARY KEY, due INTEGER NOT NULL, topic TEXT NOT NULL, flags INTEGER NOT NULL,
        payload BLOB, props BLOB, life INTEGER);
    CREATE TABLE boot(no INTEGER PRIMARY KEY, start INTEGER NOT NULL);
    ALTER TABLE session ADD COLUMN ends INTEGER;
    INSERT INTO boot VALUES(0, 0);
    INSERT INTO meta VALUES('wall', 0);
    UPDATE meta SET value = value / 1000 WHERE key = 'clock';
    UPDATE msg SET expiry = expiry / 1000 WHERE expiry IS NOT NULL;
    UPDATE retained SET expiry = expiry / 1000 WHERE expiry IS NOT NULL;
";

/// The same for rows of version 1 that were copied into tables of version 2.
const CONVERT_1: &str = "
    UPDATE meta SET value = value / 1000 WHERE key = 'clock';
    UPDATE msg SET expiry = expiry / 1000 WHERE expiry IS NOT NULL;
    UPDATE retained SET expiry = expiry / 1000 WHERE expiry IS NOT NULL;
";

/// The latest version.
///
/// `msg`: one row per message, however many read it. `rc` tells the receivers (see `pack`): an integer for one, a
/// blob for many, NULL for a row of session states, which lies in `payload`. `ix`: the index, which tells for a range of
/// numbers up to `upto` which sessions still want them, so that a start reads only the messages behind it.
/// `session.ends`: when a session expires whose client is away. `boot`: where runs begin on the time line, see `clock`.
/// `expiry`, `ends` and `due` are moments on it.
pub const TABLES: &str = "
    CREATE TABLE msg(id INTEGER PRIMARY KEY, rc, topic TEXT, flags INTEGER, payload BLOB, props BLOB, expiry INTEGER);
    CREATE TABLE ix(upto INTEGER PRIMARY KEY, b BLOB NOT NULL);
    CREATE TABLE session(no INTEGER PRIMARY KEY, client_id TEXT NOT NULL UNIQUE, expiry INTEGER NOT NULL, ends INTEGER);
    CREATE TABLE will(session INTEGER PRIMARY KEY, due INTEGER NOT NULL, topic TEXT NOT NULL, flags INTEGER NOT NULL,
        payload BLOB, props BLOB, life INTEGER);
    CREATE TABLE boot(no INTEGER PRIMARY KEY, start INTEGER NOT NULL);
    INSERT INTO boot VALUES(0, 0);
    CREATE TABLE sub(session INTEGER, filter TEXT, opts INTEGER NOT NULL, ident INTEGER NOT NULL,
        PRIMARY KEY(session, filter)) WITHOUT ROWID;
    CREATE TABLE retained(topic TEXT PRIMARY KEY, flags INTEGER NOT NULL, payload BLOB, props BLOB, expiry INTEGER)
        WITHOUT ROWID;
    CREATE TABLE meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
    INSERT INTO meta VALUES('boots', 0), ('next_session', 1), ('clock', 0), ('wall', 0);
";

/// Opens the database and brings it to the version of this release.
pub fn open(file: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open(file)?;
    // Before the first look: without it SQLite makes a shared memory file, which a full card has no room for.
    connection.execute_batch(EXCLUSIVE)?;
    let version = version(&connection, file)?;
    connection.execute_batch(SETTINGS)?;
    let Some(version) = version else {
        let marks = format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION};");
        connection.execute_batch(&format!("BEGIN IMMEDIATE; {marks} {TABLES} COMMIT;"))?;
        no_journal_is_left(file)?;
        return closing_leaves_the_log(connection);
    };
    migrate(&connection, version)?;
    closing_leaves_the_log(connection)
}

/// The version of a store that this release understands; `None` for an empty file.
pub fn version(connection: &Connection, file: &Path) -> Result<Option<i64>, StoreError> {
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let application: i64 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if version > VERSION && application == APPLICATION_ID {
        return Err(StoreError::TooNew { file: file.to_owned(), found: version, known: VERSION });
    }
    if tables > 0 && application != APPLICATION_ID {
        return Err(StoreError::Foreign(file.to_owned()));
    }
    Ok((tables > 0).then_some(version))
}

/// A new file gets its log by way of a rollback journal. If that cannot be removed SQLite goes on as if it had been, and
/// the next start would roll everything back to nothing. So early, beginning again loses nothing.
fn no_journal_is_left(file: &Path) -> Result<(), StoreError> {
    let journal = PathBuf::from(format!("{}-journal", file.display()));
    if journal.exists() {
        let source = std::io::Error::other("it could not be removed, and would undo all that is stored");
        return Err(StoreError::Io { path: journal, source });
    }
    Ok(())
}

fn closing_leaves_the_log(connection: Connection) -> Result<Connection, StoreError> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(connection)
}

/// What was copied from a file of an earlier release into the tables of this one takes the form of this one.
pub fn convert(connection: &Connection, version: i64) -> rusqlite::Result<()> {
    if version < 2 { connection.execute_batch(CONVERT_1) } else { Ok(()) }
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

    /// The tables of version 1, as the first release made them, with a row of each.
    const VERSION_1: &str = "
        CREATE TABLE msg(id INTEGER PRIMARY KEY, rc, topic TEXT, flags INTEGER, payload BLOB, props BLOB, expiry INTEGER);
        CREATE TABLE session(no INTEGER PRIMARY KEY, client_id TEXT NOT NULL UNIQUE, expiry INTEGER NOT NULL);
        CREATE TABLE sub(session INTEGER, filter TEXT, opts INTEGER NOT NULL, ident INTEGER NOT NULL,
            PRIMARY KEY(session, filter)) WITHOUT ROWID;
        CREATE TABLE retained(topic TEXT PRIMARY KEY, flags INTEGER NOT NULL, payload BLOB, props BLOB, expiry INTEGER)
            WITHOUT ROWID;
        CREATE TABLE meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
        INSERT INTO meta VALUES('boots', 3), ('next_session', 8), ('clock', 60000000);
        INSERT INTO session VALUES(7, 'reader', 100);
        INSERT INTO sub VALUES(7, 'a/#', 1, 0);
        INSERT INTO msg VALUES(5, 1835009, 'a/b', 1, x'31', NULL, 90000000);
        INSERT INTO msg VALUES(6, NULL, NULL, NULL, x'010701000000', NULL, NULL);
        INSERT INTO retained VALUES('kept', 1, x'32', NULL, 90000000);
        PRAGMA user_version = 1;";

    fn store_of_version_1() -> (tempfile::TempDir, std::path::PathBuf) {
        let directory = tempfile::tempdir().expect("temporary directory");
        let file = directory.path().join("gatehouse.db");
        let connection = Connection::open(&file).expect("new file");
        connection.execute_batch(&format!("PRAGMA journal_mode = WAL; {VERSION_1}")).expect("tables");
        connection.execute_batch(&format!("PRAGMA application_id = {APPLICATION_ID}")).expect("mark");
        (directory, file)
    }

    #[test]
    fn a_store_of_the_first_release_goes_on() {
        let (_directory, file) = store_of_version_1();
        let connection = open(&file).expect("migrated");
        let (memory, _) = crate::store::read::memory(&connection, 10).expect("read");
        assert_eq!((memory.boots, memory.sessions.len(), memory.subscriptions.len()), (4, 1, 1));
        assert_eq!((memory.messages.len(), memory.states.len(), memory.next_message.0), (1, 1, 7));
        let left = memory.retained[0].expires.expect("a lifetime").as_micros();
        assert_eq!(left, 30_000_000, "30 of 90 seconds are left");
    }

    /// A migration appends to the log: a head of 32 bytes, then frames, each a head of 24 bytes and a page. A power cut
    /// leaves any beginning of that.
    #[test]
    fn a_migration_that_is_cut_at_any_write_leaves_one_version_or_the_next() {
        let (directory, file) = store_of_version_1();
        let log = directory.path().join("gatehouse.db-wal");
        let connection = closing_leaves_the_log(Connection::open(&file).expect("there")).expect("set");
        connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").expect("copied");
        let database = std::fs::read(&file).expect("read");
        migrate(&connection, 1).expect("migrated");
        drop(connection);
        let written = std::fs::read(&log).expect("read");
        assert_eq!(std::fs::read(&file).expect("read"), database, "all of it is in the log");
        let page = u32::from_be_bytes(written[8..12].try_into().expect("four bytes")) as usize;
        let frames = (32..written.len()).step_by(24 + page);
        let cuts = [0].into_iter().chain(frames.flat_map(|frame| [frame, frame + 24, frame + 24 + page / 2]));
        let mut versions = std::collections::BTreeMap::new();
        for cut in cuts.chain([written.len()]) {
            std::fs::write(&file, &database).expect("put back");
            std::fs::write(&log, &written[..cut]).expect("cut");
            let connection = Connection::open(&file).expect("there");
            *versions.entry(version(&connection, &file).expect("known")).or_insert(0) += 1;
            drop(connection);
            std::fs::write(&file, &database).expect("put back");
            std::fs::write(&log, &written[..cut]).expect("cut");
            let connection = open(&file).expect("migrated now");
            assert_eq!(version(&connection, &file).expect("known"), Some(VERSION));
            let (memory, _) = crate::store::read::memory(&connection, 10).expect("read");
            let left = memory.retained[0].expires.expect("a lifetime").as_micros();
            assert_eq!((memory.messages.len(), left), (1, 30_000_000), "cut at {cut} of {}", written.len());
        }
        assert_eq!(versions.keys().copied().collect::<Vec<_>>(), [Some(1), Some(2)]);
        assert_eq!(versions[&Some(2)], 1, "only the whole of it is the next version");
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
