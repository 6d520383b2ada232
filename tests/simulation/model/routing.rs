//! Who is to get a message, and what its answer promises.

use super::super::fact::Fact;
use super::session::matches;
use super::{Kind, Model, Owed, Published, Share, State, Will};
use crate::support::wire::{self, Message, id};
use std::collections::BTreeMap;

/// Publisher number of wills: they have no order among themselves.
const WILLS: usize = usize::MAX;

impl Owed {
    pub(super) fn new(number: u32, qos: u8, retain: bool, kind: Kind) -> Self {
        Self {
            number,
            qos,
            retain,
            kind,
            state: State::Waiting,
            packet_id: 0,
            on: None,
            was_sent: false,
            may_vanish: false,
            is_promised: false,
            may_repeat: false,
            place: 0,
            was_cut: false,
            is_repeated: false,
        }
    }
}

impl Model {
    pub(super) fn publish(&mut self, serial: u64, publisher: usize, message: &Message, number: u32) {
        let Some(session) = self.session_of(serial) else { return };
        let connection = self.connections.get_mut(&serial).expect("just seen");
        if message.qos > 0 {
            connection.publishing.insert(message.packet_id, number);
        }
        if message.qos == 2 && !self.sessions[session].incoming.insert(message.packet_id) {
            // It is only answered again.
            return;
        }
        self.route(Some(session), publisher, message, number);
    }

    pub(super) fn publish_will(&mut self, will: &Will) {
        self.route(None, WILLS, &will.message, will.number);
        self.wills.push(will.number);
    }

    fn route(&mut self, session: Option<usize>, publisher: usize, message: &Message, number: u32) {
        let expiry = message.properties.find_number(id::MESSAGE_EXPIRY);
        let expires = expiry.map(|seconds| self.now + u64::from(seconds) * 1_000_000);
        let targets = self.targets(session, message);
        let shares = self.shares_of(message);
        let readers =
            targets.iter().map(|(session, _, _)| session).chain(shares.iter().flat_map(|(_, members)| members));
        // A session of which a power cut left it open whether it is expired may be no reader.
        let has_readers = readers.copied().any(|session| !self.is_doubtful(session));
        let expires_before = self.published.get(&number).map_or(expires, |known| known.expires);
        self.published.insert(
            number,
            Published {
                publisher,
                topic: message.topic.clone(),
                qos: message.qos,
                is_empty: message.payload.is_empty(),
                expires,
                expires_before,
                has_readers,
                retained: None,
            },
        );
        self.retain(message, number);
        for owed in self.owed_of(number) {
            owed.is_repeated = true;
        }
        for share in self.shares.iter_mut().filter(|share| share.number == number) {
            share.is_repeated = true;
        }
        let place = self.change();
        for (reader, qos, retain) in targets {
            let is_connected = self.sessions[reader].connection.is_some();
            if qos > 0 || is_connected {
                let owed = Owed::new(number, qos, retain, Kind::Live);
                self.sessions[reader].owed.push(Owed { place, ..owed });
            }
            self.crowded |= self.waiting(reader) >= self.bounds.queue;
        }
        for (filter, members) in shares {
            let qos = message.qos;
            self.crowded |= members.iter().any(|member| self.waiting(*member) + 1 >= self.bounds.queue);
            let (taken, may_vanish) = (None, qos == 0);
            self.shares.push(Share {
                number,
                filter,
                qos,
                members,
                taken,
                member_ended: false,
                may_vanish,
                is_promised: false,
                is_repeated: false,
            });
        }
    }

    /// Messages that may wait for a session.
    pub(super) fn waiting(&self, session: usize) -> usize {
        let own = self.sessions[session]
            .owed
            .iter()
            .filter(|owed| owed.qos > 0 && (owed.state != State::Done || owed.may_repeat));
        let shared = self.shares.iter().filter(|share| share.taken.is_none() && share.members.contains(&session));
        own.count() + shared.count()
    }

    fn retain(&mut self, message: &Message, number: u32) {
        if !message.retain {
            return;
        }
        let change = self.change();
        let value = if message.payload.is_empty() {
            self.cleared.insert(message.topic.clone());
            None
        } else {
            Some(number)
        };
        self.retained.entry(message.topic.clone()).or_insert_with(|| Fact::new(None)).set(change, value);
        self.published.get_mut(&number).expect("just published").retained = Some(change);
    }

    /// The sessions that get a message by subscriptions of their own: QoS and retain flag of the delivery.
    fn targets(&self, publisher: Option<usize>, message: &Message) -> Vec<(usize, u8, bool)> {
        let mut targets = vec![];
        for &session in self.present.values() {
            let subscriptions = self.sessions[session].subscriptions.iter();
            let matching = subscriptions.filter(|(filter, _)| matches(filter, &message.topic));
            let options = matching.filter_map(|(_, fact)| *fact.now()).map(|(options, _)| options);
            // No Local: not to the one who published it.
            let options: Vec<u8> = options.filter(|one| one & 4 == 0 || publisher != Some(session)).collect();
            if let Some(qos) = options.iter().map(|one| one & 3).max() {
                let as_published = options.iter().any(|one| one & 8 != 0);
                targets.push((session, qos.min(message.qos), as_published && message.retain));
            }
        }
        targets
    }

    /// The members of each shared subscription that matches.
    fn shares_of(&self, message: &Message) -> Vec<(String, Vec<usize>)> {
        let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for &session in self.present.values() {
            for (filter, fact) in &self.sessions[session].subscriptions {
                let shared = filter.strip_prefix("$share/").and_then(|rest| rest.split_once('/'));
                if let (Some((_, inner)), Some(_)) = (shared, fact.now())
                    && matches(inner, &message.topic)
                {
                    groups.entry(filter.clone()).or_default().push(session);
                }
            }
        }
        groups.into_iter().collect()
    }

    /// PUBACK, PUBREC or PUBCOMP left for a publisher.
    pub(super) fn answered(&mut self, serial: u64, kind: wire::Kind, packet_id: u16, reason: u8) {
        let Some(connection) = self.connections.get_mut(&serial) else { return };
        let session = connection.session;
        if kind == wire::Kind::Pubcomp {
            return;
        }
        let Some(number) = connection.publishing.remove(&packet_id) else {
            return self.breaks(format!("{kind:?} {packet_id} of nothing that was published"));
        };
        if reason >= 0x80 {
            return self.refused(session, packet_id, number);
        }
        if reason == 0x10 && self.published[&number].has_readers {
            self.breaks(format!("{number} was said to have no readers"));
        }
        let retained = self.published[&number].retained;
        let topic = self.published[&number].topic.clone();
        if let (Some(change), Some(fact)) = (retained, self.retained.get_mut(&topic)) {
            fact.confirm(change);
        }
        if kind == wire::Kind::Pubrec {
            let own = &mut self.sessions[session];
            own.is_certain = true;
            let client = own.client.clone();
            self.ghosts.remove(&client);
        }
        self.is_promised(number);
    }

    /// What sessions are to get of a message, leaving out what came before the publisher sent it again.
    fn owed_of(&mut self, number: u32) -> impl Iterator<Item = &mut Owed> {
        let all = self.sessions.iter_mut().flat_map(|session| &mut session.owed);
        all.filter(move |owed| owed.number == number && !owed.is_repeated)
    }

    /// From now on everybody who is to get it must get it.
    fn is_promised(&mut self, number: u32) {
        for owed in self.owed_of(number) {
            owed.may_vanish &= matches!(owed.kind, Kind::Replay | Kind::Ghost);
            owed.is_promised = true;
        }
        for share in self.shares.iter_mut().filter(|share| share.number == number && !share.is_repeated) {
            (share.may_vanish, share.is_promised) = (false, true);
        }
    }

    /// The broker is going to close the connection rather than confirm a message, as before 5.0.
    pub fn refused_silently(&mut self, serial: u64, packet_id: u16) {
        let Some(connection) = self.connections.get_mut(&serial) else { return };
        let session = connection.session;
        connection.is_refused = true;
        if let Some(number) = connection.publishing.remove(&packet_id) {
            self.refused(session, packet_id, number);
        }
    }

    fn refused(&mut self, session: usize, packet_id: u16, number: u32) {
        self.sessions[session].incoming.remove(&packet_id);
        self.take_back(number);
    }

    /// The broker did not take a message.
    fn take_back(&mut self, number: u32) {
        for session in &mut self.sessions {
            session.owed.retain(|owed| owed.number != number || owed.is_repeated);
        }
        self.shares.retain(|share| share.number != number || share.is_repeated);
        let published = self.published.get_mut(&number).expect("it was published");
        published.expires = published.expires_before;
        if let (Some(fact), Some(change)) = (self.retained.get_mut(&published.topic), published.retained) {
            fact.undo(change);
        }
    }

    /// The publisher was not answered: it may arrive or not.
    pub(super) fn nobody_knows(&mut self, number: u32) {
        for owed in self.owed_of(number) {
            owed.may_vanish = true;
        }
        for share in self.shares.iter_mut().filter(|share| share.number == number && !share.is_repeated) {
            share.may_vanish = true;
        }
    }

    /// The gateway refused messages of its own in this step: wills that a full queue or card has no room for.
    pub fn wills_refused(&mut self) {
        for number in std::mem::take(&mut self.wills) {
            self.take_back(number);
        }
    }
}
