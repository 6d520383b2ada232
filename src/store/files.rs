//! The data directory: its lock, and the log file that does not grow.

use super::StoreError;
use nix::fcntl::{Flock, FlockArg};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Bytes of the write-ahead log on the card. It is written full of zeros once and then used over and over:
/// a log that grows makes the file system write its own journal with every commit.
const WAL_BYTES: u64 = 4_300 << 10;

/// The file whose lock says that a process runs on the directory, and that names the process.
const LOCK: &str = "gatehouse.lock";

/// The data directory, locked for this process.
#[derive(Debug)]
pub struct DataDirectory {
    path: PathBuf,
    _lock: Flock<File>,
}

fn io_error(path: &Path) -> impl FnOnce(std::io::Error) -> StoreError + '_ {
    move |source| StoreError::Io { path: path.to_owned(), source }
}

impl DataDirectory {
    /// Makes the directory if need be, readable by its owner only, and locks it.
    pub fn open(path: &Path) -> Result<DataDirectory, StoreError> {
        if !path.is_dir() {
            DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(io_error(path))?;
        }
        let name = path.join(LOCK);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&name)
            .map_err(io_error(&name))?;
        let mut lock = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(mut file, _)| {
            let mut owner = String::new();
            // Who holds the lock is a courtesy: without it the message is still right.
            let _ = file.read_to_string(&mut owner);
            let owner = if owner.trim().is_empty() { "unknown".into() } else { owner.trim().into() };
            StoreError::InUse { directory: path.to_owned(), owner }
        })?;
        // A full card must not keep the gateway from starting: the number is a courtesy.
        let _ = lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id()));
        Ok(DataDirectory { path: path.to_owned(), _lock: lock })
    }

    /// The database.
    pub fn database(&self) -> PathBuf {
        self.path.join("gatehouse.db")
    }

    /// Fills the write-ahead log with zeros up to its full size, if it is shorter. SQLite ends its reading at
    /// the first frame that is not valid, so the zeros behind valid frames are harmless. Without space the
    /// log stays as it is.
    pub fn extend_log(&self) -> Result<(), StoreError> {
        let name = self.path.join("gatehouse.db-wal");
        let length = fs::metadata(&name).map_or(0, |metadata| metadata.len());
        if length >= WAL_BYTES {
            return Ok(());
        }
        let mut file = OpenOptions::new().write(true).open(&name).map_err(io_error(&name))?;
        let filled = fill(&mut file, length).and_then(|()| file.sync_all());
        if filled.is_err() {
            file.set_len(length).map_err(io_error(&name))?;
            return Ok(());
        }
        File::open(&self.path).and_then(|directory| directory.sync_all()).map_err(io_error(&self.path))
    }
}

impl DataDirectory {
    /// Writes the log once more, byte for byte, and flushes it. After a flush that failed the kernel takes what it could
    /// not write for written: it is not told to flush that again, but given it again.
    pub fn rewrite_log(&self) -> Result<(), StoreError> {
        let name = self.path.join("gatehouse.db-wal");
        let rewrite = || {
            let bytes = match fs::read(&name) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
                read => read?,
            };
            let mut file = OpenOptions::new().write(true).open(&name)?;
            file.write_all(&bytes)?;
            file.sync_data()
        };
        rewrite().map_err(io_error(&name))
    }
}

/// The process that runs on a data directory, if one does.
pub fn owner(directory: &Path) -> Option<i32> {
    let file = File::open(directory.join(LOCK)).ok()?;
    let (mut file, _) = Flock::lock(file, FlockArg::LockSharedNonblock).err()?;
    let mut owner = String::new();
    file.read_to_string(&mut owner).ok()?;
    owner.trim().parse().ok()
}

fn fill(file: &mut File, from: u64) -> std::io::Result<()> {
    let zeros = [0; 8 << 10];
    let mut at = file.seek(SeekFrom::Start(from))?;
    while at < WAL_BYTES {
        let count = (WAL_BYTES - at).min(zeros.len() as u64);
        file.write_all(&zeros[..count as usize])?;
        at += count;
    }
    Ok(())
}
