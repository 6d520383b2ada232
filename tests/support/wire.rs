//! The wire of MQTT 3.1, 3.1.1 and 5.0 as far as a test needs it, written from the specification.

mod decode;

pub use decode::decode;

/// A version of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    V31,
    V311,
    V5,
}

use Version::V5;

/// Every version, for tests of what they share.
pub const VERSIONS: [Version; 3] = [Version::V31, Version::V311, V5];

/// The versions whose statements have numbers.
pub const BOTH: [Version; 2] = [Version::V311, Version::V5];

impl Version {
    fn name(self) -> &'static str {
        if self == Self::V31 { "MQIsdp" } else { "MQTT" }
    }

    /// Whether CONNACK says if the session was there; 3.1 keeps sessions and does not tell.
    pub fn tells_session(self) -> bool {
        self != Self::V31
    }

    fn level(self) -> u8 {
        match self {
            Self::V31 => 3,
            Self::V311 => 4,
            V5 => 5,
        }
    }
}

/// A length-prefixed string or binary value.
pub fn text(value: impl AsRef<[u8]>) -> Vec<u8> {
    let value = value.as_ref();
    let length = u16::try_from(value.len()).expect("a test string fits");
    [&length.to_be_bytes()[..], value].concat()
}

/// A whole packet from its first byte and what follows the remaining length.
pub fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    bytes.extend(variable(body.len()));
    bytes.extend_from_slice(body);
    bytes
}

/// A variable byte integer (MQTT-5.0 1.5.5).
pub fn variable(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(value % 128).expect("below 128");
        value /= 128;
        bytes.push(if value > 0 { low | 0x80 } else { low });
        if value == 0 {
            return bytes;
        }
    }
}

/// Property identifiers (MQTT-5.0 2.2.2.2).
pub mod id {
    pub const MESSAGE_EXPIRY: u8 = 0x02;
    pub const CONTENT_TYPE: u8 = 0x03;
    pub const RESPONSE_TOPIC: u8 = 0x08;
    pub const CORRELATION_DATA: u8 = 0x09;
    pub const SUBSCRIPTION_ID: u8 = 0x0b;
    pub const SESSION_EXPIRY: u8 = 0x11;
    pub const ASSIGNED_CLIENT_ID: u8 = 0x12;
    pub const AUTHENTICATION_METHOD: u8 = 0x15;
    pub const AUTHENTICATION_DATA: u8 = 0x16;
    pub const WILL_DELAY: u8 = 0x18;
    pub const RECEIVE_MAXIMUM: u8 = 0x21;
    pub const TOPIC_ALIAS_MAXIMUM: u8 = 0x22;
    pub const TOPIC_ALIAS: u8 = 0x23;
    pub const USER_PROPERTY: u8 = 0x26;
    pub const PACKET_SIZE_MAXIMUM: u8 = 0x27;
}

/// The value of a property, by how it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Number(u32),
    Bytes(Vec<u8>),
    Pair(Vec<u8>, Vec<u8>),
}

/// The properties of one packet in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Properties(pub Vec<(u8, Value)>);

impl Properties {
    pub fn number(mut self, id: u8, value: u32) -> Self {
        self.0.push((id, Value::Number(value)));
        self
    }

    pub fn bytes(mut self, id: u8, value: impl AsRef<[u8]>) -> Self {
        self.0.push((id, Value::Bytes(value.as_ref().to_vec())));
        self
    }

    pub fn user(mut self, name: &str, value: &str) -> Self {
        self.0.push((id::USER_PROPERTY, Value::Pair(name.into(), value.into())));
        self
    }

    /// The number under an identifier, if it is there.
    pub fn find_number(&self, id: u8) -> Option<u32> {
        self.0.iter().find_map(|(found, value)| match value {
            Value::Number(number) if *found == id => Some(*number),
            _ => None,
        })
    }

    /// The string or binary value under an identifier, if it is there.
    pub fn find_bytes(&self, id: u8) -> Option<&[u8]> {
        self.0.iter().find_map(|(found, value)| match value {
            Value::Bytes(bytes) if *found == id => Some(bytes.as_slice()),
            _ => None,
        })
    }

    /// As they stand in a packet of this version: 3.1.1 has none, 5.0 writes their length first.
    pub fn encode(&self, version: Version) -> Vec<u8> {
        if version != V5 {
            return Vec::new();
        }
        let mut inner = Vec::new();
        for (id, value) in &self.0 {
            inner.push(*id);
            match value {
                Value::Number(number) => inner.extend(encode_number(*id, *number)),
                Value::Bytes(bytes) => inner.extend(text(bytes)),
                Value::Pair(name, value) => inner.extend([text(name), text(value)].concat()),
            }
        }
        [variable(inner.len()), inner].concat()
    }
}

fn encode_number(id: u8, number: u32) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    match number_width(id) {
        Some(0) => variable(number as usize),
        Some(width) => bytes[4 - width..].to_vec(),
        None => panic!("property {id:#04x} is no number"),
    }
}

/// Bytes of a numeric property, 0 for a variable byte integer; none when it is no number.
fn number_width(id: u8) -> Option<usize> {
    match id {
        0x01 | 0x17 | 0x19 | 0x24 | 0x25 | 0x28 | 0x29 | 0x2a => Some(1),
        0x13 | 0x21 | 0x22 | 0x23 => Some(2),
        0x02 | 0x11 | 0x18 | 0x27 => Some(4),
        id::SUBSCRIPTION_ID => Some(0),
        _ => None,
    }
}

/// An application message with what its PUBLISH said about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub topic: String,
    pub payload: Vec<u8>,
    pub qos: u8,
    pub retain: bool,
    pub dup: bool,
    /// 0 at QoS 0.
    pub packet_id: u16,
    pub properties: Properties,
}

impl Message {
    pub fn new(topic: &str, payload: impl AsRef<[u8]>, qos: u8) -> Self {
        Self {
            topic: topic.to_owned(),
            payload: payload.as_ref().to_vec(),
            qos,
            retain: false,
            dup: false,
            packet_id: u16::from(qos > 0),
            properties: Properties::default(),
        }
    }

    pub fn retained(mut self) -> Self {
        self.retain = true;
        self
    }

    pub fn id(mut self, packet_id: u16) -> Self {
        self.packet_id = packet_id;
        self
    }

    pub fn again(mut self) -> Self {
        self.dup = true;
        self
    }

    pub fn with(mut self, properties: Properties) -> Self {
        self.properties = properties;
        self
    }

    pub fn encode(&self, version: Version) -> Vec<u8> {
        let first = 0x30 | u8::from(self.dup) << 3 | self.qos << 1 | u8::from(self.retain);
        let mut body = text(&self.topic);
        if self.qos > 0 {
            body.extend(self.packet_id.to_be_bytes());
        }
        body.extend(self.properties.encode(version));
        body.extend_from_slice(&self.payload);
        packet(first, &body)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.payload).into_owned()
    }
}

/// A CONNECT to be sent.
#[derive(Debug, Clone)]
pub struct Connect {
    pub version: Version,
    pub client_id: String,
    pub clean: bool,
    /// Seconds, 0 for none.
    pub keep_alive: u16,
    pub will: Option<Message>,
    /// User name and password.
    pub credentials: Option<(String, String)>,
    pub properties: Properties,
}

impl Connect {
    /// A clean session without keep alive.
    pub fn clean(version: Version, client_id: &str) -> Self {
        let client_id = client_id.to_owned();
        Self {
            version,
            client_id,
            clean: true,
            keep_alive: 0,
            will: None,
            credentials: None,
            properties: Properties::default(),
        }
    }

    /// A session that is resumed if there is one, and lasts.
    pub fn lasting(version: Version, client_id: &str) -> Self {
        let mut connect = Self::clean(version, client_id);
        connect.clean = false;
        connect.properties = connect.properties.number(id::SESSION_EXPIRY, u32::MAX);
        connect
    }

    pub fn keep_alive(mut self, seconds: u16) -> Self {
        self.keep_alive = seconds;
        self
    }

    pub fn user(mut self, name: &str, password: &str) -> Self {
        self.credentials = Some((name.to_owned(), password.to_owned()));
        self
    }

    pub fn will(mut self, will: Message) -> Self {
        self.will = Some(will);
        self
    }

    pub fn with(mut self, properties: Properties) -> Self {
        self.properties = properties;
        self
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut flags = u8::from(self.clean) << 1;
        let mut payload = text(&self.client_id);
        if let Some(will) = &self.will {
            flags |= 0x04 | will.qos << 3 | u8::from(will.retain) << 5;
            payload.extend(will.properties.encode(self.version));
            payload.extend(text(&will.topic));
            payload.extend(text(&will.payload));
        }
        if let Some((name, password)) = &self.credentials {
            flags |= 0xC0;
            payload.extend([text(name), text(password)].concat());
        }
        let mut body = text(self.version.name());
        body.extend([self.version.level(), flags]);
        body.extend(self.keep_alive.to_be_bytes());
        body.extend(self.properties.encode(self.version));
        packet(0x10, &[body, payload].concat())
    }
}

pub fn subscribe(version: Version, packet_id: u16, properties: &Properties, filters: &[(&str, u8)]) -> Vec<u8> {
    let mut body = packet_id.to_be_bytes().to_vec();
    body.extend(properties.encode(version));
    for (filter, options) in filters {
        body.extend(text(filter));
        body.push(*options);
    }
    packet(0x82, &body)
}

pub fn unsubscribe(version: Version, packet_id: u16, filters: &[&str]) -> Vec<u8> {
    let mut body = packet_id.to_be_bytes().to_vec();
    body.extend(Properties::default().encode(version));
    for filter in filters {
        body.extend(text(filter));
    }
    packet(0xa2, &body)
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP with success.
pub fn acknowledge(kind: Kind, packet_id: u16) -> Vec<u8> {
    let first = match kind {
        Kind::Puback => 0x40,
        Kind::Pubrec => 0x50,
        Kind::Pubrel => 0x62,
        Kind::Pubcomp => 0x70,
    };
    packet(first, &packet_id.to_be_bytes())
}

/// AUTH with a method and data.
pub fn auth(reason: u8, method: &str, data: &[u8]) -> Vec<u8> {
    let properties = Properties::default().bytes(id::AUTHENTICATION_METHOD, method);
    let properties = properties.bytes(id::AUTHENTICATION_DATA, data);
    packet(0xf0, &[&[reason][..], &properties.encode(V5)].concat())
}

pub const PINGREQ: [u8; 2] = [0xc0, 0];
pub const DISCONNECT: [u8; 2] = [0xe0, 0];

/// The four acknowledgements of a PUBLISH.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Puback,
    Pubrec,
    Pubrel,
    Pubcomp,
}

/// A packet from the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    Connack {
        session_present: bool,
        code: u8,
        properties: Properties,
    },
    Publish(Message),
    Acknowledge {
        kind: Kind,
        packet_id: u16,
        reason: u8,
    },
    Suback {
        packet_id: u16,
        codes: Vec<u8>,
    },
    /// `codes` is empty in 3.1.1.
    Unsuback {
        packet_id: u16,
        codes: Vec<u8>,
    },
    Pingresp,
    Disconnect {
        reason: u8,
    },
    Auth {
        reason: u8,
        properties: Properties,
    },
}
