//! UNSUBSCRIBE (section 3.10).

use super::publish::read_packet_id;
use crate::base::bytes::{Reader, put_binary};
use crate::base::limits::FILTERS_PER_PACKET;
use crate::mqtt::frame::put_fixed_header;
use crate::mqtt::{DecodeError, PacketId, Properties, PropertySet, TopicFilter, Version, put_properties, text};

/// A client asks for messages no longer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unsubscribe<'a> {
    /// Packet identifier.
    pub packet_id: PacketId,
    /// Properties; none before 5.0.
    pub properties: Properties<'a>,
    /// The filters to forget, in its order; at least one.
    pub filters: Vec<TopicFilter<'a>>,
}

impl<'a> Unsubscribe<'a> {
    /// Decodes the body behind the fixed header.
    ///
    /// # Errors
    /// See [`DecodeError`].
    pub fn decode(body: &'a [u8], version: Version) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(body);
        let packet_id = read_packet_id(&mut reader)?;
        let properties =
            if version.is_v5() { Properties::decode(&mut reader, PropertySet::UNSUBSCRIBE)? } else { Properties::NONE };
        let mut filters = Vec::with_capacity(1);
        while !reader.is_empty() {
            if filters.len() == FILTERS_PER_PACKET {
                return Err(DecodeError::Protocol("UNSUBSCRIBE has too many filters"));
            }
            filters.push(TopicFilter::new(text::read_name(&mut reader)?)?);
        }
        if filters.is_empty() {
            return Err(DecodeError::Protocol("UNSUBSCRIBE has no filter"));
        }
        Ok(Unsubscribe { packet_id, properties, filters })
    }

    /// Appends the whole packet.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) {
        let mut body = self.packet_id.get().to_be_bytes().to_vec();
        if version.is_v5() {
            put_properties(&mut body, self.properties.iter());
        }
        for filter in &self.filters {
            put_binary(&mut body, filter.as_str().as_bytes());
        }
        put_fixed_header(out, 0xA2, body.len());
        out.extend_from_slice(&body);
    }
}
