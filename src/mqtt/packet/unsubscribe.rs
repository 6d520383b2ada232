//! UNSUBSCRIBE (section 3.10).

use super::filters::FilterList;
use super::publish::read_packet_id;
use crate::base::bytes::Reader;
use crate::mqtt::frame::put_fixed_header;
use crate::mqtt::{DecodeError, PacketId, Properties, PropertySet, Version, put_properties};

/// A client asks for messages no longer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unsubscribe<'a> {
    /// Packet identifier.
    pub packet_id: PacketId,
    /// Properties; none before 5.0.
    pub properties: Properties<'a>,
    /// The filters to forget, in its order; at least one.
    pub filters: FilterList<'a>,
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
        let filters = FilterList::decode(&mut reader)?;
        Ok(Unsubscribe { packet_id, properties, filters })
    }

    /// Appends the whole packet.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) {
        let mut body = self.packet_id.get().to_be_bytes().to_vec();
        if version.is_v5() {
            put_properties(&mut body, self.properties.iter());
        }
        body.extend_from_slice(self.filters.as_bytes());
        put_fixed_header(out, 0xA2, body.len());
        out.extend_from_slice(&body);
    }
}
