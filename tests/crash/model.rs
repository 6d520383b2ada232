//! A workload of groups, and what must be known after each of them.

use gatehouse::base::Moment;
use gatehouse::broker::change::{Change, Memory, Receiver, Run, SessionState};
use gatehouse::broker::group::{Group, Slot};
use gatehouse::broker::message::{Message, Parts};
use gatehouse::broker::{Few, MessageId, SessionNumber};
use gatehouse::mqtt::packet::SubscriptionOptions;
use gatehouse::mqtt::{PacketId, Properties, QoS, Version};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What is known after a group, in a form in which two can be compared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// Client identifier and expiry, by number.
    pub sessions: BTreeMap<u32, (String, u32)>,
    pub subscriptions: BTreeSet<(u32, String)>,
    /// Payload by topic.
    pub retained: BTreeMap<String, Vec<u8>>,
    /// Messages that each session still wants.
    pub queues: BTreeMap<u32, BTreeSet<u64>>,
    /// Packet identifiers of QoS 2 messages that each session sent and has not released.
    pub incoming: BTreeMap<u32, Vec<u16>>,
}

/// The groups of a workload, one after the other.
pub struct Model {
    pub known: Known,
    next_message: u64,
    next_session: u32,
    /// Receivers of each message that was written: for the index.
    messages: Vec<(MessageId, u32, Vec<Receiver>)>,
    trashed: u64,
    number: u32,
}

/// The payload of a message: some fill several pages of the database.
pub fn payload(id: u64) -> Vec<u8> {
    let length = if id.is_multiple_of(9) { 2_500 } else { 20 + (id as usize * 31) % 150 };
    id.to_le_bytes().iter().copied().cycle().take(length).collect()
}

fn message(id: u64, topic: &str, payload: &[u8]) -> Arc<Message> {
    Arc::new(Message::new(&Parts {
        topic,
        properties: Properties::NONE,
        payload,
        qos: if id.is_multiple_of(2) { QoS::AtLeastOnce } else { QoS::ExactlyOnce },
        retain: false,
        expires: None,
    }))
}

impl Model {
    pub fn new() -> Self {
        Self { known: Known::default(), next_message: 1, next_session: 1, messages: vec![], trashed: 0, number: 0 }
    }

    /// The next group; `known` is what it leads to. `random` tells a number below the one given.
    pub fn group(&mut self, random: &mut impl FnMut(u64) -> u64) -> Group {
        let mut group = Group { first: MessageId(self.next_message), ..Group::default() };
        self.number += 1;
        if self.number == 1 {
            for _ in 0..4 {
                self.begin_session(&mut group.changes);
            }
        }
        self.change(&mut group.changes, random);
        for _ in 0..=random(4) {
            self.store(&mut group, random);
        }
        group.completed = self.complete(random);
        group.states = self.states(random);
        group.state_row = MessageId(self.next_message);
        self.next_message += 1;
        if self.number == 8 {
            let upto = group.state_row;
            let states = group.states.iter().map(|state| (state.session, state.clone())).collect();
            group.run = Some(Run::collect(upto, &self.messages, &states));
        }
        group.trash.extend(self.trash(&group));
        group
    }

    fn begin_session(&mut self, changes: &mut Vec<Change>) {
        let number = self.next_session;
        self.next_session += 1;
        let client_id = format!("client-{number}");
        self.known.sessions.insert(number, (client_id.clone(), 3_600));
        self.known.queues.insert(number, BTreeSet::new());
        self.known.subscriptions.insert((number, "a/#".into()));
        let session = SessionNumber(number);
        changes.push(Change::SessionKept { number: session, client_id: client_id.into(), expiry: 3_600 });
        let options = SubscriptionOptions::from_byte(1, Version::V5).expect("QoS 1");
        changes.push(Change::Subscribed { session, filter: "a/#".into(), options, identifier: 0 });
    }

    fn change(&mut self, changes: &mut Vec<Change>, random: &mut impl FnMut(u64) -> u64) {
        let sessions: Vec<u32> = self.known.sessions.keys().copied().collect();
        let session = sessions[random(sessions.len() as u64) as usize];
        match random(8) {
            0 => {
                self.known.sessions.remove(&session);
                self.known.queues.remove(&session);
                self.known.incoming.remove(&session);
                self.known.subscriptions.retain(|(number, _)| *number != session);
                changes.push(Change::SessionEnded(SessionNumber(session)));
                self.begin_session(changes);
            }
            1 => {
                let filter = format!("b/{}", random(4));
                self.known.subscriptions.insert((session, filter.clone()));
                let options = SubscriptionOptions::from_byte(2, Version::V5).expect("QoS 2");
                let (session, filter) = (SessionNumber(session), filter.into());
                changes.push(Change::Subscribed { session, filter, options, identifier: 7 });
            }
            2 => {
                if let Some((session, filter)) = self.known.subscriptions.pop_first() {
                    changes.push(Change::Unsubscribed { session: SessionNumber(session), filter: filter.into() });
                }
            }
            3 | 4 => {
                let topic = format!("state/{}", random(6));
                let value = payload(self.next_message);
                self.known.retained.insert(topic.clone(), value.clone());
                changes.push(Change::RetainedSet(message(self.next_message, &topic, &value)));
            }
            5 => {
                if let Some((topic, _)) = self.known.retained.pop_first() {
                    changes.push(Change::RetainedCleared(topic.into()));
                }
            }
            _ => {}
        }
    }

    fn store(&mut self, group: &mut Group, random: &mut impl FnMut(u64) -> u64) {
        let id = self.next_message;
        self.next_message += 1;
        if random(6) == 0 {
            // Every reader acknowledged it in time.
            return group.messages.push_back(None);
        }
        let count = 1 + random(3);
        let receiver = |session: &u32| Receiver {
            session: SessionNumber(*session),
            packet_id: PacketId::new((id % 60_000) as u16 + 1).expect("not zero"),
            qos: QoS::AtLeastOnce,
            retain: false,
        };
        let mut receivers: Vec<Receiver> = self.known.sessions.keys().map(receiver).collect();
        while receivers.len() as u64 > count {
            receivers.remove(random(receivers.len() as u64) as usize);
        }
        for receiver in &receivers {
            self.known.queues.entry(receiver.session.0).or_default().insert(id);
        }
        let mut few = Few::None;
        for receiver in &receivers {
            few.push(*receiver);
        }
        let message = message(id, "a/b", &payload(id));
        self.messages.push((MessageId(id), 3 + message.payload().len() as u32, receivers));
        let (live, since) = (count as u32, Moment::from_micros(0));
        group.messages.push_back(Some(Slot { message, receivers: few, live, answer: None, since }));
    }

    /// Readers acknowledge, mostly in order.
    fn complete(&mut self, random: &mut impl FnMut(u64) -> u64) -> u32 {
        let mut completed = 0;
        for queue in self.known.queues.values_mut() {
            for _ in 0..random(4) {
                let place = if random(4) == 0 { random(3) as usize } else { 0 };
                let Some(id) = queue.iter().nth(place).copied() else { break };
                queue.remove(&id);
                completed += 1;
            }
        }
        completed
    }

    /// The state of every session, so that all rows of states before are void.
    fn states(&mut self, random: &mut impl FnMut(u64) -> u64) -> Vec<SessionState> {
        let mut states = vec![];
        for (session, queue) in &self.known.queues {
            let incoming: Vec<u16> =
                (0..random(3)).map(|place| 100 * (place as u16 + 1) + self.number as u16).collect();
            let first = queue.first().copied().unwrap_or(self.next_message);
            let done = (first..self.next_message).filter(|id| !queue.contains(id));
            states.push(SessionState {
                session: SessionNumber(*session),
                first: MessageId(first),
                done: done.map(|id| (MessageId(id), MessageId(id))).collect(),
                received: vec![],
                incoming: incoming.iter().filter_map(|id| PacketId::new(*id)).collect(),
            });
            self.known.incoming.insert(*session, incoming);
        }
        states
    }

    /// What nobody wants any more.
    fn trash(&mut self, group: &Group) -> Option<(MessageId, MessageId)> {
        let wanted = self.known.queues.values().filter_map(|queue| queue.first().copied()).min();
        let last = wanted.unwrap_or(u64::MAX).min(group.state_row.0) - 1;
        let range = (MessageId(self.trashed + 1), MessageId(last));
        (last > self.trashed).then(|| {
            self.trashed = last;
            range
        })
    }
}

/// What a store says that it remembers.
pub fn known(memory: &Memory) -> Known {
    let mut known = Known::default();
    for (number, client_id, expiry) in &memory.sessions {
        known.sessions.insert(number.0, (client_id.to_string(), *expiry));
        known.queues.insert(number.0, BTreeSet::new());
    }
    known.subscriptions =
        memory.subscriptions.iter().map(|(session, filter, ..)| (session.0, filter.to_string())).collect();
    let retained = memory.retained.iter().map(|message| (message.topic().to_owned(), message.payload().to_vec()));
    known.retained = retained.collect();
    let mut states: BTreeMap<u32, &SessionState> = BTreeMap::new();
    let rows = memory.states.iter().map(|(_, states)| states);
    for state in memory.runs.iter().map(|run| &run.states).chain(rows).flatten() {
        states.insert(state.session.0, state);
    }
    let wants = |session: u32, id: MessageId| states.get(&session).is_none_or(|state| !state.is_done(id));
    let mut want = |session: SessionNumber, id: MessageId| {
        if let Some(queue) = known.queues.get_mut(&session.0)
            && wants(session.0, id)
        {
            queue.insert(id.0);
        }
    };
    for run in &memory.runs {
        for segment in &run.segments {
            for (id, _) in segment.messages(run.since) {
                want(segment.session, id);
            }
        }
    }
    for (id, _, receivers) in &memory.messages {
        for receiver in receivers {
            want(receiver.session, *id);
        }
    }
    for number in known.sessions.keys() {
        let incoming = states.get(number).map(|state| state.incoming.iter().map(|id| id.get()).collect());
        known.incoming.extend(incoming.map(|incoming| (*number, incoming)));
    }
    known
}
