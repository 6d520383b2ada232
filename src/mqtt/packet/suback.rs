//! SUBACK and UNSUBACK (sections 3.9 and 3.11).

use super::publish::read_packet_id;
use crate::base::bytes::Reader;
use crate::mqtt::frame::put_fixed_header;
use crate::mqtt::{DecodeError, PacketId, Properties, PropertySet, ReasonCode, Version};

/// The server answers a SUBSCRIBE.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Suback {
    /// Packet identifier of the SUBSCRIBE.
    pub packet_id: PacketId,
    /// One code for each filter, in its order.
    pub reasons: Vec<ReasonCode>,
}

/// The server answers an UNSUBSCRIBE.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unsuback {
    /// Packet identifier of the UNSUBSCRIBE.
    pub packet_id: PacketId,
    /// One code for each filter, in its order; none before 5.0.
    pub reasons: Vec<ReasonCode>,
}

fn decode(body: &[u8], version: Version) -> Result<(PacketId, Vec<ReasonCode>), DecodeError> {
    let mut reader = Reader::new(body);
    let packet_id = read_packet_id(&mut reader)?;
    if version.is_v5() {
        Properties::decode(&mut reader, PropertySet::ACK)?;
    }
    Ok((packet_id, reader.rest().iter().copied().map(ReasonCode).collect()))
}

impl Suback {
    /// Decodes the body behind the fixed header.
    ///
    /// # Errors
    /// See [`DecodeError`].
    pub fn decode(body: &[u8], version: Version) -> Result<Self, DecodeError> {
        let (packet_id, reasons) = decode(body, version)?;
        Ok(Suback { packet_id, reasons })
    }

    /// Appends the whole packet. 3.1.1 has one code for every failure.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) {
        let properties = usize::from(version.is_v5());
        put_fixed_header(out, 0x90, 2 + properties + self.reasons.len());
        out.extend_from_slice(&self.packet_id.get().to_be_bytes());
        out.extend_from_slice(&[0][..properties]);
        let code = |reason: &ReasonCode| if reason.is_error() && !version.is_v5() { 0x80 } else { reason.0 };
        out.extend(self.reasons.iter().map(code));
    }
}

impl Unsuback {
    /// Decodes the body behind the fixed header.
    ///
    /// # Errors
    /// See [`DecodeError`].
    pub fn decode(body: &[u8], version: Version) -> Result<Self, DecodeError> {
        let (packet_id, reasons) = decode(body, version)?;
        Ok(Unsuback { packet_id, reasons })
    }

    /// Appends the whole packet.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) {
        if version.is_v5() {
            put_fixed_header(out, 0xB0, 3 + self.reasons.len());
            out.extend_from_slice(&self.packet_id.get().to_be_bytes());
            out.push(0);
            out.extend(self.reasons.iter().map(|reason| reason.0));
        } else {
            put_fixed_header(out, 0xB0, 2);
            out.extend_from_slice(&self.packet_id.get().to_be_bytes());
        }
    }
}
