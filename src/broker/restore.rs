//! From what the store remembers to a broker that goes on where the last one stopped.

use super::blocks::Blocks;
use super::change::{Memory, Receiver, Run, SessionState};
use super::group::OpenGroup;
use super::ids::{MessageId, SessionKey, SessionNumber};
use super::index::Index;
use super::listeners::Listeners;
use super::retained::Owner;
use super::session::{Session, Sessions};
use super::subscriptions::{Subscriber, Subscriptions};
use super::timers::{Timer, Timers};
use super::{Broker, Counters, StoreSide};
use crate::base::Moment;
use crate::base::limits::{BLOCK_MESSAGES, Limits};
use crate::mqtt::PacketId;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

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
            damage: memory.damage.clone(),
            mortal: vec![],
            connections: vec![],
            connected: 0,
            own_connected: 0,
            strangers: super::Strangers::default(),
            too_narrow: vec![],
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
            store: StoreSide { inflight: memory.inflight.max(limits.inflight), ..StoreSide::new(&memory) },
            orphans: super::Orphans::default(),
            counters: Counters::default(),
            loads: super::Loads::default(),
            scratch: None,
        };
        let restored = broker.remember(now, memory);
        broker.timers.set(now, Timer::Sys);
        (broker, restored)
    }

    fn remember(&mut self, now: Moment, mut memory: Memory) -> Restored {
        let keys = self.remember_sessions(&mut memory);
        for message in std::mem::take(&mut memory.retained) {
            let message = Arc::new(message);
            if message.expires.is_some() {
                self.mortal.push(message.clone());
            }
            self.retained.set(message, Owner::Client);
        }
        let queued = self.remember_queues(now, &memory, &keys);
        self.remember_times(now, memory, &keys);
        Restored {
            sessions: keys.len(),
            subscriptions: self.subscriptions.count(),
            retained: self.retained.len(),
            queued,
        }
    }

    /// The time of sessions whose client was away goes on; for the others it begins now. Wills that waited go on waiting.
    fn remember_times(&mut self, now: Moment, memory: Memory, keys: &Keys) {
        for (number, due, will) in memory.wills {
            let Some(&key) = keys.get(&number) else { continue };
            let rare = self.sessions.at_mut(key).rare();
            (rare.will, rare.will_due, rare.is_will_kept) = (Some(Box::new(will)), Some(due), true);
            self.timers.set(due.max(now), Timer::Session(key, number));
        }
        for (number, ends) in memory.ends {
            let Some(&key) = keys.get(&number) else { continue };
            let rare = self.sessions.at_mut(key).rare();
            (rare.expires, rare.is_away_kept) = (Some(ends), true);
            self.timers.set(ends.max(now), Timer::Session(key, number));
        }
        for (&number, &key) in keys {
            let session = self.sessions.at_mut(key);
            let expiry = session.expiry;
            if session.rare.as_ref().is_none_or(|rare| rare.expires.is_none()) {
                self.start_expiry(now, key, number, expiry);
            }
            if self.sessions.is_there(key)
                && let Some(rare) = &mut self.sessions.at_mut(key).rare
            {
                rare.is_restored = true;
            }
        }
    }

    /// It became known how long the gateway was off: what was counting then ran on.
    pub(super) fn slept(&mut self, length: Duration) {
        for key in self.sessions.keys() {
            let session = self.sessions.at_mut(key);
            let number = session.number;
            if let Some(outgoing) = &mut session.outgoing {
                outgoing.age(length, self.store.first_of_run);
            }
            let Some(rare) = session.rare.as_mut().filter(|rare| rare.is_restored) else { continue };
            for at in [&mut rare.expires, &mut rare.will_due].into_iter().flatten() {
                *at = at.earlier_by(length);
                self.timers.set(*at, Timer::Session(key, number));
            }
        }
        for message in std::mem::take(&mut self.mortal) {
            // Unless it was replaced since the start.
            if self.retained.find(message.topic()).is_some_and(|now| Arc::ptr_eq(now, &message)) {
                self.retained.set(Arc::new(message.aged(length)), Owner::Client);
            }
        }
    }

    fn remember_sessions(&mut self, memory: &mut Memory) -> Keys {
        let mut keys = BTreeMap::new();
        for (number, client_id, expiry) in std::mem::take(&mut memory.sessions) {
            // Stored also where it was to end with a connection that the restart cut off.
            let session = Session { is_stored: true, ..Session::new(client_id, number, expiry) };
            let key = self.sessions.insert(session);
            keys.insert(number, key);
        }
        for (number, filter, options, identifier) in std::mem::take(&mut memory.subscriptions) {
            let Some(&session) = keys.get(&number) else { continue };
            let (id, _) = self.subscriptions.insert(&filter, Subscriber { session, options, identifier });
            let session = self.sessions.at_mut(session);
            session.has_identifiers |= identifier != 0;
            session.subscriptions.push(id);
        }
        keys
    }

    /// Enters everything that waits; tells how many messages that is, counted once for each receiver.
    fn remember_queues(&mut self, now: Moment, memory: &Memory, keys: &Keys) -> usize {
        let states = latest_states(memory, keys);
        for (&number, &key) in keys {
            if let Some((row, state)) = states.get(&number) {
                let rare = self.sessions.at_mut(key).rare();
                rare.state_row = *row;
                rare.incoming = state.incoming.iter().copied().collect();
                if *row != MessageId::NONE {
                    self.store.index.tell(key, number);
                }
            }
        }
        self.remember_rows(&memory.states, &states);
        let mut queued = 0;
        for run in &memory.runs {
            queued += self.remember_run(run, keys, &states);
        }
        for &key in keys.values() {
            if let Some(outgoing) = &mut self.sessions.at_mut(key).outgoing {
                outgoing.mark_indexed();
            }
        }
        for (id, size, receivers) in &memory.messages {
            queued += self.remember_message(*id, *size, receivers, keys, &states);
        }
        if memory.first_row != MessageId::NONE {
            self.store.blocks.find_gaps(memory.first_row, self.store.open.next_message());
            self.store.open.forget_later(now);
        }
        queued
    }

    /// Counts the rows of states that hold for someone.
    fn remember_rows(&mut self, rows: &[(MessageId, Vec<SessionState>)], latest: &States<'_>) {
        for (row, states) in rows {
            let holds = |state: &&SessionState| latest.get(&state.session).is_some_and(|(latest, _)| latest == row);
            let sessions = states.iter().filter(holds).count() as u32;
            if sessions > 0 {
                self.store.blocks.add_row(*row, sessions);
            }
            self.store.index.add_row(0);
        }
    }

    /// Enters the messages of an index run; tells how many are still wanted.
    fn remember_run(&mut self, run: &Run, keys: &Keys, states: &States<'_>) -> usize {
        let first_block = run.since.0 / BLOCK_MESSAGES;
        let (first, inflight) = (self.first_packet_id(), usize::from(self.store.inflight));
        // Counted here first: a look into the table of blocks for each message would take longer than all the rest.
        let mut live = vec![0_u32; (run.upto.0 / BLOCK_MESSAGES - first_block + 1) as usize];
        let mut queued = 0;
        for segment in &run.segments {
            let Some(&key) = keys.get(&segment.session) else { continue };
            let state = states.get(&segment.session).map(|(_, state)| *state);
            let session = self.sessions.at_mut(key);
            let is_first = session.outgoing.is_none();
            let outgoing = session.outgoing(first);
            if is_first && let Some(state) = state {
                outgoing.resume(state);
            }
            outgoing.remember_all(segment, run.since, state, inflight, |id| {
                queued += 1;
                if let Some(count) = live.get_mut((id.0 / BLOCK_MESSAGES - first_block) as usize) {
                    *count += 1;
                }
            });
        }
        self.store.blocks.restore(first_block, &live);
        queued
    }

    /// Enters a stored message into the queues of its receivers; tells how many still want it.
    fn remember_message(
        &mut self,
        id: MessageId,
        size: u32,
        receivers: &[Receiver],
        keys: &Keys,
        states: &States<'_>,
    ) -> usize {
        self.store.index.add_row(size as usize);
        let mut live = 0;
        for receiver in receivers {
            let Some(&key) = keys.get(&receiver.session) else { continue };
            let state = states.get(&receiver.session).map(|(_, state)| *state);
            if self.enter_remembered(key, state, id, size, Some(receiver.packet_id.next())) {
                live += 1;
                if self.sessions.at_mut(key).outgoing.as_mut().is_some_and(|outgoing| outgoing.touch()) {
                    self.store.index.touch(key, receiver.session);
                }
            }
        }
        live
    }

    /// Enters a stored message into one queue, unless that session is done with it.
    fn enter_remembered(
        &mut self,
        key: SessionKey,
        state: Option<&SessionState>,
        id: MessageId,
        size: u32,
        next: Option<PacketId>,
    ) -> bool {
        if state.is_some_and(|state| state.is_done(id)) {
            return false;
        }
        let (first, inflight) = (self.first_packet_id(), usize::from(self.store.inflight));
        let session = self.sessions.at_mut(key);
        let is_first = session.outgoing.is_none();
        let outgoing = session.outgoing(first);
        if is_first && let Some(state) = state {
            outgoing.resume(state);
        }
        outgoing.remember(id, size, inflight, next);
        self.store.blocks.add(id, 1);
        true
    }
}

impl StoreSide {
    fn new(memory: &Memory) -> StoreSide {
        StoreSide {
            open: OpenGroup::new(MessageId(memory.next_message.0.max(1))),
            is_writing: false,
            writing_since: Moment::START,
            failed: None,
            fault: None,
            failures: 0,
            blocks: Blocks::default(),
            index: Index::new(memory.runs.last().map_or(MessageId::NONE, |run| run.upto)),
            completed: 0,
            sweep: None,
            first_of_run: memory.next_message,
            inflight: memory.inflight,
            dirty_sessions: vec![],
            waiting: vec![],
            dirty_retained: std::collections::BTreeSet::new(),
            unsettled: super::unsettled::Unsettled::default(),
            stopping: false,
        }
    }
}

type Keys = BTreeMap<SessionNumber, SessionKey>;

/// The latest state of each session and the row it lies in, or [`MessageId::NONE`] for one in an index run.
type States<'a> = BTreeMap<SessionNumber, (MessageId, &'a SessionState)>;

/// The latest state of every session that is there.
fn latest_states<'a>(memory: &'a Memory, keys: &Keys) -> States<'a> {
    let mut latest = BTreeMap::new();
    let runs = memory.runs.iter().map(|run| (MessageId::NONE, &run.states));
    let rows = memory.states.iter().map(|(row, states)| (*row, states));
    for (row, states) in runs.chain(rows) {
        for state in states.iter().filter(|state| keys.contains_key(&state.session)) {
            latest.insert(state.session, (row, state));
        }
    }
    latest
}
