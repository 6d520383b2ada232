//! A message apart from the packet that brought it.

use crate::base::Moment;
use crate::mqtt::{Properties, Property, QoS};
use std::time::Duration;

/// An application message, owned. Topic, properties and payload lie in one allocation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    data: Box<[u8]>,
    topic_length: u16,
    properties_length: u32,
    /// QoS with which it was published.
    pub qos: QoS,
    /// Retain flag with which it was published.
    pub retain: bool,
    /// When it may be delivered no longer.
    pub expires: Option<Moment>,
}

/// What a message is made of, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// Topic name.
    pub topic: &'a str,
    /// Properties that travel with the message: no alias, no expiry, no subscription identifier.
    pub properties: Properties<'a>,
    /// Payload.
    pub payload: &'a [u8],
    /// QoS with which it was published.
    pub qos: QoS,
    /// Retain flag with which it was published.
    pub retain: bool,
    /// When it may be delivered no longer.
    pub expires: Option<Moment>,
}

impl Message {
    /// Takes a copy of the parts.
    ///
    /// # Panics
    /// If the topic name is longer than 65,535 bytes; the codec lets none in.
    pub fn new(parts: &Parts<'_>) -> Message {
        let properties = parts.properties.as_bytes();
        let mut data = Vec::with_capacity(parts.topic.len() + properties.len() + parts.payload.len());
        data.extend_from_slice(parts.topic.as_bytes());
        data.extend_from_slice(properties);
        data.extend_from_slice(parts.payload);
        Message {
            data: data.into_boxed_slice(),
            topic_length: u16::try_from(parts.topic.len()).expect("the codec lets no longer topic in"),
            properties_length: properties.len() as u32,
            qos: parts.qos,
            retain: parts.retain,
            expires: parts.expires,
        }
    }

    /// Topic name. What only compares is better off with [`Message::topic_bytes`].
    pub fn topic(&self) -> &str {
        std::str::from_utf8(self.topic_bytes()).expect("it was a str when it was copied")
    }

    /// Topic name as bytes, which needs no look at them.
    #[inline]
    pub fn topic_bytes(&self) -> &[u8] {
        &self.data[..usize::from(self.topic_length)]
    }

    /// Properties that travel with the message.
    pub fn properties(&self) -> Properties<'_> {
        let start = usize::from(self.topic_length);
        Properties::from_checked(&self.data[start..start + self.properties_length as usize])
    }

    /// Payload.
    pub fn payload(&self) -> &[u8] {
        &self.data[usize::from(self.topic_length) + self.properties_length as usize..]
    }

    /// The parts, borrowed.
    pub fn parts(&self) -> Parts<'_> {
        Parts {
            topic: self.topic(),
            properties: self.properties(),
            payload: self.payload(),
            qos: self.qos,
            retain: self.retain,
            expires: self.expires,
        }
    }

    /// The same message, of whose lifetime this more has passed.
    #[must_use]
    pub fn aged(&self, length: Duration) -> Message {
        Message { expires: self.expires.map(|at| at.earlier_by(length)), ..self.clone() }
    }

    /// Bytes of topic, properties and payload.
    pub fn size(&self) -> usize {
        self.data.len()
    }
}

impl Parts<'_> {
    /// Whether its time has passed.
    pub fn is_expired(&self, now: Moment) -> bool {
        self.expires.is_some_and(|at| at <= now)
    }

    /// Bytes of topic, properties and payload.
    pub fn size(&self) -> usize {
        self.topic.len() + self.properties.as_bytes().len() + self.payload.len()
    }
}

/// Which of a PUBLISH packet's properties travel with the message; the others belong to one hop.
pub fn travels(property: &Property<'_>) -> bool {
    match property {
        Property::PayloadFormatIndicator(_)
        | Property::ContentType(_)
        | Property::ResponseTopic(_)
        | Property::CorrelationData(_)
        | Property::UserProperty(..) => true,
        Property::MessageExpiryInterval(_) | Property::TopicAlias(_) | Property::SubscriptionIdentifier(_) => false,
        Property::SessionExpiryInterval(_)
        | Property::AssignedClientIdentifier(_)
        | Property::ServerKeepAlive(_)
        | Property::AuthenticationMethod(_)
        | Property::AuthenticationData(_)
        | Property::RequestProblemInformation(_)
        | Property::WillDelayInterval(_)
        | Property::RequestResponseInformation(_)
        | Property::ResponseInformation(_)
        | Property::ServerReference(_)
        | Property::ReasonString(_)
        | Property::ReceiveMaximum(_)
        | Property::TopicAliasMaximum(_)
        | Property::MaximumQoS(_)
        | Property::RetainAvailable(_)
        | Property::MaximumPacketSize(_)
        | Property::WildcardSubscriptionAvailable(_)
        | Property::SubscriptionIdentifierAvailable(_)
        | Property::SharedSubscriptionAvailable(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_returns_its_parts() {
        let mut properties = vec![];
        Property::ContentType("text").encode(&mut properties);
        let parts = Parts {
            topic: "a/ü",
            properties: Properties::from_checked(&properties),
            payload: b"21.5",
            qos: QoS::AtLeastOnce,
            retain: true,
            expires: Some(Moment::from_micros(9)),
        };
        let message = Message::new(&parts);
        assert_eq!((message.topic(), message.payload()), ("a/ü", &b"21.5"[..]));
        assert_eq!(message.properties().iter().collect::<Vec<_>>(), [Property::ContentType("text")]);
        assert_eq!(message.size(), parts.size());
        assert!(!parts.is_expired(Moment::from_micros(8)));
        assert!(parts.is_expired(Moment::from_micros(9)));
    }
}
