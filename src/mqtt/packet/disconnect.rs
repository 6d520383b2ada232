//! DISCONNECT (section 3.14).

use crate::base::bytes::Reader;
use crate::mqtt::frame::put_fixed_header;
use crate::mqtt::{DecodeError, Properties, Property, PropertySet, ReasonCode, Version, put_properties};

/// One side ends the connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Disconnect<'a> {
    /// Why; always success (normal) before 5.0.
    pub reason: ReasonCode,
    /// Properties; none before 5.0.
    pub properties: Properties<'a>,
}

impl<'a> Disconnect<'a> {
    /// Decodes the body behind the fixed header.
    ///
    /// # Errors
    /// See [`DecodeError`].
    pub fn decode(body: &'a [u8], version: Version) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(body);
        if reader.is_empty() {
            return Ok(Disconnect { reason: ReasonCode::SUCCESS, properties: Properties::NONE });
        }
        if !version.is_v5() {
            return Err(DecodeError::Malformed("DISCONNECT has a body"));
        }
        let reason = ReasonCode(reader.u8()?);
        if !is_allowed(reason) {
            return Err(DecodeError::Malformed("DISCONNECT has a reason code of another packet"));
        }
        let properties = if reader.is_empty() {
            Properties::NONE
        } else {
            Properties::decode(&mut reader, PropertySet::DISCONNECT)?
        };
        if !reader.is_empty() {
            return Err(DecodeError::Malformed("DISCONNECT has bytes behind its end"));
        }
        Ok(Disconnect { reason, properties })
    }

    /// The session expiry interval in seconds, if the client changes it on leaving.
    pub fn session_expiry(&self) -> Option<u32> {
        self.properties.iter().find_map(|property| match property {
            Property::SessionExpiryInterval(seconds) => Some(seconds),
            _ => None,
        })
    }

    /// Appends the whole packet.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) {
        if !version.is_v5() || (self.reason == ReasonCode::SUCCESS && self.properties.is_empty()) {
            return out.extend_from_slice(&[0xE0, 0]);
        }
        let mut body = vec![self.reason.0];
        if !self.properties.is_empty() {
            put_properties(&mut body, self.properties.iter());
        }
        put_fixed_header(out, 0xE0, body.len());
        out.extend_from_slice(&body);
    }
}

/// Table 3-10 of the specification: the codes of DISCONNECT, of either side.
const fn is_allowed(reason: ReasonCode) -> bool {
    matches!(
        reason.0,
        0x00 | 0x04 | 0x80..=0x83 | 0x87 | 0x89 | 0x8B | 0x8D..=0x90 | 0x93..=0x9B | 0x9C..=0xA2
    )
}
