//! The table of contents of a bundle: what it is for, and the hash of every piece of the slot.

use super::UpdateError;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// A slot is hashed, sent and written in pieces of this many bytes, so that memory stays small.
pub const CHUNK_SIZE: usize = 1 << 20;

/// The size of a slot on the card, in bytes; `buildroot/board/layout.cfg` says the same.
pub const SLOT_SIZE_MAX: u64 = 128 << 20;

/// The table of contents. Its written form is TOML; an unknown key is refused, since it may be one that matters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The board it is for, as in `buildroot/board`.
    pub board: String,
    /// The version that a person reads.
    pub version: String,
    /// When its source was last changed, in seconds since 1970: what is lower is older.
    pub build_time: u64,
    /// Size of the slot's content, in bytes.
    pub size: u64,
    /// SHA-256 of every piece in hexadecimal; empty for a piece of zeros, which is neither sent nor written.
    pub chunks: Vec<String>,
}

impl Manifest {
    /// Reads the written form and checks that it is one that a slot can follow.
    pub(super) fn parse(text: &[u8]) -> Result<Self, UpdateError> {
        let text = std::str::from_utf8(text).map_err(|_| UpdateError::Manifest("not UTF-8".into()))?;
        let manifest: Self = toml::from_str(text).map_err(|error| UpdateError::Manifest(error.message().into()))?;
        if manifest.size == 0 || manifest.size > SLOT_SIZE_MAX {
            return Err(UpdateError::TooLarge);
        }
        if manifest.chunks.len() != (manifest.size as usize).div_ceil(CHUNK_SIZE) {
            return Err(UpdateError::Manifest("size and pieces do not agree".into()));
        }
        let is_hash = |text: &String| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !manifest.chunks.iter().all(|hash| hash.is_empty() || is_hash(hash)) {
            return Err(UpdateError::Manifest("a hash is not one".into()));
        }
        Ok(manifest)
    }

    /// The written form.
    pub(super) fn to_text(&self) -> String {
        toml::to_string(self).unwrap_or_default()
    }

    /// What tells this system from every other, in hexadecimal.
    pub fn digest(&self) -> String {
        hash(self.to_text().as_bytes())
    }

    /// The pieces that are sent: number, offset in the slot, length and hash.
    pub fn sent(&self) -> impl Iterator<Item = Chunk<'_>> {
        self.chunks.iter().enumerate().filter(|(_, hash)| !hash.is_empty()).map(|(number, hash)| {
            let offset = (number * CHUNK_SIZE) as u64;
            Chunk { number, offset, length: CHUNK_SIZE.min((self.size - offset) as usize), hash }
        })
    }
}

/// One piece.
pub struct Chunk<'a> {
    /// Counted from 0.
    pub number: usize,
    /// Where in the slot it lies, in bytes.
    pub offset: u64,
    /// Its length, in bytes.
    pub length: usize,
    hash: &'a str,
}

impl Chunk<'_> {
    /// Whether these bytes are the piece that was signed.
    pub fn is(&self, bytes: &[u8]) -> bool {
        hash(bytes).eq_ignore_ascii_case(self.hash)
    }
}

/// SHA-256 in hexadecimal.
pub(super) fn hash(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes).as_ref())
}

/// Bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // A string takes all that is written to it.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
