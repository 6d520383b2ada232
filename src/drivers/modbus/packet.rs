//! Requests and replies of Modbus, without addresses and checksums. Pure.
//!
//! Source: MODBUS Application Protocol Specification V1.1b3, 6.1 to 6.12 and 7.

use crate::config::ModbusTable;

/// The bit in a function code that makes it an exception.
const EXCEPTION: u8 = 0x80;

/// What is asked of a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// `count` bits or words from `address` on.
    Read { table: ModbusTable, address: u16, count: u16 },
    /// One coil.
    WriteCoil { address: u16, on: bool },
    /// One holding register.
    WriteWord { address: u16, word: u16 },
    /// Several holding registers from `address` on.
    WriteWords { address: u16, words: Vec<u16> },
}

/// What a unit answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Data {
    Bits(Vec<bool>),
    Words(Vec<u16>),
    Written,
}

/// Why a reply is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReplyError {
    /// The unit refuses, with this exception code.
    Exception(u8),
    /// The reply is not one to this request.
    Mismatch,
}

/// What an exception code means, in words.
pub(super) fn exception_text(code: u8) -> &'static str {
    match code {
        1 => "the unit does not know this function",
        2 => "the unit has no such address",
        3 => "the unit refuses this value or length",
        4 => "the unit failed",
        5 => "the unit needs more time",
        6 => "the unit is busy",
        8 => "the unit found a memory error",
        10 | 11 => "the unit behind the gateway does not answer",
        _ => "the unit refuses",
    }
}

impl Request {
    /// The function code.
    pub(super) fn function(&self) -> u8 {
        match self {
            Self::Read { table: ModbusTable::Coil, .. } => 1,
            Self::Read { table: ModbusTable::Discrete, .. } => 2,
            Self::Read { table: ModbusTable::Holding, .. } => 3,
            Self::Read { table: ModbusTable::Input, .. } => 4,
            Self::WriteCoil { .. } => 5,
            Self::WriteWord { .. } => 6,
            Self::WriteWords { .. } => 16,
        }
    }

    /// Function code and data.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = self.head().to_vec();
        if let Self::WriteWords { words, .. } = self {
            bytes.push((2 * words.len()) as u8);
            bytes.extend(words.iter().flat_map(|word| word.to_be_bytes()));
        }
        bytes
    }

    /// Function code and the two numbers that every request begins with. The reply to a write repeats them.
    fn head(&self) -> [u8; 5] {
        let (first, second) = match self {
            Self::Read { address, count, .. } => (*address, *count),
            Self::WriteCoil { address, on } => (*address, if *on { 0xFF00 } else { 0 }),
            Self::WriteWord { address, word } => (*address, *word),
            Self::WriteWords { address, words } => (*address, words.len() as u16),
        };
        let ([a, b], [c, d]) = (first.to_be_bytes(), second.to_be_bytes());
        [self.function(), a, b, c, d]
    }

    /// Bytes of function code and data in the reply, if it is no exception.
    pub(super) fn reply_length(&self) -> usize {
        match self {
            Self::Read { table: ModbusTable::Coil | ModbusTable::Discrete, count, .. } => {
                2 + usize::from(*count).div_ceil(8)
            }
            Self::Read { count, .. } => 2 + 2 * usize::from(*count),
            Self::WriteCoil { .. } | Self::WriteWord { .. } | Self::WriteWords { .. } => 5,
        }
    }

    /// Whether it changes something.
    pub(super) fn is_write(&self) -> bool {
        !matches!(self, Self::Read { .. })
    }

    /// Decodes function code and data of a reply.
    pub(super) fn decode(&self, reply: &[u8]) -> Result<Data, ReplyError> {
        match reply {
            [function, code] if *function == self.function() | EXCEPTION => return Err(ReplyError::Exception(*code)),
            [function, ..] if *function == self.function() && reply.len() == self.reply_length() => {}
            _ => return Err(ReplyError::Mismatch),
        }
        let Self::Read { table, count, .. } = self else {
            return if reply == self.head() { Ok(Data::Written) } else { Err(ReplyError::Mismatch) };
        };
        let (length, data) = (usize::from(reply[1]), &reply[2..]);
        if length != data.len() {
            return Err(ReplyError::Mismatch);
        }
        Ok(match table {
            ModbusTable::Coil | ModbusTable::Discrete => {
                let bit = |index: usize| data[index / 8] >> (index % 8) & 1 == 1;
                Data::Bits((0..usize::from(*count)).map(bit).collect())
            }
            ModbusTable::Input | ModbusTable::Holding => {
                Data::Words(data.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect())
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_replies_are_those_of_the_specification() {
        // The examples of 6.1, 6.3, 6.5 and 6.6.
        let coils = Request::Read { table: ModbusTable::Coil, address: 0x13, count: 0x13 };
        assert_eq!(coils.encode(), [1, 0, 0x13, 0, 0x13]);
        let Ok(Data::Bits(bits)) = coils.decode(&[1, 3, 0xCD, 0x6B, 5]) else { panic!("bits") };
        assert_eq!(bits.len(), 19);
        assert_eq!(bits.iter().map(|bit| if *bit { '1' } else { '0' }).collect::<String>(), "1011001111010110101");
        let words = Request::Read { table: ModbusTable::Holding, address: 0x6B, count: 3 };
        assert_eq!(words.encode(), [3, 0, 0x6B, 0, 3]);
        assert_eq!(words.decode(&[3, 6, 2, 0x2B, 0, 0, 0, 0x64]), Ok(Data::Words(vec![0x22B, 0, 0x64])));
        let coil = Request::WriteCoil { address: 0xAC, on: true };
        assert_eq!(coil.encode(), [5, 0, 0xAC, 0xFF, 0]);
        assert_eq!(coil.decode(&[5, 0, 0xAC, 0xFF, 0]), Ok(Data::Written));
        let word = Request::WriteWord { address: 1, word: 3 };
        assert_eq!(word.encode(), [6, 0, 1, 0, 3]);
        // The example of 6.12.
        let words = Request::WriteWords { address: 1, words: vec![0x0A, 0x102] };
        assert_eq!(words.encode(), [16, 0, 1, 0, 2, 4, 0, 0x0A, 1, 2]);
        assert_eq!(words.decode(&[16, 0, 1, 0, 2]), Ok(Data::Written));
        assert_eq!(words.decode(&[16, 0, 1, 0, 1]), Err(ReplyError::Mismatch));
    }

    #[test]
    fn replies_to_something_else_are_refused() {
        let words = Request::Read { table: ModbusTable::Holding, address: 0, count: 1 };
        assert_eq!(words.decode(&[0x83, 2]), Err(ReplyError::Exception(2)));
        for wrong in [&[4, 2, 0, 1][..], &[3, 4, 0, 1, 0, 1], &[3, 2, 0], &[3, 3, 0, 1], &[0x84, 2], &[]] {
            assert_eq!(words.decode(wrong), Err(ReplyError::Mismatch), "{wrong:?}");
        }
        let coil = Request::WriteCoil { address: 1, on: true };
        assert_eq!(coil.decode(&[5, 0, 1, 0, 0]), Err(ReplyError::Mismatch));
    }
}
