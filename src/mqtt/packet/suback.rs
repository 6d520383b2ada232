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

/// Codes of SUBACK in 5.0 (section 3.9.3).
const SUBACK_CODES: &[u8] = &[0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2];

/// Codes of SUBACK before ([MQTT-3.9.3-2]).
const SUBACK_RETURN_CODES: &[u8] = &[0x00, 0x01, 0x02, 0x80];

/// Codes of UNSUBACK in 5.0 (section 3.11.3).
const UNSUBACK_CODES: &[u8] = &[0x00, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91];

fn decode(body: &[u8], version: Version, known: &[u8]) -> Result<(PacketId, Vec<ReasonCode>), DecodeError> {
    let mut reader = Reader::new(body);
    let packet_id = read_packet_id(&mut reader)?;
    if version.is_v5() {
        Properties::decode(&mut reader, PropertySet::ACK)?;
    }
    let codes = reader.rest();
    if codes.is_empty() && !known.is_empty() {
        return Err(DecodeError::Protocol("SUBACK or UNSUBACK has no code"));
    }
    if !codes.iter().all(|code| known.contains(code)) {
        return Err(DecodeError::Malformed("SUBACK or UNSUBACK has a code of another packet"));
    }
    Ok((packet_id, codes.iter().copied().map(ReasonCode).collect()))
}

impl Suback {
    /// Decodes the body behind the fixed header.
    ///
    /// # Errors
    /// See [`DecodeError`].
    pub fn decode(body: &[u8], version: Version) -> Result<Self, DecodeError> {
        let known = if version.is_v5() { SUBACK_CODES } else { SUBACK_RETURN_CODES };
        let (packet_id, reasons) = decode(body, version, known)?;
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
        // Before 5.0 there is nothing behind the packet identifier.
        let known = if version.is_v5() { UNSUBACK_CODES } else { &[] };
        let (packet_id, reasons) = decode(body, version, known)?;
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
