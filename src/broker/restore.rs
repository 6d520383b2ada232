//! From what the store remembers to a broker that goes on where the last one stopped.

use super::blocks::Blocks;
use super::change::{Memory, Receiver, SessionState};
use super::group::OpenGroup;
use super::ids::{MessageId, SessionKey, SessionNumber};
use super::listeners::Listeners;
use super::outgoing::{Entry, Progress};
use super::retained::Owner;
use super::session::{Session, Sessions};
use super::subscriptions::{FilterId, Subscriber, Subscriptions};
use super::timers::{Timer, Timers};
use super::{Broker, Counters, StoreSide};
use crate::base::Moment;
use crate::base::limits::Limits;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a restart found, for the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Restored {
    /// Sessions.
    pub sessions: usize,
    /// Subscriptions.
    pub subscriptions: usize,
    /// Retained messages.
    pub retained: usize,
    /// Messages on their way to sessions, counted once for each receiver.
    pub queued: usize,
}

impl Broker {
    /// A broker that goes on with what the store remembers.
    pub fn restore(limits: Limits, now: Moment, memory: Memory) -> (Broker, Restored) {
        let mut broker = Broker {
            limits,
            boots: memory.boots,
            connections: vec![],
            connected: 0,
            listeners: Listeners::default(),
            generation: 0,
            sessions: Sessions::default(),
            next_session: SessionNumber(memory.next_session.0.max(1)),
            subscriptions: Subscriptions::default(),
            retained: super::Retained::default(),
            outboxes: super::Outboxes::default(),
            timers: Timers::default(),
            outputs: std::collections::VecDeque::new(),
            replaying: vec![],
            access: None,
            authenticating: 0,
            store: StoreSide::new(MessageId(memory.next_message.0.max(1))),
            counters: Counters::default(),
            loads: super::Loads::default(),
            scratch: super::Scratch::default(),
        };
        let restored = broker.remember(now, memory);
        broker.timers.set(now, Timer::Sys);
        (broker, restored)
    }

    fn remember(&mut self, now: Moment, memory: Memory) -> Restored {
        let mut keys = BTreeMap::new();
        for (number, client_id, expiry) in memory.sessions {
            // Stored also where it was to end with a connection that the restart cut off.
            let session = Session { is_stored: true, ..Session::new(client_id, number, expiry) };
            let key = self.sessions.insert(session);
            keys.insert(number, key);
        }
        for (number, filter, options, identifier) in memory.subscriptions {
            let Some(&session) = keys.get(&number) else { continue };
            let (id, _) = self.subscriptions.insert(&filter, Subscriber { session, options, identifier });
            let session = self.sessions.at_mut(session);
            session.has_identifiers |= identifier != 0;
            session.subscriptions.push(id);
        }
        for message in memory.retained {
            self.retained.set(Arc::new(message), Owner::Client);
        }
        let states = latest_states(&memory.states, &keys);
        self.remember_rows(&memory.states, &states);
        let mut queued = 0;
        for (id, size, receivers) in &memory.messages {
            queued += self.remember_message(*id, *size, receivers, &keys, &states);
        }
        for (&number, &key) in &keys {
            if let Some((row, state)) = states.get(&number) {
                let rare = self.sessions.at_mut(key).rare();
                rare.state_row = *row;
                rare.incoming = state.incoming.iter().copied().collect();
            }
            // How long the gateway was off is not known: the session gets its whole time again.
            let expiry = self.sessions.at(key).expiry;
            self.start_expiry(now, key, number, expiry);
        }
        Restored {
            sessions: keys.len(),
            subscriptions: self.subscriptions.count(),
            retained: self.retained.len(),
            queued,
        }
    }

    /// Counts the rows of states that hold for someone.
    fn remember_rows(&mut self, rows: &[(MessageId, Vec<SessionState>)], latest: &States<'_>) {
        for (row, states) in rows {
            let holds = |state: &&SessionState| latest.get(&state.session).is_some_and(|(latest, _)| latest == row);
            let sessions = states.iter().filter(holds).count() as u32;
            if sessions > 0 {
                self.store.blocks.add_row(*row, sessions);
            } else {
                self.store.blocks.note_rows(*row);
            }
        }
    }

    /// Enters a stored message into the rings of its receivers; tells how many still want it.
    fn remember_message(
        &mut self,
        id: MessageId,
        size: u32,
        receivers: &[Receiver],
        keys: &BTreeMap<SessionNumber, SessionKey>,
        states: &States<'_>,
    ) -> usize {
        let (first, inflight) = (self.first_packet_id(), usize::from(self.limits.inflight));
        let mut live = 0;
        for receiver in receivers {
            let Some(&key) = keys.get(&receiver.session) else { continue };
            let mut was_received = false;
            if let Some((_, state)) = states.get(&receiver.session) {
                if id < state.first || state.done.contains(&id) {
                    continue;
                }
                was_received = state.received.contains(&id);
            }
            let outgoing = self.sessions.at_mut(key).outgoing(first);
            let progress = match (was_received, outgoing.len() < inflight) {
                (true, _) => Progress::Received,
                // It may have been sent before the restart, so it is sent with DUP.
                (false, true) => Progress::Sent,
                (false, false) => Progress::Waiting,
            };
            let &Receiver { packet_id, qos, retain, .. } = receiver;
            let share = FilterId::NONE;
            outgoing.restore(Entry { message: id, body: None, size, packet_id, qos, retain, progress, share });
            live += 1;
        }
        if live > 0 {
            self.store.blocks.add(id, live);
        } else {
            self.store.blocks.note_rows(id);
        }
        live as usize
    }
}

impl StoreSide {
    fn new(next_message: MessageId) -> StoreSide {
        StoreSide {
            open: OpenGroup::new(next_message),
            is_writing: false,
            failed: None,
            fault: None,
            failures: 0,
            blocks: Blocks::default(),
            dirty_sessions: vec![],
            waiting: vec![],
            dirty_retained: std::collections::BTreeSet::new(),
            unsettled: super::unsettled::Unsettled::default(),
            stopping: false,
        }
    }
}

type States<'a> = BTreeMap<SessionNumber, (MessageId, &'a SessionState)>;

/// The latest state of every session that is there.
fn latest_states<'a>(
    rows: &'a [(MessageId, Vec<SessionState>)],
    keys: &BTreeMap<SessionNumber, SessionKey>,
) -> States<'a> {
    let mut latest = BTreeMap::new();
    for (row, states) in rows {
        for state in states.iter().filter(|state| keys.contains_key(&state.session)) {
            latest.insert(state.session, (*row, state));
        }
    }
    latest
}
