//! Copies of a store: made while it is in use, in steps, and put back.
//!
//! The database file changes only when the log is copied into it. While a backup is made that does not happen: the file is
//! copied piece by piece between commits, and the log at the end. Whoever asked makes one checked file of the two.

use super::files::DataDirectory;
use super::{StoreError, read, schema};
use rusqlite::{Connection, OpenFlags};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

/// Bytes that are copied between two other things.
const STEP: u64 = 256 << 10;

/// What came of a copy: its bytes, or why there is none.
pub type Copied = Result<u64, String>;

/// A wish for a copy.
#[derive(Debug)]
pub struct Asked {
    target: PathBuf,
    answer: SyncSender<Copied>,
}

/// Where a running store is asked for a copy.
#[derive(Clone, Debug)]
pub struct BackupDoor(SyncSender<Asked>);

impl BackupDoor {
    /// The door, and what comes through it.
    pub(super) fn new() -> (BackupDoor, Receiver<Asked>) {
        let (asks, asked) = sync_channel(1);
        (BackupDoor(asks), asked)
    }

    /// Asks for a copy in `target` and, of the log, in `target` with `-wal` behind it; see [`finish`].
    ///
    /// # Errors
    /// Why not, in words.
    pub fn ask(&self, target: PathBuf) -> Result<Receiver<Copied>, String> {
        let (answer, answers) = sync_channel(1);
        self.0.try_send(Asked { target, answer }).map_err(|error| match error {
            TrySendError::Full(_) => "another backup is being made".to_owned(),
            TrySendError::Disconnected(_) => "the gateway is stopping".to_owned(),
        })?;
        Ok(answers)
    }
}

/// A copy that is being made.
#[derive(Debug)]
pub struct Copying {
    source: File,
    log: PathBuf,
    target: File,
    asked: Asked,
    copied: u64,
}

impl Copying {
    /// Begins; on failure the answer is given at once.
    pub fn begin(directory: &DataDirectory, asked: Asked) -> Option<Copying> {
        let open = || Ok::<_, io::Error>((File::open(directory.database())?, new_file(&asked.target)?));
        match open() {
            Ok((source, target)) => Some(Copying { source, log: directory.log(), target, asked, copied: 0 }),
            Err(error) => {
                asked.answer(Err(format!("{}: {error}", asked.target.display())));
                None
            }
        }
    }

    /// Copies a piece; tells whether there is more to do. Between two pieces others may write to the log.
    pub fn step(&mut self) -> bool {
        match self.piece() {
            Ok(true) => return true,
            Ok(false) => self.asked.answer(Ok(self.copied)),
            Err(error) => self.asked.answer(Err(format!("{}: {error}", self.asked.target.display()))),
        }
        false
    }

    fn piece(&mut self) -> io::Result<bool> {
        let count = io::copy(&mut (&mut self.source).take(STEP), &mut self.target)?;
        self.copied += count;
        if count > 0 {
            return Ok(true);
        }
        let mut log = File::open(&self.log)?;
        self.copied += io::copy(&mut log, &mut new_file(&log_of(&self.asked.target))?)?;
        Ok(false)
    }

    /// The store failed meanwhile.
    pub fn give_up(self) {
        self.asked.answer(Err("the store failed while it was copied; see the log of the gateway".to_owned()));
    }
}

impl Asked {
    /// The only error is that nobody waits any more.
    fn answer(&self, copied: Copied) {
        let _ = self.answer.try_send(copied);
    }
}

fn log_of(file: &Path) -> PathBuf {
    PathBuf::from(format!("{}-wal", file.display()))
}

/// A new file that only its owner can read: it holds messages.
fn new_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

/// What a backup holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Contents {
    /// Sessions.
    pub sessions: u64,
    /// Retained messages.
    pub retained: u64,
    /// Rows of messages and session states.
    pub rows: u64,
}

/// Makes one file of a copy and its log, checks it, and gives it its name.
///
/// # Errors
/// See [`StoreError`]; then there is no file of that name, or the one before.
pub fn finish(copy: &Path, name: &Path) -> Result<Contents, StoreError> {
    let connection = Connection::open_with_flags(copy, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.execute_batch("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = DELETE;")?;
    drop(connection);
    let contents = verify(copy)?;
    let io = |source| StoreError::Io { path: name.to_owned(), source };
    File::open(copy).and_then(|file| file.sync_all()).map_err(io)?;
    fs::rename(copy, name).map_err(io)?;
    let parent = name.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent).and_then(|directory| directory.sync_all()).map_err(io)?;
    Ok(contents)
}

/// Copies the store of a gateway that does not run.
///
/// # Errors
/// See [`StoreError`].
pub fn copy_of_stopped(directory: &Path, copy: &Path) -> Result<(), StoreError> {
    let directory = DataDirectory::open(directory)?;
    let io = |source| StoreError::Io { path: copy.to_owned(), source };
    let copy_file = |from: &Path, to: &Path| {
        let (mut from, mut to) = (File::open(from)?, new_file(to)?);
        io::copy(&mut from, &mut to)
    };
    copy_file(&directory.database(), copy).map_err(io)?;
    if directory.log().exists() {
        copy_file(&directory.log(), &log_of(copy)).map_err(io)?;
    }
    Ok(())
}

/// Looks whether a file is a whole backup that this release understands.
///
/// # Errors
/// See [`StoreError`].
pub fn verify(file: &Path) -> Result<Contents, StoreError> {
    let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let version = schema::version(&connection, file)?.ok_or_else(|| StoreError::Foreign(file.to_owned()))?;
    let said: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if said != "ok" {
        return Err(StoreError::Damaged { table: "(all)", row: 0, what: "the file fails SQLite's quick_check" });
    }
    if version >= 2 {
        read::index(&connection)?;
    }
    let count =
        |table: &str| connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get::<_, i64>(0));
    let count = |table| Ok::<_, rusqlite::Error>(count(table)?.unsigned_abs());
    Ok(Contents { sessions: count("session")?, retained: count("retained")?, rows: count("msg")? })
}

/// Puts a backup in the place of the store of a gateway that does not run. The store that was there is kept under
/// another name, which is told.
///
/// # Errors
/// See [`StoreError`]; then nothing has changed.
pub fn restore(file: &Path, directory: &Path) -> Result<(Contents, Option<PathBuf>), StoreError> {
    let contents = verify(file)?;
    let directory = DataDirectory::open(directory)?;
    let fresh = directory.salvaged();
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| StoreError::Io { path, source }
    };
    let copy = || {
        let (mut from, mut to) = (File::open(file)?, new_file(&fresh)?);
        io::copy(&mut from, &mut to)?;
        to.flush()
    };
    copy().map_err(io(&fresh))?;
    verify(&fresh)?;
    directory.flush(&fresh)?;
    let before = directory.set_aside_for_restore()?;
    directory.adopt_salvaged()?;
    Ok((contents, before))
}
