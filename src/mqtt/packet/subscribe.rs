//! SUBSCRIBE (section 3.8).

use super::filters::SubscriptionList;
use super::publish::read_packet_id;
use crate::base::bytes::Reader;
use crate::mqtt::frame::put_fixed_header;
use crate::mqtt::{DecodeError, PacketId, Properties, Property, PropertySet, QoS, Version, put_properties};

/// A client asks for messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Subscribe<'a> {
    /// Packet identifier.
    pub packet_id: PacketId,
    /// Properties; none before 5.0.
    pub properties: Properties<'a>,
    /// What it asks for, in its order; at least one.
    pub filters: SubscriptionList<'a>,
}

/// How messages of one subscription are delivered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SubscriptionOptions {
    /// Highest QoS.
    pub qos: QoS,
    /// Whether the client's own messages stay away.
    pub no_local: bool,
    /// Whether the retain flag is passed on as it was published.
    pub retain_as_published: bool,
    /// What happens with retained messages when the subscription is made.
    pub retain_handling: RetainHandling,
}

/// When retained messages are sent for a SUBSCRIBE.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RetainHandling {
    /// At every SUBSCRIBE.
    Send,
    /// Only if the subscription is new.
    SendIfNew,
    /// Never.
    DoNotSend,
}

impl SubscriptionOptions {
    /// What 3.1.1 asks for: a QoS and nothing else.
    pub const fn plain(qos: QoS) -> Self {
        SubscriptionOptions { qos, no_local: false, retain_as_published: false, retain_handling: RetainHandling::Send }
    }

    /// The options for their byte on the wire.
    ///
    /// # Errors
    /// [`DecodeError::Malformed`] for reserved bits, [`DecodeError::Protocol`] for retain handling 3.
    pub fn from_byte(byte: u8, version: Version) -> Result<Self, DecodeError> {
        let qos = QoS::from_bits(byte & 3).ok_or(DecodeError::Malformed("a subscription asks for QoS 3"))?;
        let reserved = if version.is_v5() { 0xC0 } else { 0xFC };
        if byte & reserved != 0 {
            return Err(DecodeError::Malformed("reserved bits of subscription options are set"));
        }
        let retain_handling = match byte >> 4 & 3 {
            0 => RetainHandling::Send,
            1 => RetainHandling::SendIfNew,
            2 => RetainHandling::DoNotSend,
            _ => return Err(DecodeError::Protocol("retain handling is 3")),
        };
        Ok(SubscriptionOptions { qos, no_local: byte & 4 != 0, retain_as_published: byte & 8 != 0, retain_handling })
    }

    /// The byte on the wire of 5.0.
    pub const fn to_byte(self) -> u8 {
        let handling = match self.retain_handling {
            RetainHandling::Send => 0,
            RetainHandling::SendIfNew => 1,
            RetainHandling::DoNotSend => 2,
        };
        self.qos.bits() | (self.no_local as u8) << 2 | (self.retain_as_published as u8) << 3 | handling << 4
    }
}

impl<'a> Subscribe<'a> {
    /// Decodes the body behind the fixed header.
    ///
    /// # Errors
    /// See [`DecodeError`].
    pub fn decode(body: &'a [u8], version: Version) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(body);
        let packet_id = read_packet_id(&mut reader)?;
        let properties =
            if version.is_v5() { Properties::decode(&mut reader, PropertySet::SUBSCRIBE)? } else { Properties::NONE };
        let filters = SubscriptionList::decode(&mut reader, version)?;
        Ok(Subscribe { packet_id, properties, filters })
    }

    /// The subscription identifier, if one came along.
    pub fn identifier(&self) -> Option<u32> {
        self.properties.iter().find_map(|property| match property {
            Property::SubscriptionIdentifier(number) => Some(number),
            _ => None,
        })
    }

    /// Appends the whole packet.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) {
        let mut body = self.packet_id.get().to_be_bytes().to_vec();
        if version.is_v5() {
            put_properties(&mut body, self.properties.iter());
        }
        body.extend_from_slice(self.filters.as_bytes());
        put_fixed_header(out, 0x82, body.len());
        out.extend_from_slice(&body);
    }
}
