//! How connections and sessions end: DISCONNECT, loss, will, expiry.

use super::Broker;
use super::change::Change;
use super::connection::{Connected, Phase};
use super::ids::{ConnectionId, SessionKey, SessionNumber};
use super::output::Output;
use super::session::NEVER;
use super::timers::Timer;
use super::will::Will;
use crate::access::{Action, Rights};
use crate::base::Moment;
use crate::base::limits::REFUSED_PAUSE_SECS;
use crate::mqtt::packet::Disconnect;
use crate::mqtt::{Properties, ReasonCode, Version};
use std::time::Duration;

impl Broker {
    /// The client leaves ([MQTT-3.14.4-3]: without a reason to send the will, it is dropped).
    pub(super) fn disconnect_packet(&mut self, now: Moment, from: ConnectionId, packet: &Disconnect<'_>) {
        let Some(connected) = self.connected_mut(from) else { return };
        let key = connected.session;
        if packet.reason == ReasonCode::SUCCESS
            && let Some(rare) = &mut connected.rare
        {
            rare.will = None;
        }
        if let Some(expiry) = packet.session_expiry() {
            // [MQTT-3.14.2-2]: an expiry of 0 in CONNECT cannot be raised; the session still has that expiry.
            if self.sessions.at(key).expiry == 0 && expiry > 0 {
                return self.close_with(now, from, ReasonCode::PROTOCOL_ERROR);
            }
            self.keep_expiry(now, key, expiry);
        }
        self.close_quietly(now, from);
    }

    /// The socket is gone: the number may be used again.
    pub(super) fn closed(&mut self, now: Moment, id: ConnectionId) {
        self.detach(now, id);
        self.connections[id.index()] = None;
        self.outboxes.open(id);
    }

    /// The gateway stops: everyone is told, and everything that waits becomes due.
    pub(super) fn stop(&mut self, now: Moment) {
        self.store.stopping = true;
        for index in 0..self.connections.len() {
            self.close_with(now, ConnectionId(index as u32), ReasonCode::SERVER_SHUTTING_DOWN);
        }
    }

    /// Closes a connection after telling a 5.0 client why.
    pub(super) fn close_with(&mut self, now: Moment, id: ConnectionId, reason: ReasonCode) {
        if let Some(connected) = self.connected(id)
            && connected.version.is_v5()
        {
            let packet = Disconnect { reason, properties: Properties::NONE };
            // Whoever does not take even that is only closed.
            self.send(id, |out| packet.encode(Version::V5, out));
        }
        self.close_quietly(now, id);
    }

    /// Closes a connection; what is in its outbox is written first.
    pub(super) fn close_quietly(&mut self, now: Moment, id: ConnectionId) {
        let Some(Some(connection)) = self.connections.get(id.index()) else { return };
        if matches!(connection.phase, Phase::Closing) {
            return;
        }
        self.detach(now, id);
        self.outputs.push_back(Output::Close(id));
    }

    /// Closes a connection after a pause: its client would be back at once with what cannot be taken. Until then it gets
    /// what waits for it, and of what it sends only acknowledgements count: if it is its own queue that is full, there
    /// is room when it comes again.
    pub(super) fn close_later(&mut self, now: Moment, id: ConnectionId) {
        let Some(Some(connection)) = self.connections.get_mut(id.index()) else { return };
        let Some(connected) = connection.connected_mut() else { return };
        connected.is_refused = true;
        connection.timer = now + Duration::from_secs(REFUSED_PAUSE_SECS);
        self.timers.set(connection.timer, Timer::Connection(id, connection.generation));
    }

    /// Parts a connection from its session: the will is sent or waits, the session expires or ends.
    fn detach(&mut self, now: Moment, id: ConnectionId) {
        let Some(Some(connection)) = self.connections.get_mut(id.index()) else { return };
        if connection.is_stranger() {
            self.strangers.left();
        }
        let phase = std::mem::replace(&mut connection.phase, Phase::Closing);
        let Phase::Connected(Connected { session: key, rare, .. }) = phase else { return };
        self.connected -= 1;
        self.own_connected -= u32::from(!connection.origin.is_network());
        self.listeners.disconnected(connection.origin);
        let session = self.sessions.at_mut(key);
        session.connection = None;
        let (number, expiry) = (session.number, session.expiry);
        if let Some(outgoing) = &mut session.outgoing {
            outgoing.rewind();
        }
        if let Some(rare) = &mut session.rare {
            rare.replays.clear();
        }
        if let Some(will) = rare.and_then(|rare| rare.will) {
            if will.delay == 0 || expiry == 0 {
                let rights = self.sessions.at(key).rights.clone();
                self.publish_will(now, rights.as_deref(), &will);
            } else {
                let due = now + Duration::from_secs(will.delay.min(expiry).into());
                self.keep_will(now, key, due, &will);
                let rare = self.sessions.at_mut(key).rare();
                (rare.will, rare.will_due) = (Some(will), Some(due));
                self.timers.set(due, Timer::Session(key, number));
            }
        }
        // Publishing the will cannot end the session; it may only have closed other connections.
        self.start_expiry(now, key, number, expiry);
    }

    pub(super) fn start_expiry(&mut self, now: Moment, key: SessionKey, number: SessionNumber, expiry: u32) {
        if expiry == 0 {
            self.end_session(now, key);
        } else if expiry != NEVER {
            let session = self.sessions.at_mut(key);
            let expires = now + Duration::from_secs(expiry.into());
            let is_stored = session.is_stored;
            let rare = session.rare();
            (rare.expires, rare.is_away_kept) = (Some(expires), is_stored);
            if is_stored {
                self.store.open.change(Change::SessionAway { number, ends: Some(expires) });
                self.store.open.forget_later(now);
            }
            self.timers.set(expires, Timer::Session(key, number));
        }
    }

    /// A will that waits for its delay outlives a restart if its session does.
    fn keep_will(&mut self, now: Moment, key: SessionKey, due: Moment, will: &Will) {
        let session = self.sessions.at_mut(key);
        if session.is_stored {
            session.rare().is_will_kept = true;
            let (session, will) = (session.number, Box::new(will.clone()));
            self.store.open.change(Change::WillKept { session, due, will });
            self.store.open.forget_later(now);
        }
    }

    /// A session has a connection again: its time stands still and its will must not be published. Tells whether the
    /// store thinks otherwise, so that this has to be kept before the client hears of it.
    pub(super) fn stop_expiry(&mut self, key: SessionKey) -> bool {
        let session = self.sessions.at_mut(key);
        let number = session.number;
        let Some(rare) = &mut session.rare else { return false };
        (rare.will, rare.will_due, rare.expires, rare.is_restored) = (None, None, None, false);
        let was_away = std::mem::take(&mut rare.is_away_kept);
        let had_will = std::mem::take(&mut rare.is_will_kept);
        if was_away {
            self.store.open.change(Change::SessionAway { number, ends: None });
        }
        if had_will {
            self.store.open.change(Change::WillOver(number));
        }
        was_away || had_will
    }

    /// A session's will is due, or the session expires. A timer of an earlier absence is passed over.
    pub(super) fn session_due(&mut self, now: Moment, key: SessionKey, number: SessionNumber) {
        let Some(session) = self.sessions.with_number(key, number) else { return };
        if session.connection.is_some() {
            return;
        }
        let Some(rare) = &mut session.rare else { return };
        let is_expired = rare.expires.is_some_and(|at| at <= now);
        let will = if is_expired || rare.will_due.is_some_and(|at| at <= now) { rare.will.take() } else { None };
        if will.is_some() && std::mem::take(&mut rare.is_will_kept) {
            self.store.open.change(Change::WillOver(number));
            self.store.open.forget_later(now);
        }
        let rights = session.rights.clone();
        if let Some(will) = will {
            self.publish_will(now, rights.as_deref(), &will);
        }
        if is_expired {
            self.counters.sessions_expired += 1;
            self.end_session(now, key);
        }
    }

    /// A will is published with the rights that its client has now.
    fn publish_will(&mut self, now: Moment, rights: Option<&Rights>, will: &Will) {
        if !rights.is_none_or(|own| own.allows(Action::Write, will.parts(now).topic)) {
            self.counters.publishes_refused += 1;
            return;
        }
        self.publish_own(now, &will.parts(now), true);
    }

    /// Ends a session: it is forgotten here and in the store.
    pub(super) fn end_session(&mut self, now: Moment, key: SessionKey) {
        let Some(mut session) = self.sessions.remove(key) else { return };
        for &filter in session.subscriptions.as_slice() {
            self.subscriptions.remove(filter, key);
        }
        if session.is_dirty {
            self.store.dirty_sessions.retain(|&dirty| dirty != key);
        }
        if session.is_stored {
            self.store.unsettled.note(&session.client_id);
            self.store.open.change(Change::SessionEnded(session.number));
            self.store.open.forget_later(now);
        }
        let shared = session.outgoing.as_ref().map(|outgoing| Broker::shared_entries(outgoing.open_entries()));
        if let Some(outgoing) = &mut session.outgoing {
            for entry in outgoing.open_entries() {
                self.release_message(entry.message, session.number);
            }
            self.orphans.add(session.number, outgoing.take_queue());
        }
        self.share_again(now, &shared.unwrap_or_default());
        if let Some(rare) = &mut session.rare {
            self.store.blocks.release_row(rare.state_row);
            if let Some(will) = rare.will.take() {
                self.publish_will(now, session.rights.as_deref(), &will);
            }
        }
    }
}
