//! UTF-8 strings on the wire (MQTT 5.0 section 1.5.4).

use super::DecodeError;
use crate::base::bytes::Reader;

/// A string that names something: a client, a user, a topic. Control characters and non-characters are
/// refused too, as [MQTT-1.5.4-1] and the note after it allow.
pub(super) fn read_name<'a>(reader: &mut Reader<'a>) -> Result<&'a str, DecodeError> {
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

#[inline]
fn check_name(bytes: &[u8]) -> Result<&str, DecodeError> {
    let text = utf8(bytes)?;
    if bytes.iter().all(|&b| (0x20..0x7F).contains(&b)) || text.chars().all(is_allowed) {
        return Ok(text);
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
            assert_eq!(check_name(good.as_bytes()), Ok(good));
        }
    }
}
