//! Bounds-checked reading, and writing with lengths put in front afterwards.

/// The bytes ended before the value did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Truncated;

/// A cursor over borrowed bytes; every read is checked.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// A reader at the start of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Reader { bytes, at: 0 }
    }

    /// How many bytes have been read.
    pub const fn position(&self) -> usize {
        self.at
    }

    /// Whether nothing is left.
    pub const fn is_empty(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// All that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        let rest = &self.bytes[self.at..];
        self.at = self.bytes.len();
        rest
    }

    /// The next `length` bytes.
    #[inline]
    pub fn take(&mut self, length: usize) -> Result<&'a [u8], Truncated> {
        let end = self.at.checked_add(length).ok_or(Truncated)?;
        let taken = self.bytes.get(self.at..end).ok_or(Truncated)?;
        self.at = end;
        Ok(taken)
    }

    /// One byte.
    #[inline]
    pub fn u8(&mut self) -> Result<u8, Truncated> {
        let byte = *self.bytes.get(self.at).ok_or(Truncated)?;
        self.at += 1;
        Ok(byte)
    }

    /// Two bytes, most significant first.
    #[inline]
    pub fn u16(&mut self) -> Result<u16, Truncated> {
        let b = self.take(2)?;
        Ok(u16::from_be_bytes([b[0], b[1]]))
    }

    /// Four bytes, most significant first.
    #[inline]
    pub fn u32(&mut self) -> Result<u32, Truncated> {
        let b = self.take(4)?;
        Ok(u32::from_be_bytes([b[0], b[1], b[2], b[3]]))
    }

    /// Bytes behind a two-byte length.
    #[inline]
    pub fn binary(&mut self) -> Result<&'a [u8], Truncated> {
        let length = self.u16()?;
        self.take(usize::from(length))
    }
}

/// Appends `bytes` behind a two-byte length.
///
/// # Panics
/// If `bytes` is longer than 65,535: what is encoded was checked at the door.
pub fn put_binary(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = u16::try_from(bytes.len()).expect("checked at the door: at most 65,535 bytes");
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
}

/// Appends `value` as a base-128 varint, least significant group first, as MQTT and the store use it.
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7F {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Reads a base-128 varint of at most ten bytes.
pub fn read_varint(reader: &mut Reader<'_>) -> Result<u64, Truncated> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = reader.u8()?;
        value |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Truncated)
}

/// Writes a body with `write`, then puts its length as a varint in front of it.
pub fn put_with_length(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    write(out);
    let length = out.len() - start;
    let before = out.len();
    put_varint(out, length as u64);
    let prefix = out.len() - before;
    out[start..].rotate_right(prefix);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reader_never_passes_the_end() {
        let mut reader = Reader::new(&[0, 3, b'a', b'b']);
        assert_eq!(reader.binary(), Err(Truncated));
        let mut reader = Reader::new(&[0, 2, b'a', b'b', 9]);
        assert_eq!(reader.binary(), Ok(&b"ab"[..]));
        assert_eq!(reader.u16(), Err(Truncated));
        assert_eq!(reader.u8(), Ok(9));
        assert!(reader.is_empty());
        assert_eq!(reader.take(usize::MAX), Err(Truncated));
    }

    #[test]
    fn varints_return_what_was_put() {
        for value in [0, 1, 127, 128, 16_383, 16_384, 268_435_455, u64::from(u32::MAX), u64::MAX] {
            let mut out = vec![];
            put_varint(&mut out, value);
            assert_eq!(read_varint(&mut Reader::new(&out)), Ok(value));
        }
        assert_eq!(read_varint(&mut Reader::new(&[0x80])), Err(Truncated));
        assert_eq!(read_varint(&mut Reader::new(&[0xFF; 11])), Err(Truncated));
    }

    #[test]
    fn length_is_put_in_front_of_the_body() {
        let mut out = vec![7];
        put_with_length(&mut out, |out| out.extend([1; 130]));
        assert_eq!(&out[..4], &[7, 0x82, 0x01, 1]);
        assert_eq!(out.len(), 133);
    }
}
