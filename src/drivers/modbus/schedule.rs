//! Who speaks on a bus when: one request at a time, rest between packets, writes before reads, units that do not
//! answer asked less and less often. Pure.

use super::framing::{Found, Framing, PACKET_MAX, RTU_OVERHEAD};
use super::packet::{Data, ReplyError, Request};
use super::statistics::Statistics;
use crate::base::Moment;
use crate::config::{BusSettings, PortSource};
use crate::drivers::backoff::Backoff;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// How often a request is made before the unit counts as absent.
const TRIES: u8 = 3;

/// The first rest of a unit that does not answer, and the longest.
const UNIT_BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// Rest between packets above 19,200 baud.
///
/// Source: MODBUS over Serial Line Specification V1.02, 2.5.1.1.
const QUIET_FAST: Duration = Duration::from_micros(1750);

/// How long a line that never rests is waited for before something is said all the same.
const NOISE_MAX: Duration = Duration::from_secs(2);

/// Writes and urgent reads of one unit that may wait; more are refused.
const URGENT_MAX: usize = 32;

/// A device on the bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct MemberId(pub(super) u32);

/// A read that is made again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Poll {
    pub(super) request: Request,
    pub(super) every: Duration,
}

/// What a reply is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum About {
    /// The bus as a whole.
    Bus,
    /// The poll of this request.
    Poll(Request),
    /// The urgent request of this token.
    Urgent(u64),
}

/// Why there is no reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The unit did not answer.
    Silent,
    /// What came was no reply.
    Garbled(&'static str),
    /// The unit refused.
    Exception(u8),
    /// Too much waits already.
    Full,
    /// The port is gone.
    Closed,
}

/// What the bus is told.
#[derive(Debug)]
pub(super) enum BusInput<'b> {
    /// The port is open and its far end awake.
    Opened,
    /// The port is gone.
    Closed,
    /// A device comes.
    Join { member: MemberId, unit: u8, polls: Vec<Poll> },
    /// A device asks for other registers from now on.
    Polls { member: MemberId, polls: Vec<Poll> },
    /// A device leaves.
    Leave(MemberId),
    /// Something that cannot wait for its turn.
    Urgent { member: MemberId, token: u64, request: Request },
    /// Bytes came in.
    Received(&'b [u8]),
    /// Time has passed.
    Time,
}

/// What the bus wants done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BusOutput {
    /// Send a packet.
    Send(Vec<u8>),
    /// Tell a device what became of a request.
    Answer { member: MemberId, about: About, result: Result<Data, Failure> },
}

#[derive(Debug)]
struct Member {
    unit: u8,
    polls: Vec<(Poll, Moment)>,
    urgent: VecDeque<(u64, Request)>,
    backoff: Backoff,
    /// Until when a unit that did not answer is left alone.
    absent_until: Option<Moment>,
}

#[derive(Debug)]
enum State {
    Closed,
    /// Free to send from then on.
    Idle {
        free_at: Moment,
        /// When the line was last heard to rest, while it does not.
        noise_since: Option<Moment>,
    },
    /// A request is out.
    Waiting(Waiting),
}

#[derive(Debug)]
struct Waiting {
    member: MemberId,
    about: About,
    unit: u8,
    request: Request,
    tries: u8,
    sent_at: Moment,
    deadline: Moment,
    received: Vec<u8>,
}

/// A request and how often it was made, this time included.
#[derive(Debug)]
struct Turn {
    member: MemberId,
    about: About,
    request: Request,
    tries: u8,
}

/// One bus.
#[derive(Debug)]
pub(super) struct Bus {
    framing: Framing,
    quiet: Duration,
    reply_timeout: Duration,
    settings: BusSettings,
    members: BTreeMap<MemberId, Member>,
    /// The member that was served last: the next urgent one after it is served first.
    last_urgent: MemberId,
    state: State,
    /// Whether the port was lost or could not be opened since it was last open.
    is_lost: bool,
    /// A request that failed and is made again next.
    retrying: Option<Turn>,
    transaction: u16,
    outputs: VecDeque<BusOutput>,
    pub(super) statistics: Statistics,
}

impl Bus {
    pub(super) fn new(settings: &BusSettings) -> Self {
        let framing = if matches!(settings.port, PortSource::Tcp(_)) { Framing::Tcp } else { Framing::Rtu };
        Self {
            framing,
            quiet: quiet(settings, framing),
            reply_timeout: settings.reply_timeout,
            settings: settings.clone(),
            members: BTreeMap::new(),
            last_urgent: MemberId(0),
            state: State::Closed,
            is_lost: false,
            retrying: None,
            transaction: 0,
            outputs: VecDeque::new(),
            statistics: Statistics::default(),
        }
    }

    /// Takes in what happened.
    pub(super) fn handle(&mut self, now: Moment, input: BusInput) {
        match input {
            BusInput::Opened => {
                self.is_lost = false;
                self.state = State::Idle { free_at: now + self.quiet, noise_since: None };
            }
            BusInput::Closed => self.close(),
            BusInput::Join { member, unit, polls } => self.join(now, member, unit, polls),
            BusInput::Polls { member, polls } => {
                if let Some(known) = self.members.get_mut(&member) {
                    known.polls = polls.into_iter().map(|poll| (poll, now)).collect();
                }
            }
            BusInput::Leave(member) => drop(self.members.remove(&member)),
            BusInput::Urgent { member, token, request } => self.urgent(member, token, request),
            BusInput::Received(bytes) => self.received(now, bytes),
            BusInput::Time => {}
        }
        self.advance(now);
    }

    /// The next thing to do, if there is any. Ask again after every input.
    pub(super) fn poll_output(&mut self) -> Option<BusOutput> {
        self.outputs.pop_front()
    }

    /// When [`BusInput::Time`] is due.
    pub(super) fn next_deadline(&self) -> Option<Moment> {
        match &self.state {
            State::Closed => None,
            State::Waiting(waiting) => Some(waiting.deadline),
            State::Idle { free_at, .. } => self.next_wish().map(|wish| wish.max(*free_at)),
        }
    }

    fn join(&mut self, now: Moment, id: MemberId, unit: u8, polls: Vec<Poll>) {
        let polls = polls.into_iter().map(|poll| (poll, now)).collect();
        let backoff = Backoff::new(UNIT_BACKOFF.0, UNIT_BACKOFF.1);
        self.members.insert(id, Member { unit, polls, urgent: VecDeque::new(), backoff, absent_until: None });
        if self.is_lost {
            // Whoever comes is told at once that there is no port.
            self.answer(id, About::Bus, Err(Failure::Closed));
        }
    }

    fn urgent(&mut self, id: MemberId, token: u64, request: Request) {
        let is_closed = matches!(self.state, State::Closed);
        let Some(member) = self.members.get_mut(&id) else { return };
        if is_closed || member.urgent.len() >= URGENT_MAX {
            let failure = if is_closed { Failure::Closed } else { Failure::Full };
            self.answer(id, About::Urgent(token), Err(failure));
            return;
        }
        // Writes before reads, each in the order in which they came.
        let at = if request.is_write() {
            member.urgent.iter().position(|(_, waiting)| !waiting.is_write()).unwrap_or(member.urgent.len())
        } else {
            member.urgent.len()
        };
        member.urgent.insert(at, (token, request));
    }

    fn close(&mut self) {
        self.is_lost = true;
        let state = std::mem::replace(&mut self.state, State::Closed);
        if let Some(Turn { member, about: about @ About::Urgent(_), .. }) = self.retrying.take() {
            self.answer(member, about, Err(Failure::Closed));
        }
        if let State::Waiting(waiting) = state
            && matches!(waiting.about, About::Urgent(_))
        {
            self.answer(waiting.member, waiting.about, Err(Failure::Closed));
        }
        let ids: Vec<MemberId> = self.members.keys().copied().collect();
        for id in ids {
            let member = self.members.get_mut(&id).expect("the key is there");
            let urgent = std::mem::take(&mut member.urgent);
            member.absent_until = None;
            member.backoff.succeeded();
            for (token, _) in urgent {
                self.answer(id, About::Urgent(token), Err(Failure::Closed));
            }
            self.answer(id, About::Bus, Err(Failure::Closed));
        }
    }

    fn answer(&mut self, member: MemberId, about: About, result: Result<Data, Failure>) {
        if self.members.contains_key(&member) {
            self.outputs.push_back(BusOutput::Answer { member, about, result });
        }
    }

    fn received(&mut self, now: Moment, bytes: &[u8]) {
        let (quiet, framing, transaction) = (self.quiet, self.framing, self.transaction);
        match &mut self.state {
            State::Closed => {}
            State::Idle { free_at, noise_since } => {
                self.statistics.stray_bytes += bytes.len() as u64;
                let since = *noise_since.get_or_insert(now);
                *free_at = (*free_at).max((now + quiet).min(since + NOISE_MAX));
            }
            State::Waiting(waiting) => {
                waiting.received.extend_from_slice(bytes);
                loop {
                    let found = framing.find(&waiting.received, transaction, waiting.unit, &waiting.request);
                    match found {
                        Found::Incomplete => {
                            waiting.received.truncate(2 * PACKET_MAX);
                            return;
                        }
                        Found::Other(length) => {
                            self.statistics.unit(waiting.unit).wrong += 1;
                            waiting.received.drain(..length);
                        }
                        Found::Garbled(why) => return self.conclude(now, Err(Failure::Garbled(why))),
                        Found::Reply(reply) => match waiting.request.decode(&reply) {
                            Ok(data) => return self.conclude(now, Ok(data)),
                            Err(ReplyError::Exception(code)) => {
                                return self.conclude(now, Err(Failure::Exception(code)));
                            }
                            Err(ReplyError::Mismatch) => {
                                let why = "the reply does not fit the request";
                                return self.conclude(now, Err(Failure::Garbled(why)));
                            }
                        },
                    }
                }
            }
        }
    }

    /// Does what is due.
    fn advance(&mut self, now: Moment) {
        if let State::Waiting(waiting) = &self.state
            && waiting.deadline <= now
        {
            let is_part = !waiting.received.is_empty();
            let failure = if is_part { Failure::Garbled("the reply is cut off") } else { Failure::Silent };
            self.conclude(now, Err(failure));
        }
        if let State::Idle { free_at, .. } = self.state
            && free_at <= now
            && let Some(turn) = self.choose(now)
        {
            self.send(now, turn);
        }
    }

    /// The bus is free again after a request, whatever became of it.
    fn conclude(&mut self, now: Moment, result: Result<Data, Failure>) {
        let idle = State::Idle { free_at: now + self.quiet, noise_since: None };
        let State::Waiting(waiting) = std::mem::replace(&mut self.state, idle) else { return };
        let took = now.saturating_since(waiting.sent_at);
        self.statistics.concluded(waiting.unit, took, took + self.quiet, &result);
        let Some(known) = self.members.get_mut(&waiting.member) else { return };
        let has_answered = !matches!(result, Err(Failure::Silent | Failure::Garbled(_)));
        if has_answered {
            known.backoff.succeeded();
            known.absent_until = None;
        } else if known.absent_until.is_none() && waiting.tries < TRIES {
            let Waiting { member, about, request, tries, .. } = waiting;
            // A poll that the device has given up meanwhile is not tried again.
            let is_wanted = match &about {
                About::Bus | About::Urgent(_) => true,
                About::Poll(request) => known.polls.iter().any(|(poll, _)| poll.request == *request),
            };
            if is_wanted {
                self.statistics.retries += 1;
                self.retrying = Some(Turn { member, about, request, tries: tries + 1 });
            }
            return;
        } else {
            known.absent_until = Some(now + known.backoff.after_failure());
        }
        self.answer(waiting.member, waiting.about, result);
    }

    /// When the next request is wanted, rest or not.
    fn next_wish(&self) -> Option<Moment> {
        let urgent = self.members.values().any(|member| !member.urgent.is_empty());
        if self.retrying.is_some() || urgent {
            return Some(Moment::START);
        }
        self.members.values().filter_map(Member::next_poll).map(|(due, _)| due).min()
    }

    fn choose(&mut self, now: Moment) -> Option<Turn> {
        if let Some(turn) = self.retrying.take_if(|turn| turn.request.is_write()) {
            return Some(turn);
        }
        if let Some(turn) = self.choose_urgent() {
            return Some(turn);
        }
        if let Some(turn) = self.retrying.take() {
            return Some(turn);
        }
        let polls = self.members.iter().filter_map(|(id, member)| member.next_poll().map(|poll| (poll, *id)));
        let ((due, index), id) = polls.min_by_key(|((due, _), _)| *due)?;
        if due > now {
            return None;
        }
        let member = self.members.get_mut(&id)?;
        let (poll, next) = &mut member.polls[index];
        // A bus that cannot keep up does not collect debts.
        *next = (*next + poll.every).max(now);
        let request = poll.request.clone();
        Some(Turn { member: id, about: About::Poll(request.clone()), request, tries: 1 })
    }

    /// The next urgent request: writes before reads, units in turn.
    fn choose_urgent(&mut self) -> Option<Turn> {
        let after = self.members.range(self.last_urgent..).skip_while(|(id, _)| **id == self.last_urgent);
        let around: Vec<MemberId> = after.chain(self.members.iter()).map(|(id, _)| *id).collect();
        let first_is = |id: &&MemberId, write: bool| {
            self.members[*id].urgent.front().is_some_and(|(_, request)| request.is_write() == write)
        };
        let write = around.iter().find(|id| first_is(id, true));
        let id = *write.or_else(|| around.iter().find(|id| first_is(id, false)))?;
        self.last_urgent = id;
        let (token, request) = self.members.get_mut(&id)?.urgent.pop_front()?;
        Some(Turn { member: id, about: About::Urgent(token), request, tries: 1 })
    }

    fn send(&mut self, now: Moment, turn: Turn) {
        let Some(member) = self.members.get(&turn.member) else { return };
        self.transaction = self.transaction.wrapping_add(1);
        let packet = self.framing.encode(self.transaction, member.unit, &turn.request);
        let on_the_wire = match self.framing {
            Framing::Rtu => self.settings.mode.characters(packet.len() + turn.request.reply_length() + RTU_OVERHEAD),
            Framing::Tcp => Duration::ZERO,
        };
        self.state = State::Waiting(Waiting {
            member: turn.member,
            about: turn.about,
            unit: member.unit,
            request: turn.request,
            tries: turn.tries,
            sent_at: now,
            deadline: now + on_the_wire + self.reply_timeout,
            received: Vec::new(),
        });
        self.outputs.push_back(BusOutput::Send(packet));
    }
}

impl Member {
    /// When the next poll is due, and which.
    fn next_poll(&self) -> Option<(Moment, usize)> {
        let polls = self.polls.iter().enumerate().map(|(index, (_, due))| (*due, index));
        let (due, index) = polls.min()?;
        Some((due.max(self.absent_until.unwrap_or(due)), index))
    }
}

/// The rest between two packets: what the configuration says, but never below 3.5 characters.
fn quiet(settings: &BusSettings, framing: Framing) -> Duration {
    let least = match framing {
        Framing::Tcp => Duration::ZERO,
        Framing::Rtu if settings.mode.baud > 19_200 => QUIET_FAST,
        Framing::Rtu => settings.mode.characters(7) / 2,
    };
    settings.quiet.map_or(least, |quiet| quiet.max(least))
}
