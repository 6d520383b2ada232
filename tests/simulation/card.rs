//! The card: a store in memory that does one thing after the other, slowly, sometimes not at all, and that keeps
//! through a power cut what was flushed.

use super::mutant::Mutant;
use crate::support::random::Random;
use gatehouse::broker::change::{Change, Memory, Run};
use gatehouse::broker::group::Group;
use gatehouse::broker::message::{Message, Parts};
use gatehouse::broker::{Found as Loaded, MessageId, SessionKey, SessionNumber, StoreFault, Stored};
use gatehouse::mqtt::packet::SubscriptionOptions;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Something the card was asked for.
#[derive(Debug)]
pub enum Job {
    Commit(Box<Group>),
    Load { session: SessionKey, number: SessionNumber, messages: Vec<MessageId> },
}

/// How the card is just now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mood {
    Well,
    /// Every job takes seconds.
    Stalls,
    /// Every job fails.
    Fails(StoreFault),
}

/// What a subscription says, for comparison.
pub type Subscription = (u8, u32);

/// What the card holds of a session.
#[derive(Debug)]
pub struct Found {
    /// By filter.
    pub subscriptions: BTreeMap<String, Subscription>,
    /// QoS 2 identifiers received and not released.
    pub incoming: Vec<u16>,
    /// When a will that waits is due, and its payload.
    pub will: Option<(u64, Vec<u8>)>,
}

/// Sessions on the card, by client.
pub type Sessions = BTreeMap<String, Found>;

#[derive(Debug)]
pub struct Card {
    pub mood: Mood,
    pub jobs: VecDeque<Job>,
    mutant: Option<Mutant>,
    random: Random,
    memory: Memory,
    bodies: BTreeMap<MessageId, Arc<Message>>,
    /// What was there before the last group, for the mutant that confirms too early.
    before: Option<(Memory, BTreeMap<MessageId, Arc<Message>>)>,
}

impl Card {
    pub fn new(mutant: Option<Mutant>, random: Random) -> Self {
        let memory = Memory::default();
        let (mood, jobs) = (Mood::Well, VecDeque::new());
        Self { mood, jobs, mutant, random, memory, bodies: BTreeMap::new(), before: None }
    }

    pub fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    /// Makes a group safe.
    pub fn keep(&mut self, group: &Group) {
        if self.is(Mutant::AcknowledgesBeforeFlush) {
            self.before = Some((copy(&self.memory), self.bodies.clone()));
        }
        for change in &group.changes {
            self.change(change);
        }
        self.keep_messages(group);
        if !group.states.is_empty() && !self.is(Mutant::ForgetsStates) {
            self.memory.states.retain(|(row, _)| *row != group.state_row);
            self.memory.states.push((group.state_row, group.states.clone()));
            self.memory.next_message = self.memory.next_message.max(group.state_row.next());
        }
        if let Some(run) = &group.run {
            self.memory.runs.retain(|known| known.upto != run.upto);
            // A start numbers on behind what the index covers, whatever messages there are.
            self.memory.next_message = self.memory.next_message.max(run.upto.next());
            let segments = if self.is(Mutant::ForgetsRuns) { vec![] } else { run.segments.clone() };
            self.memory.runs.push(Run { segments, ..run.clone() });
        }
        for &(first, last) in &group.trash {
            let last = if self.is(Mutant::DeletesTooMuch) { MessageId(last.0 + 256) } else { last };
            let is_kept = |id: MessageId| id < first || id > last;
            self.memory.messages.retain(|(id, _, _)| is_kept(*id));
            self.memory.states.retain(|(id, _)| is_kept(*id));
            self.bodies.retain(|&id, _| is_kept(id));
        }
    }

    fn keep_messages(&mut self, group: &Group) {
        for (place, slot) in group.messages.iter().enumerate() {
            let Some(slot) = slot else { continue };
            let id = MessageId(group.first.0 + place as u64);
            self.memory.next_message = self.memory.next_message.max(id.next());
            if self.is(Mutant::ForgetsAMessage) && self.random.once_in(20) {
                continue;
            }
            let receivers = slot.receivers.as_slice().to_vec();
            // A group that failed may have been written all the same: it is written again.
            self.memory.messages.retain(|(known, _, _)| *known != id);
            self.memory.messages.push((id, slot.message.size() as u32, receivers));
            self.memory.messages.sort_by_key(|(id, _, _)| *id);
            self.bodies.insert(id, slot.message.clone());
        }
    }

    fn change(&mut self, change: &Change) {
        let forgets_subscriptions = self.is(Mutant::ForgetsSubscriptions);
        let keeps_cleared = self.is(Mutant::KeepsClearedRetained);
        let memory = &mut self.memory;
        match change {
            Change::SessionKept { number, client_id, expiry } => {
                memory.sessions.retain(|(other, _, _)| other != number);
                memory.sessions.push((*number, client_id.clone(), *expiry));
                memory.next_session = memory.next_session.max(SessionNumber(number.0 + 1));
            }
            Change::SessionAway { number, ends } => {
                memory.ends.retain(|(other, _)| other != number);
                memory.ends.extend(ends.map(|ends| (*number, ends)));
            }
            Change::WillKept { session, due, will } => {
                memory.wills.retain(|(other, _, _)| other != session);
                memory.wills.push((*session, *due, (**will).clone()));
            }
            Change::WillOver(session) => memory.wills.retain(|(other, _, _)| other != session),
            Change::SessionEnded(number) => {
                memory.ends.retain(|(other, _)| other != number);
                memory.wills.retain(|(other, _, _)| other != number);
                memory.sessions.retain(|(other, _, _)| other != number);
                memory.subscriptions.retain(|(other, _, _, _)| other != number);
            }
            Change::Subscribed { .. } if forgets_subscriptions => {}
            Change::Subscribed { session, filter, options, identifier } => {
                memory.subscriptions.retain(|(other, text, _, _)| (other, text) != (session, filter));
                memory.subscriptions.push((*session, filter.clone(), *options, *identifier));
            }
            Change::Unsubscribed { session, filter } => {
                memory.subscriptions.retain(|(other, text, _, _)| (other, text) != (session, filter));
            }
            Change::RetainedSet(message) => {
                memory.retained.retain(|other| other.topic() != message.topic());
                memory.retained.push((**message).clone());
            }
            Change::RetainedCleared(_) if keeps_cleared => {}
            Change::RetainedCleared(topic) => memory.retained.retain(|other| *other.topic() != **topic),
        }
    }

    /// Messages by their numbers, as a session gets them.
    pub fn read(&self, ids: &[MessageId], reader: SessionNumber) -> Loaded {
        ids.iter().map(|&id| (id, self.stored(id, reader))).collect()
    }

    fn stored(&self, id: MessageId, reader: SessionNumber) -> Option<Stored> {
        let (_, _, receivers) = self.memory.messages.iter().find(|(other, _, _)| *other == id)?;
        let receiver = *receivers.iter().find(|receiver| receiver.session == reader)?;
        let body = if self.is(Mutant::ReadsTheWrongMessage) { id.next() } else { id };
        Some(Stored { message: self.bodies.get(&body)?.clone(), receiver })
    }

    /// The power is cut. Of what the card was just doing, all or nothing stays.
    pub fn cut(&mut self) {
        let under_way = self.jobs.pop_front();
        self.jobs.clear();
        if let Some((memory, bodies)) = self.before.take() {
            (self.memory, self.bodies) = (memory, bodies);
        }
        let Some(Job::Commit(mut group)) = under_way else { return };
        let finishes = self.random.once_in(2) && !matches!(self.mood, Mood::Fails(_));
        if !finishes {
            return;
        }
        if self.is(Mutant::TearsGroups) {
            group.states.clear();
        }
        self.keep(&group);
    }

    /// What a restart reads that lets so many messages be in flight.
    pub fn remember(&mut self, inflight: u16) -> Memory {
        self.memory.boots += 1;
        self.memory.inflight = self.memory.inflight.max(inflight);
        let mut memory = copy(&self.memory);
        let upto = memory.runs.last().map_or(MessageId::NONE, |run| run.upto);
        let rows = memory.messages.iter().map(|(id, _, _)| *id).chain(memory.states.iter().map(|(id, _)| *id));
        memory.first_row = rows.min().unwrap_or_default();
        memory.messages.retain(|(id, _, _)| *id > upto);
        memory.states.retain(|(id, _)| *id > upto);
        if self.is(Mutant::ReadsBackwards) {
            memory.messages.reverse();
        }
        if self.is(Mutant::ForgetsExpiry) {
            let forget = |message: &Message| Message::new(&Parts { expires: None, ..message.parts() });
            self.bodies.values_mut().for_each(|body| *body = Arc::new(forget(body)));
        }
        memory
    }

    /// The sessions that are on the card.
    pub fn sessions(&self) -> Sessions {
        let sessions = self.memory.sessions.iter().map(|(number, client, _)| {
            let own = self.memory.subscriptions.iter().filter(|(session, _, _, _)| session == number);
            let own = own.map(|(_, filter, options, identifier)| (filter.to_string(), said(*options, *identifier)));
            let runs = self.memory.runs.iter().map(|run| (run.upto, &run.states));
            let rows = self.memory.states.iter().map(|(row, states)| (*row, states));
            // A run tells more than the row that it covers last.
            let of_session = rows.chain(runs).flat_map(|(row, states)| states.iter().map(move |state| (row, state)));
            let latest = of_session.filter(|(_, state)| state.session == *number).max_by_key(|(row, _)| *row);
            let incoming = latest.map(|(_, state)| state.incoming.iter().map(|id| id.get()).collect());
            let mut wills = self.memory.wills.iter();
            let will = wills.find(|(session, _, _)| session == number);
            let will = will.map(|(_, due, will)| (due.as_micros(), will.parts(*due).payload.to_vec()));
            let found = Found { subscriptions: own.collect(), incoming: incoming.unwrap_or_default(), will };
            (client.to_string(), found)
        });
        sessions.collect()
    }

    /// The payloads of the retained messages on the card, by topic.
    pub fn retained(&self) -> BTreeMap<String, Vec<u8>> {
        let retained = self.memory.retained.iter();
        retained.map(|message| (message.topic().to_owned(), message.payload().to_vec())).collect()
    }
}

fn said(options: SubscriptionOptions, identifier: u32) -> Subscription {
    (options.to_byte(), identifier)
}

fn copy(memory: &Memory) -> Memory {
    Memory {
        damage: None,
        boots: memory.boots,
        inflight: memory.inflight,
        next_session: memory.next_session,
        next_message: memory.next_message,
        sessions: memory.sessions.clone(),
        ends: memory.ends.clone(),
        wills: memory.wills.clone(),
        subscriptions: memory.subscriptions.clone(),
        retained: memory.retained.clone(),
        first_row: memory.first_row,
        runs: memory.runs.clone(),
        messages: memory.messages.clone(),
        states: memory.states.clone(),
    }
}
