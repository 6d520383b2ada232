//! What can be wrong with the store, said to the person who runs the gateway.

use crate::broker::StoreFault;
use rusqlite::ErrorCode;
use rusqlite::ffi::{SQLITE_IOERR_READ as IOERR_READ, SQLITE_IOERR_SHORT_READ as IOERR_SHORT_READ};
use std::io;
use std::path::PathBuf;

/// Why the store cannot be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another gateway uses the directory.
    #[error(
        "the data directory {directory} is in use by another gatehouse (process {owner}): stop it, or give this one \
         another directory with --data-dir"
    )]
    InUse {
        /// The data directory.
        directory: PathBuf,
        /// Process number of the other gateway, as it wrote it down.
        owner: String,
    },
    /// A later release wrote the file.
    #[error(
        "{file} was written by a later release (store version {found}, this one knows {known}): run that release, or \
         restore a backup made by this one"
    )]
    TooNew {
        /// The database.
        file: PathBuf,
        /// Version in the file.
        found: i64,
        /// Latest version known here.
        known: i64,
    },
    /// The file is not a store of Gatehouse.
    #[error("{0} is not a Gatehouse store: move it away, or give another directory with --data-dir")]
    Foreign(PathBuf),
    /// A row cannot be understood.
    #[error("row {row} of table {table} cannot be understood: {what}")]
    Damaged {
        /// Table.
        table: &'static str,
        /// Row number.
        row: i64,
        /// What is wrong.
        what: &'static str,
    },
    /// A file or directory cannot be used.
    #[error("{path}: {source}{}", advice(source))]
    Io {
        /// Which.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// SQLite reports an error.
    #[error("SQLite: {0}")]
    Sqlite(#[from] rusqlite::Error),
}

/// What the person can do about what the operating system says, if that is clear.
fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::ReadOnlyFilesystem => {
            ": without writing nothing can be confirmed. Mount it writable, or give another directory with --data-dir"
        }
        io::ErrorKind::PermissionDenied => {
            ": give the user that runs the gateway the right to write there, or another directory with --data-dir"
        }
        io::ErrorKind::StorageFull => ": make room, or give another directory with --data-dir",
        _ => "",
    }
}

impl StoreError {
    /// Whether the disk could not be read, which may pass.
    pub fn is_unreadable(&self) -> bool {
        match self {
            StoreError::Sqlite(rusqlite::Error::SqliteFailure(error, _)) => {
                [IOERR_READ, IOERR_SHORT_READ].contains(&error.extended_code)
            }
            _ => false,
        }
    }

    /// Whether what lies on the disk is damaged, so that trying again does not help.
    pub fn is_damage(&self) -> bool {
        use rusqlite::Error::{
            FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType, QueryReturnedNoRows, SqliteFailure,
            Utf8Error,
        };
        match self {
            StoreError::Damaged { .. } => true,
            StoreError::Sqlite(SqliteFailure(error, text)) => {
                let misses_table = || text.as_deref().is_some_and(|text| text.starts_with("no such "));
                matches!(error.code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
                    || self.is_unreadable()
                    || misses_table()
            }
            StoreError::Sqlite(
                FromSqlConversionFailure(..)
                | IntegralValueOutOfRange(..)
                | InvalidColumnType(..)
                | Utf8Error(..)
                | QueryReturnedNoRows,
            ) => true,
            _ => false,
        }
    }

    /// What the broker is to know of it.
    pub fn fault(&self) -> StoreFault {
        match self {
            StoreError::Sqlite(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull) => {
                StoreFault::Full
            }
            StoreError::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => StoreFault::Full,
            _ => StoreFault::Broken,
        }
    }
}
