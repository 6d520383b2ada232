//! PUBLISH: what is done with it before it is routed, and the answer.

use super::Broker;
use super::change::Change;
use super::connect::{is_private, is_reserved};
use super::connection::Origin;
use super::group::{Answer, Held};
use super::ids::{ConnectionId, SessionKey};
use super::layout::{Received, Source};
use super::listeners::ListenerId;
use super::message::{Message, Parts, travels};
use super::retained::Owner;
use super::route::Refused;
use crate::access::Action;
use crate::base::Moment;
use crate::base::limits::{RECEIVE_MAXIMUM, TOPIC_ALIASES, TOPIC_LEVELS};
use crate::mqtt::packet::{Ack, AckKind, Publish};
use crate::mqtt::{PacketId, Properties, Property, QoS, ReasonCode, Version};
use std::sync::Arc;
use std::time::Duration;

/// Who publishes, and what that means for keeping and answering.
#[derive(Debug)]
pub(super) struct Publication {
    /// The publisher's session; `None` for the broker itself.
    pub session: Option<SessionKey>,
    /// The answer the publisher waits for.
    pub answer: Option<Held>,
    /// Whether a retained message is to be stored.
    pub store_retained: bool,
    /// Whether the answer waits for the next commit in any case.
    pub must_be_kept: bool,
    /// Whether a reader whose queue is full goes without, where a publisher would be told that nobody got it: of a
    /// will nobody can be told, and the other readers need it.
    pub passes_over_full: bool,
}

impl Broker {
    pub(super) fn publish(&mut self, now: Moment, from: ConnectionId, publish: &Publish<'_>, whole: &[u8]) {
        self.counters.publishes_received += 1;
        self.counters.payload_bytes_received += publish.payload.len() as u64;
        let Some(connected) = self.connected(from) else { return };
        let (is_v5, key) = (connected.version.is_v5(), connected.session);
        let mut alias_name = None;
        if is_v5
            && !publish.properties.is_empty()
            && let Err(reason) = self.resolve_alias(from, publish, &mut alias_name)
        {
            return self.close_with(now, from, reason);
        }
        let topic = match (&alias_name, publish.topic) {
            (_, Some(topic)) => topic.as_str(),
            (Some(name), None) => name,
            (None, None) => return self.close_with(now, from, ReasonCode::TOPIC_ALIAS_INVALID),
        };
        if self.is_too_deep(topic) {
            return self.close_with(now, from, ReasonCode::TOPIC_NAME_INVALID);
        }
        if topic.starts_with('$') && (is_reserved(topic) || (is_private(topic) && self.origin(from).is_network())) {
            return self.refuse_publish(now, from, publish, ReasonCode::NOT_AUTHORIZED);
        }
        if publish.qos == QoS::ExactlyOnce && self.was_received(from, key, publish) {
            return;
        }
        if is_v5 && publish.qos != QoS::AtMostOnce && !self.note_open(from) {
            return self.close_with(now, from, ReasonCode::RECEIVE_MAXIMUM_EXCEEDED);
        }
        if !self.may(key, Action::Write, topic) {
            return self.refuse_publish(now, from, publish, ReasonCode::NOT_AUTHORIZED);
        }
        let mut kept = vec![];
        let (parts, passes) = message_parts(now, topic, publish, &mut kept);
        let packet = passes.then_some(Received { bytes: whole, is_v5 });
        self.accept(now, from, key, publish, &Source { parts, packet });
    }

    /// Records a topic alias, or finds the name that one stands for ([MQTT-3.3.2-8] and following).
    fn resolve_alias(
        &mut self,
        from: ConnectionId,
        publish: &Publish<'_>,
        name: &mut Option<Box<str>>,
    ) -> Result<(), ReasonCode> {
        // [MQTT-3.3.4-6]: subscription identifiers come from the server only.
        if publish.properties.iter().any(|p| matches!(p, Property::SubscriptionIdentifier(_))) {
            return Err(ReasonCode::PROTOCOL_ERROR);
        }
        let Some(alias) = publish.topic_alias() else { return Ok(()) };
        if alias > TOPIC_ALIASES {
            return Err(ReasonCode::TOPIC_ALIAS_INVALID);
        }
        let Some(connected) = self.connected_mut(from) else { return Ok(()) };
        match publish.topic {
            Some(topic) => drop(connected.rare().aliases.insert(alias, topic.as_str().into())),
            None => *name = connected.rare().aliases.get(&alias).cloned(),
        }
        Ok(())
    }

    /// Whether a QoS 2 message was received before and not released: it is only answered again.
    fn was_received(&mut self, from: ConnectionId, key: SessionKey, publish: &Publish<'_>) -> bool {
        let Some(id) = publish.packet_id.filter(|&id| self.sessions.at(key).has_incoming(id)) else { return false };
        self.answer(from, key, Ack::success(AckKind::Pubrec, id));
        true
    }

    /// Counts a message that needs an answer. Tells whether the client keeps to the Receive Maximum
    /// ([MQTT-3.3.4-9]).
    fn note_open(&mut self, from: ConnectionId) -> bool {
        let Some(connected) = self.connected_mut(from) else { return true };
        connected.open_publishes += 1;
        connected.open_publishes <= RECEIVE_MAXIMUM
    }

    fn accept(&mut self, now: Moment, from: ConnectionId, key: SessionKey, publish: &Publish<'_>, source: &Source<'_>) {
        let Some(Some(connection)) = self.connections.get(from.index()) else { return };
        let (is_stored, origin, generation) =
            (self.sessions.at(key).is_stored, connection.origin, connection.generation);
        let answer = |id| Held { connection: from, generation, answer: answer_to(publish.qos, id) };
        let keeps_id = publish.qos == QoS::ExactlyOnce && is_stored;
        let publication = Publication {
            session: Some(key),
            answer: publish.packet_id.map(answer),
            store_retained: origin.is_network() || publish.qos == QoS::ExactlyOnce,
            must_be_kept: keeps_id,
            passes_over_full: false,
        };
        match self.route(now, source, publication) {
            Err(Refused) => self.refuse_publish(now, from, publish, ReasonCode::QUOTA_EXCEEDED),
            Ok(routed) => {
                if let (QoS::ExactlyOnce, Some(id)) = (publish.qos, publish.packet_id) {
                    // Nothing to say if it was itself a reader, too slow for its own messages.
                    if self.connected(from).is_none() {
                        return;
                    }
                    self.sessions.at_mut(key).rare().incoming.insert(id);
                    if keeps_id {
                        self.mark_dirty(key);
                    }
                }
                if let Some(mut held) = routed.answer {
                    if !routed.any_reader && self.connected(from).is_some_and(|connected| connected.version.is_v5()) {
                        held.answer = without_readers(held.answer);
                    }
                    self.speak(held);
                }
            }
        }
    }

    /// Whether a topic name or filter has more levels than are allowed here. The codec lets none in that has more than
    /// [`TOPIC_LEVELS`].
    #[inline]
    pub(super) fn is_too_deep(&self, topic: &str) -> bool {
        let levels = usize::from(self.limits.topic_levels);
        levels < TOPIC_LEVELS && topic.bytes().filter(|&byte| byte == b'/').count() >= levels
    }

    /// Publishes a will or a message of the broker itself.
    pub(super) fn publish_own(&mut self, now: Moment, parts: &Parts<'_>, store_retained: bool) {
        let publication =
            Publication { session: None, answer: None, store_retained, must_be_kept: false, passes_over_full: true };
        if self.route(now, &Source { parts: *parts, packet: None }, publication).is_err() {
            self.counters.publishes_refused += 1;
        }
    }

    /// Tells a publisher that its message is not taken. Before 5.0 there is no way but to close the
    /// connection ([MQTT-3.3.5-2]): an acknowledgement would be a lie.
    fn refuse_publish(&mut self, now: Moment, from: ConnectionId, publish: &Publish<'_>, reason: ReasonCode) {
        self.counters.publishes_refused += 1;
        let version = self.connected(from).map_or(Version::V311, |connected| connected.version);
        let Some(packet_id) = publish.packet_id else { return };
        if version.is_v5() {
            let kind = if publish.qos == QoS::ExactlyOnce { AckKind::Pubrec } else { AckKind::Puback };
            self.speak(self.held(from, Answer::Ack(Ack { kind, packet_id, reason })));
        } else {
            self.close_later(now, from);
        }
    }

    /// Sets or clears the retained message of a topic. Tells whether its answer has to wait for the commit.
    pub(super) fn retain(
        &mut self,
        now: Moment,
        parts: &Parts<'_>,
        message: &mut Option<Arc<Message>>,
        store: bool,
    ) -> bool {
        let is_cleared = parts.payload.is_empty();
        if is_cleared {
            // Where nothing is retained the store may still have a message: its end was not written yet. A clear that
            // is confirmed waits for that; on a topic that is not in the store it writes nothing.
            if !self.retained.clear(parts.topic) && parts.qos == QoS::AtMostOnce {
                return false;
            }
        } else {
            let message = message.get_or_insert_with(|| Arc::new(Message::new(parts)));
            let owner = if store { Owner::Client } else { Owner::Gateway };
            self.retained.set(message.clone(), owner);
        }
        if !store {
            return false;
        }
        if parts.qos == QoS::AtMostOnce {
            self.store.dirty_retained.insert(parts.topic.into());
            self.store.open.retain_later(now);
            return false;
        }
        self.store.dirty_retained.remove(parts.topic);
        self.store.open.change(match message {
            Some(message) if !is_cleared => Change::RetainedSet(message.clone()),
            _ => Change::RetainedCleared(parts.topic.into()),
        });
        self.store.open.urge();
        true
    }

    /// An answer for a connection, to be held.
    pub(super) fn held(&self, connection: ConnectionId, answer: Answer) -> Held {
        let generation = self.connections[connection.index()].as_ref().map_or(0, |c| c.generation);
        Held { connection, generation, answer }
    }

    pub(super) fn origin(&self, connection: ConnectionId) -> Origin {
        self.connections[connection.index()].as_ref().map_or(Origin::Network(ListenerId(0)), |c| c.origin)
    }
}

fn answer_to(qos: QoS, packet_id: PacketId) -> Answer {
    let kind = if qos == QoS::ExactlyOnce { AckKind::Pubrec } else { AckKind::Puback };
    Answer::Ack(Ack::success(kind, packet_id))
}

fn without_readers(answer: Answer) -> Answer {
    match answer {
        Answer::Ack(ack) => Answer::Ack(Ack { reason: ReasonCode::NO_MATCHING_SUBSCRIBERS, ..ack }),
        Answer::Suback(_) | Answer::Unsuback(_) | Answer::Ungate => answer,
    }
}

/// The message in a PUBLISH. Also tells whether the packet holds nothing that belongs to its hop alone, so that
/// it can be sent on as it is.
fn message_parts<'a>(now: Moment, topic: &'a str, publish: &Publish<'a>, kept: &'a mut Vec<u8>) -> (Parts<'a>, bool) {
    let (payload, qos, retain) = (publish.payload, publish.qos, publish.retain);
    let mut expires = None;
    let mut passes = publish.topic.is_some();
    if publish.properties.is_empty() {
        return (Parts { topic, properties: Properties::NONE, payload, qos, retain, expires }, passes);
    }
    let mut travel_all = true;
    for property in publish.properties.iter() {
        match property {
            Property::MessageExpiryInterval(seconds) => expires = Some(now + Duration::from_secs(seconds.into())),
            Property::TopicAlias(_) => passes = false,
            _ => {}
        }
        travel_all &= travels(&property);
    }
    let properties = if travel_all {
        publish.properties
    } else {
        publish.properties.iter().filter(travels).for_each(|property| property.encode(kept));
        Properties::from_checked(kept)
    };
    (Parts { topic, properties, payload, qos, retain, expires }, passes)
}
