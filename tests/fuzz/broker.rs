//! The broker, driven by several clients that send what is nearly right, over connections that break and a store that
//! fails: nothing panics, what it sends is MQTT, and whatever happened, a fresh client is served.

use crate::mutate::Mutator;
use crate::random::Random;
use crate::run::Run;
use gatehouse::access::{Access, Allowance, PasswordHash, Pattern, Rule, Who};
use gatehouse::base::Moment;
use gatehouse::base::limits::Limits;
use gatehouse::broker::change::Receiver;
use gatehouse::broker::group::Group;
use gatehouse::broker::message::Message;
use gatehouse::broker::{
    Arrival, Broker, ConnectionId, Input, ListenerId, Loaded, MessageId, Origin, Output, SessionNumber, Step,
    StoreFault, Stored, Verdict,
};
use gatehouse::mqtt::{ReasonCode, frame};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Histories for one run of the tests.
const HISTORIES: u64 = 300;

/// Events of one history.
const EVENTS: u64 = 400;

const CONNECTIONS: u64 = 6;

/// The connections of the last word.
const READER: u32 = 100;
const WRITER: u32 = 101;

/// A broker with the world around it.
struct World {
    broker: Broker,
    now: Moment,
    random: Random,
    /// Bytes of each connection that the broker did not use yet; `None` for a connection that is not open.
    open: BTreeMap<u32, Vec<u8>>,
    sent: BTreeMap<u32, Vec<u8>>,
    stored: BTreeMap<MessageId, (Arc<Message>, Vec<Receiver>)>,
    /// Whether everything goes well from now on.
    is_calm: bool,
}

impl World {
    fn new(mut random: Random) -> Self {
        let limits = Limits {
            connections: 200,
            queue_messages: 20,
            inflight: 5,
            retained_messages: 20,
            subscriptions: 20,
            sessions: 100,
            unauthenticated: 4,
            packet_size: 4_096,
            ..Limits::default()
        };
        let mut broker = Broker::new(limits);
        if random.once_in(2) {
            broker.handle(Moment::START, Input::AccessChanged(Box::new(access(&mut random))));
        }
        let (open, sent, stored) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        World { broker, now: Moment::START, random, open, sent, stored, is_calm: false }
    }

    fn event(&mut self, mutator: &mut Mutator) {
        let id = self.random.within(0..CONNECTIONS) as u32;
        match self.random.within(0..20) {
            0 => self.lose(id),
            1 => {
                self.now = self.now + Duration::from_millis(self.random.within(0..20_000));
                self.broker.handle(self.now, Input::Tick);
            }
            2 => self.broker.handle(self.now, Input::Flushed(ConnectionId(id))),
            3 if self.random.once_in(10) => {
                let access = access(&mut self.random);
                self.broker.handle(self.now, Input::AccessChanged(Box::new(access)));
            }
            _ if !self.open.contains_key(&id) => self.open(id, mutator),
            _ => self.bytes(id, mutator),
        }
        self.turn();
    }

    fn open(&mut self, id: u32, mutator: &mut Mutator) {
        let refusal = self.random.once_in(20).then_some(ReasonCode::CONNECTION_RATE_EXCEEDED);
        let identity = self.random.once_in(20).then(|| "anna".into());
        let origin = Origin::Network(ListenerId(0));
        let arrival = Arrival { identity, refusal, ..Arrival::new(origin, self.now) };
        self.broker.handle(self.now, Input::Opened(ConnectionId(id), arrival));
        self.open.insert(id, vec![]);
        self.sent.insert(id, vec![]);
        if !self.random.once_in(8) {
            // Most of them begin as they should.
            let is_v5 = !self.random.once_in(3);
            let mut bytes = vec![];
            loop {
                mutator.next(is_v5);
                if mutator.first == 0x10 {
                    break;
                }
            }
            mutator.whole(&mut bytes);
            self.receive(id, &bytes);
        }
    }

    fn bytes(&mut self, id: u32, mutator: &mut Mutator) {
        let mut bytes = vec![];
        for _ in 0..self.random.within(1..5) {
            mutator.next(!self.random.once_in(3));
            mutator.whole(&mut bytes);
        }
        if self.random.once_in(5) {
            bytes.truncate(self.random.within(0..bytes.len() as u64 + 1) as usize);
        }
        self.receive(id, &bytes);
    }

    fn receive(&mut self, id: u32, bytes: &[u8]) {
        let Some(rest) = self.open.get_mut(&id) else { return };
        rest.extend_from_slice(bytes);
        let bytes = std::mem::take(rest);
        if bytes.is_empty() {
            return;
        }
        let used = self.broker.receive(self.now, ConnectionId(id), &bytes);
        self.open.insert(id, bytes[used..].to_vec());
    }

    fn lose(&mut self, id: u32) {
        if self.open.remove(&id).is_some() {
            self.broker.handle(self.now, Input::Closed(ConnectionId(id)));
        }
    }

    fn turn(&mut self) {
        self.broker.handle(self.now, Input::TurnEnd);
        while let Some(output) = self.broker.poll_output() {
            match output {
                Output::Flush(connection) => self.flush(connection),
                Output::Close(connection) => {
                    self.flush(connection);
                    self.lose(connection.0);
                }
                Output::Authenticate(asked) => {
                    let (connection, generation) = (asked.connection, asked.generation);
                    let verdict = if self.random.once_in(2) { Verdict::Right } else { Verdict::Wrong };
                    self.broker.handle(self.now, Input::Authenticated { connection, generation, verdict });
                }
                Output::Exchange(asked) => {
                    let (connection, generation) = (asked.connection, asked.generation);
                    let step = if self.random.once_in(2) { Step::Success(vec![1]) } else { Step::Failure };
                    self.broker.handle(self.now, Input::Exchanged { connection, generation, step });
                }
                Output::Resume(connection) => self.receive(connection.0, &[]),
                Output::Commit(group) => self.commit(group),
                Output::Load { session, number, messages } => {
                    let is_broken = !self.is_calm && self.random.once_in(5);
                    let found = messages.into_iter().map(|id| (id, self.stored(id, number))).collect();
                    let messages = if is_broken { Err(StoreFault::Broken) } else { Ok(found) };
                    self.broker.handle(self.now, Input::Loaded(Loaded { session, number, messages }));
                }
            }
        }
    }

    fn commit(&mut self, group: Box<Group>) {
        if !self.is_calm && self.random.once_in(6) {
            let fault = if self.random.once_in(2) { StoreFault::Full } else { StoreFault::Broken };
            return self.broker.handle(self.now, Input::CommitFailed(group, fault));
        }
        for (place, slot) in group.messages.iter().enumerate() {
            if let Some(slot) = slot {
                let kept = (slot.message.clone(), slot.receivers.as_slice().to_vec());
                self.stored.insert(MessageId(group.first.0 + place as u64), kept);
            }
        }
        self.broker.handle(self.now, Input::Committed(group));
    }

    /// A message as one of its receivers gets it.
    fn stored(&self, id: MessageId, reader: SessionNumber) -> Option<Stored> {
        let (message, receivers) = self.stored.get(&id)?;
        let receiver = *receivers.iter().find(|receiver| receiver.session == reader)?;
        Some(Stored { message: message.clone(), receiver })
    }

    /// What the broker sends are whole packets.
    fn flush(&mut self, connection: ConnectionId) {
        let bytes = self.broker.outbox(connection).to_vec();
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let whole = frame(rest, usize::MAX).expect("MQTT").expect("a whole packet");
            assert!(matches!(whole.first >> 4, 2..=7 | 9 | 11 | 13..=15), "a server sent {:#04x}", whole.first);
            rest = &rest[whole.end..];
        }
        self.broker.written(connection, bytes.len());
        self.sent.entry(connection.0).or_default().extend_from_slice(&bytes);
    }

    /// All connections are gone and the store works: a fresh client connects, publishes and receives.
    fn last_word(&mut self) {
        self.is_calm = true;
        for id in 0..CONNECTIONS as u32 {
            self.lose(id);
        }
        self.broker.handle(self.now, Input::AccessChanged(Box::new(everything_allowed())));
        for _ in 0..5 {
            self.now = self.now + Duration::from_mins(1);
            self.broker.handle(self.now, Input::Tick);
            self.turn();
        }
        for (id, name) in [(READER, b'R'), (WRITER, b'W')] {
            let arrival = Arrival::new(Origin::Network(ListenerId(0)), self.now);
            self.broker.handle(self.now, Input::Opened(ConnectionId(id), arrival));
            self.open.insert(id, vec![]);
            let mut connect = b"\x10\x13\x00\x04MQTT\x04\x02\x00\x00\x00\x07fresh-".to_vec();
            connect.push(name);
            self.receive(id, &connect);
            self.turn();
            assert_eq!(self.sent[&id], [0x20, 2, 0, 0], "a fresh client is not let in");
        }
        self.receive(READER, b"\x82\x0f\x00\x01\x00\x0alast/words\x01");
        self.receive(WRITER, b"\x32\x10\x00\x0alast/words\x00\x01hi");
        self.turn();
        assert_eq!(self.sent[&WRITER][4..], [0x40, 2, 0, 1], "its message is not taken");
        assert!(self.sent[&READER].ends_with(b"\x00\x01hi"), "it does not arrive: {:02x?}", self.sent[&READER]);
    }
}

fn access(random: &mut Random) -> Access {
    let hash = PasswordHash::new("SCRAM-SHA-256$4096:c2FsdA==$aGFzaA==:a2V5").expect("a verifier");
    let users = ["anna", "u"].map(|name| (Box::from(name), Some(Arc::new(hash.clone()))));
    let rule =
        |allowance, filter| Rule { who: Who::Everyone, allowance, pattern: Pattern::new(filter).expect("a pattern") };
    let mut rules = vec![rule(Allowance::ReadWrite, "#")];
    if random.once_in(2) {
        rules.push(rule(Allowance::Deny, "a/#"));
    }
    let known = random.within(0..3) as usize;
    Access::new(users.into_iter().take(known).collect(), rules, random.once_in(2))
}

fn everything_allowed() -> Access {
    let pattern = Pattern::new("#").expect("a pattern");
    let rule = Rule { who: Who::Everyone, allowance: Allowance::ReadWrite, pattern };
    Access::new(std::iter::empty().collect(), vec![rule], true)
}

#[test]
fn whatever_clients_do_a_fresh_one_is_served() {
    let mut run = Run::begin("broker", HISTORIES);
    let random = Random::new(run.seed);
    let (mut let_in, mut published) = (0, 0);
    while run.goes_on() {
        let mut world = World::new(random.fork(run.count));
        let mut mutator = Mutator::new(random.fork(!run.count));
        for _ in 0..EVENTS {
            world.event(&mut mutator);
        }
        let counters = *world.broker.counters();
        (let_in, published) = (let_in + counters.connects, published + counters.publishes_received);
        world.last_word();
    }
    assert!(let_in > run.count && published > run.count, "{let_in} let in, {published} published");
}
