//! What a client sends and receives, owned.

use crate::mqtt::{Properties, Property, QoS, Version};

/// An application message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Topic name.
    pub topic: String,
    /// Payload.
    pub payload: Vec<u8>,
    /// Quality of service.
    pub qos: QoS,
    /// Whether it is, or was, retained.
    pub retain: bool,
    /// Packet identifier it came with; 0 for QoS 0 and for messages of one's own.
    pub packet_id: u16,
    /// Whether the server may have sent it before.
    pub dup: bool,
    /// Properties as on the wire; none before 5.0.
    pub(super) properties: Vec<u8>,
}

impl Message {
    /// A message of QoS 0 that is not retained.
    pub fn new(topic: impl Into<String>, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            topic: topic.into(),
            payload: payload.into(),
            qos: QoS::AtMostOnce,
            retain: false,
            packet_id: 0,
            dup: false,
            properties: Vec::new(),
        }
    }

    /// The same with another QoS.
    #[must_use]
    pub fn qos(mut self, qos: QoS) -> Self {
        self.qos = qos;
        self
    }

    /// The same, retained.
    #[must_use]
    pub fn retained(mut self) -> Self {
        self.retain = true;
        self
    }

    /// The same with one more property.
    #[must_use]
    pub fn property(mut self, property: Property<'_>) -> Self {
        property.encode(&mut self.properties);
        self
    }

    /// The same with further properties.
    #[must_use]
    pub fn with(mut self, properties: &OwnProperties) -> Self {
        self.properties.extend_from_slice(&properties.0);
        self
    }

    /// The properties.
    pub fn properties(&self) -> Properties<'_> {
        Properties::from_checked(&self.properties)
    }

    /// Where the answer goes, if the sender wants one.
    pub fn response_topic(&self) -> Option<&str> {
        self.properties().iter().find_map(|property| match property {
            Property::ResponseTopic(topic) => Some(topic),
            _ => None,
        })
    }

    /// What the sender wants back with the answer.
    pub fn correlation_data(&self) -> Option<&[u8]> {
        self.properties().iter().find_map(|property| match property {
            Property::CorrelationData(data) => Some(data),
            _ => None,
        })
    }

    /// Seconds the message has left to live, if it does not live for ever.
    pub fn expiry(&self) -> Option<u32> {
        self.properties().iter().find_map(|property| match property {
            Property::MessageExpiryInterval(seconds) => Some(seconds),
            _ => None,
        })
    }

    /// The payload as text, where it is.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.payload).ok()
    }

    pub(super) fn with_properties(mut self, properties: Properties<'_>) -> Self {
        self.properties = properties.as_bytes().to_vec();
        self
    }
}

/// Properties of a packet, owned, as on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct OwnProperties(Vec<u8>);

impl OwnProperties {
    /// Adds one more.
    pub fn push(&mut self, property: Property<'_>) {
        property.encode(&mut self.0);
    }

    /// Adds those of another.
    pub fn extend(&mut self, other: &OwnProperties) {
        self.0.extend_from_slice(&other.0);
    }

    /// The properties, borrowed.
    pub fn borrow(&self) -> Properties<'_> {
        Properties::from_checked(&self.0)
    }

    /// Whether one that `wanted` takes is there.
    pub fn any(&self, wanted: impl Fn(Property<'_>) -> bool) -> bool {
        self.borrow().iter().any(wanted)
    }
}

/// How to connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Protocol version.
    pub version: Version,
    /// Client identifier; the server chooses one if it is empty.
    pub client_id: String,
    /// Forget what was: clean start, or clean session before 5.0.
    pub clean_start: bool,
    /// Seconds the session outlives the connection, in 5.0.
    pub session_expiry: u32,
    /// Seconds between two signs of life; 0 for none.
    pub keep_alive: u16,
    /// Whether messages of QoS 1 and 2 are acknowledged by [`Machine::acknowledge`](super::Machine::acknowledge)
    /// only, instead of as they come in.
    pub acknowledge_later: bool,
    /// What the server publishes when the connection is lost.
    pub will: Option<Message>,
    /// User name.
    pub user_name: Option<String>,
    /// Password; before 5.0 it goes with a user name only.
    pub password: Option<Vec<u8>>,
    /// Further properties of CONNECT, in 5.0.
    pub properties: OwnProperties,
}

impl Options {
    /// MQTT 5.0 with a clean start, no will and a keep alive of a minute.
    pub fn new(client_id: impl Into<String>) -> Self {
        Self {
            version: Version::V5,
            client_id: client_id.into(),
            clean_start: true,
            session_expiry: 0,
            keep_alive: 60,
            acknowledge_later: false,
            will: None,
            user_name: None,
            password: None,
            properties: OwnProperties::default(),
        }
    }
}
