//! Bytes of a P1 port become telegrams: where they begin and end, and whether their checksum is right. Pure.
//!
//! Source: DSMR P1 Companion Standard 5.0.2, 6.2 (format of a telegram) and 6.2.1 (checksum).

use crate::config::Checksum;

/// The longest telegram, in bytes; real ones have less than half of it.
pub(super) const TELEGRAM_LENGTH_MAX: usize = 8 << 10;

/// Digits of a checksum.
const CHECKSUM_DIGITS: usize = 4;

/// Why what came in is no telegram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Damage {
    /// The checksum is wrong.
    Checksum,
    /// There is none, and there should be one.
    NoChecksum,
    /// It has no end.
    TooLong,
    /// Another one begins within it.
    Cut,
    /// It holds bytes that are no text.
    NotText,
}

/// Cuts bytes into telegrams.
#[derive(Debug)]
pub(super) struct Reader {
    checksum: Checksum,
    telegram: Vec<u8>,
    /// Where the `!` stands, once it has come.
    end: Option<usize>,
    is_inside: bool,
    /// Whether a telegram with a right checksum was ever seen: one without is damaged then.
    has_checksums: bool,
}

impl Reader {
    pub(super) fn new(checksum: Checksum) -> Self {
        Self { checksum, telegram: Vec::new(), end: None, is_inside: false, has_checksums: false }
    }

    /// Forgets half a telegram.
    pub(super) fn restart(&mut self) {
        self.telegram.clear();
        self.end = None;
        self.is_inside = false;
    }

    /// Takes in bytes, gives the telegrams that are complete: from `/` to before the `!`.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Vec<Result<String, Damage>> {
        let mut found = Vec::new();
        for byte in bytes {
            match byte {
                b'/' => {
                    if self.is_inside && self.telegram.len() > 1 {
                        found.push(Err(Damage::Cut));
                    }
                    self.restart();
                    self.is_inside = true;
                    self.telegram.push(b'/');
                }
                _ if !self.is_inside => {}
                b'\n' if self.end.is_some() => found.push(self.finish()),
                _ if self.telegram.len() >= TELEGRAM_LENGTH_MAX => {
                    found.push(Err(Damage::TooLong));
                    self.restart();
                }
                _ => {
                    if *byte == b'!' && self.end.is_none() {
                        self.end = Some(self.telegram.len());
                    }
                    self.telegram.push(*byte);
                }
            }
        }
        found
    }

    fn finish(&mut self) -> Result<String, Damage> {
        let telegram = std::mem::take(&mut self.telegram);
        let end = self.end.unwrap_or(telegram.len());
        self.restart();
        let (body, tail) = telegram.split_at(end);
        // Over everything from the `/` to the `!`, both included.
        self.check(&telegram[..=end], &tail[1..])?;
        String::from_utf8(body.to_vec()).map_err(|_| Damage::NotText)
    }

    fn check(&mut self, summed: &[u8], digits: &[u8]) -> Result<(), Damage> {
        let digits = digits.trim_ascii();
        if self.checksum == Checksum::None {
            return Ok(());
        }
        if digits.is_empty() {
            let may_miss = self.checksum == Checksum::Auto && !self.has_checksums;
            return if may_miss { Ok(()) } else { Err(Damage::NoChecksum) };
        }
        let written = std::str::from_utf8(digits).ok().filter(|digits| digits.len() == CHECKSUM_DIGITS);
        let written = written.and_then(|digits| u16::from_str_radix(digits, 16).ok()).ok_or(Damage::Checksum)?;
        let is_right = match self.checksum {
            Checksum::Arc => written == arc(summed),
            Checksum::X25 => written == x25(summed),
            Checksum::Auto | Checksum::None => written == arc(summed) || written == x25(summed),
        };
        self.has_checksums |= is_right;
        if is_right { Ok(()) } else { Err(Damage::Checksum) }
    }
}

/// CRC-16/ARC: x^16 + x^15 + x^2 + 1, least significant bit first, from 0.
pub(super) fn arc(bytes: &[u8]) -> u16 {
    crc(bytes, 0xA001, 0)
}

/// CRC-16/X.25, of which some meters are built: x^16 + x^12 + x^5 + 1, from 0xFFFF, inverted.
fn x25(bytes: &[u8]) -> u16 {
    !crc(bytes, 0x8408, 0xFFFF)
}

fn crc(bytes: &[u8], polynomial: u16, start: u16) -> u16 {
    bytes.iter().fold(start, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ polynomial } else { crc >> 1 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn telegram(body: &str) -> Vec<u8> {
        let summed = format!("{body}!");
        format!("{summed}{:04X}\r\n", arc(summed.as_bytes())).into_bytes()
    }

    #[test]
    fn checksums_have_their_published_check_values() {
        assert_eq!(arc(b"123456789"), 0xBB3D);
        assert_eq!(x25(b"123456789"), 0x906E);
    }

    #[test]
    fn telegrams_are_whole_however_they_are_cut() {
        let body = "/ABC5x\r\n\r\n1-0:1.7.0(00.100*kW)\r\n";
        let bytes = [b"7*kW)\r\n!1234\r\n".as_slice(), &telegram(body)].concat();
        for cut in 0..bytes.len() {
            let mut reader = Reader::new(Checksum::Auto);
            let mut found = reader.read(&bytes[..cut]);
            found.extend(reader.read(&bytes[cut..]));
            assert_eq!(found, [Ok(body.to_owned())], "cut at {cut}");
        }
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let bytes = telegram("/ABC5x\r\n\r\n1-0:1.7.0(00.100*kW)\r\n");
        for at in 0..bytes.len() - 2 {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let found = Reader::new(Checksum::Arc).read(&changed);
            assert!(found.iter().all(Result::is_err), "changed at {at}: {found:?}");
        }
    }

    #[test]
    fn a_checksum_may_miss_only_where_none_ever_was() {
        let mut reader = Reader::new(Checksum::Auto);
        assert_eq!(reader.read(b"/ABC4x\r\n!\r\n"), [Ok("/ABC4x\r\n".into())]);
        assert!(reader.read(&telegram("/ABC5x\r\n"))[0].is_ok());
        assert_eq!(reader.read(b"/ABC4x\r\n!\r\n"), [Err(Damage::NoChecksum)]);
        assert_eq!(Reader::new(Checksum::Arc).read(b"/ABC4x\r\n!\r\n"), [Err(Damage::NoChecksum)]);
        assert!(Reader::new(Checksum::None).read(b"/ABC4x\r\n!0000\r\n")[0].is_ok());
    }

    #[test]
    fn damage_is_told_and_memory_is_bounded() {
        let mut reader = Reader::new(Checksum::Auto);
        assert_eq!(reader.read(b"/ABC5x\r\n1-0:1.7"), []);
        let whole = telegram("/ABC5x\r\n");
        assert_eq!(reader.read(&whole), [Err(Damage::Cut), Ok("/ABC5x\r\n".into())]);
        let endless = [b"/".as_slice(), &vec![b'x'; 3 * TELEGRAM_LENGTH_MAX]].concat();
        assert_eq!(reader.read(&endless), [Err(Damage::TooLong)]);
        assert!(reader.telegram.capacity() <= 2 * TELEGRAM_LENGTH_MAX);
        let mut bad = b"/ABC5\xFF\r\n!".to_vec();
        bad.extend(format!("{:04X}\r\n", arc(&bad)).bytes());
        assert_eq!(reader.read(&bad), [Err(Damage::NotText)]);
    }
}
