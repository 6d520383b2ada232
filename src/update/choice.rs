//! Which slot starts: the one small piece that knows how the boot loader is told.
//!
//! U-Boot reads one sector of the card, in its own format: a CRC-32 of the rest, little-endian, then `name=value` texts,
//! each ended by a zero byte. `buildroot/board/boot.cmd` is the other half. One sector is written at once or not at all
//! as far as a card keeps its promise; should it be torn all the same, its checksum fails and slot A starts.

use super::{Place, UpdateError};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::os::unix::fs::FileExt;

const SECTOR_SIZE: usize = 512;

/// Where the sector lies on the card; `boot.cmd` is given the same by `scripts/image/common`.
const STATE_SECTOR: u64 = 2040;

/// One of the two slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SlotName {
    /// Partition 2.
    A,
    /// Partition 3.
    B,
}

impl SlotName {
    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// Its name on the card, `a` or `b`.
    pub fn letter(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
        }
    }

    /// The slot of that name.
    pub fn named(letter: &str) -> Option<Self> {
        match letter {
            "a" => Some(Self::A),
            "b" => Some(Self::B),
            _ => None,
        }
    }
}

/// What the boot loader is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The slot that has proved itself.
    pub proved: SlotName,
    /// The slot to be tried once, at the next start.
    pub to_try: Option<SlotName>,
}

impl Choice {
    /// Reads what the boot loader will read.
    ///
    /// # Errors
    /// [`UpdateError::File`] when the card cannot be read.
    pub fn read(place: &Place) -> Result<Self, UpdateError> {
        let path = place.card()?;
        let mut sector = [0; SECTOR_SIZE];
        File::open(&path)
            .and_then(|card| card.read_exact_at(&mut sector, STATE_SECTOR * SECTOR_SIZE as u64))
            .map_err(UpdateError::file(path))?;
        Ok(Self::decode(&sector))
    }

    /// Tells the boot loader; returns when the card has it.
    ///
    /// # Errors
    /// [`UpdateError::File`] when the card cannot be written.
    pub fn write(self, place: &Place) -> Result<(), UpdateError> {
        if Self::read(place)? == self {
            return Ok(());
        }
        let path = place.card()?;
        File::options()
            .write(true)
            .open(&path)
            .and_then(|card| {
                card.write_all_at(&self.encode(), STATE_SECTOR * SECTOR_SIZE as u64)?;
                card.sync_data()
            })
            .map_err(UpdateError::file(path))
    }

    fn decode(sector: &[u8; SECTOR_SIZE]) -> Self {
        let mut choice = Self { proved: SlotName::A, to_try: None };
        let (sum, texts) = sector.split_at(4);
        if sum != crc32(texts).to_le_bytes() {
            return choice;
        }
        for text in texts.split(|&byte| byte == 0).take_while(|text| !text.is_empty()) {
            if text == b"gh_slot=b" {
                choice.proved = SlotName::B;
            }
            if let Some(letter) = text.strip_prefix(b"gh_try=") {
                choice.to_try = std::str::from_utf8(letter).ok().and_then(SlotName::named);
            }
        }
        choice
    }

    fn encode(self) -> [u8; SECTOR_SIZE] {
        let proved = self.proved.letter();
        let text = match self.to_try {
            None => format!("gh_slot={proved}\0"),
            Some(slot) => format!("gh_slot={proved}\0gh_try={}\0", slot.letter()),
        };
        let mut sector = [0; SECTOR_SIZE];
        sector[4..4 + text.len()].copy_from_slice(text.as_bytes());
        let sum = crc32(&sector[4..]);
        sector[..4].copy_from_slice(&sum.to_le_bytes());
        sector
    }
}

/// CRC-32 as in IEEE 802.3, which U-Boot uses.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, &byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc32_is_the_one_of_the_check_string() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn every_choice_reads_back() {
        for proved in [SlotName::A, SlotName::B] {
            for to_try in [None, Some(SlotName::A), Some(SlotName::B)] {
                let choice = Choice { proved, to_try };
                assert_eq!(Choice::decode(&choice.encode()), choice);
            }
        }
    }

    #[test]
    fn a_sector_with_any_bit_wrong_means_slot_a_and_no_trial() {
        let choice = Choice { proved: SlotName::B, to_try: Some(SlotName::A) };
        let sector = choice.encode();
        for bit in 0..SECTOR_SIZE * 8 {
            let mut torn = sector;
            torn[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Choice::decode(&torn), Choice { proved: SlotName::A, to_try: None }, "bit {bit}");
        }
    }
}
