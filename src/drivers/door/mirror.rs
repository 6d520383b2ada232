//! The device once more on the topics of Homie 5, where the configuration wants it.

use super::{Door, DriverError};
use crate::client::Message;
use crate::device::{Click, EMPTY_TEXT, HomieState, HomieTopics, Meta, Request, Value, homie_description};
use crate::mqtt::QoS;

/// The mirror of one device.
#[derive(Debug)]
pub(super) struct Mirror {
    topics: HomieTopics,
    /// What was told last.
    state: HomieState,
}

impl Mirror {
    pub(super) fn new(gateway: &str, device: &str) -> Self {
        Self { topics: HomieTopics::new(gateway, device), state: HomieState::Lost }
    }

    pub(super) fn set_filter(&self) -> String {
        self.topics.set_filter()
    }

    pub(super) fn request<'t>(&self, topic: &'t str) -> Option<Request<'t>> {
        self.topics.request(topic).map(Request::Set)
    }
}

impl Door {
    /// Tells what the device is. Whoever reads it must not read the values meanwhile, so it is `init` before and what
    /// it was after.
    pub(super) fn mirror_description(&mut self, meta: &Meta) -> Result<(), DriverError> {
        let Some(mirror) = &self.mirror else { return Ok(()) };
        let (topic, was) = (mirror.topics.description(), mirror.state);
        self.mirror_state(HomieState::Init)?;
        self.retain(topic, homie_description(meta))?;
        if was == HomieState::Ready { self.mirror_state(was) } else { Ok(()) }
    }

    pub(super) fn mirror_state(&mut self, state: HomieState) -> Result<(), DriverError> {
        let Some(mirror) = &mut self.mirror else { return Ok(()) };
        mirror.state = state;
        let topic = mirror.topics.state();
        self.retain(topic, state.name())
    }

    pub(super) fn mirror_value(&mut self, property: &str, value: &Value) -> Result<(), DriverError> {
        let Some(mirror) = &self.mirror else { return Ok(()) };
        let text = value.to_string();
        let text = if text.is_empty() { EMPTY_TEXT.to_owned() } else { text };
        self.retain(mirror.topics.property(property), text)
    }

    pub(super) fn mirror_target(&mut self, property: &str, on: Option<bool>) -> Result<(), DriverError> {
        let Some(mirror) = &self.mirror else { return Ok(()) };
        self.retain(mirror.topics.target(property), on.map_or(String::new(), |on| on.to_string()))
    }

    /// An event: not retained, and of no use later.
    pub(super) fn mirror_click(&mut self, property: &str, click: Click) -> Result<(), DriverError> {
        let Some(mirror) = &self.mirror else { return Ok(()) };
        let message = Message::new(mirror.topics.property(property), click.name());
        self.client.publish(message.qos(QoS::AtMostOnce))?;
        Ok(())
    }
}
