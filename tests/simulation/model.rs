//! What a broker has to do, said naively: lists that are searched from the front, no store, no rings, no groups.
//!
//! The model stands at the broker's door. It is told every packet the broker takes, in the same order, and judges every
//! packet that leaves. It knows nothing of how the broker works.

mod delivery;
mod power;
mod routing;
mod session;

use super::card::Subscription;
use super::fact::Fact;
use crate::support::wire::Message;
use std::collections::{BTreeMap, BTreeSet};

/// Virtual microseconds.
pub type Micros = u64;

/// How far the delivery of one message to one session has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    Waiting,
    Sent,
    /// PUBREC was taken.
    Received,
    Done,
}

/// Why a session is to get a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// It was subscribed when the message came.
    Live,
    /// It was retained when the session subscribed.
    Replay,
    /// It came to this one of several sessions.
    Shared,
    /// It was meant for a session that may have ended since.
    Ghost,
}

/// One message that a session is to get.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "facts that do not depend on each other")]
struct Owed {
    number: u32,
    qos: u8,
    retain: bool,
    kind: Kind,
    state: State,
    packet_id: u16,
    /// The connection it was last sent over.
    on: Option<u64>,
    was_sent: bool,
    /// Nobody was promised that it arrives.
    may_vanish: bool,
    /// Its publisher was told that it is taken.
    is_promised: bool,
    /// A power cut may have forgotten how far it had come.
    may_repeat: bool,
    /// When it came, among all messages that came.
    place: u64,
    /// The power was cut since: what was sent is not known any more.
    was_cut: bool,
    /// The publisher sent the message again since, and it counts as new.
    is_repeated: bool,
}

#[derive(Clone, Debug)]
struct Session {
    client: String,
    is_stored: bool,
    /// The gateway confirmed something that needs it.
    is_certain: bool,
    expiry: u32,
    /// All it ever had: a power cut may leave any of them.
    expiries: Vec<u32>,
    connection: Option<u64>,
    /// When it is gone at the earliest and at the latest.
    expires: Option<(Micros, Micros)>,
    /// When it would have been gone, while CONNACK has not left: the card may still have that.
    unconfirmed_expiry: Option<Micros>,
    /// When it would have been gone if the power had not been cut.
    expired_before_cut: Option<Micros>,
    subscriptions: BTreeMap<String, Fact<Option<Subscription>>>,
    owed: Vec<Owed>,
    will: Option<(Micros, Will)>,
    /// QoS 2 identifiers received and not released.
    incoming: BTreeSet<u16>,
    /// How often a message reached the application, by its number and QoS.
    got: BTreeMap<(u32, u8), usize>,
    /// Last place in the order of publisher, topic and QoS that was sent to it.
    order: BTreeMap<(usize, String, u8), u64>,
}

/// A will, with the number of its message.
#[derive(Clone, Debug)]
pub struct Will {
    pub number: u32,
    pub message: Message,
    pub delay: u32,
}

#[derive(Debug)]
struct Connection {
    session: usize,
    window: usize,
    is_open: bool,
    /// A message was refused without a word: only acknowledgements are taken.
    is_refused: bool,
    /// CONNACK left.
    is_welcome: bool,
    welcome_at: Micros,
    will: Option<Will>,
    /// What CONNACK has to say; `None` where both are right.
    present: Option<bool>,
    /// SUBSCRIBE and UNSUBSCRIBE that wait for their answer: the changes they made.
    asked: BTreeMap<u16, Vec<(String, u64)>>,
    /// The messages that wait for an answer, by packet identifier.
    publishing: BTreeMap<u16, u32>,
}

/// A message that came to the broker.
#[derive(Clone, Debug)]
struct Published {
    publisher: usize,
    topic: String,
    qos: u8,
    /// Its payload is empty, so it cannot say its number.
    is_empty: bool,
    expires: Option<Micros>,
    /// When the copy before this one expires, if the publisher sent it again; else the same.
    expires_before: Option<Micros>,
    has_readers: bool,
    /// The change of a retained message it made.
    retained: Option<u64>,
}

/// A message for one of several sessions.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "facts that do not depend on each other")]
struct Share {
    number: u32,
    filter: String,
    qos: u8,
    members: Vec<usize>,
    taken: Option<usize>,
    /// The session of a member ended, perhaps with the message.
    member_ended: bool,
    may_vanish: bool,
    is_promised: bool,
    is_repeated: bool,
}

/// Messages a session may have waiting, and whether the publisher is told when it has.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub queue: usize,
    pub inflight: usize,
    pub refuses: bool,
}

#[derive(Debug)]
pub struct Model {
    bounds: Bounds,
    now: Micros,
    sessions: Vec<Session>,
    /// The session of each client.
    present: BTreeMap<String, usize>,
    /// Sessions that ended, which a power cut may bring back: nobody was told that they are gone.
    ghosts: BTreeMap<String, Vec<usize>>,
    connections: BTreeMap<u64, Connection>,
    published: BTreeMap<u32, Published>,
    shares: Vec<Share>,
    retained: BTreeMap<String, Fact<Option<u32>>>,
    /// Topics on which a message with an empty payload was published.
    cleared: BTreeSet<String>,
    changes: u64,
    /// Messages of this step that a full queue may have dropped.
    crowded: bool,
    dropped: u64,
    /// All wills, by the number of their message.
    known_wills: BTreeMap<u32, Will>,
    is_off: bool,
    /// Wills that were published in this step.
    wills: Vec<u32>,
    broken: Vec<String>,
}

impl Model {
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            now: 0,
            sessions: vec![],
            present: BTreeMap::new(),
            ghosts: BTreeMap::new(),
            connections: BTreeMap::new(),
            published: BTreeMap::new(),
            shares: vec![],
            retained: BTreeMap::new(),
            cleared: BTreeSet::new(),
            changes: 0,
            crowded: false,
            dropped: 0,
            known_wills: BTreeMap::new(),
            is_off: false,
            wills: vec![],
            broken: vec![],
        }
    }

    /// So many messages may be in flight to a client from now on; there may be more from before.
    pub fn lets_fly(&mut self, inflight: usize) {
        self.bounds.inflight = self.bounds.inflight.max(inflight);
    }

    fn breaks(&mut self, what: impl std::fmt::Display) {
        self.broken.push(format!("at {}.{:06} s: {what}", self.now / 1_000_000, self.now % 1_000_000));
    }

    /// Promises that were broken so far.
    pub fn broken(&self) -> &[String] {
        &self.broken
    }

    fn change(&mut self) -> u64 {
        self.changes += 1;
        self.changes
    }

    /// The session of a connection, also if it ended.
    fn session_of(&self, serial: u64) -> Option<usize> {
        self.connections.get(&serial).map(|connection| connection.session)
    }

    /// The gateway says that it dropped so many messages for full queues, and lost so many that it had.
    pub fn counted(&mut self, dropped: u64, lost: u64, refused: u64) {
        if refused > 0 {
            self.wills_refused();
        }
        // A will passes over a full queue, whatever else is done when one is full.
        let may_drop = !self.bounds.refuses || !self.wills.is_empty();
        self.wills.clear();
        if dropped > 0 && !(may_drop && (self.crowded || self.inherits_too_much())) {
            self.breaks(format!("{dropped} messages dropped though no queue was full"));
        }
        if lost > 0 {
            self.breaks(format!("{lost} messages were not in the store"));
        }
        self.dropped += dropped;
        self.crowded = false;
    }

    /// Whether what a member of a shared subscription left behind, which has to be read first, may find no room.
    fn inherits_too_much(&self) -> bool {
        let left_behind = self.shares.iter().filter(|share| share.member_ended && share.taken.is_none());
        let mut heirs = left_behind.flat_map(|share| &share.members);
        heirs.any(|heir| self.waiting(*heir) >= self.bounds.queue)
    }

    /// Everything was healed and everybody came: is there anything that was confirmed and did not arrive?
    pub fn end(&mut self) {
        let mut lost = vec![];
        let is_here = |session: usize| {
            let serial = self.sessions[session].connection;
            serial.is_some_and(|serial| self.connections[&serial].is_ready())
        };
        for session in self.present.values().filter(|session| is_here(**session)) {
            let session = &self.sessions[*session];
            for owed in session.owed.iter().filter(|owed| !owed.may_vanish && owed.qos > 0) {
                let message = &self.published[&owed.number];
                // Which one a message without payload was, nobody can say.
                let is_expired = message.is_empty || message.expires.is_some_and(|at| at <= self.now);
                if owed.state != State::Done && !is_expired && !session.has_got(owed.number) {
                    lost.push(format!("{} never got {} {message:?} {owed:?}", session.client, owed.number));
                }
            }
        }
        for share in self.shares.iter().filter(|share| !share.may_vanish && !share.member_ended) {
            let message = &self.published[&share.number];
            let has_come = share.members.iter().any(|member| self.sessions[*member].has_got(share.number));
            let all_here = share.members.iter().all(|member| is_here(*member));
            if share.taken.is_none() && !has_come && all_here && message.expires.is_none_or(|at| at > self.now) {
                lost.push(format!("no member got {} {message:?}", share.number));
            }
        }
        if lost.len() as u64 > self.dropped {
            for what in lost {
                self.breaks(what);
            }
        }
    }

    /// A client forgot what was under way: it cannot tell any more what it got before.
    pub fn forgot(&mut self, client: &str) {
        for session in self.sessions.iter_mut().filter(|session| session.client == client) {
            session.got.clear();
        }
    }

    /// A client was sent what the protocol does not allow.
    pub fn complains(&mut self, client: &str, complaint: &str) {
        self.breaks(format!("{client}: {complaint}"));
    }

    /// No session has more waiting than it may.
    fn check_bounds(&mut self) {
        let counts = |owed: &&Owed| {
            let message = &self.published[&owed.number];
            let is_expired = message.is_empty || message.expires.is_some_and(|at| at <= self.now);
            let is_open = owed.qos > 0 && owed.state != State::Done && !owed.may_vanish;
            // What a member of a shared subscription left behind goes to another, full or not: it was promised.
            let is_inherited = || self.shares.iter().any(|share| share.number == owed.number && share.member_ended);
            let is_counted = owed.kind != Kind::Replay && (owed.kind != Kind::Shared || !is_inherited());
            is_counted && is_open && !is_expired
        };
        // Of what the publisher sent again nobody can say which is done.
        let is_clear =
            |session: &Session, number: u32| !session.owed.iter().any(|owed| owed.number == number && owed.is_repeated);
        let mut crowded = vec![];
        for session in self.present.values().filter(|session| !self.is_doubtful(**session)) {
            let session = &self.sessions[*session];
            // A session that lives with its connection waits with no more than what is in flight.
            let Bounds { queue, inflight, .. } = self.bounds;
            let most = if session.is_stored { queue } else { queue.max(inflight) };
            let waiting: Vec<u32> = session.owed.iter().filter(counts).map(|owed| owed.number).collect();
            let waiting: Vec<u32> = waiting.into_iter().filter(|number| is_clear(session, *number)).collect();
            if waiting.len() > most {
                crowded.push(format!("{most} messages may wait for {}, but there are {waiting:?}", session.client));
            }
        }
        for what in crowded.into_iter().filter(|_| self.dropped == 0).collect::<Vec<_>>() {
            self.breaks(what);
        }
    }
}
