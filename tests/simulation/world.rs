//! The clock, and everything that happens on it.

use super::card::{Card, Job, Mood};
use super::client::{Client, encode};
use super::links::{Links, Sent};
use super::model::{Bounds, Model, Will};
use super::mutant::Mutant;
use super::plan::{self, Plan};
use crate::support::random::Random;
use crate::support::wire::{Connect, Received, Version, decode};
use gatehouse::base::Moment;
use gatehouse::base::limits::QueueFull;
use gatehouse::broker::{Arrival, Broker, ConnectionId, Input, ListenerId, Loaded, Origin, Output, StoreFault};
use std::collections::BTreeMap;

/// Something that will happen.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// A client does something of its own.
    Act,
    /// The packets of a link are there.
    Up(u64),
    Down(u64),
    /// An end learns that the connection is gone.
    BrokerLoses(u64),
    ClientLoses(u64),
    /// The card has done its job, unless the power was cut since.
    CardDone(u32),
    /// The power is back.
    Start,
}

pub struct World {
    random: Random,
    plan: Plan,
    now: u64,
    events: BTreeMap<(u64, u64), Event>,
    scheduled: u64,
    /// `None` while the power is cut.
    broker: Option<Broker>,
    card: Card,
    card_is_busy: bool,
    lives: u32,
    links: Links,
    clients: Vec<Client>,
    model: Model,
    wills: BTreeMap<u64, Will>,
    numbers: u32,
    acts: u64,
    counted: [u64; 3],
    mutant: Option<Mutant>,
    /// Whether every step is printed.
    tells: bool,
}

impl World {
    pub fn new(seed: u64, mutant: Option<Mutant>) -> Self {
        let mut random = Random::new(seed);
        let plan = Plan::new(&mut random);
        let refuses = plan.limits.queue_full == QueueFull::Refuse;
        let (queue, inflight) = (plan.limits.queue_messages as usize, usize::from(plan.limits.inflight));
        let bounds = Bounds { queue, inflight, refuses };
        let clients = plan.clients.iter().map(|(name, version)| Client::new(name.clone(), *version)).collect();
        let mut world = Self {
            card: Card::new(mutant, random.fork(1)),
            random,
            plan,
            now: 0,
            events: BTreeMap::new(),
            scheduled: 0,
            broker: None,
            card_is_busy: false,
            lives: 0,
            links: Links::default(),
            clients,
            model: Model::new(bounds),
            wills: BTreeMap::new(),
            numbers: 0,
            acts: 0,
            counted: [0; 3],
            mutant,
            tells: false,
        };
        world.start();
        world.after(1_000, Event::Act);
        world
    }

    /// Prints every step.
    pub fn telling(mut self) -> Self {
        println!("{:?}", self.plan);
        self.tells = true;
        self
    }

    fn note(&self, what: impl FnOnce() -> String) {
        if self.tells {
            println!("{}.{:06} {}", self.now / 1_000_000, self.now % 1_000_000, what());
        }
    }

    /// Runs to the end, or to the first broken promise.
    pub fn run(mut self) -> Result<(), String> {
        let heal_at = self.plan.steps;
        while self.acts < heal_at && self.model.broken().is_empty() {
            self.step();
        }
        self.heal();
        let quiet = self.now + QUIET;
        while self.now < quiet && self.model.broken().is_empty() {
            self.step();
        }
        if self.model.broken().is_empty() {
            self.model.end();
        }
        if self.model.broken().is_empty() { Ok(()) } else { Err(self.model.broken().join("\n")) }
    }

    fn after(&mut self, micros: u64, event: Event) {
        self.scheduled += 1;
        self.events.insert((self.now + micros, self.scheduled), event);
    }

    fn moment(&self) -> Moment {
        Moment::from_micros(self.now)
    }

    /// What happens next, on the broker's timers or in the world.
    fn step(&mut self) {
        let next = self.events.first_key_value().map(|((at, _), _)| *at).expect("somebody always wants to act");
        let due = self.broker.as_ref().and_then(Broker::next_deadline).map(|at| at.as_micros().max(self.now));
        if let Some(due) = due.filter(|due| *due <= next) {
            self.now = due;
            self.model.advance(self.now);
            self.tell(Input::Tick);
            return self.turn_ends();
        }
        let ((at, _), event) = self.events.pop_first().expect("just seen");
        self.now = at;
        self.model.advance(self.now);
        self.happens(event);
        if self.broker.is_some() {
            self.turn_ends();
        }
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::Act => {
                self.acts += 1;
                self.act();
                let pause = [100, 5_000, 100_000, 900_000][self.random.within(0..4) as usize];
                let pause = self.random.within(0..pause);
                self.after(pause, Event::Act);
            }
            Event::Up(link) => self.arrives_up(link),
            Event::Down(link) => self.arrives_down(link),
            Event::BrokerLoses(link) => self.broker_loses(link),
            Event::ClientLoses(link) => self.client_loses(link),
            Event::CardDone(life) if life == self.lives => self.card_done(),
            Event::CardDone(_) => {}
            Event::Start => self.start(),
        }
    }

    fn tell(&mut self, input: Input) {
        let now = self.moment();
        if let Some(broker) = &mut self.broker {
            broker.handle(now, input);
        }
    }

    fn turn_ends(&mut self) {
        self.carry_out();
        self.tell(Input::TurnEnd);
        self.carry_out();
        self.model.step_ends();
    }

    /// Does what the broker wants done. Connections it closed are told to the model before the packets that left,
    /// because a will may be among these.
    fn carry_out(&mut self) {
        loop {
            let Some(broker) = &mut self.broker else { return };
            let mut outputs = vec![];
            while let Some(output) = broker.poll_output() {
                outputs.push(output);
            }
            for output in &outputs {
                if let Output::Close(connection) = output
                    && let Some(link) = self.links.of_slot(connection.0)
                {
                    self.note(|| format!("{link} is closed"));
                    self.model.closed(link);
                }
            }
            self.count();
            if outputs.is_empty() {
                return;
            }
            for output in outputs {
                self.carry_out_one(output);
            }
        }
    }

    fn carry_out_one(&mut self, output: Output) {
        match output {
            Output::Flush(connection) => self.flush(connection),
            Output::Close(connection) => {
                self.flush(connection);
                if let Some(serial) = self.links.of_slot(connection.0) {
                    self.end_at_broker(serial);
                    self.after(500, Event::ClientLoses(serial));
                }
                self.tell(Input::Closed(connection));
            }
            Output::Authenticate(_) | Output::Exchange(_) | Output::Resume(_) => unreachable!("nobody has a password"),
            Output::Commit(group) => {
                if self.card.is(Mutant::AcknowledgesBeforeFlush) {
                    self.card.keep(&group);
                    return self.tell(Input::Committed(group));
                }
                self.card.jobs.push_back(Job::Commit(group));
                self.card_starts();
            }
            Output::Load { session, number, messages } => {
                self.card.jobs.push_back(Job::Load { session, number, messages });
                self.card_starts();
            }
        }
    }

    /// Drops for full queues, losses and refused wills, since the last look.
    fn count(&mut self) {
        let Some(broker) = &self.broker else { return };
        let counters = broker.counters();
        let now = [counters.dropped_queue_full, counters.messages_lost, counters.publishes_refused];
        let [dropped, lost, refused] = [0, 1, 2].map(|index| now[index] - self.counted[index]);
        self.counted = now;
        self.model.counted(dropped, lost, refused);
    }

    fn flush(&mut self, connection: ConnectionId) {
        let Some(broker) = &mut self.broker else { return };
        let Some(serial) = self.links.of_slot(connection.0) else { return };
        let bytes = broker.outbox(connection).to_vec();
        broker.written(connection, bytes.len());
        let client = self.links.at(serial).expect("just found").client;
        let version = self.clients[client].version;
        let (mut rest, mut out) = (&bytes[..], vec![]);
        while !rest.is_empty() {
            let (packet, length) = match decode(version, rest) {
                Ok(Some(packet)) => packet,
                other => panic!("the broker wrote no packet: {other:?}"),
            };
            let (times, packet) = self.spoil(packet);
            for _ in 0..times {
                self.note(|| format!("{serial} <- {packet:?}"));
                self.model.sent(serial, &packet);
                out.extend_from_slice(&rest[..length]);
            }
            rest = &rest[length..];
        }
        let link = self.links.at(serial).expect("just found");
        link.down.push_back(out);
        let delay = link.delay;
        self.after(delay, Event::Down(serial));
    }

    /// What a mutant makes of a packet that leaves: how often it leaves, and what it says.
    fn spoil(&mut self, mut packet: Received) -> (usize, Received) {
        let is_publish = matches!(&packet, Received::Publish(message) if message.qos > 0);
        let times = match self.mutant {
            Some(Mutant::DropsAPublish) if is_publish && self.random.once_in(50) => 0,
            Some(Mutant::RepeatsAPublish) if is_publish && self.random.once_in(50) => 2,
            _ => 1,
        };
        if let (Some(Mutant::HidesSessions), Received::Connack { session_present, .. }) = (self.mutant, &mut packet) {
            *session_present = false;
        }
        (times, packet)
    }

    fn card_starts(&mut self) {
        if self.card_is_busy || self.card.jobs.is_empty() {
            return;
        }
        self.card_is_busy = true;
        let takes = match self.card.mood {
            Mood::Stalls => 100_000..5_000_000,
            Mood::Well | Mood::Fails(_) if self.plan.is_rough => 100..30_000,
            Mood::Well | Mood::Fails(_) => 100..400,
        };
        let takes = self.random.within(takes);
        self.after(takes, Event::CardDone(self.lives));
    }

    fn card_done(&mut self) {
        self.card_is_busy = false;
        let Some(job) = self.card.jobs.pop_front() else { return };
        match (job, self.card.mood) {
            (Job::Commit(group), Mood::Fails(fault)) => {
                self.note(|| format!("failed commit {group:?}"));
                // Nobody knows whether a commit that failed was written.
                if self.random.once_in(3) {
                    self.card.keep(&group);
                }
                if self.card.is(Mutant::ReportsFailureAsSuccess) {
                    self.tell(Input::Committed(group));
                } else {
                    self.tell(Input::CommitFailed(group, fault));
                }
            }
            (Job::Commit(group), Mood::Well | Mood::Stalls) => {
                self.note(|| format!("commit {group:?}"));
                self.card.keep(&group);
                self.tell(Input::Committed(group));
            }
            (Job::Load { session, number, messages }, mood) => {
                let messages = match mood {
                    Mood::Fails(fault) => Err(fault),
                    Mood::Well | Mood::Stalls => Ok(self.card.read(&messages, number)),
                };
                self.tell(Input::Loaded(Loaded { session, number, messages }));
            }
        }
        self.card_starts();
    }

    fn start(&mut self) {
        if self.broker.is_some() {
            return;
        }
        if self.plan.is_rough && self.random.once_in(3) {
            self.plan.limits.inflight = plan::inflight(&mut self.random);
        }
        let memory = self.card.remember(self.plan.limits.inflight);
        self.model.lets_fly(usize::from(self.plan.limits.inflight));
        let (mut broker, _) = Broker::restore(self.plan.limits, self.moment(), memory);
        broker.set_index_bytes(self.plan.index_bytes);
        self.broker = Some(broker);
        self.model.started(self.now);
        self.counted = [0; 3];
    }

    /// The power is cut.
    fn cut(&mut self) {
        if self.broker.take().is_none() {
            return;
        }
        self.card.cut();
        self.card_is_busy = false;
        self.lives += 1;
        self.note(|| format!("power cut {}: {:?} {:?}", self.lives, self.card.sessions(), self.card.retained()));
        for serial in self.links.cut() {
            let learns = self.random.within(0..300_000);
            self.after(learns, Event::ClientLoses(serial));
        }
        self.model.cut(&self.card.sessions(), &self.card.retained(), self.now);
        let off = self.random.within(0..2_000_000);
        self.after(off, Event::Start);
    }

    /// From now on everything works.
    fn heal(&mut self) {
        (self.plan.power_cuts, self.plan.card_troubles, self.plan.is_rough) = (0, 0, false);
        self.card.mood = Mood::Well;
        self.start();
    }
}

/// Virtual microseconds after which a house in which everything works has nothing left to deliver: longer than the
/// longest pause between two tries of the store, and than the messages and sessions that expire.
const QUIET: u64 = 60_000_000;

mod acts;
mod traffic;
