//! Checksums of messages: what SQLite reads without complaint may still not be what was written.
//!
//! The checksum lies above the flags, in the same column: a row without one was written by a release that knew none.

use rusqlite::types::ValueRef;

/// Bit of the flags that says that a checksum stands above it.
const SEALED: i64 = 0x80;

/// Bits of the flags below [`SEALED`].
const FLAGS: i64 = 0x7F;

/// Bits of the column below the checksum.
const SUM_SHIFT: u32 = 8;

/// What a row says of a message, in `msg`, `retained` and `will`.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a> {
    /// Number of the row; 0 where rows have none.
    pub number: i64,
    /// Who gets it, as it lies in the column; NULL where that is nobody in particular.
    pub receivers: ValueRef<'a>,
    pub topic: &'a str,
    pub payload: &'a [u8],
    pub properties: &'a [u8],
    pub expiry: Option<i64>,
}

impl Fields<'_> {
    /// The column that holds these flags and the checksum.
    pub fn seal(&self, flags: u8) -> i64 {
        let flags = i64::from(flags) & FLAGS;
        i64::from(self.sum(flags)) << SUM_SHIFT | SEALED | flags
    }

    /// The flags in that column; `None` if what was read is not what was written.
    pub fn open(&self, column: i64) -> Option<u8> {
        let flags = column & FLAGS;
        let is_right = column & SEALED == 0 || column >> SUM_SHIFT == i64::from(self.sum(flags));
        is_right.then(|| u8::try_from(flags).ok())?
    }

    fn sum(&self, flags: i64) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        let mut head = [0; 40];
        let lengths = (self.topic.len() as u64) << 32 | self.properties.len() as u64;
        let one_receiver = if let ValueRef::Integer(one) = self.receivers { one } else { 0 };
        let expiry = self.expiry.map_or(-1, |at| at);
        for (place, value) in head.chunks_exact_mut(8).zip([
            self.number,
            flags,
            one_receiver,
            expiry,
            i64::from_ne_bytes(lengths.to_ne_bytes()),
        ]) {
            place.copy_from_slice(&value.to_le_bytes());
        }
        hasher.update(&head);
        if let ValueRef::Blob(many) = self.receivers {
            hasher.update(many);
        }
        hasher.update(self.topic.as_bytes());
        hasher.update(self.properties);
        hasher.update(self.payload);
        hasher.finalize()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: Fields<'_> = Fields {
        number: 7,
        receivers: ValueRef::Blob(&[1, 2]),
        topic: "a/b",
        payload: b"21.5",
        properties: &[1, 1],
        expiry: Some(60),
    };

    #[test]
    fn whatever_changes_is_noticed() {
        let column = FIELDS.seal(5);
        assert_eq!(FIELDS.open(column), Some(5));
        let others = [
            Fields { number: 8, ..FIELDS },
            Fields { receivers: ValueRef::Blob(&[1, 3]), ..FIELDS },
            Fields { receivers: ValueRef::Integer(1), ..FIELDS },
            Fields { topic: "a/c", ..FIELDS },
            Fields { topic: "a", payload: b"/b21.5", ..FIELDS },
            Fields { payload: b"21.6", ..FIELDS },
            Fields { properties: &[], ..FIELDS },
            Fields { expiry: None, ..FIELDS },
        ];
        for other in others {
            assert_eq!(other.open(column), None, "{other:?}");
        }
        for bit in (0..7).chain(8..40) {
            assert_eq!(FIELDS.open(column ^ 1 << bit), None, "bit {bit} of the column");
        }
    }

    #[test]
    fn a_row_of_a_release_without_checksums_is_taken_as_it_is() {
        assert_eq!(FIELDS.open(5), Some(5));
    }
}
