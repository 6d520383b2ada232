//! UTF-8 strings on the wire (MQTT 5.0 section 1.5.4).

use super::DecodeError;
use crate::base::bytes::Reader;

/// A string that names something: a client, a user, a topic. Control characters and non-characters are
/// refused too, as [MQTT-1.5.4-1] and the note after it allow.
pub(super) fn read_name<'a>(reader: &mut Reader<'a>) -> Result<&'a str, DecodeError> {
    Ok(check_name(reader.binary()?)?.0)
}

/// Like [`read_name`], with what the one pass over the bytes told beside.
#[inline]
pub(super) fn read_scanned_name<'a>(reader: &mut Reader<'a>) -> Result<(&'a str, Scan), DecodeError> {
    check_name(reader.binary()?)
}

/// A string that carries content: a reason, a content type, a user property.
pub(super) fn read_text<'a>(reader: &mut Reader<'a>) -> Result<&'a str, DecodeError> {
    let text = utf8(reader.binary()?)?;
    if text.contains('\0') {
        return Err(DecodeError::Malformed("a string contains U+0000"));
    }
    Ok(text)
}

/// What one pass over the bytes of a name tells.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Scan {
    /// Whether all are printable ASCII.
    pub is_plain: bool,
    /// Whether there is `+` or `#`.
    pub has_wildcard: bool,
    /// How many `/` there are.
    pub separators: usize,
}

/// Words that [`Scan::of_plain`] looks at, at most: it counts the separators of each eighth byte in one byte.
const PLAIN_WORDS: usize = 255;

impl Scan {
    /// Looks at eight bytes at a time: every PUBLISH comes through here.
    #[inline]
    pub(super) fn of(bytes: &[u8]) -> Scan {
        let scan = Scan::of_plain(bytes);
        if scan.is_plain { scan } else { Scan::of_any(bytes) }
    }

    /// What is told is right if all bytes are printable ASCII, which is told too.
    #[inline]
    fn of_plain(bytes: &[u8]) -> Scan {
        let (words, rest) = bytes.as_chunks::<8>();
        if words.len() >= PLAIN_WORDS {
            return Scan::default();
        }
        let mut seen = Seen::default();
        for word in words {
            seen.add(u64::from_le_bytes(*word));
        }
        if !rest.is_empty() {
            let missing = 8 - rest.len();
            let last = match bytes.last_chunk::<8>() {
                // The last eight bytes, without those that were seen.
                Some(word) => u64::from_le_bytes(*word) >> (8 * missing),
                None => few(rest),
            };
            seen.add(last | each(b'a') << (8 * rest.len()));
        }
        Scan {
            is_plain: seen.not_plain & each(0x80) == 0,
            has_wildcard: seen.no_wildcards & each(0x80) != each(0x80),
            separators: seen.separators(),
        }
    }

    /// The same one by one.
    #[cold]
    fn of_any(bytes: &[u8]) -> Scan {
        Scan {
            is_plain: bytes.iter().all(|byte| (0x20..0x7F).contains(byte)),
            has_wildcard: bytes.iter().any(|byte| matches!(byte, b'+' | b'#')),
            separators: bytes.split(|&byte| byte == b'/').count() - 1,
        }
    }
}

/// What was seen in each eighth byte. The sums do not carry over as long as all bytes are below 0x80.
struct Seen {
    /// Its upper bit is set if some was not printable.
    not_plain: u64,
    /// Its upper bit is set if none was a wildcard.
    no_wildcards: u64,
    /// How many were `/`.
    separators: u64,
}

impl Default for Seen {
    fn default() -> Self {
        Seen { not_plain: 0, no_wildcards: u64::MAX, separators: 0 }
    }
}

impl Seen {
    #[inline]
    fn add(&mut self, word: u64) {
        self.not_plain |= word | word.wrapping_add(each(1)) | !word.wrapping_add(each(0x60));
        // `+` and `#` differ in one bit. What is not zero carries into the upper bit.
        let others = (word | each(b'+' ^ b'#')) ^ each(b'+' | b'#');
        self.no_wildcards &= others.wrapping_add(each(0x7F));
        let others = (word ^ each(b'/')).wrapping_add(each(0x7F));
        self.separators = self.separators.wrapping_add(!others >> 7 & each(1));
    }

    /// All `/` together.
    #[inline]
    fn separators(&self) -> usize {
        const PAIRS: u64 = 0x00FF_00FF_00FF_00FF;
        let pairs = (self.separators & PAIRS) + (self.separators >> 8 & PAIRS);
        (pairs.wrapping_mul(0x0001_0001_0001_0001) >> 48) as usize
    }
}

/// Up to seven bytes in one word, and zeros behind them.
#[inline]
fn few(bytes: &[u8]) -> u64 {
    match (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        // The two may overlap.
        (Some(first), Some(last)) => {
            let last = u64::from(u32::from_le_bytes(*last)) << (8 * (bytes.len() - 4));
            u64::from(u32::from_le_bytes(*first)) | last
        }
        _ => bytes.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte)),
    }
}

/// Eight times the same byte.
const fn each(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

#[inline]
fn check_name(bytes: &[u8]) -> Result<(&str, Scan), DecodeError> {
    let text = utf8(bytes)?;
    let scan = Scan::of(bytes);
    if scan.is_plain || text.chars().all(is_allowed) {
        return Ok((text, scan));
    }
    Err(DecodeError::Malformed("a name contains a control character or a non-character"))
}

fn utf8(bytes: &[u8]) -> Result<&str, DecodeError> {
    std::str::from_utf8(bytes).map_err(|_| DecodeError::Malformed("a string is not UTF-8"))
}

fn is_allowed(c: char) -> bool {
    let code = u32::from(c);
    !c.is_control() && !(0xFDD0..=0xFDEF).contains(&code) && code & 0xFFFE != 0xFFFE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_refuse_what_the_specification_warns_of() {
        for bad in [
            &b"a\0b"[..],
            b"\x01",
            b"\x7f",
            "\u{85}".as_bytes(),
            "\u{FFFF}".as_bytes(),
            "\u{FDD0}".as_bytes(),
            b"\xED\xA0\x80",
            b"\xFF",
        ] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
        for good in ["", "home/küche/Ω", "\u{FEFF}x", "😀"] {
            assert_eq!(check_name(good.as_bytes()).map(|(text, _)| text), Ok(good));
        }
    }

    #[test]
    fn eight_bytes_at_a_time_tell_the_same_as_one() {
        let one_by_one = |bytes: &[u8]| Scan {
            is_plain: bytes.iter().all(|byte| (0x20..0x7F).contains(byte)),
            has_wildcard: bytes.iter().any(|byte| matches!(byte, b'+' | b'#')),
            separators: bytes.split(|&byte| byte == b'/').count() - 1,
        };
        for length in 8 * PLAIN_WORDS - 30..8 * PLAIN_WORDS + 30 {
            let bytes = vec![b'/'; length];
            assert_eq!(Scan::of(&bytes), one_by_one(&bytes), "{length} separators");
        }
        for length in 0..26 {
            for at in 0..length {
                for byte in 0..=u8::MAX {
                    let mut bytes = vec![b'/'; length];
                    bytes[at] = byte;
                    assert_eq!(Scan::of(&bytes), one_by_one(&bytes), "{bytes:?}");
                    bytes[..at].fill(byte.wrapping_add(1));
                    assert_eq!(Scan::of(&bytes), one_by_one(&bytes), "{bytes:?}");
                }
            }
        }
    }
}
