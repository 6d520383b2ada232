//! What the gateway itself does to the house's topics before anyone can connect.

use super::Broker;
use super::message::Parts;
use crate::base::Moment;
use crate::mqtt::{Properties, QoS, TopicFilter};

impl Broker {
    /// Retains a message of the gateway's own; an empty one clears what is retained, in the store too.
    pub fn retain_own(&mut self, now: Moment, topic: &str, payload: &[u8]) {
        let properties = Properties::NONE;
        let parts = Parts { topic, properties, payload, qos: QoS::AtLeastOnce, retain: true, expires: None };
        self.publish_own(now, &parts, payload.is_empty());
    }

    /// The payload of a retained message.
    pub fn retained_payload(&self, topic: &str) -> Option<&[u8]> {
        self.retained.find(topic).map(|message| message.payload())
    }

    /// The topics below a level that have a retained message.
    pub fn retained_below(&self, level: &str) -> Vec<String> {
        let filter = format!("{level}/#");
        let Ok(filter) = TopicFilter::new(&filter) else { return vec![] };
        let part = self.retained.matching(filter, None, usize::MAX, usize::MAX);
        part.messages.iter().map(|message| message.topic().to_owned()).collect()
    }

    /// The client identifiers of all sessions that begin with a text.
    pub fn clients_named(&self, prefix: &str) -> Vec<String> {
        let sessions = self.sessions.iter().filter(|session| session.client_id.starts_with(prefix));
        sessions.map(|session| session.client_id.to_string()).collect()
    }

    /// Ends the session of a client that is not connected.
    pub fn forget_client(&mut self, now: Moment, client_id: &str) {
        if let Some(key) = self.sessions.find(client_id)
            && self.sessions.at(key).connection.is_none()
        {
            self.end_session(now, key);
        }
    }
}
