//! What may leave the gateway.

use super::{Kind, Model, Owed, Session, State};
use crate::support::wire::{self, Message, Received};

impl Session {
    /// Whether a message reached the application.
    pub(super) fn has_got(&self, number: u32) -> bool {
        let is_done = self.owed.iter().any(|owed| owed.number == number && owed.state == State::Done);
        is_done || (0..3).any(|qos| self.got.contains_key(&(number, qos)))
    }
}

impl Model {
    /// A packet left the gateway.
    pub fn sent(&mut self, serial: u64, received: &Received) {
        match received {
            Received::Connack { session_present, code: 0, .. } => self.connack(serial, *session_present),
            Received::Connack { code, .. } => self.breaks(format!("CONNECT was refused with {code:#04x}")),
            Received::Publish(message) => self.delivers(serial, message),
            Received::Acknowledge { kind: wire::Kind::Pubrel, packet_id, .. } => self.releases(serial, *packet_id),
            Received::Acknowledge { kind, packet_id, reason } => self.answered(serial, *kind, *packet_id, *reason),
            Received::Suback { packet_id, codes } => {
                if codes.iter().any(|code| *code >= 0x80) {
                    self.breaks(format!("a subscription was refused: {codes:?}"));
                }
                self.confirmed(serial, *packet_id);
            }
            Received::Unsuback { packet_id, .. } => self.confirmed(serial, *packet_id),
            Received::Pingresp | Received::Disconnect { .. } => {}
            Received::Auth { .. } => self.breaks("AUTH was sent".to_owned()),
        }
    }

    /// The number in a payload, or that of a message without payload that this session is to get on the topic.
    fn number_of(&self, serial: u64, session: usize, message: &Message) -> Option<u32> {
        if !message.payload.is_empty() {
            return message.text().parse().ok().filter(|number| self.published.contains_key(number));
        }
        let owed = self.sessions[session].owed.iter().filter(|owed| {
            let published = &self.published[&owed.number];
            published.is_empty && published.topic == message.topic && suits(owed, serial, message)
        });
        // One that is marked was sent before, if there is such a one.
        let marked = owed.clone().filter(|owed| owed.was_sent == message.dup);
        let first = marked.clone().find(|owed| waits(owed));
        let first = first.or_else(|| marked.clone().find(|owed| owed.may_repeat && message.dup));
        let first = first.or_else(|| owed.clone().find(|owed| waits(owed)));
        first.or_else(|| owed.clone().find(|owed| owed.may_repeat)).map(|owed| owed.number)
    }

    fn delivers(&mut self, serial: u64, message: &Message) {
        let Some(session) = self.session_of(serial) else { return };
        let client = self.sessions[session].client.clone();
        let Some(number) = self.number_of(serial, session, message) else {
            return self.breaks(format!("{client} was sent what was never published: {message:?}"));
        };
        let published = &self.published[&number];
        if published.topic != message.topic {
            return self.breaks(format!("{client} was sent {number} on {}: {published:?}", message.topic));
        }
        // What was written behind a CONNACK that had to wait for the card left with it.
        let had_to_wait = self.connections[&serial].welcome_at == self.now;
        if !published.is_empty && !had_to_wait && published.expires.is_some_and(|at| at <= self.now) {
            self.breaks(format!("{client} was sent {number}, which is expired: {:?}", self.published[&number]));
        }
        let Some(index) = self.owed_for(serial, session, number, message) else {
            let owed: Vec<&Owed> = self.sessions[session].owed.iter().filter(|owed| owed.number == number).collect();
            let what = format!("{client} was sent {number}, which it is not to get: {message:?}, owed {owed:?}");
            return self.breaks(what);
        };
        self.check_order(session, index, message.dup);
        self.check_window(serial, session, index, message);
        // Which one a message without payload was, nobody can say.
        let is_empty = message.payload.is_empty();
        let owed = &mut self.sessions[session].owed[index];
        if owed.was_sent && !message.dup && message.qos > 0 && !owed.was_cut && !owed.is_repeated && !is_empty {
            let what = format!("{client} was sent {number} again without DUP: {owed:?}");
            self.breaks(what);
        }
        let owed = &mut self.sessions[session].owed[index];
        owed.state = if message.qos == 0 { State::Done } else { State::Sent };
        (owed.on, owed.packet_id, owed.was_sent, owed.may_repeat) = (Some(serial), message.packet_id, true, false);
    }

    /// The place of what is to be delivered: not sent over this connection yet, first what is not done.
    fn owed_for(&mut self, serial: u64, session: usize, number: u32, message: &Message) -> Option<usize> {
        let own = &self.sessions[session].owed;
        let suits = |owed: &Owed| owed.number == number && suits(owed, serial, message);
        let first = own.iter().position(|owed| suits(owed) && waits(owed));
        if let Some(index) = first.or_else(|| own.iter().position(|owed| suits(owed) && owed.may_repeat)) {
            return Some(index);
        }
        let place = self.free_share(session, number)?;
        let share = &mut self.shares[place];
        (share.taken, share.qos) = (Some(session), message.qos);
        let (may_vanish, is_promised) = (share.may_vanish, share.is_promised);
        let owed = Owed { may_vanish, is_promised, ..Owed::new(number, message.qos, message.retain, Kind::Shared) };
        self.sessions[session].owed.push(owed);
        Some(self.sessions[session].owed.len() - 1)
    }

    /// The place of a shared message that this session may have been chosen for.
    fn free_share(&mut self, session: usize, number: u32) -> Option<usize> {
        let all = self.shares.iter().enumerate().filter(|(_, share)| share.number == number);
        let free = all.clone().filter(|(_, share)| share.taken.is_none());
        // Of what the publisher sent again, the first may be gone.
        let own = free.clone().filter(|(_, share)| share.members.contains(&session));
        if let Some((place, _)) = own.min_by_key(|(_, share)| share.is_repeated) {
            return Some(place);
        }
        // Or another member took that one, and this is the one that was meant for it.
        let mut taken = all.filter(|(_, share)| share.members.contains(&session));
        let (place, other, member) = taken.find_map(|(place, share)| {
            let member = share.taken?;
            let (other, _) = free.clone().find(|(_, share)| share.members.contains(&member))?;
            Some((place, other, member))
        })?;
        self.shares[other].taken = Some(member);
        Some(place)
    }

    /// [MQTT-4.6.0-5]: messages of one publisher to one topic at one QoS arrive in their order.
    fn check_order(&mut self, session: usize, index: usize, is_dup: bool) {
        let own = &self.sessions[session];
        let owed = &own.owed[index];
        // Which of several copies, if the publisher sent it again, comes once more, cannot be seen.
        let copies = own.owed.iter().filter(|other| other.number == owed.number && other.qos == owed.qos).count();
        // That it was dropped from a full queue may have been forgotten, after later ones went out.
        let was_dropped = owed.was_cut && self.dropped > 0;
        if (is_dup && copies > 1) || was_dropped {
            return;
        }
        let message = &self.published[&owed.number];
        // Wills have no order; messages without payload cannot be told apart.
        if owed.kind != Kind::Live || owed.was_sent || message.publisher == usize::MAX || message.is_empty {
            return;
        }
        // Which of several it is, if the publisher sent it again, cannot be seen.
        let same =
            own.owed.iter().filter(|other| other.number == owed.number && other.qos == owed.qos && !other.was_sent);
        let (least, most) = (same.clone().map(|other| other.place).min(), same.map(|other| other.place).max());
        let key = (message.publisher, message.topic.clone(), owed.qos);
        let before = own.order.get(&key).copied().unwrap_or(0);
        if most < Some(before) {
            let (client, number) = (own.client.clone(), owed.number);
            self.breaks(format!("{client} was sent {number} too late in {key:?}"));
        }
        self.sessions[session].order.insert(key, before.max(least.unwrap_or(0)));
    }

    /// Receive Maximum, and packet identifiers that differ.
    fn check_window(&mut self, serial: u64, session: usize, index: usize, message: &Message) {
        if message.qos == 0 {
            return;
        }
        let own = self.sessions[session].owed.iter().enumerate();
        let is_open = |(place, owed): &(usize, &Owed)| {
            *place != index && owed.on == Some(serial) && matches!(owed.state, State::Sent | State::Received)
        };
        let open: Vec<u16> = own.filter(is_open).map(|(_, owed)| owed.packet_id).collect();
        let window = self.connections[&serial].window;
        let client = self.sessions[session].client.clone();
        if open.len() >= window {
            self.breaks(format!("{client} has {} messages in flight, it takes {window}", open.len() + 1));
        }
        if open.contains(&message.packet_id) {
            self.breaks(format!("{client} was sent packet identifier {} twice", message.packet_id));
        }
    }

    /// PUBREL left: from now on the message may not come again.
    fn releases(&mut self, serial: u64, packet_id: u16) {
        let Some(session) = self.session_of(serial) else { return };
        let own = self.sessions[session].owed.iter_mut();
        let received = own.filter(|owed| owed.packet_id == packet_id && owed.state == State::Received);
        // The identifier may be that of another message of an earlier connection.
        if let Some(owed) = received.min_by_key(|owed| owed.on != Some(serial)) {
            (owed.on, owed.may_repeat) = (Some(serial), false);
        }
    }

    /// A message reached the application of a client.
    pub fn arrived(&mut self, serial: u64, message: &Message) {
        let Some(session) = self.session_of(serial) else { return };
        let Some(number) = message.text().parse().ok().filter(|number| self.published.contains_key(number)) else {
            return;
        };
        let own = &mut self.sessions[session];
        let got = own.got.entry((number, message.qos)).or_default();
        *got += 1;
        let times = *got;
        let due = own.owed.iter().filter(|owed| owed.number == number && owed.qos == message.qos);
        // However often its publisher had to send it, at QoS 2 it is one message.
        let due = match message.qos {
            2 => due.clone().filter(|owed| owed.kind == Kind::Replay).count() + 1,
            _ => due.count(),
        };
        if message.qos != 1 && times > due {
            let client = own.client.clone();
            self.breaks(format!("{client} got {number} {times} times at QoS {}, {due} are right", message.qos));
        }
    }

    /// Whether a message of QoS 0 that a connected client is to get was passed over. Retained ones come at once.
    pub fn step_ends(&mut self) {
        self.check_bounds();
        let mut missing = vec![];
        for &session in self.present.values() {
            let own = &self.sessions[session];
            let Some(serial) = own.connection else { continue };
            let waits = |owed: &&Owed| owed.qos == 0 && owed.state == State::Waiting && !owed.may_vanish;
            if self.connections[&serial].is_ready() {
                missing.extend(own.owed.iter().filter(waits).map(|owed| (own.client.clone(), owed.number)));
            }
        }
        for (client, number) in missing {
            let message = self.published[&number].clone();
            self.breaks(format!("{client} was not sent {number} at once: {message:?}"));
        }
    }
}

/// Whether a delivery is as it has to be, and not sent over this connection yet.
fn suits(owed: &Owed, serial: u64, message: &Message) -> bool {
    owed.qos == message.qos && owed.retain == message.retain && owed.on != Some(serial)
}

fn waits(owed: &Owed) -> bool {
    matches!(owed.state, State::Waiting | State::Sent)
}
