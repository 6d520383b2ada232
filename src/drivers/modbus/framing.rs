//! Addresses, lengths and checksums around requests and replies, on a serial line and over TCP. Pure.
//!
//! Sources: MODBUS over Serial Line Specification V1.02, 2.5.1 and 6.2; MODBUS Messaging on TCP/IP V1.0b, 3.1.3.

use super::packet::Request;

/// The longest packet on a serial line, and over TCP, in bytes.
pub(super) const PACKET_MAX: usize = 260;

/// Bytes around function code and data on a serial line: unit and checksum.
pub(super) const RTU_OVERHEAD: usize = 3;

/// How packets are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// Unit, data, checksum.
    Rtu,
    /// Transaction, length, unit, data.
    Tcp,
}

/// What lies at the beginning of received bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Not enough to tell.
    Incomplete,
    /// A packet of so many bytes that is for this request: function code and data.
    Reply(Vec<u8>),
    /// A whole packet of so many bytes that is for someone else.
    Other(usize),
    /// Bytes that are no packet, and why.
    Garbled(&'static str),
}

/// CRC-16 of Modbus: polynomial 0xA001 reflected, from 0xFFFF.
pub(super) fn crc(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xA001 } else { crc >> 1 })
    })
}

impl Framing {
    /// A whole packet. `transaction` tells replies over TCP apart.
    pub(super) fn encode(self, transaction: u16, unit: u8, request: &Request) -> Vec<u8> {
        let data = request.encode();
        let mut packet = Vec::with_capacity(PACKET_MAX);
        match self {
            Self::Rtu => {
                packet.push(unit);
                packet.extend(data);
                packet.extend(crc(&packet).to_le_bytes());
            }
            Self::Tcp => {
                packet.extend(transaction.to_be_bytes());
                packet.extend([0, 0]);
                packet.extend((data.len() as u16 + 1).to_be_bytes());
                packet.push(unit);
                packet.extend(data);
            }
        }
        packet
    }

    /// Looks for the reply to a request at the beginning of what came in.
    pub(super) fn find(self, bytes: &[u8], transaction: u16, unit: u8, request: &Request) -> Found {
        match self {
            Self::Rtu => find_rtu(bytes, unit, request),
            Self::Tcp => find_tcp(bytes, transaction, unit),
        }
    }
}

fn find_rtu(bytes: &[u8], unit: u8, request: &Request) -> Found {
    // An adapter that hears itself: the request comes back first. Only a reply of the same length could be one as well.
    let echo = Framing::Rtu.encode(0, unit, request);
    let may_echo = !request.is_write() && request.reply_length() + RTU_OVERHEAD != echo.len();
    if may_echo && bytes.starts_with(&echo) {
        return Found::Other(echo.len());
    }
    let [from, function, rest @ ..] = bytes else { return Found::Incomplete };
    let length = match (function & 0x7F, function & 0x80 != 0) {
        (_, true) => 5,
        (1..=4, _) => match rest.first() {
            Some(count) => usize::from(*count) + 5,
            None => return Found::Incomplete,
        },
        (5 | 6 | 15 | 16, _) => 8,
        _ => return Found::Garbled("the reply has an unknown function"),
    };
    if length > PACKET_MAX {
        return Found::Garbled("the reply is longer than a packet can be");
    }
    let Some(packet) = bytes.get(..length) else { return Found::Incomplete };
    let (data, sum) = packet.split_at(length - 2);
    if crc(data).to_le_bytes() != sum {
        let is_half_an_echo = may_echo && echo.starts_with(bytes);
        return if is_half_an_echo { Found::Incomplete } else { Found::Garbled("the checksum is wrong") };
    }
    if *from == unit && function & 0x7F == request.function() {
        Found::Reply(data[1..].to_vec())
    } else {
        Found::Other(length)
    }
}

fn find_tcp(bytes: &[u8], transaction: u16, unit: u8) -> Found {
    let [high, low, protocol_high, protocol_low, length_high, length_low, ..] = bytes else { return Found::Incomplete };
    if [*protocol_high, *protocol_low] != [0, 0] {
        return Found::Garbled("the reply is not of Modbus");
    }
    let length = usize::from(u16::from_be_bytes([*length_high, *length_low]));
    if !(2..=PACKET_MAX - 6).contains(&length) {
        return Found::Garbled("the reply is longer than a packet can be");
    }
    let Some(packet) = bytes.get(6..6 + length) else { return Found::Incomplete };
    if u16::from_be_bytes([*high, *low]) == transaction && packet[0] == unit {
        Found::Reply(packet[1..].to_vec())
    } else {
        Found::Other(6 + length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ModbusTable;

    const READ: Request = Request::Read { table: ModbusTable::Holding, address: 0, count: 1 };

    #[test]
    fn checksums_are_those_of_the_specification() {
        // Specification of the serial line, 6.2.2: function 07 of unit 02 has the checksum 41 12 on the wire.
        assert_eq!(crc(&[2, 7]).to_le_bytes(), [0x41, 0x12]);
        assert_eq!(Framing::Rtu.encode(0, 1, &READ), [1, 3, 0, 0, 0, 1, 0x84, 0x0A]);
        assert_eq!(Framing::Tcp.encode(0x1501, 0xFF, &READ), [0x15, 1, 0, 0, 0, 6, 0xFF, 3, 0, 0, 0, 1]);
    }

    fn rtu(data: &[u8]) -> Vec<u8> {
        [data, &crc(data).to_le_bytes()].concat()
    }

    #[test]
    fn a_reply_is_found_only_when_it_is_whole() {
        let reply = rtu(&[1, 3, 2, 0, 7]);
        for cut in 0..reply.len() {
            assert_eq!(Framing::Rtu.find(&reply[..cut], 0, 1, &READ), Found::Incomplete);
        }
        assert_eq!(Framing::Rtu.find(&reply, 0, 1, &READ), Found::Reply(vec![3, 2, 0, 7]));
        let reply = [0, 9, 0, 0, 0, 5, 1, 3, 2, 0, 7];
        for cut in 0..reply.len() {
            assert_eq!(Framing::Tcp.find(&reply[..cut], 9, 1, &READ), Found::Incomplete);
        }
        assert_eq!(Framing::Tcp.find(&reply, 9, 1, &READ), Found::Reply(vec![3, 2, 0, 7]));
    }

    #[test]
    fn packets_for_others_and_noise_are_told_apart() {
        assert_eq!(Framing::Rtu.find(&rtu(&[2, 3, 2, 0, 7]), 0, 1, &READ), Found::Other(7));
        assert_eq!(Framing::Rtu.find(&rtu(&[1, 4, 2, 0, 7]), 0, 1, &READ), Found::Other(7));
        assert!(matches!(Framing::Rtu.find(&[1, 3, 2, 0, 7, 0, 0], 0, 1, &READ), Found::Garbled(_)));
        assert!(matches!(Framing::Rtu.find(&[1, 0x2B, 0], 0, 1, &READ), Found::Garbled(_)));
        assert_eq!(Framing::Tcp.find(&[0, 8, 0, 0, 0, 3, 1, 0x83, 2], 9, 1, &READ), Found::Other(9));
        assert!(matches!(Framing::Tcp.find(b"HTTP/1", 9, 1, &READ), Found::Garbled(_)));
        assert!(matches!(Framing::Tcp.find(&[0, 9, 0, 0, 9, 9], 9, 1, &READ), Found::Garbled(_)));
    }

    #[test]
    fn an_echo_of_the_request_is_passed_over() {
        let echo = Framing::Rtu.encode(0, 1, &READ);
        let both = [echo.clone(), rtu(&[1, 3, 2, 0, 7])].concat();
        for cut in 0..echo.len() {
            assert_eq!(Framing::Rtu.find(&both[..cut], 0, 1, &READ), Found::Incomplete, "cut at {cut}");
        }
        assert_eq!(Framing::Rtu.find(&both, 0, 1, &READ), Found::Other(echo.len()));
    }
}
