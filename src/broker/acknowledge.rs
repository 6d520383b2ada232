//! PUBACK, PUBREC, PUBREL, PUBCOMP: the steps of delivery, both ways.

use super::Broker;
use super::group::{Answer, Held, Settled};
use super::ids::{ConnectionId, MessageId, SessionKey, SessionNumber};
use super::outgoing::Progress;
use crate::base::Moment;
use crate::mqtt::packet::{Ack, AckKind};
use crate::mqtt::{PacketId, QoS, ReasonCode};

impl Broker {
    /// A reader has a QoS 1 message.
    pub(super) fn puback(&mut self, now: Moment, from: ConnectionId, ack: Ack) {
        let Some(key) = self.session_of(from) else { return };
        let session = self.sessions.at_mut(key);
        let Some(outgoing) = &mut session.outgoing else { return };
        // An acknowledgement of what is not in flight can follow a lost connection: it changes nothing.
        let Some(index) = outgoing.find_sent(ack.packet_id) else { return };
        if outgoing.entry_mut(index).qos != QoS::AtLeastOnce {
            return self.close_with(now, from, ReasonCode::PROTOCOL_ERROR);
        }
        let message = outgoing.complete(index);
        let is_idle = !outgoing.has_unsent() && session.rare.is_none();
        if message != MessageId::NONE {
            self.release_and_keep(now, key, message);
        }
        if !is_idle {
            self.pump(now, key);
        }
    }

    /// A reader has a QoS 2 message. PUBREL follows when that is kept: sent earlier, a power cut would
    /// have the message sent again to a client that has forgotten its identifier.
    pub(super) fn pubrec(&mut self, now: Moment, from: ConnectionId, ack: Ack) {
        let Some(key) = self.session_of(from) else { return };
        let session = self.sessions.at_mut(key);
        let is_stored = session.is_stored;
        let found = session.outgoing.as_mut().and_then(|outgoing| Some((outgoing.find_sent(ack.packet_id)?, outgoing)));
        let Some((index, outgoing)) = found else { return self.release_unknown(from, ack.packet_id) };
        let entry = outgoing.entry_mut(index);
        if entry.qos != QoS::ExactlyOnce {
            return self.close_with(now, from, ReasonCode::PROTOCOL_ERROR);
        }
        if ack.reason.is_error() {
            let message = outgoing.complete(index);
            self.release_and_keep(now, key, message);
            return self.pump(now, key);
        }
        entry.progress = Progress::Received;
        let pubrel = Ack::success(AckKind::Pubrel, ack.packet_id);
        if is_stored && entry.message != MessageId::NONE {
            self.mark_dirty(key);
            self.hold(from, Answer::Ack(pubrel));
        } else {
            self.speak(self.held(from, Answer::Ack(pubrel)));
        }
    }

    /// PUBREC for what is not in flight: 5.0 has a code for it, before that the handshake is led to its end.
    fn release_unknown(&mut self, from: ConnectionId, packet_id: PacketId) {
        let is_v5 = self.connected(from).is_some_and(|connected| connected.version.is_v5());
        let reason = if is_v5 { ReasonCode::PACKET_ID_NOT_FOUND } else { ReasonCode::SUCCESS };
        let pubrel = Ack { kind: AckKind::Pubrel, packet_id, reason };
        self.speak(self.held(from, Answer::Ack(pubrel)));
    }

    /// A publisher releases a QoS 2 message. PUBCOMP follows when that is kept: the identifier is free then,
    /// and must not be taken for the old message after a power cut.
    pub(super) fn pubrel(&mut self, _now: Moment, from: ConnectionId, ack: Ack) {
        let Some(key) = self.session_of(from) else { return };
        let session = self.sessions.at_mut(key);
        let was_known = session.rare.as_mut().is_some_and(|rare| rare.incoming.remove(&ack.packet_id));
        let is_v5 = self.connected(from).is_some_and(|connected| connected.version.is_v5());
        let reason = if was_known || !is_v5 { ReasonCode::SUCCESS } else { ReasonCode::PACKET_ID_NOT_FOUND };
        if was_known && self.sessions.at(key).is_stored {
            self.mark_dirty(key);
        }
        self.answer(from, key, Ack { kind: AckKind::Pubcomp, packet_id: ack.packet_id, reason });
    }

    /// A reader is done with a QoS 2 message.
    pub(super) fn pubcomp(&mut self, now: Moment, from: ConnectionId, ack: Ack) {
        let Some(key) = self.session_of(from) else { return };
        let Some(outgoing) = &mut self.sessions.at_mut(key).outgoing else { return };
        let Some(index) = outgoing.find_sent(ack.packet_id) else { return };
        if outgoing.entry_mut(index).progress != Progress::Received {
            return self.close_with(now, from, ReasonCode::PROTOCOL_ERROR);
        }
        let message = outgoing.complete(index);
        self.release_and_keep(now, key, message);
        self.pump(now, key);
    }

    /// Answers a step of a publisher's QoS 2 handshake: after the next commit if its session is stored.
    pub(super) fn answer(&mut self, to: ConnectionId, key: SessionKey, ack: Ack) {
        if self.sessions.at(key).is_stored {
            self.hold(to, Answer::Ack(ack));
        } else {
            self.speak(self.held(to, Answer::Ack(ack)));
        }
    }

    /// A session is done with a message: it is released, and the session's state kept if the store needs it.
    pub(super) fn release_and_keep(&mut self, now: Moment, key: SessionKey, message: MessageId) {
        if message == MessageId::NONE {
            return;
        }
        let number = self.sessions.at(key).number;
        if self.release_message(message, number) {
            self.mark_dirty(key);
            self.store.open.forget_later(now);
        }
    }

    /// One reader is done with a message. Tells whether the store has to hear of it.
    pub(super) fn release_message(&mut self, message: MessageId, reader: SessionNumber) -> bool {
        if message == MessageId::NONE {
            return false;
        }
        match self.store.open.acknowledge(message, reader) {
            Ok(Settled::All(answer)) => {
                self.counters.messages_elided += 1;
                if let Some(held) = answer {
                    self.speak(held);
                }
                false
            }
            Ok(Settled::Others { keep_state }) => keep_state,
            Err(_) => {
                self.store.blocks.release(message);
                self.store.completed = self.store.completed.saturating_add(1);
                true
            }
        }
    }

    fn session_of(&self, connection: ConnectionId) -> Option<SessionKey> {
        self.connected(connection).map(|connected| connected.session)
    }

    /// Speaks an answer that nothing keeps back.
    pub(super) fn speak(&mut self, held: Held) {
        let Some(Some(connection)) = self.connections.get_mut(held.connection.index()) else { return };
        if connection.generation != held.generation {
            return;
        }
        let Some(connected) = connection.connected_mut() else { return };
        let (version, limit) = (connected.version, connected.packet_size_max());
        match held.answer {
            Answer::Ack(ack) => {
                if ends_publish(ack) {
                    connected.open_publishes = connected.open_publishes.saturating_sub(1);
                }
                self.send_within(limit, held.connection, |out| ack.encode(version, out));
            }
            Answer::Suback(suback) => self.send(held.connection, |out| suback.encode(version, out)),
            Answer::Unsuback(unsuback) => self.send(held.connection, |out| unsuback.encode(version, out)),
            Answer::Ungate => self.outboxes.ungate(held.connection),
        }
    }

    /// Keeps an answer until the next commit is done.
    pub(super) fn hold(&mut self, connection: ConnectionId, answer: Answer) {
        let held = self.held(connection, answer);
        self.store.open.hold(held);
    }

    /// The state of a session belongs into the next group.
    pub(super) fn mark_dirty(&mut self, key: SessionKey) {
        let session = self.sessions.at_mut(key);
        if !session.is_dirty {
            session.is_dirty = true;
            self.store.dirty_sessions.push(key);
        }
    }
}

/// Whether a client's PUBLISH needs nothing more after this answer.
fn ends_publish(ack: Ack) -> bool {
    match ack.kind {
        AckKind::Puback | AckKind::Pubcomp => true,
        AckKind::Pubrec => ack.reason.is_error(),
        AckKind::Pubrel => false,
    }
}
