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

/// Codes of 5.0 (section 3.2.2.2).
const CODES: &[u8] = &[
    0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x90, 0x95, 0x97, 0x99, 0x9A, 0x9B,
    0x9C, 0x9D, 0x9F,
];

/// The highest return code of 3.1.1 (section 3.2.2.3).
const LAST_RETURN_CODE: u8 = 5;

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
        if !(if version.is_v5() { CODES.contains(&reason.0) } else { reason.0 <= LAST_RETURN_CODE }) {
            return Err(DecodeError::Malformed("CONNACK has a reserved code"));
        }
        let properties =
            if version.is_v5() { Properties::decode(&mut reader, PropertySet::CONNACK)? } else { Properties::NONE };
        if !reader.is_empty() {
            return Err(DecodeError::Malformed("CONNACK has bytes behind its end"));
        }
        // 3.1 has no such flag: the byte is reserved.
        Ok(Connack { session_present: flags & 1 != 0 && version != Version::V31, reason, properties })
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
