//! MQTT 3.1.1 packets by hand, just what load needs.
//!
//! Written apart from the crate's own codec on purpose: a mistake made in both directions there must show here.
//! Section numbers are those of the OASIS standard, MQTT Version 3.1.1.

use crate::failure::Failure;

/// DISCONNECT, section 3.14.
pub const DISCONNECT: [u8; 2] = [0xE0, 0];

/// Largest fixed header: type and flags, then four bytes of remaining length (section 2.2.3).
const FIXED_HEADER_MAX: usize = 5;

/// Quality of service (section 4.3).
#[expect(clippy::enum_variant_names, reason = "the standard's names")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum QoS {
    /// 0
    AtMostOnce,
    /// 1
    AtLeastOnce,
    /// 2
    ExactlyOnce,
}

impl QoS {
    /// The two bits on the wire.
    pub fn bits(self) -> u8 {
        match self {
            Self::AtMostOnce => 0,
            Self::AtLeastOnce => 1,
            Self::ExactlyOnce => 2,
        }
    }

    fn from_bits(bits: u8) -> Result<Self, Failure> {
        match bits {
            0 => Ok(Self::AtMostOnce),
            1 => Ok(Self::AtLeastOnce),
            2 => Ok(Self::ExactlyOnce),
            _ => Err(Failure::Malformed("QoS 3")),
        }
    }
}

/// The four packets that carry nothing but a packet identifier.
#[expect(clippy::enum_variant_names, reason = "the standard's names")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ack {
    /// Section 3.4
    PubAck,
    /// Section 3.5
    PubRec,
    /// Section 3.6
    PubRel,
    /// Section 3.7
    PubComp,
}

impl Ack {
    fn first_byte(self) -> u8 {
        match self {
            Self::PubAck => 0x40,
            Self::PubRec => 0x50,
            Self::PubRel => 0x62,
            Self::PubComp => 0x70,
        }
    }
}

/// One packet, borrowed from the bytes it was read from.
#[derive(Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// Section 3.1; only the floor receives it.
    Connect,
    /// Section 3.2
    ConnAck { session_present: bool, code: u8 },
    /// Section 3.3
    Publish { qos: QoS, packet_id: u16, topic: &'a [u8], payload: &'a [u8] },
    /// Sections 3.4 to 3.7
    Ack(Ack, u16),
    /// Section 3.8, its first filter; only the floor receives it.
    Subscribe { packet_id: u16, filter: &'a [u8], qos: QoS },
    /// Section 3.9, its first return code.
    SubAck { packet_id: u16, code: u8 },
    /// Section 3.14; only the floor receives it.
    Disconnect,
}

/// The first whole packet of `bytes` and its length, or nothing while more bytes are needed.
pub fn decode(bytes: &[u8]) -> Result<Option<(Packet<'_>, usize)>, Failure> {
    let Some((header, remaining)) = fixed_header(bytes)? else { return Ok(None) };
    let Some(body) = bytes.get(header..header + remaining) else { return Ok(None) };
    let packet = decode_body(bytes[0], body)?;
    Ok(Some((packet, header + remaining)))
}

/// Length of the fixed header and the remaining length it announces.
fn fixed_header(bytes: &[u8]) -> Result<Option<(usize, usize)>, Failure> {
    let mut remaining = 0;
    for position in 1..FIXED_HEADER_MAX {
        let Some(&byte) = bytes.get(position) else { return Ok(None) };
        remaining |= usize::from(byte & 0x7F) << (7 * (position - 1));
        if byte & 0x80 == 0 {
            return Ok(Some((position + 1, remaining)));
        }
    }
    Err(Failure::Malformed("remaining length of more than four bytes"))
}

fn decode_body(first: u8, body: &[u8]) -> Result<Packet<'_>, Failure> {
    match first {
        0x10 => Ok(Packet::Connect),
        0x20 => match body {
            [flags, code] => Ok(Packet::ConnAck { session_present: flags & 1 == 1, code: *code }),
            _ => Err(Failure::Malformed("CONNACK")),
        },
        0x30..=0x3F => decode_publish(first, body),
        0x40 => Ok(Packet::Ack(Ack::PubAck, packet_id(body)?.0)),
        0x50 => Ok(Packet::Ack(Ack::PubRec, packet_id(body)?.0)),
        0x62 => Ok(Packet::Ack(Ack::PubRel, packet_id(body)?.0)),
        0x70 => Ok(Packet::Ack(Ack::PubComp, packet_id(body)?.0)),
        0x82 => decode_subscribe(body),
        0x90 => match packet_id(body)? {
            (packet_id, [code, ..]) => Ok(Packet::SubAck { packet_id, code: *code }),
            (_, []) => Err(Failure::Malformed("SUBACK without a return code")),
        },
        0xE0 => Ok(Packet::Disconnect),
        _ => Err(Failure::Malformed("a packet type that load never asks for")),
    }
}

fn decode_publish(first: u8, body: &[u8]) -> Result<Packet<'_>, Failure> {
    let qos = QoS::from_bits(first >> 1 & 3)?;
    let (topic, rest) = string(body)?;
    let (packet_id, payload) = if qos == QoS::AtMostOnce { (0, rest) } else { packet_id(rest)? };
    Ok(Packet::Publish { qos, packet_id, topic, payload })
}

fn decode_subscribe(body: &[u8]) -> Result<Packet<'_>, Failure> {
    let (packet_id, filters) = packet_id(body)?;
    let (filter, rest) = string(filters)?;
    match rest {
        [qos] => Ok(Packet::Subscribe { packet_id, filter, qos: QoS::from_bits(*qos)? }),
        _ => Err(Failure::Malformed("SUBSCRIBE with other than one filter")),
    }
}

fn packet_id(body: &[u8]) -> Result<(u16, &[u8]), Failure> {
    match body {
        [high, low, rest @ ..] => Ok((u16::from_be_bytes([*high, *low]), rest)),
        _ => Err(Failure::Malformed("no packet identifier")),
    }
}

fn string(body: &[u8]) -> Result<(&[u8], &[u8]), Failure> {
    let (len, rest) = packet_id(body).map_err(|_| Failure::Malformed("string without a length"))?;
    rest.split_at_checked(usize::from(len)).ok_or(Failure::Malformed("string past the end"))
}

/// Appends CONNECT with keep alive off (section 3.1.2.10), so that pings disturb no figure.
pub fn encode_connect(out: &mut Vec<u8>, client_id: &str, clean_session: bool) {
    out.push(0x10);
    encode_len(out, 10 + 2 + client_id.len());
    out.extend_from_slice(&[0, 4, b'M', b'Q', b'T', b'T', 4, u8::from(clean_session) << 1, 0, 0]);
    encode_string(out, client_id.as_bytes());
}

/// Appends SUBSCRIBE for one filter.
pub fn encode_subscribe(out: &mut Vec<u8>, packet_id: u16, filter: &str, qos: QoS) {
    out.push(0x82);
    encode_len(out, 2 + 2 + filter.len() + 1);
    out.extend_from_slice(&packet_id.to_be_bytes());
    encode_string(out, filter.as_bytes());
    out.push(qos.bits());
}

/// Appends PUBLISH; `packet_id` is left out at QoS 0.
pub fn encode_publish(out: &mut Vec<u8>, qos: QoS, packet_id: u16, topic: &[u8], payload: &[u8]) {
    out.push(0x30 | qos.bits() << 1);
    let id_len = if qos == QoS::AtMostOnce { 0 } else { 2 };
    encode_len(out, 2 + topic.len() + id_len + payload.len());
    encode_string(out, topic);
    if qos != QoS::AtMostOnce {
        out.extend_from_slice(&packet_id.to_be_bytes());
    }
    out.extend_from_slice(payload);
}

/// As [`encode_publish`], with the flag that has the message retained.
pub fn encode_retained(out: &mut Vec<u8>, qos: QoS, packet_id: u16, topic: &[u8], payload: &[u8]) {
    let start = out.len();
    encode_publish(out, qos, packet_id, topic, payload);
    out[start] |= 1;
}

/// Appends PUBACK, PUBREC, PUBREL or PUBCOMP.
pub fn encode_ack(out: &mut Vec<u8>, ack: Ack, packet_id: u16) {
    let [high, low] = packet_id.to_be_bytes();
    out.extend_from_slice(&[ack.first_byte(), 2, high, low]);
}

/// Appends the receiver's answer to a PUBLISH, if its QoS asks for one (section 4.3).
pub fn answer_publish(out: &mut Vec<u8>, qos: QoS, packet_id: u16) {
    match qos {
        QoS::AtMostOnce => {}
        QoS::AtLeastOnce => encode_ack(out, Ack::PubAck, packet_id),
        QoS::ExactlyOnce => encode_ack(out, Ack::PubRec, packet_id),
    }
}

fn encode_len(out: &mut Vec<u8>, mut len: usize) {
    loop {
        let byte = (len & 0x7F) as u8;
        len >>= 7;
        out.push(if len == 0 { byte } else { byte | 0x80 });
        if len == 0 {
            return;
        }
    }
}

fn encode_string(out: &mut Vec<u8>, text: &[u8]) {
    let len = u16::try_from(text.len()).expect("names made here are short");
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(text);
}
