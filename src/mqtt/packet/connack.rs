//! CONNACK (section 3.2).

use crate::base::bytes::Reader;
use crate::mqtt::frame::put_fixed_header;
use crate::mqtt::{DecodeError, Properties, PropertySet, ReasonCode, Version, put_properties};

/// The server answers a CONNECT.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Connack<'a> {
    /// Whether a session was there to go on with.
    pub session_present: bool,
    /// Success, or why not. In 3.1.1 the return code it became.
    pub reason: ReasonCode,
    /// Properties; none before 5.0.
    pub properties: Properties<'a>,
}

impl<'a> Connack<'a> {
    /// Decodes the body behind the fixed header.
    ///
    /// # Errors
    /// See [`DecodeError`].
    pub fn decode(body: &'a [u8], version: Version) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(body);
        let flags = reader.u8()?;
        if flags & !1 != 0 {
            return Err(DecodeError::Malformed("a reserved flag of CONNACK is set"));
        }
        let reason = ReasonCode(reader.u8()?);
        let properties =
            if version.is_v5() { Properties::decode(&mut reader, PropertySet::CONNACK)? } else { Properties::NONE };
        if !reader.is_empty() {
            return Err(DecodeError::Malformed("CONNACK has bytes behind its end"));
        }
        Ok(Connack { session_present: flags & 1 != 0, reason, properties })
    }

    /// Appends the whole packet. Nothing is appended where the version has no code for the reason: the
    /// connection is only closed then.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) {
        let flags = u8::from(self.session_present);
        if version.is_v5() {
            let mut body = vec![flags, self.reason.0];
            put_properties(&mut body, self.properties.iter());
            put_fixed_header(out, 0x20, body.len());
            out.extend_from_slice(&body);
        } else if let Some(code) = self.reason.connect_return_code() {
            // [MQTT-3.2.2-1] of 3.1: there is no session present flag.
            let flags = if version == Version::V31 { 0 } else { flags };
            out.extend_from_slice(&[0x20, 2, flags, code]);
        }
    }
}
