//! PUBACK, PUBREC, PUBREL and PUBCOMP (sections 3.4 to 3.7): one layout, four types.

use super::publish::read_packet_id;
use crate::base::bytes::Reader;
use crate::mqtt::{DecodeError, PacketId, Properties, PropertySet, ReasonCode, Version};

/// Which of the four.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum AckKind {
    /// QoS 1: received.
    Puback,
    /// QoS 2, first answer: received.
    Pubrec,
    /// QoS 2, second step: release.
    Pubrel,
    /// QoS 2, last answer: complete.
    Pubcomp,
}

impl AckKind {
    /// Type and flags on the wire.
    pub const fn first_byte(self) -> u8 {
        match self {
            AckKind::Puback => 0x40,
            AckKind::Pubrec => 0x50,
            AckKind::Pubrel => 0x62,
            AckKind::Pubcomp => 0x70,
        }
    }

    const fn allows(self, reason: ReasonCode) -> bool {
        match self {
            AckKind::Puback | AckKind::Pubrec => {
                matches!(reason.0, 0x00 | 0x10 | 0x80 | 0x83 | 0x87 | 0x90 | 0x91 | 0x97 | 0x99)
            }
            AckKind::Pubrel | AckKind::Pubcomp => matches!(reason.0, 0x00 | 0x92),
        }
    }
}

/// One step of an acknowledgement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ack {
    /// Which step.
    pub kind: AckKind,
    /// The packet it belongs to.
    pub packet_id: PacketId,
    /// Success, or why not; always success before 5.0.
    pub reason: ReasonCode,
}

impl Ack {
    /// A step that went well.
    pub const fn success(kind: AckKind, packet_id: PacketId) -> Ack {
        Ack { kind, packet_id, reason: ReasonCode::SUCCESS }
    }

    /// Decodes the body behind the fixed header. Reason string and user properties are checked and left.
    ///
    /// # Errors
    /// See [`DecodeError`].
    #[inline]
    pub fn decode(kind: AckKind, body: &[u8], version: Version) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(body);
        let packet_id = read_packet_id(&mut reader)?;
        if reader.is_empty() {
            return Ok(Ack::success(kind, packet_id));
        }
        if !version.is_v5() {
            return Err(DecodeError::Malformed("an acknowledgement is longer than two bytes"));
        }
        let reason = ReasonCode(reader.u8()?);
        if !kind.allows(reason) {
            return Err(DecodeError::Malformed("an acknowledgement has a reason code of another packet"));
        }
        if !reader.is_empty() {
            Properties::decode(&mut reader, PropertySet::ACK)?;
        }
        if !reader.is_empty() {
            return Err(DecodeError::Malformed("an acknowledgement has bytes behind its end"));
        }
        Ok(Ack { kind, packet_id, reason })
    }

    /// Appends the whole packet; the reason code is left out where it says success.
    #[inline]
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) {
        let [high, low] = self.packet_id.get().to_be_bytes();
        let first = self.kind.first_byte();
        if version.is_v5() && self.reason != ReasonCode::SUCCESS {
            out.extend_from_slice(&[first, 3, high, low, self.reason.0]);
        } else {
            out.extend_from_slice(&[first, 2, high, low]);
        }
    }
}
