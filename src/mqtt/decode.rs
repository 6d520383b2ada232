//! From the bytes of one packet to its struct.

use super::packet::{
    Ack, AckKind, Auth, Connack, Connect, Disconnect, Publish, Suback, Subscribe, Unsuback, Unsubscribe,
};
use super::{DecodeError, Version};

/// Any packet.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "each variant is documented by its struct")]
pub enum Packet<'a> {
    Connect(Box<Connect<'a>>),
    Connack(Connack<'a>),
    Publish(Publish<'a>),
    Ack(Ack),
    Subscribe(Subscribe<'a>),
    Suback(Suback),
    Unsubscribe(Unsubscribe<'a>),
    Unsuback(Unsuback),
    Pingreq,
    Pingresp,
    Disconnect(Disconnect<'a>),
    Auth(Auth<'a>),
}

/// Decodes the packet whose fixed header begins with `first` and whose body is `body`.
///
/// # Errors
/// See [`DecodeError`]. No input panics. All that is allocated is the struct of a CONNECT, and the codes of a SUBACK.
#[inline]
pub fn decode(first: u8, body: &[u8], version: Version) -> Result<Packet<'_>, DecodeError> {
    match first {
        0x30..=0x3F => Publish::decode(first, body, version).map(Packet::Publish),
        0x40 => Ack::decode(AckKind::Puback, body, version).map(Packet::Ack),
        0x50 => Ack::decode(AckKind::Pubrec, body, version).map(Packet::Ack),
        0x62 => Ack::decode(AckKind::Pubrel, body, version).map(Packet::Ack),
        0x70 => Ack::decode(AckKind::Pubcomp, body, version).map(Packet::Ack),
        0x10 => Connect::decode(body).map(|connect| Packet::Connect(Box::new(connect))),
        0x20 => Connack::decode(body, version).map(Packet::Connack),
        0x82 => Subscribe::decode(body, version).map(Packet::Subscribe),
        0x90 => Suback::decode(body, version).map(Packet::Suback),
        0xA2 => Unsubscribe::decode(body, version).map(Packet::Unsubscribe),
        0xB0 => Unsuback::decode(body, version).map(Packet::Unsuback),
        0xC0 => empty(body, Packet::Pingreq),
        0xD0 => empty(body, Packet::Pingresp),
        0xE0 => Disconnect::decode(body, version).map(Packet::Disconnect),
        0xF0 if version.is_v5() => Auth::decode(body).map(Packet::Auth),
        _ => decode_lenient(first, body, version),
    }
}

/// 3.1 lets DUP and QoS 1 stand in the headers of PUBREL, SUBSCRIBE and UNSUBSCRIBE in any combination;
/// to all else, flags that are not as the table demands are malformed ([MQTT-2.2.2-2]).
#[cold]
fn decode_lenient(first: u8, body: &[u8], version: Version) -> Result<Packet<'_>, DecodeError> {
    match (version, first & 0xF0) {
        (Version::V31, 0x60) => decode(0x62, body, version),
        (Version::V31, 0x80) => decode(0x82, body, version),
        (Version::V31, 0xA0) => decode(0xA2, body, version),
        _ => Err(DecodeError::Malformed("packet type or flags of the fixed header are reserved")),
    }
}

fn empty<'a>(body: &[u8], packet: Packet<'a>) -> Result<Packet<'a>, DecodeError> {
    if body.is_empty() { Ok(packet) } else { Err(DecodeError::Malformed("a packet without body has one")) }
}
