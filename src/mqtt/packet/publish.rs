//! PUBLISH (section 3.3).

use crate::base::bytes::{Reader, put_binary, put_varint};
use crate::mqtt::frame::put_fixed_header;
use crate::mqtt::text::Scan;
use crate::mqtt::{DecodeError, PacketId, Properties, Property, PropertySet, QoS, TopicName, Version, text};

/// A message on its way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Publish<'a> {
    /// Whether this is sent again.
    pub dup: bool,
    /// Quality of service.
    pub qos: QoS,
    /// Whether the message is to be retained, or comes from what was retained.
    pub retain: bool,
    /// Topic name; `None` where a topic alias of 5.0 stands for it.
    pub topic: Option<TopicName<'a>>,
    /// Packet identifier; with QoS 1 and 2 only.
    pub packet_id: Option<PacketId>,
    /// Properties; none before 5.0.
    pub properties: Properties<'a>,
    /// The payload.
    pub payload: &'a [u8],
}

impl<'a> Publish<'a> {
    /// Decodes the body behind the fixed header, whose first byte is `first`.
    ///
    /// # Errors
    /// See [`DecodeError`].
    #[inline]
    pub fn decode(first: u8, body: &'a [u8], version: Version) -> Result<Self, DecodeError> {
        let qos = QoS::from_bits(first >> 1 & 3).ok_or(DecodeError::Malformed("PUBLISH has QoS 3"))?;
        let dup = first & 8 != 0;
        if dup && qos == QoS::AtMostOnce {
            return Err(DecodeError::Malformed("PUBLISH has DUP and QoS 0"));
        }
        let mut reader = Reader::new(body);
        let (name, scan) = text::read_scanned_name(&mut reader)?;
        let packet_id = match qos {
            QoS::AtMostOnce => None,
            QoS::AtLeastOnce | QoS::ExactlyOnce => Some(read_packet_id(&mut reader)?),
        };
        let (topic, properties) = if version.is_v5() {
            let properties = Properties::decode(&mut reader, PropertySet::PUBLISH)?;
            (check_topic(name, scan, properties)?, properties)
        } else {
            (Some(TopicName::with_scan(name, scan)?), Properties::NONE)
        };
        Ok(Publish { dup, qos, retain: first & 1 != 0, topic, packet_id, properties, payload: reader.rest() })
    }

    /// Appends the whole packet.
    ///
    /// # Panics
    /// If it has neither topic name nor alias, or a QoS without packet identifier.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) {
        let topic = self.topic.map_or("", TopicName::as_str);
        let id_length = if self.qos == QoS::AtMostOnce { 0 } else { 2 };
        let properties = self.properties.as_bytes();
        let properties_length = if version.is_v5() { varint_length(properties.len()) + properties.len() } else { 0 };
        let length = 2 + topic.len() + id_length + properties_length + self.payload.len();
        put_fixed_header(out, self.first_byte(), length);
        put_binary(out, topic.as_bytes());
        if self.qos != QoS::AtMostOnce {
            let id = self.packet_id.expect("QoS 1 and 2 go with a packet identifier");
            out.extend_from_slice(&id.get().to_be_bytes());
        }
        if version.is_v5() {
            put_varint(out, properties.len() as u64);
            out.extend_from_slice(properties);
        }
        out.extend_from_slice(self.payload);
    }

    /// The first byte of the packet: type and flags.
    pub const fn first_byte(&self) -> u8 {
        0x30 | (self.dup as u8) << 3 | self.qos.bits() << 1 | self.retain as u8
    }

    /// The topic alias, if one came along.
    pub fn topic_alias(&self) -> Option<u16> {
        self.properties.iter().find_map(|property| match property {
            Property::TopicAlias(alias) => Some(alias),
            _ => None,
        })
    }
}

/// How many bytes a varint of this value has.
pub(crate) const fn varint_length(value: usize) -> usize {
    match value {
        0..=0x7F => 1,
        0x80..=0x3FFF => 2,
        0x4000..=0x1F_FFFF => 3,
        _ => 4,
    }
}

#[inline]
pub(super) fn read_packet_id(reader: &mut Reader<'_>) -> Result<PacketId, DecodeError> {
    PacketId::new(reader.u16()?).ok_or(DecodeError::Protocol("the packet identifier is 0"))
}

#[inline]
fn check_topic<'a>(
    name: &'a str,
    scan: Scan,
    properties: Properties<'a>,
) -> Result<Option<TopicName<'a>>, DecodeError> {
    let mut alias = None;
    if !properties.is_empty() {
        for property in properties.iter() {
            match property {
                Property::TopicAlias(0) => return Err(DecodeError::TopicAliasInvalid),
                Property::TopicAlias(number) => alias = Some(number),
                // [MQTT-3.3.2-14]: a response topic has no wildcards.
                Property::ResponseTopic(topic) => drop(TopicName::new(topic)?),
                _ => {}
            }
        }
    }
    match (name.is_empty(), alias) {
        (true, Some(_)) => Ok(None),
        (true, None) => Err(DecodeError::Protocol("PUBLISH has neither topic name nor topic alias")),
        (false, _) => TopicName::with_scan(name, scan).map(Some),
    }
}
