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

impl Scan {
    /// Looks at eight bytes at a time: every PUBLISH comes through here.
    #[inline]
    pub(super) fn of(bytes: &[u8]) -> Scan {
        let (words, rest) = bytes.as_chunks::<8>();
        let mut seen = Seen::default();
        for word in words {
            seen.add(u64::from_le_bytes(*word));
        }
        if !rest.is_empty() {
            let missing = 8 - rest.len();
            let last = match bytes.last_chunk::<8>() {
                // The last eight bytes, without those that were seen.
                Some(word) => u64::from_le_bytes(*word) >> (8 * missing),
                None => rest.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte)),
            };
            seen.add(last | each(b'a') << (8 * rest.len()));
        }
        Scan {
            is_plain: seen.not_plain & each(0x80) == 0,
            has_wildcard: seen.wildcards & each(0x80) != 0,
            separators: seen.separators,
        }
    }
}

/// In the upper bit of some byte, if there was one.
#[derive(Default)]
struct Seen {
    not_plain: u64,
    wildcards: u64,
    separators: usize,
}

impl Seen {
    #[inline]
    fn add(&mut self, word: u64) {
        // Below 0x80 the sums do not carry; with a byte from there on the word is not plain in any case.
        self.not_plain |= word | word.wrapping_add(each(1)) | !word.wrapping_add(each(0x60));
        // `+` and `#` differ in one bit.
        let others = (word | each(b'+' ^ b'#')) ^ each(b'+' | b'#');
        self.wildcards |= others.wrapping_sub(each(1)) & !others;
        let others = word ^ each(b'/');
        let separators = !(((others & each(0x7F)) + each(0x7F)) | others) & each(0x80);
        self.separators += ((separators >> 7).wrapping_mul(each(1)) >> 56) as usize;
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
