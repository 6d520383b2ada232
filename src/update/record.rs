//! What is remembered of the two slots between starts. The boot choice does not depend on it: a lost record costs no
//! more than the words of `gatehouse update status` and the memory of what failed.

use super::{Manifest, Place, Running, SlotName, UpdateError};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

const FILE: &str = "update.toml";

/// The most bundles that are remembered as failed; the oldest goes first.
const FAILED_MAX: usize = 32;

/// How far a slot's system has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// An installation began and did not end.
    Partial,
    /// Whole, and waiting for its trial or in it.
    Waiting,
    /// It proved itself.
    Good,
    /// It was tried and did not prove itself.
    Failed,
}

/// What is known of one slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotRecord {
    /// The version in it.
    pub version: String,
    /// See [`Manifest::digest`]; empty for the system that was flashed.
    #[serde(default)]
    pub digest: String,
    /// How far it has come.
    pub standing: Standing,
}

impl SlotRecord {
    pub(super) fn new(manifest: &Manifest, standing: Standing) -> Self {
        Self { version: manifest.version.clone(), digest: manifest.digest(), standing }
    }
}

/// What is known of both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Digests of bundles that did not work.
    #[serde(default)]
    pub failed: Vec<String>,
    /// The slot that a rollback asked for.
    #[serde(default)]
    pub waiting: Option<SlotName>,
    #[serde(default)]
    a: Option<SlotRecord>,
    #[serde(default)]
    b: Option<SlotRecord>,
}

impl Record {
    /// What is known of a slot.
    pub fn of(&self, slot: SlotName) -> Option<&SlotRecord> {
        match slot {
            SlotName::A => self.a.as_ref(),
            SlotName::B => self.b.as_ref(),
        }
    }

    pub(super) fn set(&mut self, slot: SlotName, known: SlotRecord) {
        match slot {
            SlotName::A => self.a = Some(known),
            SlotName::B => self.b = Some(known),
        }
    }

    /// Notes that the running system has proved itself.
    pub(super) fn prove(&mut self, running: &Running) {
        let flashed =
            || SlotRecord { version: running.version.clone(), digest: String::new(), standing: Standing::Good };
        let known = self.of(running.slot).cloned().unwrap_or_else(flashed);
        self.set(running.slot, SlotRecord { standing: Standing::Good, ..known });
    }

    /// Notes that a slot's system was tried and did not prove itself.
    pub(super) fn fail(&mut self, slot: SlotName) {
        let Some(mut known) = self.of(slot).cloned() else { return };
        known.standing = Standing::Failed;
        if !known.digest.is_empty() && !self.failed.contains(&known.digest) {
            self.failed.push(known.digest.clone());
            let surplus = self.failed.len().saturating_sub(FAILED_MAX);
            self.failed.drain(..surplus);
        }
        self.set(slot, known);
    }

    pub(super) fn read(directory: &Path) -> Self {
        fs::read_to_string(directory.join(FILE)).ok().and_then(|text| toml::from_str(&text).ok()).unwrap_or_default()
    }

    pub(super) fn write(&self, place: &Place) -> Result<(), UpdateError> {
        let directory = place.state();
        let (file, new) = (directory.join(FILE), directory.join("update.toml.new"));
        if Self::read(&directory) == *self && file.exists() {
            return Ok(());
        }
        let text = toml::to_string(self).unwrap_or_default();
        let write = || {
            fs::create_dir_all(&directory)?;
            let mut output = File::create(&new)?;
            output.write_all(text.as_bytes())?;
            output.sync_all()?;
            fs::rename(&new, &file)?;
            File::open(&directory)?.sync_all()
        };
        write().map_err(UpdateError::file(&file))
    }
}
