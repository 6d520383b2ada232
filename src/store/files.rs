//! The data directory: its lock, and the log file that does not grow.

use super::StoreError;
use nix::fcntl::{Flock, FlockArg};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Bytes of the write-ahead log on the card. It is written full of zeros once and then used over and over:
/// a log that grows makes the file system write its own journal with every commit.
const WAL_BYTES: u64 = 4_300 << 10;

/// The file whose lock says that a process runs on the directory, and that names the process.
const LOCK: &str = "gatehouse.lock";

/// A number that is another one after each start of the machine.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";

/// The data directory, locked for this process.
#[derive(Debug)]
pub struct DataDirectory {
    path: PathBuf,
    lock: Flock<File>,
    /// The process before ended without a good word, and the machine was not started since: what it could not flush may
    /// still be in the kernel's memory as if it were on the disk.
    is_doubtful: bool,
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
        let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(mut file, _)| {
            let mut owner = String::new();
            // Who holds the lock is a courtesy: without it the message is still right.
            let _ = file.read_to_string(&mut owner);
            let owner = owner.lines().next().filter(|line| !line.is_empty()).unwrap_or("unknown").into();
            StoreError::InUse { directory: path.to_owned(), owner }
        })?;
        let mut directory = DataDirectory { path: path.to_owned(), lock, is_doubtful: false };
        let mut before = String::new();
        let boot = fs::read_to_string(BOOT).unwrap_or_default();
        // Without space the file may be empty; without /proc there is no number of the boot.
        let is_read = directory.lock.read_to_string(&mut before).is_ok();
        directory.is_doubtful = is_read && before.lines().nth(1).is_some_and(|line| line == boot.trim());
        directory.write_lock(boot.trim());
        Ok(directory)
    }

    /// Writes who holds the lock, and what a later process must know.
    fn write_lock(&mut self, boot: &str) {
        let lock = &mut self.lock;
        // A full card must not keep the gateway from starting: the number is a courtesy.
        let _ = lock
            .set_len(0)
            .and_then(|()| lock.seek(SeekFrom::Start(0)))
            .and_then(|_| writeln!(lock, "{}\n{boot}", std::process::id()));
    }

    /// Makes sure that the log is on the disk if the process before may have failed to flush it. The kernel shows what it
    /// could not write as if it were written, and SQLite would go on behind it: a power cut would then take all that follows.
    pub fn settle_log(&self) -> Result<(), StoreError> {
        if self.is_doubtful { self.rewrite_log() } else { Ok(()) }
    }

    /// Everything was flushed: the next process need not doubt the log.
    pub fn all_is_flushed(&mut self) {
        self.write_lock("");
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
        let mut options = OpenOptions::new();
        // A store that was put in place, and not yet written to, has none.
        let options = options.write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(&name).map_err(io_error(&name))?;
        let filled = fill(&mut file, length).and_then(|()| file.sync_all());
        if filled.is_err() {
            file.set_len(length).map_err(io_error(&name))?;
            return Ok(());
        }
        File::open(&self.path).and_then(|directory| directory.sync_all()).map_err(io_error(&self.path))
    }
}

/// Damaged stores that are kept; the oldest goes when there are more.
const DAMAGED_KEPT: u32 = 3;

impl DataDirectory {
    /// The store that is being built from what can be read of a damaged one.
    pub fn salvaged(&self) -> PathBuf {
        self.path.join("gatehouse.db.new")
    }

    /// Makes sure that a file is on the disk.
    pub fn flush(&self, file: &Path) -> Result<(), StoreError> {
        File::open(file).and_then(|file| file.sync_all()).map_err(io_error(file))?;
        File::open(&self.path).and_then(|directory| directory.sync_all()).map_err(io_error(&self.path))
    }

    /// Removes a file if it is there.
    pub fn remove(file: &Path) -> Result<(), StoreError> {
        match fs::remove_file(file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io_error(file)(error)),
            _ => Ok(()),
        }
    }

    /// Renames the damaged store and its log; tells the new name. Only the latest few are kept.
    pub fn set_aside(&self) -> Result<PathBuf, StoreError> {
        let name = |number: u32| self.path.join(format!("gatehouse.db.damaged-{number}"));
        let number = self.damages().last().map_or(1, |last| last + 1);
        if let Some(old) = number.checked_sub(DAMAGED_KEPT) {
            for file in [name(old), with_suffix(&name(old), "-wal"), with_suffix(&name(old), ".txt")] {
                DataDirectory::remove(&file)?;
            }
        }
        match fs::rename(self.database(), name(number)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io_error(&self.database())(error))?,
            _ => {}
        }
        self.move_log(&with_suffix(&name(number), "-wal"))?;
        Ok(name(number))
    }

    /// Renames the store and its log to make room for a backup; tells the new name if there was one.
    pub fn set_aside_for_restore(&self) -> Result<Option<PathBuf>, StoreError> {
        let name = self.path.join("gatehouse.db.before-restore");
        for file in [&name, &with_suffix(&name, "-wal")] {
            DataDirectory::remove(file)?;
        }
        let is_there = self.database().exists();
        if is_there {
            fs::rename(self.database(), &name).map_err(io_error(&self.database()))?;
        }
        self.move_log(&with_suffix(&name, "-wal"))?;
        Ok(is_there.then_some(name))
    }

    /// Renames the log of a store that was set aside before a power cut.
    pub fn set_log_aside(&self) -> Result<(), StoreError> {
        let last = self.damages().last().copied().unwrap_or(1);
        self.move_log(&self.path.join(format!("gatehouse.db.damaged-{last}-wal")))
    }

    /// The write-ahead log.
    pub fn log(&self) -> PathBuf {
        with_suffix(&self.database(), "-wal")
    }

    fn move_log(&self, to: &Path) -> Result<(), StoreError> {
        let log = self.log();
        match fs::rename(&log, to) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io_error(&log)(error)),
            _ => Ok(()),
        }
    }

    /// Which files lie under the names of the database and its log now.
    pub fn identity(&self) -> [Option<(u64, u64)>; 2] {
        let of = |path: &Path| fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()));
        [of(&self.database()), of(&self.log())]
    }

    /// The salvaged store takes the place of the damaged one.
    pub fn adopt_salvaged(&self) -> Result<(), StoreError> {
        fs::rename(self.salvaged(), self.database()).map_err(io_error(&self.database()))?;
        File::open(&self.path).and_then(|directory| directory.sync_all()).map_err(io_error(&self.path))
    }

    /// The latest report of damage that nobody has removed yet.
    pub fn damage_report(&self) -> Option<PathBuf> {
        let report = |number: &u32| self.path.join(format!("gatehouse.db.damaged-{number}.txt"));
        self.damages().iter().rev().map(report).find(|report| report.exists())
    }

    /// The numbers of the damaged stores that were set aside, ascending.
    fn damages(&self) -> Vec<u32> {
        let Ok(entries) = fs::read_dir(&self.path) else { return vec![] };
        let number = |name: &str| {
            let rest = name.strip_prefix("gatehouse.db.damaged-")?;
            rest.split(['-', '.']).next()?.parse().ok()
        };
        let names = entries.filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()));
        let mut numbers: Vec<u32> = names.filter_map(|name| number(&name)).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", path.display()))
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

/// Whether a directory holds a store.
pub fn is_there(directory: &Path) -> bool {
    directory.join("gatehouse.db").exists()
}

/// The process that runs on a data directory, if one does.
pub fn owner(directory: &Path) -> Option<i32> {
    let file = File::open(directory.join(LOCK)).ok()?;
    let (mut file, _) = Flock::lock(file, FlockArg::LockSharedNonblock).err()?;
    let mut owner = String::new();
    file.read_to_string(&mut owner).ok()?;
    owner.lines().next()?.trim().parse().ok()
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
