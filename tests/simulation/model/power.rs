//! What a power cut may do.

use super::super::card::{Found, Sessions};
use super::session::sooner;
use super::{Connection, Kind, Micros, Model, State};
use std::collections::BTreeMap;

impl Connection {
    /// Whether CONNACK left and nothing holds the rest back.
    pub(super) fn is_ready(&self) -> bool {
        self.is_open && self.is_welcome
    }
}

impl Model {
    /// The power was cut, and this is what lies on the card.
    pub fn cut(&mut self, sessions: &Sessions, retained: &BTreeMap<String, Vec<u8>>, now: Micros) {
        (self.now, self.is_off) = (now, true);
        for connection in self.connections.values_mut() {
            (connection.is_open, connection.will) = (false, None);
            connection.publishing.clear();
        }
        self.cut_sessions(sessions);
        self.cut_retained(retained);
        for session in 0..self.sessions.len() {
            self.cut_messages(session);
        }
        for share in &mut self.shares {
            share.may_vanish |= !share.is_promised;
        }
    }

    fn cut_sessions(&mut self, found: &Sessions) {
        let mut known: Vec<String> = self.present.keys().chain(self.ghosts.keys()).cloned().collect();
        known.sort_unstable();
        known.dedup();
        for client in found.keys().filter(|client| !known.contains(client)) {
            self.broken.push(format!("a session of {client} is on the card, which it never had"));
        }
        for client in known {
            let present = self.present.get(&client).copied();
            let ghosts = self.ghosts.remove(&client).unwrap_or_default();
            match (present, found.get(&client)) {
                (None, None) => {}
                (Some(session), None) => {
                    let own = &self.sessions[session];
                    if own.is_certain && own.is_stored && !self.is_doubtful(session) {
                        self.breaks(format!("the session of {client} did not survive a power cut"));
                    }
                    self.gone(session);
                }
                (Some(session), Some(found)) if ghosts.is_empty() && !self.is_doubtful(session) => {
                    self.cut_session(&client, session, found);
                }
                (_, Some(found)) => self.back_from_the_dead(&client, present, &ghosts, found),
            }
            self.loses_connection(&client, found.get(&client).and_then(|found| found.will.as_ref()));
        }
    }

    /// Whether an earlier power cut left it open if the session is expired.
    pub(super) fn is_doubtful(&self, session: usize) -> bool {
        self.sessions[session].expires.is_some_and(|(least, _)| least <= self.now)
    }

    fn cut_session(&mut self, client: &str, session: usize, found: &Found) {
        let own = &mut self.sessions[session];
        for (filter, fact) in &mut own.subscriptions {
            if !fact.found(found.subscriptions.get(filter).copied()) {
                self.broken.push(format!("{client}: {filter} is {:?} after a power cut", fact.now()));
            }
        }
        let invented = found.subscriptions.keys().filter(|filter| !own.subscriptions.contains_key(*filter));
        self.broken.extend(invented.map(|filter| format!("{client} never subscribed to {filter}")));
        own.incoming = found.incoming.iter().copied().collect();
    }

    fn gone(&mut self, session: usize) {
        let own = &mut self.sessions[session];
        (own.connection, own.will) = (None, None);
        let client = own.client.clone();
        self.present.remove(&client);
        for share in self.shares.iter_mut().filter(|share| share.members.contains(&session)) {
            share.member_ended = true;
        }
    }

    /// The session on the card may be one that ended and was not forgotten in time, or the one after it.
    fn back_from_the_dead(&mut self, client: &str, present: Option<usize>, ghosts: &[usize], found: &Found) {
        let all: Vec<usize> = ghosts.iter().copied().chain(present).collect();
        let mut merged = self.sessions[*all.last().expect("one of them")].clone();
        (merged.is_certain, merged.is_stored) = (false, true);
        merged.expiries = all.iter().flat_map(|&session| self.sessions[session].expiries.clone()).collect();
        merged.incoming = found.incoming.iter().copied().collect();
        merged.subscriptions.clear();
        for (filter, subscription) in &found.subscriptions {
            let fact = super::super::fact::Fact::new(Some(*subscription));
            merged.subscriptions.insert(filter.clone(), fact);
        }
        let owed = all.iter().flat_map(|&session| self.sessions[session].owed.clone());
        merged.owed = owed.collect();
        for owed in &mut merged.owed {
            (owed.may_vanish, owed.may_repeat) = (true, true);
            if owed.kind != Kind::Replay {
                owed.kind = Kind::Ghost;
            }
        }
        let ends = |session: &usize| {
            let own = &self.sessions[*session];
            sooner(own.expires.map(|(least, _)| least), own.unconfirmed_expiry)
        };
        merged.unconfirmed_expiry = all.iter().filter_map(ends).min();
        merged.order.clear();
        merged.got.clear();
        self.sessions.push(merged);
        let session = self.sessions.len() - 1;
        for share in self.shares.iter_mut().filter(|share| all.iter().any(|one| share.members.contains(one))) {
            share.members.push(session);
        }
        self.present.insert(client.to_owned(), session);
    }

    fn loses_connection(&mut self, client: &str, will: Option<&(Micros, Vec<u8>)>) {
        let Some(&session) = self.present.get(client) else { return };
        // A will that waited goes on waiting, if it is on the card.
        let will = will.and_then(|(due, payload)| Some((*due, String::from_utf8_lossy(payload).parse().ok()?)));
        let will = will.and_then(|(due, number)| Some((due, self.known_wills.get(&number)?.clone())));
        let own = &mut self.sessions[session];
        (own.connection, own.will) = (None, will);
        // While the power is off nothing expires.
        own.expired_before_cut = sooner(own.expires.take().map(|(least, _)| least), own.unconfirmed_expiry.take());
    }

    /// The power is back. A session lives at least as long as it would have, at most its whole time from now. Which
    /// of the times it was given lately is on the card, nobody can say.
    pub fn started(&mut self, now: Micros) {
        (self.now, self.is_off) = (now, false);
        let at = |seconds: u32| if seconds == u32::MAX { None } else { Some(now + u64::from(seconds) * 1_000_000) };
        for session in self.present.values() {
            let own = &mut self.sessions[*session];
            let shortest = own.expiries.iter().copied().min().unwrap_or(0);
            let longest = own.expiries.iter().copied().max().unwrap_or(0);
            own.expires = at(shortest).map(|shortest| {
                let least = own.expired_before_cut.map_or(shortest, |least| least.min(shortest));
                (least, at(longest).unwrap_or(Micros::MAX))
            });
        }
    }

    fn cut_retained(&mut self, found: &BTreeMap<String, Vec<u8>>) {
        for topic in found.keys().filter(|topic| !self.retained.contains_key(*topic)) {
            self.broken.push(format!("{topic} is retained, which never was"));
        }
        for (topic, fact) in &mut self.retained {
            let payload = found.get(topic).map(|payload| String::from_utf8_lossy(payload).parse().unwrap_or(0));
            let was = *fact.now();
            if !fact.found(payload) {
                self.broken.push(format!("{topic} retains {payload:?} after a power cut, before it was {was:?}"));
            }
        }
    }

    fn cut_messages(&mut self, session: usize) {
        let own = &mut self.sessions[session];
        own.owed.retain(|owed| owed.qos > 0 || owed.was_sent);
        for owed in &mut own.owed {
            owed.was_cut = true;
            owed.may_vanish |= owed.kind == Kind::Replay || !owed.is_promised;
            owed.may_repeat |= matches!(owed.state, State::Received | State::Done) && owed.qos > 0;
        }
    }
}
