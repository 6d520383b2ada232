//! Sending what waits in a session's ring, as the window and the socket allow.

use super::Broker;
use super::group::Answer;
use super::ids::{ConnectionId, MessageId, SessionKey, SessionNumber};
use super::input::Loaded;
use super::layout::{Delivery, Extras, put_alone};
use super::message::{Message, Parts};
use super::outgoing::{Entry, Progress, Stored};
use super::output::Output;
use super::subscriptions::ShareId;
use super::timers::Timer;
use crate::access::Action;
use crate::base::Moment;
use crate::base::limits::LOAD_WINDOW;
use crate::mqtt::packet::{Ack, AckKind};
use crate::mqtt::{QoS, TopicFilter, TopicName, Version, matches};
use std::sync::Arc;
use std::time::Duration;

/// How long after a failed read of the store it is tried again.
const LOAD_RETRY: Duration = Duration::from_secs(1);

/// What sending one entry came to.
enum Step {
    /// On to the next.
    Sent,
    /// Nothing more can be sent now.
    Stop,
}

impl Broker {
    /// The outbox of a connection is written: go on with what waits.
    pub(super) fn flushed(&mut self, now: Moment, id: ConnectionId) {
        if let Some(connected) = self.connected(id) {
            let key = connected.session;
            self.pump(now, key);
        }
    }

    /// Sends what waits for a session until its window or its outbox is full.
    pub(super) fn pump(&mut self, now: Moment, key: SessionKey) {
        let session = self.sessions.at(key);
        let Some(id) = session.connection else { return };
        if session.outgoing.as_ref().is_none_or(|outgoing| !outgoing.has_unsent()) {
            return self.replay_next_turn(key);
        }
        while !self.outboxes.is_full(id) {
            let Some(connected) = self.connected(id) else { return };
            let window = connected.window;
            let session = self.sessions.at_mut(key);
            let is_stored = session.is_stored;
            let entry = session.outgoing.as_mut().and_then(|outgoing| outgoing.next_to_send(window)).cloned();
            let Some(entry) = entry else {
                if self.takes_unstored(key, window) {
                    continue;
                }
                // Nothing waits in the ring: a replay that waited for room goes on.
                return self.replay_next_turn(key);
            };
            let step = if entry.progress == Progress::Received {
                self.send_pubrel(id, key, &entry)
            } else {
                self.send_entry(now, id, key, &entry, is_stored)
            };
            if let Step::Stop = step {
                return;
            }
        }
    }

    /// When all entries are sent and the window has room, the next message comes from the queue: at once if it is not
    /// yet stored, which is told, else it is asked for.
    fn takes_unstored(&mut self, key: SessionKey, window: u16) -> bool {
        let session = self.sessions.at(key);
        let Some(outgoing) = session.outgoing.as_ref().filter(|outgoing| outgoing.wants_queue(window)) else {
            return false;
        };
        let Some(id) = outgoing.queue_front() else { return false };
        let Some(stored) = self.unstored(id, session.number) else {
            self.load(key);
            return false;
        };
        if let Some(outgoing) = &mut self.sessions.at_mut(key).outgoing {
            outgoing.supply(&[(id, Some(stored))], |_| false);
        }
        true
    }

    fn send_pubrel(&mut self, to: ConnectionId, key: SessionKey, entry: &Entry) -> Step {
        let pubrel = Answer::Ack(Ack::success(AckKind::Pubrel, entry.packet_id));
        if self.sessions.at(key).is_stored {
            // That PUBREC came may not be kept yet: the connection may have been lost before the commit.
            self.mark_dirty(key);
            self.hold(to, pubrel);
        } else {
            self.speak(self.held(to, pubrel));
        }
        self.note_sent(key);
        Step::Sent
    }

    fn send_entry(&mut self, now: Moment, to: ConnectionId, key: SessionKey, entry: &Entry, is_stored: bool) -> Step {
        let id = entry.message;
        let is_kept = id == MessageId::NONE || self.store.open.is_committed(id);
        if entry.qos == QoS::ExactlyOnce && is_stored && !is_kept {
            self.store.open.urge();
            self.store.waiting.push(key);
            return Step::Stop;
        }
        let Some(message) = self.body(key, entry) else { return self.load(key) };
        let Some(connected) = self.connected(to) else { return Step::Stop };
        let parts = message.parts();
        if parts.is_expired(now) {
            self.counters.dropped_expired += 1;
            self.give_up(now, key);
            return Step::Sent;
        }
        if !self.may(key, Action::Read, parts.topic) {
            // It was allowed when the message came, or nobody could tell.
            self.counters.dropped_not_authorized += 1;
            self.give_up(now, key);
            return Step::Sent;
        }
        let (limit, version) = (connected.packet_size_max(), connected.version);
        let delivery = Delivery {
            qos: entry.qos,
            retain: entry.retain,
            dup: entry.progress == Progress::Sent,
            packet_id: Some(entry.packet_id),
        };
        let all;
        let extras = if version.is_v5() {
            all = self.identifiers_of(key, entry, parts.topic);
            let alias = self.connected_mut(to).and_then(|connected| connected.alias(parts.topic));
            Extras { identifiers: &all, alias }
        } else {
            Extras::default()
        };
        if self.append(now, to, &parts, delivery, extras, (version, limit)) {
            self.note_sent(key);
        } else {
            self.give_up(now, key);
        }
        Step::Sent
    }

    /// Appends a message to an outbox, unless the client does not take a packet of its size. Tells whether it does.
    fn append(
        &mut self,
        now: Moment,
        to: ConnectionId,
        parts: &Parts<'_>,
        delivery: Delivery,
        extras: Extras<'_>,
        (version, limit): (Version, usize),
    ) -> bool {
        let outbox = self.outboxes.append(to);
        let length = put_alone(outbox, now, parts, version.is_v5(), delivery, extras);
        let fits = length <= limit;
        if fits {
            self.counters.note_publish_sent(parts.payload.len());
        } else {
            outbox.truncate(outbox.len() - length);
            self.counters.dropped_too_large += 1;
        }
        fits
    }

    fn note_sent(&mut self, key: SessionKey) {
        let session = self.sessions.at_mut(key);
        let Some(outgoing) = &mut session.outgoing else { return };
        outgoing.note_sent();
        if !session.is_loading && outgoing.runs_low(LOAD_WINDOW / 2) {
            self.load(key);
        }
    }

    fn body(&self, key: SessionKey, entry: &Entry) -> Option<Arc<Message>> {
        let unstored = || Some(self.unstored(entry.message, self.sessions.at(key).number)?.message);
        entry.body.clone().or_else(unstored)
    }

    /// A message of a session that is in memory because it is not yet stored.
    pub(super) fn unstored(&self, id: MessageId, reader: SessionNumber) -> Option<Stored> {
        let failed = || self.store.failed.as_ref().and_then(|group| group.stored(id, reader));
        self.store.open.group().stored(id, reader).or_else(failed)
    }

    /// Asks the store for the next messages of a session.
    fn load(&mut self, key: SessionKey) -> Step {
        let session = self.sessions.at_mut(key);
        if !session.is_loading
            && let Some(outgoing) = &session.outgoing
        {
            let unstored = self.store.failed.as_deref().unwrap_or(self.store.open.group());
            let messages = outgoing.wanted(LOAD_WINDOW, unstored.first);
            if messages.is_empty() {
                return Step::Stop;
            }
            session.is_loading = true;
            self.outputs.push_back(Output::Load { session: key, number: session.number, messages });
        }
        Step::Stop
    }

    /// Messages came from the store.
    pub(super) fn loaded(&mut self, now: Moment, loaded: Loaded) {
        let key = loaded.session;
        let Some(session) = self.sessions.with_number(key, loaded.number) else {
            return self.orphans_loaded(now, loaded);
        };
        let Ok(mut messages) = loaded.messages else {
            return self.timers.set(now + LOAD_RETRY, Timer::Load(key, loaded.number));
        };
        session.is_loading = false;
        for (id, stored) in &mut messages {
            if stored.is_none() {
                *stored = self.unstored(*id, loaded.number);
            }
        }
        let Some(outgoing) = &mut self.sessions.at_mut(key).outgoing else { return };
        let lost = outgoing.supply(&messages, |id| self.store.open.is_committed(id));
        for &id in &lost {
            self.counters.messages_lost += 1;
            self.release_and_keep(now, key, id);
        }
        self.pump(now, key);
    }

    pub(super) fn load_again(&mut self, now: Moment, key: SessionKey, number: SessionNumber) {
        if let Some(session) = self.sessions.with_number(key, number) {
            session.is_loading = false;
            self.pump(now, key);
        } else {
            self.orphans_load_again(number);
        }
    }

    /// The next message of a session will not be sent.
    fn give_up(&mut self, now: Moment, key: SessionKey) {
        if let Some(outgoing) = &mut self.sessions.at_mut(key).outgoing {
            let id = outgoing.give_up_next();
            self.release_and_keep(now, key, id);
        }
    }

    /// The identifiers of the subscriptions that an entry was delivered for.
    fn identifiers_of(&self, key: SessionKey, entry: &Entry, topic: &str) -> Vec<u32> {
        if entry.share != ShareId::NONE {
            let identifier = self.share_identifier(key, entry.share);
            return if identifier == 0 { vec![] } else { vec![identifier] };
        }
        if self.sessions.at(key).has_identifiers { self.identifiers(key, topic) } else { vec![] }
    }

    /// The identifiers of all of a session's subscriptions that match a topic.
    pub(super) fn identifiers(&self, key: SessionKey, topic: &str) -> Vec<u32> {
        let Ok(topic) = TopicName::new(topic) else { return vec![] };
        let subscriptions = self.sessions.at(key).subscriptions.as_slice().iter();
        let mut identifiers: Vec<u32> = subscriptions
            .filter(|&&id| TopicFilter::new(self.subscriptions.text(id)).is_ok_and(|filter| matches(filter, topic)))
            .filter_map(|&id| self.subscriptions.subscribers(id).iter().find(|s| s.session == key))
            .map(|subscriber| subscriber.identifier)
            .filter(|&identifier| identifier != 0)
            .collect();
        identifiers.sort_unstable();
        identifiers.dedup();
        identifiers
    }

    /// Sends a retained message for a new subscription.
    pub(super) fn deliver_retained(&mut self, now: Moment, key: SessionKey, message: &Arc<Message>, qos: QoS, id: u32) {
        let Some(to) = self.sessions.at(key).connection else { return };
        let qos = qos.min(message.qos);
        let is_expired = message.expires.is_some_and(|at| at <= now);
        if is_expired || (self.access.is_some() && !self.may(key, Action::Read, message.topic())) {
            return;
        }
        if qos == QoS::AtMostOnce {
            return self.send_retained(now, to, message, id);
        }
        let first = self.first_packet_id();
        let outgoing = self.sessions.at_mut(key).outgoing(first);
        let entry = Entry {
            message: MessageId::NONE,
            body: Some(message.clone()),
            size: message.size() as u32,
            packet_id: outgoing.next_packet_id(),
            qos,
            retain: true,
            progress: Progress::Waiting,
            share: ShareId::NONE,
        };
        outgoing.push(entry);
    }

    fn send_retained(&mut self, now: Moment, to: ConnectionId, message: &Arc<Message>, identifier: u32) {
        let Some(connected) = self.connected(to) else { return };
        let (limit, version) = (connected.packet_size_max(), connected.version);
        let delivery = Delivery { qos: QoS::AtMostOnce, retain: true, dup: false, packet_id: None };
        let (parts, one) = (message.parts(), [identifier]);
        let extras = if version.is_v5() {
            let identifiers: &[u32] = if identifier == 0 { &[] } else { &one };
            let alias = self.connected_mut(to).and_then(|connected| connected.alias(parts.topic));
            Extras { identifiers, alias }
        } else {
            Extras::default()
        };
        self.append(now, to, &parts, delivery, extras, (version, limit));
    }
}
