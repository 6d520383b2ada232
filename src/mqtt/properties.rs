//! Properties of 5.0 packets (section 2.2.2).

use super::{DecodeError, QoS, text};
use crate::base::bytes::{Reader, put_binary, put_varint, put_with_length};

/// One property. Strings and bytes are borrowed from the packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Property<'a> {
    /// Whether the payload is UTF-8 text.
    PayloadFormatIndicator(bool),
    /// Lifetime of the message in seconds.
    MessageExpiryInterval(u32),
    /// MIME type or the like.
    ContentType(&'a str),
    /// Topic name for the answer to a request.
    ResponseTopic(&'a str),
    /// What the requester wants back with the answer.
    CorrelationData(&'a [u8]),
    /// Number of the subscription a message was delivered for.
    SubscriptionIdentifier(u32),
    /// Lifetime of the session in seconds after the connection ends; `u32::MAX` is for ever.
    SessionExpiryInterval(u32),
    /// Client identifier the server chose.
    AssignedClientIdentifier(&'a str),
    /// Keep alive in seconds the server demands.
    ServerKeepAlive(u16),
    /// Name of the enhanced authentication method.
    AuthenticationMethod(&'a str),
    /// Data of the enhanced authentication method.
    AuthenticationData(&'a [u8]),
    /// Whether reason strings are wanted.
    RequestProblemInformation(bool),
    /// Seconds from the end of a connection to its will.
    WillDelayInterval(u32),
    /// Whether response information is wanted.
    RequestResponseInformation(bool),
    /// Basis for response topics.
    ResponseInformation(&'a str),
    /// Another server to use.
    ServerReference(&'a str),
    /// A sentence for a person who reads logs.
    ReasonString(&'a str),
    /// QoS 1 and 2 messages that may be unacknowledged at once.
    ReceiveMaximum(u16),
    /// Highest topic alias that is accepted.
    TopicAliasMaximum(u16),
    /// Number that stands for a topic name.
    TopicAlias(u16),
    /// Highest QoS the server supports.
    MaximumQoS(QoS),
    /// Whether the server supports retained messages.
    RetainAvailable(bool),
    /// A name and a value of the application.
    UserProperty(&'a str, &'a str),
    /// Largest packet that is accepted, in bytes.
    MaximumPacketSize(u32),
    /// Whether the server supports wildcards.
    WildcardSubscriptionAvailable(bool),
    /// Whether the server supports subscription identifiers.
    SubscriptionIdentifierAvailable(bool),
    /// Whether the server supports shared subscriptions.
    SharedSubscriptionAvailable(bool),
}

/// A set of property identifiers: which ones a packet may carry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PropertySet(u64);

impl PropertySet {
    /// A set of the given identifiers.
    pub const fn of(ids: &[u8]) -> PropertySet {
        let (mut set, mut index) = (0, 0);
        while index < ids.len() {
            set |= 1 << ids[index];
            index += 1;
        }
        PropertySet(set)
    }

    const fn contains(self, id: u8) -> bool {
        id < 64 && self.0 & (1 << id) != 0
    }
}

impl PropertySet {
    /// What CONNECT may carry.
    pub const CONNECT: PropertySet = PropertySet::of(&[0x11, 0x15, 0x16, 0x17, 0x19, 0x21, 0x22, 0x26, 0x27]);
    /// What the will in CONNECT may carry.
    pub const WILL: PropertySet = PropertySet::of(&[0x01, 0x02, 0x03, 0x08, 0x09, 0x18, 0x26]);
    /// What CONNACK may carry.
    pub const CONNACK: PropertySet = PropertySet::of(&[
        0x11, 0x12, 0x13, 0x15, 0x16, 0x1A, 0x1C, 0x1F, 0x21, 0x22, 0x24, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2A,
    ]);
    /// What PUBLISH may carry.
    pub const PUBLISH: PropertySet = PropertySet::of(&[0x01, 0x02, 0x03, 0x08, 0x09, 0x0B, 0x23, 0x26]);
    /// What PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK and UNSUBACK may carry.
    pub const ACK: PropertySet = PropertySet::of(&[0x1F, 0x26]);
    /// What SUBSCRIBE may carry.
    pub const SUBSCRIBE: PropertySet = PropertySet::of(&[0x0B, 0x26]);
    /// What UNSUBSCRIBE may carry.
    pub const UNSUBSCRIBE: PropertySet = PropertySet::of(&[0x26]);
    /// What DISCONNECT may carry.
    pub const DISCONNECT: PropertySet = PropertySet::of(&[0x11, 0x1C, 0x1F, 0x26]);
    /// What AUTH may carry.
    pub const AUTH: PropertySet = PropertySet::of(&[0x15, 0x16, 0x1F, 0x26]);
}

const SUBSCRIPTION_IDENTIFIER: u8 = 0x0B;
const USER_PROPERTY: u8 = 0x26;

/// The checked properties of one packet, still on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Properties<'a> {
    bytes: &'a [u8],
}

impl<'a> Properties<'a> {
    /// No properties.
    pub const NONE: Properties<'static> = Properties { bytes: &[] };

    /// Reads the length and the properties behind it, and checks each: known, allowed in this packet,
    /// with a legal value, and only once (but for user properties, and subscription identifiers in PUBLISH).
    ///
    /// # Errors
    /// [`DecodeError::Malformed`] or [`DecodeError::Protocol`].
    #[inline]
    pub fn decode(reader: &mut Reader<'a>, allowed: PropertySet) -> Result<Self, DecodeError> {
        let length = read_length(reader)?;
        let bytes = reader.take(length)?;
        if !bytes.is_empty() {
            check(bytes, allowed)?;
        }
        Ok(Properties { bytes })
    }

    /// Properties that were checked before, as [`as_bytes`](Properties::as_bytes) gave them to be kept.
    pub const fn from_checked(bytes: &'a [u8]) -> Self {
        Properties { bytes }
    }

    /// The bytes behind the length.
    pub const fn as_bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// Whether there are none.
    pub const fn is_empty(self) -> bool {
        self.bytes.is_empty()
    }

    /// The properties in the order in which they came.
    pub fn iter(self) -> impl Iterator<Item = Property<'a>> {
        let mut reader = Reader::new(self.bytes);
        std::iter::from_fn(move || {
            if reader.is_empty() {
                return None;
            }
            Property::decode(&mut reader).ok().map(|(_, property)| property)
        })
    }
}

fn check(bytes: &[u8], allowed: PropertySet) -> Result<(), DecodeError> {
    let mut reader = Reader::new(bytes);
    let mut seen = 0u64;
    while !reader.is_empty() {
        let (id, _) = Property::decode(&mut reader)?;
        if !allowed.contains(id) {
            return Err(DecodeError::Protocol("a property is not allowed in this packet"));
        }
        let may_repeat = id == USER_PROPERTY || (id == SUBSCRIPTION_IDENTIFIER && allowed == PropertySet::PUBLISH);
        if seen & (1 << id) != 0 && !may_repeat {
            return Err(DecodeError::Protocol("a property stands twice"));
        }
        seen |= 1 << id;
    }
    Ok(())
}

/// A variable byte integer of at most four bytes, in its shortest form ([MQTT-1.5.5-1]).
#[inline]
fn read_length(reader: &mut Reader<'_>) -> Result<usize, DecodeError> {
    let mut value = 0usize;
    for shift in [0, 7, 14, 21] {
        let byte = reader.u8()?;
        value |= usize::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            if byte == 0 && shift > 0 {
                return Err(DecodeError::Malformed("a variable byte integer is longer than it needs to be"));
            }
            return Ok(value);
        }
    }
    Err(DecodeError::Malformed("a variable byte integer has more than four bytes"))
}

fn read_bool(reader: &mut Reader<'_>) -> Result<bool, DecodeError> {
    match reader.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(DecodeError::Protocol("a property has a value other than 0 and 1")),
    }
}

fn read_non_zero(reader: &mut Reader<'_>) -> Result<u16, DecodeError> {
    match reader.u16()? {
        0 => Err(DecodeError::Protocol("a property has the forbidden value 0")),
        value => Ok(value),
    }
}

impl<'a> Property<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<(u8, Property<'a>), DecodeError> {
        let id = reader.u8()?;
        let property = match id {
            0x01 => Property::PayloadFormatIndicator(read_bool(reader)?),
            0x02 => Property::MessageExpiryInterval(reader.u32()?),
            0x03 => Property::ContentType(text::read_text(reader)?),
            0x08 => Property::ResponseTopic(text::read_name(reader)?),
            0x09 => Property::CorrelationData(reader.binary()?),
            0x0B => Property::SubscriptionIdentifier(read_subscription_identifier(reader)?),
            0x11 => Property::SessionExpiryInterval(reader.u32()?),
            0x12 => Property::AssignedClientIdentifier(text::read_name(reader)?),
            0x13 => Property::ServerKeepAlive(reader.u16()?),
            0x15 => Property::AuthenticationMethod(text::read_text(reader)?),
            0x16 => Property::AuthenticationData(reader.binary()?),
            0x17 => Property::RequestProblemInformation(read_bool(reader)?),
            0x18 => Property::WillDelayInterval(reader.u32()?),
            0x19 => Property::RequestResponseInformation(read_bool(reader)?),
            0x1A => Property::ResponseInformation(text::read_text(reader)?),
            0x1C => Property::ServerReference(text::read_text(reader)?),
            0x1F => Property::ReasonString(text::read_text(reader)?),
            0x21 => Property::ReceiveMaximum(read_non_zero(reader)?),
            0x22 => Property::TopicAliasMaximum(reader.u16()?),
            0x23 => Property::TopicAlias(reader.u16()?),
            0x24 => Property::MaximumQoS(if read_bool(reader)? { QoS::AtLeastOnce } else { QoS::AtMostOnce }),
            0x25 => Property::RetainAvailable(read_bool(reader)?),
            0x26 => Property::UserProperty(text::read_text(reader)?, text::read_text(reader)?),
            0x27 => match reader.u32()? {
                0 => return Err(DecodeError::Protocol("Maximum Packet Size is 0")),
                size => Property::MaximumPacketSize(size),
            },
            0x28 => Property::WildcardSubscriptionAvailable(read_bool(reader)?),
            0x29 => Property::SubscriptionIdentifierAvailable(read_bool(reader)?),
            0x2A => Property::SharedSubscriptionAvailable(read_bool(reader)?),
            _ => return Err(DecodeError::Malformed("a property identifier is unknown")),
        };
        Ok((id, property))
    }

    /// Appends identifier and value.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match *self {
            Property::PayloadFormatIndicator(on) => put_u8(out, 0x01, on.into()),
            Property::MessageExpiryInterval(seconds) => put_u32(out, 0x02, seconds),
            Property::ContentType(text) => put_bytes(out, 0x03, text.as_bytes()),
            Property::ResponseTopic(text) => put_bytes(out, 0x08, text.as_bytes()),
            Property::CorrelationData(bytes) => put_bytes(out, 0x09, bytes),
            Property::SubscriptionIdentifier(number) => {
                out.push(SUBSCRIPTION_IDENTIFIER);
                put_varint(out, number.into());
            }
            Property::SessionExpiryInterval(seconds) => put_u32(out, 0x11, seconds),
            Property::AssignedClientIdentifier(text) => put_bytes(out, 0x12, text.as_bytes()),
            Property::ServerKeepAlive(seconds) => put_u16(out, 0x13, seconds),
            Property::AuthenticationMethod(text) => put_bytes(out, 0x15, text.as_bytes()),
            Property::AuthenticationData(bytes) => put_bytes(out, 0x16, bytes),
            Property::RequestProblemInformation(on) => put_u8(out, 0x17, on.into()),
            Property::WillDelayInterval(seconds) => put_u32(out, 0x18, seconds),
            Property::RequestResponseInformation(on) => put_u8(out, 0x19, on.into()),
            Property::ResponseInformation(text) => put_bytes(out, 0x1A, text.as_bytes()),
            Property::ServerReference(text) => put_bytes(out, 0x1C, text.as_bytes()),
            Property::ReasonString(text) => put_bytes(out, 0x1F, text.as_bytes()),
            Property::ReceiveMaximum(count) => put_u16(out, 0x21, count),
            Property::TopicAliasMaximum(alias) => put_u16(out, 0x22, alias),
            Property::TopicAlias(alias) => put_u16(out, 0x23, alias),
            Property::MaximumQoS(qos) => put_u8(out, 0x24, qos.bits()),
            Property::RetainAvailable(on) => put_u8(out, 0x25, on.into()),
            Property::UserProperty(name, value) => {
                put_bytes(out, USER_PROPERTY, name.as_bytes());
                put_binary(out, value.as_bytes());
            }
            Property::MaximumPacketSize(bytes) => put_u32(out, 0x27, bytes),
            Property::WildcardSubscriptionAvailable(on) => put_u8(out, 0x28, on.into()),
            Property::SubscriptionIdentifierAvailable(on) => put_u8(out, 0x29, on.into()),
            Property::SharedSubscriptionAvailable(on) => put_u8(out, 0x2A, on.into()),
        }
    }
}

fn read_subscription_identifier(reader: &mut Reader<'_>) -> Result<u32, DecodeError> {
    match read_length(reader)? {
        0 => Err(DecodeError::Protocol("a subscription identifier is 0")),
        number => Ok(number as u32),
    }
}

fn put_u8(out: &mut Vec<u8>, id: u8, value: u8) {
    out.extend_from_slice(&[id, value]);
}

fn put_u16(out: &mut Vec<u8>, id: u8, value: u16) {
    out.push(id);
    out.extend_from_slice(&value.to_be_bytes());
}

fn put_u32(out: &mut Vec<u8>, id: u8, value: u32) {
    out.push(id);
    out.extend_from_slice(&value.to_be_bytes());
}

fn put_bytes(out: &mut Vec<u8>, id: u8, bytes: &[u8]) {
    out.push(id);
    put_binary(out, bytes);
}

/// Appends properties with their length in front.
pub fn put_properties<'a>(out: &mut Vec<u8>, properties: impl IntoIterator<Item = Property<'a>>) {
    put_with_length(out, |out| properties.into_iter().for_each(|property| property.encode(out)));
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: PropertySet = PropertySet(u64::MAX);

    fn every_property() -> Vec<Property<'static>> {
        use Property as P;
        vec![
            P::PayloadFormatIndicator(true),
            P::MessageExpiryInterval(7),
            P::ContentType("text/plain"),
            P::ResponseTopic("a/b"),
            P::CorrelationData(b"\x00\xFF"),
            P::SubscriptionIdentifier(268_435_455),
            P::SessionExpiryInterval(u32::MAX),
            P::AssignedClientIdentifier("c"),
            P::ServerKeepAlive(60),
            P::AuthenticationMethod("SCRAM"),
            P::AuthenticationData(b"x"),
            P::RequestProblemInformation(false),
            P::WillDelayInterval(5),
            P::RequestResponseInformation(true),
            P::ResponseInformation("r"),
            P::ServerReference("s"),
            P::ReasonString("because"),
            P::ReceiveMaximum(1),
            P::TopicAliasMaximum(0),
            P::TopicAlias(9),
            P::MaximumQoS(QoS::AtLeastOnce),
            P::RetainAvailable(false),
            P::UserProperty("k", "v"),
            P::UserProperty("k", "w"),
            P::MaximumPacketSize(1),
            P::WildcardSubscriptionAvailable(true),
            P::SubscriptionIdentifierAvailable(true),
            P::SharedSubscriptionAvailable(true),
        ]
    }

    #[test]
    fn every_property_returns_from_the_wire() {
        let mut out = vec![];
        put_properties(&mut out, every_property());
        let decoded = Properties::decode(&mut Reader::new(&out), ALL).expect("valid");
        assert_eq!(decoded.iter().collect::<Vec<_>>(), every_property());
    }

    #[test]
    fn every_cut_is_noticed() {
        for property in every_property() {
            let mut out = vec![];
            property.encode(&mut out);
            for end in 1..out.len() {
                assert!(check(&out[..end], ALL).is_err(), "{property:?} cut at {end}");
            }
        }
    }

    #[test]
    fn forbidden_properties_are_refused() {
        for (bytes, why) in [
            (&[0x21, 0, 0][..], "receive maximum 0"),
            (&[0x27, 0, 0, 0, 0], "maximum packet size 0"),
            (&[0x17, 2], "neither 0 nor 1"),
            (&[0x11, 0, 0, 0, 1, 0x11, 0, 0, 0, 1], "twice"),
            (&[0x23, 0, 1], "not allowed in CONNECT"),
            (&[0x7F, 0], "unknown"),
            (&[0x80, 0], "unknown, two bytes"),
        ] {
            assert!(check(bytes, PropertySet::CONNECT).is_err(), "{why}");
        }
        assert!(check(&[0x0B, 0], PropertySet::SUBSCRIBE).is_err(), "subscription identifier 0");
        assert!(check(&[0x0B, 1, 0x0B, 2], PropertySet::SUBSCRIBE).is_err(), "two identifiers in SUBSCRIBE");
        assert!(check(&[0x0B, 1, 0x0B, 2], PropertySet::PUBLISH).is_ok(), "two identifiers in PUBLISH");
    }
}
