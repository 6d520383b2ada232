//! Where the running system and its card lie.

use super::bundle::PublicKey;
use super::{Record, SlotName, UpdateError};
use std::fs;
use std::path::{Path, PathBuf};

/// What the running system is made of: written by the builder.
const RELEASE: &str = "usr/lib/gatehouse/release";

/// Public keys whose bundles are taken, one file `NAME.pub` each: 32 bytes in hexadecimal.
const KEYS: &str = "etc/gatehouse/update-keys";

/// The card's devices and the slot that runs: written at every start by the step `S55update`.
const CARD: &str = "run/gatehouse/card";

/// What is remembered between starts.
const STATE: &str = "data/system";

/// The root of the system that is to be updated: `/`, or a directory that stands in for it.
#[derive(Clone, Debug)]
pub struct Place {
    root: PathBuf,
}

/// What runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// Its slot.
    pub slot: SlotName,
    /// Its board, as in `buildroot/board`.
    pub board: String,
    /// Its version.
    pub version: String,
    /// When its source was last changed, in seconds since 1970.
    pub build_time: u64,
}

impl Place {
    /// The system below a directory.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// What runs.
    ///
    /// # Errors
    /// [`UpdateError::NoCard`] where this is no system from a card.
    pub fn running(&self) -> Result<Running, UpdateError> {
        let release = Facts::read(self.root.join(RELEASE))?;
        let card = Facts::read(self.root.join(CARD))?;
        let slot =
            SlotName::named(card.get("SLOT")?).ok_or_else(|| UpdateError::NoCard("SLOT is neither a nor b".into()))?;
        let build_time = release.get("BUILD_TIME")?;
        Ok(Running {
            slot,
            board: release.get("BOARD")?.into(),
            version: release.get("VERSION")?.into(),
            build_time: build_time.parse().map_err(|_| UpdateError::NoCard("BUILD_TIME is no number".into()))?,
        })
    }

    /// The keys whose bundles are taken.
    ///
    /// # Errors
    /// [`UpdateError::File`] where a key cannot be read or is none.
    pub fn keys(&self) -> Result<Vec<PublicKey>, UpdateError> {
        let directory = self.root.join(KEYS);
        let entries = fs::read_dir(&directory).map_err(UpdateError::file(&directory))?;
        let files = entries.filter_map(Result::ok).map(|entry| entry.path());
        files.filter(|file| file.extension().is_some_and(|kind| kind == "pub")).map(|file| key(&file)).collect()
    }

    /// The whole card.
    ///
    /// # Errors
    /// [`UpdateError::NoCard`].
    pub fn card(&self) -> Result<PathBuf, UpdateError> {
        Ok(self.root.join(Facts::read(self.root.join(CARD))?.get("CARD")?.trim_start_matches('/')))
    }

    /// A slot's partition.
    ///
    /// # Errors
    /// [`UpdateError::NoCard`].
    pub fn slot(&self, slot: SlotName) -> Result<PathBuf, UpdateError> {
        let name = match slot {
            SlotName::A => "SLOT_A",
            SlotName::B => "SLOT_B",
        };
        Ok(self.root.join(Facts::read(self.root.join(CARD))?.get(name)?.trim_start_matches('/')))
    }

    /// What is remembered of the slots; nothing where it cannot be read, for the boot choice does not depend on it.
    pub fn record(&self) -> Record {
        Record::read(&self.state())
    }

    /// The directory of what is remembered.
    pub(super) fn state(&self) -> PathBuf {
        self.root.join(STATE)
    }
}

/// Reads a public key.
fn key(file: &Path) -> Result<PublicKey, UpdateError> {
    let no_key = || std::io::Error::new(std::io::ErrorKind::InvalidData, "not 32 bytes in hexadecimal");
    let text = fs::read_to_string(file).map_err(UpdateError::file(file))?;
    let text = text.trim();
    let mut key = PublicKey::default();
    if text.len() != 2 * key.len() || !text.is_ascii() {
        return Err(UpdateError::file(file)(no_key()));
    }
    for (at, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).map_err(|_| UpdateError::file(file)(no_key()))?;
    }
    Ok(key)
}

/// A file of `NAME=value` lines.
struct Facts {
    file: PathBuf,
    text: String,
}

impl Facts {
    fn read(file: PathBuf) -> Result<Self, UpdateError> {
        match fs::read_to_string(&file) {
            Ok(text) => Ok(Self { file, text }),
            Err(error) => Err(UpdateError::NoCard(format!("{}: {error}", file.display()))),
        }
    }

    fn get(&self, name: &str) -> Result<&str, UpdateError> {
        let mut lines = self.text.lines();
        lines
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
            .ok_or_else(|| UpdateError::NoCard(format!("{} does not say {name}", self.file.display())))
    }
}
