//! What lies on the disk below a directory, as far as it was flushed, and everything that happened to it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::SystemTime;

/// Bytes that a disk writes whole or not at all.
const SECTOR: usize = 512;

/// What happens to a file when the power goes: of what was written and not flushed it has…
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeps {
    Nothing,
    All,
    /// … some writes, and of some of them some sectors.
    Some,
}

/// What SQLite did, or what was found to have been done without it.
#[derive(Debug, Clone)]
pub enum Action {
    Write {
        at: u64,
        bytes: Vec<u8>,
    },
    SetLength(u64),
    Flush,
    /// The store wrote the file itself, which ends with a flush: the whole file.
    Replaced(Vec<u8>),
    Removed,
}

/// A moment that no clock of this machine shows: the mark of files that only SQLite wrote.
const MARK: SystemTime = SystemTime::UNIX_EPOCH;

/// Marks a file as seen.
pub fn mark(file: &File) -> io::Result<()> {
    file.set_modified(MARK)
}

/// Whether someone wrote a file since it was marked.
pub fn was_written(file: &File) -> io::Result<bool> {
    Ok(file.metadata()?.modified()? != MARK)
}

#[derive(Debug, Clone, Default)]
struct Content {
    flushed: Vec<u8>,
    pending: Vec<Action>,
}

/// The files of one directory.
#[derive(Debug, Clone, Default)]
pub struct Files(BTreeMap<String, Content>);

impl Files {
    /// Takes over what was done to a file.
    pub fn apply(&mut self, name: &str, action: &Action) {
        let content = self.0.entry(name.to_owned()).or_default();
        match action {
            Action::Flush => {
                for action in std::mem::take(&mut content.pending) {
                    write(&mut content.flushed, &action, |_| true);
                }
            }
            Action::Replaced(bytes) => *content = Content { flushed: bytes.clone(), pending: vec![] },
            Action::Removed => drop(self.0.remove(name)),
            Action::Write { .. } | Action::SetLength(_) => content.pending.push(action.clone()),
        }
    }

    /// A flush failed: the kernel takes what it could not write for written, and it never reaches the disk.
    pub fn forget_pending(&mut self, name: &str) {
        if let Some(content) = self.0.get_mut(name) {
            content.pending.clear();
        }
    }

    /// Writes into a directory what a disk has when the power goes now. `chance` tells true or false at random.
    pub fn restore(&self, directory: &Path, keeps: Keeps, mut chance: impl FnMut() -> bool) -> io::Result<()> {
        for (name, content) in &self.0 {
            let mut bytes = content.flushed.clone();
            for action in &content.pending {
                let is_torn = keeps == Keeps::Some && chance();
                if keeps == Keeps::All || (keeps == Keeps::Some && chance()) {
                    write(&mut bytes, action, |_| !is_torn || chance());
                }
            }
            fs::write(directory.join(name), bytes)?;
        }
        Ok(())
    }
}

fn write(file: &mut Vec<u8>, action: &Action, mut is_wanted: impl FnMut(usize) -> bool) {
    match action {
        Action::Write { at, bytes } => {
            let at = *at as usize;
            if file.len() < at + bytes.len() {
                file.resize(at + bytes.len(), 0);
            }
            for (number, sector) in bytes.chunks(SECTOR).enumerate() {
                if is_wanted(number) {
                    let from = at + number * SECTOR;
                    file[from..from + sector.len()].copy_from_slice(sector);
                }
            }
        }
        Action::SetLength(length) => file.resize(*length as usize, 0),
        Action::Flush | Action::Replaced(_) | Action::Removed => {}
    }
}
