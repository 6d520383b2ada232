//! AUTH (section 3.15), 5.0 only.

use crate::base::bytes::Reader;
use crate::mqtt::frame::put_fixed_header;
use crate::mqtt::{DecodeError, Properties, Property, PropertySet, ReasonCode, put_properties};

/// One step of enhanced authentication.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Auth<'a> {
    /// Success, continue or re-authenticate.
    pub reason: ReasonCode,
    /// Method and data among them.
    pub properties: Properties<'a>,
}

impl<'a> Auth<'a> {
    /// Decodes the body behind the fixed header.
    ///
    /// # Errors
    /// See [`DecodeError`].
    pub fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(body);
        if reader.is_empty() {
            return Ok(Auth { reason: ReasonCode::SUCCESS, properties: Properties::NONE });
        }
        let reason = ReasonCode(reader.u8()?);
        if !matches!(reason.0, 0x00 | 0x18 | 0x19) {
            return Err(DecodeError::Malformed("AUTH has a reason code of another packet"));
        }
        let properties = Properties::decode(&mut reader, PropertySet::AUTH)?;
        if !reader.is_empty() {
            return Err(DecodeError::Malformed("AUTH has bytes behind its end"));
        }
        if !properties.iter().any(|property| matches!(property, Property::AuthenticationMethod(_))) {
            return Err(DecodeError::Protocol("AUTH has no authentication method"));
        }
        Ok(Auth { reason, properties })
    }

    /// Appends the whole packet; nothing of a success without properties has to be written (section 3.15.2.1).
    pub fn encode(&self, out: &mut Vec<u8>) {
        if self.reason == ReasonCode::SUCCESS && self.properties.is_empty() {
            return out.extend_from_slice(&[0xF0, 0]);
        }
        let mut body = vec![self.reason.0];
        put_properties(&mut body, self.properties.iter());
        put_fixed_header(out, 0xF0, body.len());
        out.extend_from_slice(&body);
    }
}
