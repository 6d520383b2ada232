//! The fixed header: where one packet ends and the next begins (section 2.1 of both specifications).

use super::DecodeError;
use crate::base::bytes::put_varint;

/// The largest remaining length that four bytes can tell.
pub const MAX_REMAINING_LENGTH: usize = 268_435_455;

/// Where a whole packet lies in the bytes that were received.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame {
    /// Packet type in the upper four bits, flags in the lower four.
    pub first: u8,
    /// Offset of the first byte behind the fixed header.
    pub body: usize,
    /// Offset of the first byte behind the packet.
    pub end: usize,
    /// Whether the remaining length has more bytes than it needs, which 5.0 forbids ([MQTT-1.5.5-1]).
    pub is_padded: bool,
}

/// Finds the first packet of `bytes`; `None` while it is incomplete.
///
/// A packet longer than `limit` is refused as soon as its length is known, before it is waited for.
///
/// # Errors
/// [`DecodeError::TooLarge`], or [`DecodeError::Malformed`] for a length of more than four bytes.
#[inline]
pub fn frame(bytes: &[u8], limit: usize) -> Result<Option<Frame>, DecodeError> {
    let Some(&first) = bytes.first() else { return Ok(None) };
    let (mut length, mut at) = (0usize, 1);
    let is_padded = loop {
        let Some(&byte) = bytes.get(at) else { return Ok(None) };
        length |= usize::from(byte & 0x7F) << (7 * (at - 1));
        at += 1;
        if byte & 0x80 == 0 {
            break byte == 0 && at > 2;
        }
        if at > 4 {
            return Err(DecodeError::Malformed("the remaining length has more than four bytes"));
        }
    };
    let end = at + length;
    if end > limit {
        return Err(DecodeError::TooLarge { length: end, limit });
    }
    Ok((bytes.len() >= end).then_some(Frame { first, body: at, end, is_padded }))
}

/// Appends a fixed header.
pub fn put_fixed_header(out: &mut Vec<u8>, first: u8, remaining_length: usize) {
    debug_assert!(remaining_length <= MAX_REMAINING_LENGTH);
    out.push(first);
    put_varint(out, remaining_length as u64);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_found_when_it_is_whole() {
        assert_eq!(frame(&[], 100), Ok(None));
        assert_eq!(frame(&[0xC0], 100), Ok(None));
        assert_eq!(frame(&[0xC0, 0, 9], 100), Ok(Some(Frame { first: 0xC0, body: 2, end: 2, is_padded: false })));
        assert_eq!(frame(&[0x30, 3, 0, 1], 100), Ok(None));
        assert_eq!(frame(&[0x30, 0x81], 100), Ok(None));
    }

    #[test]
    fn a_length_with_needless_bytes_is_marked() {
        let padded = |bytes| frame(bytes, 100).map(|frame| frame.map(|frame| frame.is_padded));
        assert_eq!(padded(&[0xC0, 0x80, 0]), Ok(Some(true)));
        assert_eq!(padded(&[0xC0, 0]), Ok(Some(false)));
    }

    #[test]
    fn a_packet_over_the_limit_is_refused_by_its_header_alone() {
        let error = frame(&[0x10, 0xFF, 0xFF, 0xFF, 0x7F], 8192);
        assert_eq!(error, Err(DecodeError::TooLarge { length: 268_435_460, limit: 8192 }));
    }

    #[test]
    fn a_length_of_five_bytes_is_malformed() {
        let error = frame(&[0x10, 0x80, 0x80, 0x80, 0x80, 1], usize::MAX);
        assert!(matches!(error, Err(DecodeError::Malformed(_))));
    }
}
