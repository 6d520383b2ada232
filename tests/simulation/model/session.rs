//! How sessions begin, go on and end.

use super::super::fact::Fact;
use super::super::links::Sent;
use super::{Connection, Kind, Micros, Model, Owed, Session, State, Will};
use crate::support::wire::{self, Connect, Version, id};
use std::collections::{BTreeMap, BTreeSet};

const NEVER: u32 = u32::MAX;

impl Model {
    /// The broker took a packet. `publisher` numbers the client, `place` orders its messages.
    pub fn received(&mut self, serial: u64, publisher: usize, will: Option<Will>, sent: &Sent) {
        match sent {
            Sent::Connect(connect) => self.connect(serial, connect, will),
            _ if !self.connections.get(&serial).is_some_and(|connection| connection.is_open) => {}
            Sent::Publish { .. } | Sent::Subscribe(..) | Sent::Unsubscribe(..)
                if self.connections[&serial].is_refused => {}
            Sent::Publish { message, number } => self.publish(serial, publisher, message, *number),
            Sent::Acknowledge(kind, packet_id) => self.acknowledge(serial, *kind, *packet_id),
            Sent::Subscribe(packet_id, filters) => self.subscribe(serial, *packet_id, filters),
            Sent::Unsubscribe(packet_id, filters) => self.unsubscribe(serial, *packet_id, filters),
            Sent::Ping => {}
            Sent::Disconnect { with_will } => {
                if let Some(connection) = self.connections.get_mut(&serial)
                    && !with_will
                {
                    connection.will = None;
                }
                self.closed(serial);
            }
        }
    }

    /// Time passes: wills become due, sessions expire.
    pub fn advance(&mut self, now: Micros) {
        self.now = now;
        if self.is_off {
            return;
        }
        let present: Vec<usize> = self.present.values().copied().collect();
        for session in present {
            let own = &mut self.sessions[session];
            // If it is not known whether a client came in time, its CONNACK will say so.
            let is_expired = own.connection.is_none() && own.expires.is_some_and(|(_, latest)| latest <= now);
            if own.will.as_ref().is_some_and(|(due, _)| *due <= now || is_expired) {
                let (_, will) = own.will.take().expect("just seen");
                self.publish_will(&will);
            }
            if is_expired {
                self.end_session(session);
            }
        }
    }

    fn connect(&mut self, serial: u64, connect: &Connect, will: Option<Will>) {
        let is_v5 = connect.version == Version::V5;
        self.known_wills.extend(will.iter().map(|will| (will.number, will.clone())));
        let expiry = match (is_v5, connect.clean) {
            (true, _) => connect.properties.find_number(id::SESSION_EXPIRY).unwrap_or(0),
            (false, true) => 0,
            (false, false) => NEVER,
        };
        // [MQTT-3.1.4-3] the client's other connection is closed.
        if let Some(&session) = self.present.get(&connect.client_id)
            && let Some(other) = self.sessions[session].connection
        {
            self.closed(other);
        }
        if connect.clean
            && let Some(&session) = self.present.get(&connect.client_id)
        {
            self.end_session(session);
        }
        let old = self.present.get(&connect.client_id).copied();
        let is_doubtful = old.is_some_and(|old| self.sessions[old].expires.is_some_and(|(least, _)| least <= self.now));
        let session = old.unwrap_or_else(|| self.begin_session(&connect.client_id, expiry));
        let own = &mut self.sessions[session];
        (own.expiry, own.connection, own.will) = (expiry, Some(serial), None);
        own.expiries.push(expiry);
        if !is_doubtful {
            let before = own.expires.take().map(|(least, _)| least);
            own.unconfirmed_expiry = sooner(own.unconfirmed_expiry, before);
        }
        let window = connect.properties.find_number(id::RECEIVE_MAXIMUM).map_or(usize::MAX, |most| most as usize);
        let present = if is_doubtful { None } else { Some(old.is_some()) };
        let (asked, publishing) = (BTreeMap::new(), BTreeMap::new());
        let connection = Connection {
            session,
            window,
            is_open: true,
            is_refused: false,
            is_welcome: false,
            welcome_at: 0,
            will,
            present,
            asked,
            publishing,
        };
        self.connections.insert(serial, connection);
    }

    fn begin_session(&mut self, client: &str, expiry: u32) -> usize {
        self.sessions.push(Session {
            client: client.to_owned(),
            is_stored: expiry > 0,
            is_certain: false,
            expiry,
            expiries: vec![expiry],
            connection: None,
            expires: None,
            unconfirmed_expiry: None,
            expired_before_cut: None,
            subscriptions: BTreeMap::new(),
            owed: vec![],
            will: None,
            incoming: BTreeSet::new(),
            got: BTreeMap::new(),
            order: BTreeMap::new(),
        });
        let session = self.sessions.len() - 1;
        self.present.insert(client.to_owned(), session);
        session
    }

    /// CONNACK left.
    pub(super) fn connack(&mut self, serial: u64, said: bool) {
        let Some(connection) = self.connections.get(&serial) else { return };
        let (session, expected) = (connection.session, connection.present);
        let connection = self.connections.get_mut(&serial).expect("just seen");
        (connection.is_welcome, connection.welcome_at) = (true, self.now);
        let client = self.sessions[session].client.clone();
        if expected.is_some_and(|expected| expected != said) {
            self.breaks(format!("{client} was told that its session is present: {said}"));
        }
        if expected.is_none() {
            self.sessions[session].expires = None;
            if !said {
                let expiry = self.sessions[session].expiry;
                self.sessions[session].connection = None;
                self.end_session(session);
                let new = self.begin_session(&client, expiry);
                self.sessions[new].connection = Some(serial);
                self.connections.get_mut(&serial).expect("just seen").session = new;
            }
        }
        // Whether the session was there is a confirmation as any other.
        self.ghosts.remove(&client);
        let session = self.connections[&serial].session;
        let own = &mut self.sessions[session];
        (own.is_certain, own.unconfirmed_expiry) = (own.is_certain | said, None);
    }

    /// The gateway is done with a connection.
    pub fn closed(&mut self, serial: u64) {
        let Some(connection) = self.connections.get_mut(&serial) else { return };
        if !std::mem::replace(&mut connection.is_open, false) {
            return;
        }
        let (session, will) = (connection.session, connection.will.take());
        for number in std::mem::take(&mut connection.publishing).into_values() {
            // Refused without a word, as before 5.0, or not answered yet.
            self.nobody_knows(number);
        }
        let own = &mut self.sessions[session];
        own.connection = None;
        // What did not leave at QoS 0 never will.
        own.owed.retain(|owed| owed.qos > 0 || owed.was_sent);
        let expiry = own.expiry;
        if let Some(will) = will {
            if will.delay == 0 || expiry == 0 {
                self.publish_will(&will);
            } else {
                let due = self.now + u64::from(will.delay.min(expiry)) * 1_000_000;
                self.sessions[session].will = Some((due, will));
            }
        }
        if expiry == 0 {
            self.end_session(session);
        } else {
            let at = if expiry == NEVER { Micros::MAX } else { self.now + u64::from(expiry) * 1_000_000 };
            let own = &mut self.sessions[session];
            // No CONNACK said whether this is still the session before it.
            let least = own.expires.map_or(at, |(least, _)| least.min(at));
            own.expires = (least < Micros::MAX).then_some((least, at));
        }
    }

    pub(super) fn end_session(&mut self, session: usize) {
        let own = &mut self.sessions[session];
        let (client, will, is_stored) = (own.client.clone(), own.will.take(), own.is_stored);
        if self.present.get(&client) != Some(&session) {
            return;
        }
        self.present.remove(&client);
        if is_stored {
            self.ghosts.entry(client).or_default().push(session);
        }
        let mut shares = std::mem::take(&mut self.shares);
        for share in shares.iter_mut().filter(|share| share.members.contains(&session)) {
            share.member_ended = true;
            // It goes to one of those who are members now.
            let is_member = |session: &&usize| {
                let fact = self.sessions[**session].subscriptions.get(&share.filter);
                fact.is_some_and(|fact| fact.now().is_some())
            };
            share.members.extend(self.present.values().filter(is_member));
            // [MQTT-4.8.2-5] a QoS 2 message may have arrived, so it goes to no other member.
            if share.taken == Some(session) && share.qos == 1 {
                share.taken = None;
            }
            // Whoever gets it may have no room.
            self.crowded |= share.taken.is_none();
        }
        self.shares = shares;
        if let Some((_, will)) = will {
            self.publish_will(&will);
        }
    }

    fn subscribe(&mut self, serial: u64, packet_id: u16, filters: &[(String, u8)]) {
        let Some(session) = self.session_of(serial) else { return };
        let mut asked = vec![];
        for (filter, options) in filters {
            let change = self.change();
            let known = &mut self.sessions[session].subscriptions;
            let fact = known.entry(filter.clone()).or_insert_with(|| Fact::new(None));
            let is_new = fact.now().is_none();
            fact.set(change, Some((*options, 0)));
            asked.push((filter.clone(), change));
            let sends = match options >> 4 & 3 {
                0 => true,
                1 => is_new,
                _ => false,
            };
            if sends && !filter.starts_with("$share/") {
                self.replay(session, filter, options & 3);
            }
        }
        self.connections.get_mut(&serial).expect("just seen").asked.insert(packet_id, asked);
    }

    /// Retained messages for a new subscription.
    fn replay(&mut self, session: usize, filter: &str, qos: u8) {
        let matching = self.retained.iter().filter(|(topic, _)| matches(filter, topic));
        let numbers: Vec<u32> = matching.filter_map(|(_, fact)| *fact.now()).collect();
        for number in numbers {
            let message = &self.published[&number];
            if message.expires.is_some_and(|at| at <= self.now) {
                continue;
            }
            let qos = qos.min(message.qos);
            self.sessions[session].owed.push(Owed::new(number, qos, true, Kind::Replay));
        }
    }

    fn unsubscribe(&mut self, serial: u64, packet_id: u16, filters: &[String]) {
        let Some(session) = self.session_of(serial) else { return };
        let mut asked = vec![];
        for filter in filters {
            let change = self.change();
            if let Some(fact) = self.sessions[session].subscriptions.get_mut(filter) {
                fact.set(change, None);
                asked.push((filter.clone(), change));
            }
        }
        self.connections.get_mut(&serial).expect("just seen").asked.insert(packet_id, asked);
    }

    /// SUBACK or UNSUBACK left.
    pub(super) fn confirmed(&mut self, serial: u64, packet_id: u16) {
        let Some(connection) = self.connections.get_mut(&serial) else { return };
        let session = connection.session;
        let Some(asked) = connection.asked.remove(&packet_id) else {
            return self.breaks(format!("SUBACK or UNSUBACK {packet_id} of nothing that was asked"));
        };
        let own = &mut self.sessions[session];
        own.is_certain = true;
        for (filter, change) in asked {
            if let Some(fact) = own.subscriptions.get_mut(&filter) {
                fact.confirm(change);
            }
        }
        let client = own.client.clone();
        self.ghosts.remove(&client);
    }

    /// A client takes an acknowledgement back to the broker.
    fn acknowledge(&mut self, serial: u64, kind: wire::Kind, packet_id: u16) {
        let Some(session) = self.session_of(serial) else { return };
        let own = &mut self.sessions[session];
        if kind == wire::Kind::Pubrel {
            own.incoming.remove(&packet_id);
            return;
        }
        let under_way = |owed: &&mut Owed| owed.on == Some(serial) && owed.packet_id == packet_id;
        let mut under_way = own.owed.iter_mut().filter(under_way);
        let next = match kind {
            wire::Kind::Puback => (State::Sent, State::Done),
            wire::Kind::Pubrec => (State::Sent, State::Received),
            _ => (State::Received, State::Done),
        };
        if let Some(owed) = under_way.find(|owed| owed.state == next.0) {
            owed.state = next.1;
        }
    }
}

/// The earlier of two times, if there is one.
pub(super) fn sooner(one: Option<Micros>, other: Option<Micros>) -> Option<Micros> {
    one.into_iter().chain(other).min()
}

/// Whether a topic filter matches a topic name, level by level.
pub(super) fn matches(filter: &str, topic: &str) -> bool {
    let (mut filter, mut topic) = (filter.split('/'), topic.split('/'));
    loop {
        match (filter.next(), topic.next()) {
            (Some("#"), _) => return true,
            (Some("+"), Some(_)) => {}
            (Some(one), Some(other)) if one == other => {}
            (None, None) => return true,
            _ => return false,
        }
    }
}
