//! A client's last message.

use super::message::{Message, Parts, travels};
use crate::base::Moment;
use crate::mqtt::packet::WillMessage;
use crate::mqtt::{Properties, Property};
use std::time::Duration;

/// The will of a connection, or of a session whose connection is lost and whose delay still runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Will {
    /// The message; its lifetime has not begun.
    pub message: Message,
    /// Seconds it lives from its publication on.
    pub expiry: Option<u32>,
    /// Seconds from the loss of the connection to the publication.
    pub delay: u32,
}

impl Will {
    /// Keeps what CONNECT told.
    pub fn new(will: &WillMessage<'_>) -> Will {
        let (mut delay, mut expiry, mut kept) = (0, None, vec![]);
        for property in will.properties.iter() {
            match property {
                Property::WillDelayInterval(seconds) => delay = seconds,
                Property::MessageExpiryInterval(seconds) => expiry = Some(seconds),
                property if travels(&property) => property.encode(&mut kept),
                _ => {}
            }
        }
        let parts = Parts {
            topic: will.topic.as_str(),
            properties: Properties::from_checked(&kept),
            payload: will.payload,
            qos: will.qos,
            retain: will.retain,
            expires: None,
        };
        Will { message: Message::new(&parts), expiry, delay }
    }

    /// The message, published `now`: its lifetime begins.
    pub fn parts(&self, now: Moment) -> Parts<'_> {
        let expires = self.expiry.map(|seconds| now + Duration::from_secs(seconds.into()));
        Parts { expires, ..self.message.parts() }
    }
}
