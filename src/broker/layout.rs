//! A message as bytes of PUBLISH, encoded once per layout and copied for each receiver.
//!
//! Two things decide the layout: whether there are properties (5.0), and whether there is a packet identifier
//! (QoS 1 and 2). First byte and identifier are patched in the copy. Where the received packet already has the
//! layout, it is copied as it came.

use super::message::Parts;
use crate::base::Moment;
use crate::base::bytes::put_varint;
use crate::mqtt::{PacketId, Property, QoS, put_fixed_header};

/// What is sent, with the packet it came in if that can be sent on as it is.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The message.
    pub parts: Parts<'a>,
    /// The packet it came in.
    pub packet: Option<Received<'a>>,
}

/// A received PUBLISH that holds nothing of its hop but first byte and packet identifier.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// The whole packet.
    pub bytes: &'a [u8],
    /// Whether it has properties (5.0).
    pub is_v5: bool,
}

/// A number that stands for a topic name on one connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Alias {
    /// The number, from 1 on.
    pub number: u16,
    /// Whether the client is told the name with it.
    pub is_new: bool,
}

/// How one receiver gets the message.
#[derive(Clone, Copy, Debug)]
pub struct Delivery {
    /// QoS.
    pub qos: QoS,
    /// Retain flag.
    pub retain: bool,
    /// DUP flag.
    pub dup: bool,
    /// Packet identifier, with QoS 1 and 2.
    pub packet_id: Option<PacketId>,
}

impl Delivery {
    const fn first_byte(self) -> u8 {
        0x30 | (self.dup as u8) << 3 | self.qos.bits() << 1 | self.retain as u8
    }
}

/// The layouts of the message that is being sent.
#[derive(Debug, Default)]
pub struct Layouts {
    encoded: [Vec<u8>; 4],
    /// A bit for each that is encoded.
    ready: u8,
}

impl Layouts {
    /// Forgets the message before.
    #[inline]
    pub fn begin(&mut self) {
        self.ready = 0;
    }

    /// The message in the layout a receiver needs. The bytes may have any first byte and packet identifier.
    #[inline]
    pub fn encoded<'a>(&'a mut self, now: Moment, source: &Source<'a>, is_v5: bool, qos: QoS) -> &'a [u8] {
        let has_id = qos != QoS::AtMostOnce;
        if let Some(packet) = source.packet
            && packet.is_v5 == is_v5
            && has_id == (source.parts.qos != QoS::AtMostOnce)
        {
            return packet.bytes;
        }
        let index = usize::from(is_v5) << 1 | usize::from(has_id);
        let encoded = &mut self.encoded[index];
        if self.ready & 1 << index == 0 {
            self.ready |= 1 << index;
            encoded.clear();
            encode(encoded, now, &source.parts, is_v5, has_id, Extras::default());
        }
        encoded
    }
}

/// Appends a copy of an encoded message for one receiver.
#[inline]
pub fn put(out: &mut Vec<u8>, encoded: &[u8], topic_length: usize, delivery: Delivery) {
    let start = out.len();
    out.extend_from_slice(encoded);
    out[start] = delivery.first_byte();
    if let Some(id) = delivery.packet_id {
        let at = start + header_length(encoded) + 2 + topic_length;
        out[at..at + 2].copy_from_slice(&id.get().to_be_bytes());
    }
}

/// What only one receiver gets.
#[derive(Clone, Copy, Debug, Default)]
pub struct Extras<'a> {
    /// Its subscription identifiers.
    pub identifiers: &'a [u32],
    /// The number its connection has for the topic name.
    pub alias: Option<Alias>,
}

/// Appends a message for one receiver, with what only that receiver gets if it speaks 5.0. Tells how long the packet is.
pub fn put_alone(
    out: &mut Vec<u8>,
    now: Moment,
    parts: &Parts<'_>,
    is_v5: bool,
    delivery: Delivery,
    extras: Extras<'_>,
) -> usize {
    let start = out.len();
    encode(out, now, parts, is_v5, delivery.packet_id.is_some(), extras);
    out[start] = delivery.first_byte();
    if let Some(id) = delivery.packet_id {
        let topic_at = start + header_length(&out[start..]);
        let topic_length = usize::from(u16::from_be_bytes([out[topic_at], out[topic_at + 1]]));
        let at = topic_at + 2 + topic_length;
        out[at..at + 2].copy_from_slice(&id.get().to_be_bytes());
    }
    out.len() - start
}

/// Length of the fixed header.
#[inline]
fn header_length(packet: &[u8]) -> usize {
    if packet[1] & 0x80 == 0 {
        return 2;
    }
    1 + packet[1..].iter().take_while(|&&byte| byte & 0x80 != 0).count() + 1
}

fn encode(out: &mut Vec<u8>, now: Moment, parts: &Parts<'_>, is_v5: bool, has_id: bool, extras: Extras<'_>) {
    let topic = if extras.alias.is_some_and(|alias| !alias.is_new) { "" } else { parts.topic };
    let mut properties = vec![];
    let mut prefix = vec![];
    if is_v5 {
        properties.extend_from_slice(parts.properties.as_bytes());
        if let Some(expires) = parts.expires {
            let left = expires.saturating_since(now).as_micros().div_ceil(1_000_000);
            Property::MessageExpiryInterval(left as u32).encode(&mut properties);
        }
        if let Some(alias) = extras.alias {
            Property::TopicAlias(alias.number).encode(&mut properties);
        }
        for &identifier in extras.identifiers {
            Property::SubscriptionIdentifier(identifier).encode(&mut properties);
        }
        put_varint(&mut prefix, properties.len() as u64);
    }
    let id: &[u8] = if has_id { &[0, 0] } else { &[] };
    let length = 2 + topic.len() + id.len() + prefix.len() + properties.len() + parts.payload.len();
    put_fixed_header(out, 0x30, length);
    out.extend_from_slice(&(topic.len() as u16).to_be_bytes());
    out.extend_from_slice(topic.as_bytes());
    for piece in [id, &prefix, &properties, parts.payload] {
        out.extend_from_slice(piece);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mqtt::packet::Publish;
    use crate::mqtt::{Packet, Properties, TopicName, Version, decode, frame};

    fn parts(payload: &[u8]) -> Parts<'_> {
        Parts {
            topic: "a/b",
            properties: Properties::NONE,
            payload,
            qos: QoS::AtLeastOnce,
            retain: false,
            expires: Some(Moment::from_micros(2_500_000)),
        }
    }

    fn decoded(bytes: &[u8], version: Version) -> Publish<'_> {
        let frame = frame(bytes, usize::MAX).expect("well formed").expect("whole");
        assert_eq!(frame.end, bytes.len());
        match decode(frame.first, &bytes[frame.body..], version) {
            Ok(Packet::Publish(publish)) => publish,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_layout_decodes_to_the_same_message() {
        let payload = vec![7; 200];
        let source = Source { parts: parts(&payload), packet: None };
        let mut layouts = Layouts::default();
        for (version, qos) in [
            (Version::V311, QoS::AtMostOnce),
            (Version::V311, QoS::ExactlyOnce),
            (Version::V5, QoS::AtMostOnce),
            (Version::V5, QoS::AtLeastOnce),
        ] {
            let packet_id = if qos == QoS::AtMostOnce { None } else { PacketId::new(513) };
            let delivery = Delivery { qos, retain: true, dup: false, packet_id };
            let mut out = vec![9];
            put(&mut out, layouts.encoded(Moment::START, &source, version.is_v5(), qos), 3, delivery);
            let publish = decoded(&out[1..], version);
            assert_eq!(publish.topic.map(TopicName::as_str), Some("a/b"));
            assert_eq!((publish.qos, publish.packet_id, publish.retain), (qos, packet_id, true));
            assert_eq!(publish.payload, payload);
            let expiry = publish.properties.iter().next();
            assert_eq!(expiry, version.is_v5().then_some(Property::MessageExpiryInterval(3)));
        }
    }

    #[test]
    fn an_alias_takes_the_place_of_the_name_once_it_is_known() {
        let packet_id = PacketId::new(9);
        let delivery = Delivery { qos: QoS::AtLeastOnce, retain: false, dup: false, packet_id };
        for is_new in [true, false] {
            let extras = Extras { identifiers: &[], alias: Some(Alias { number: 5, is_new }) };
            let mut out = vec![7];
            put_alone(&mut out, Moment::START, &parts(b"x"), true, delivery, extras);
            let publish = decoded(&out[1..], Version::V5);
            assert_eq!(publish.topic.map(TopicName::as_str), is_new.then_some("a/b"));
            assert_eq!((publish.topic_alias(), publish.packet_id, publish.payload), (Some(5), packet_id, &b"x"[..]));
        }
    }

    #[test]
    fn identifiers_of_all_subscriptions_go_along() {
        let extras = Extras { identifiers: &[3, 300], alias: None };
        let delivery = Delivery { qos: QoS::AtMostOnce, retain: false, dup: false, packet_id: None };
        let mut out = vec![];
        put_alone(&mut out, Moment::START, &Parts { expires: None, ..parts(b"x") }, true, delivery, extras);
        let publish = decoded(&out, Version::V5);
        let expected = [Property::SubscriptionIdentifier(3), Property::SubscriptionIdentifier(300)];
        assert_eq!(publish.properties.iter().collect::<Vec<_>>(), expected);
    }
}
