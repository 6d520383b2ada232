//! One output on its way from wish to verified state.

use super::{OutputEvent, OutputSpec, Outputs, Ticket, milliseconds};
use crate::base::Moment;
use crate::device::Value;
use crate::device::command::{CommandResult, Status};
use crate::device::interlocks::{Interlocks, Standing};
use std::time::Duration;

/// One output and what is going on with it.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) spec: OutputSpec,
    /// Its name in the house, `DEVICE/OUTPUT`.
    pub(super) name: String,
    /// The verified state.
    pub(super) known: Option<bool>,
    /// The last verified state and since when; kept while the device is lost.
    last: Option<(bool, Moment)>,
    /// What is to be written next.
    pub(super) waiting: Option<Wish>,
    /// What is written and not observed yet.
    pub(super) writing: Option<Writing>,
    /// A pulse that runs.
    pub(super) pulse: Option<Pulse>,
    /// The target that was told last.
    pub(super) announced: Option<bool>,
    /// When its controller counts as lost, unless it gives a sign of life.
    pub(super) alive_until: Option<Moment>,
    /// Whether its controller is lost.
    pub(super) heartbeat_lost: bool,
}

/// A state that is wanted.
#[derive(Debug)]
pub(super) struct Wish {
    pub(super) on: bool,
    pub(super) cause: Cause,
    pub(super) not_before: Moment,
}

/// Why a state is wanted.
#[derive(Debug)]
pub(super) enum Cause {
    /// Someone commanded it.
    Command(Order),
    /// A pulse ends.
    Pulse(Pulse),
    /// It has been on for as long as it may.
    MaxOn,
    /// Start or failsafe.
    System,
}

/// A command on its way.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) ticket: Ticket,
    pub(super) id: Option<String>,
    pub(super) pulse: Option<Duration>,
    pub(super) received: Moment,
    pub(super) expires: Moment,
}

/// A write that is under way.
#[derive(Debug)]
pub(super) struct Writing {
    pub(super) wish: Wish,
    pub(super) deadline: Option<Moment>,
}

/// A pulse that runs.
#[derive(Debug)]
pub(super) struct Pulse {
    pub(super) ticket: Ticket,
    id: Option<String>,
    wanted: Duration,
    received: Moment,
    since: Moment,
    until: Moment,
}

impl Cause {
    /// Whether the output is left at the state that is wanted for this.
    pub(super) fn is_lasting(&self) -> bool {
        match self {
            Self::Command(order) => order.pulse.is_none(),
            Self::Pulse(_) | Self::MaxOn => true,
            Self::System => false,
        }
    }

    /// Who waits for an answer.
    pub(super) fn into_sender(self) -> Option<(Ticket, Option<String>)> {
        match self {
            Self::Command(order) => Some((order.ticket, order.id)),
            Self::Pulse(pulse) => Some((pulse.ticket, pulse.id)),
            Self::MaxOn | Self::System => None,
        }
    }
}

impl Pulse {
    /// The pulse's last result, with the length that was wanted and the one that was measured.
    pub(super) fn result(&self, now: Moment, status: Status, reason: Option<&str>) -> CommandResult {
        CommandResult {
            id: self.id.clone(),
            status,
            value: Some(Value::Boolean(false)),
            reason: reason.map(str::to_owned),
            took_ms: Some(milliseconds(now.saturating_since(self.received))),
            pulse_ms: Some(milliseconds(self.wanted)),
            measured_ms: Some(milliseconds(now.saturating_since(self.since))),
        }
    }
}

impl Output {
    pub(super) fn new(device: &str, spec: OutputSpec) -> Self {
        Self {
            name: format!("{device}/{}", spec.id),
            spec,
            known: None,
            last: None,
            waiting: None,
            writing: None,
            pulse: None,
            announced: None,
            alive_until: None,
            heartbeat_lost: false,
        }
    }

    /// Tells those that it excludes where it stands; whether they may now do what they could not.
    pub(super) fn tell(&self, interlocks: &mut Interlocks) -> bool {
        let standing = match self.off_since() {
            Some(since) => Standing::Off { since },
            None if self.target() == Some(false) => Standing::Leaving,
            None => Standing::On,
        };
        interlocks.tell(&self.name, standing)
    }

    /// The state it is to have: wished for, being written, or known.
    pub(super) fn target(&self) -> Option<bool> {
        let waiting = self.waiting.as_ref().map(|wish| wish.on);
        waiting.or(self.writing.as_ref().map(|writing| writing.wish.on)).or(self.known)
    }

    /// Notes a verified state; whether it is news.
    pub(super) fn set_known(&mut self, now: Moment, on: bool) -> bool {
        if self.last.is_none_or(|(last, _)| last != on) {
            self.last = Some((on, now));
        }
        self.known.replace(on) != Some(on)
    }

    /// Since when it has been known to be off, with nothing on its way that could change that.
    fn off_since(&self) -> Option<Moment> {
        let is_settled = self.writing.is_none() && self.target() == Some(false);
        match (self.known, self.last) {
            (Some(false), Some((false, since))) if is_settled => Some(since),
            _ => None,
        }
    }

    /// When it has been off for as long as it must, if it is known to be off.
    fn rested(&self) -> Option<Moment> {
        match (self.spec.settings.min_off, self.known, self.last) {
            (None, _, _) => Some(Moment::START),
            (Some(min_off), Some(false), Some((false, since))) => Some(since + min_off),
            (Some(_), _, _) => None,
        }
    }

    /// When it has been on for as long as it may.
    fn max_on_end(&self) -> Option<Moment> {
        let is_to_be_off = self.target() == Some(false);
        match (self.last, self.spec.settings.max_on) {
            (Some((true, since)), Some(max_on)) if !is_to_be_off => Some(since + max_on),
            _ => None,
        }
    }
}

impl Outputs {
    /// Does what is due for one output.
    pub(super) fn advance(&mut self, now: Moment, index: usize, interlocks: &Interlocks) {
        let due = |deadline: Option<Moment>| deadline.is_some_and(|deadline| deadline <= now);
        if due(self.switches[index].writing.as_ref().and_then(|writing| writing.deadline)) {
            self.write_failed(now, index, "not-confirmed");
        }
        if due(self.switches[index].alive_until) {
            self.heartbeat_lost(now, index);
        }
        let output = &mut self.switches[index];
        if due(output.pulse.as_ref().map(|pulse| pulse.until)) || due(output.max_on_end()) {
            let cause = output.pulse.take().map_or(Cause::MaxOn, Cause::Pulse);
            self.end_waiting(index, Status::Superseded, Some("max-on"));
            self.switches[index].waiting = Some(Wish { on: false, cause, not_before: now });
        }
        if due(self.start(index, interlocks)) {
            self.begin(now, index);
        } else {
            self.expire(now, index);
        }
    }

    /// When one output is due next.
    pub(super) fn deadline(&self, index: usize, interlocks: &Interlocks) -> Option<Moment> {
        let output = &self.switches[index];
        let expires = output.waiting.as_ref().and_then(|wish| match &wish.cause {
            Cause::Command(order) => Some(order.expires),
            Cause::Pulse(_) | Cause::MaxOn | Cause::System => None,
        });
        let confirm = output.writing.as_ref().and_then(|writing| writing.deadline);
        let pulse = output.pulse.as_ref().map(|pulse| pulse.until);
        let start = self.start(index, interlocks);
        [expires, confirm, pulse, output.alive_until, output.max_on_end(), start].into_iter().flatten().min()
    }

    /// When what waits can be written, if nothing but time stands in the way.
    fn start(&self, index: usize, interlocks: &Interlocks) -> Option<Moment> {
        let output = &self.switches[index];
        let wish = output.waiting.as_ref().filter(|_| self.available && output.writing.is_none())?;
        if wish.on && output.known != Some(true) {
            let free = interlocks.free_from(&output.name)?;
            return Some(wish.not_before.max(free).max(output.rested()?));
        }
        Some(wish.not_before)
    }

    fn begin(&mut self, now: Moment, index: usize) {
        let output = &mut self.switches[index];
        let Some(wish) = output.waiting.take() else { return };
        if output.known == Some(wish.on) {
            self.complete(now, index, wish);
            return;
        }
        self.events.push_back(OutputEvent::Write { output: index, on: wish.on });
        let deadline = output.spec.confirm.map(|confirm| now + confirm);
        output.writing = Some(Writing { wish, deadline });
    }

    fn expire(&mut self, now: Moment, index: usize) {
        let output = &mut self.switches[index];
        let expired = output.waiting.take_if(|wish| match &wish.cause {
            Cause::Command(order) => order.expires <= now,
            Cause::Pulse(_) | Cause::MaxOn | Cause::System => false,
        });
        if let Some((ticket, id)) = expired.and_then(|wish| wish.cause.into_sender()) {
            let result = CommandResult::new(id, Status::Expired);
            self.events.push_back(OutputEvent::Result { output: index, ticket, result });
        }
    }

    /// A wish has come true.
    pub(super) fn complete(&mut self, now: Moment, index: usize, wish: Wish) {
        let (ticket, result) = match wish.cause {
            Cause::Command(order) => (order.ticket, self.command_result(now, index, wish.on, order)),
            Cause::Pulse(pulse) => (pulse.ticket, pulse.result(now, Status::Done, None)),
            Cause::MaxOn | Cause::System => return,
        };
        self.events.push_back(OutputEvent::Result { output: index, ticket, result });
    }

    fn command_result(&mut self, now: Moment, index: usize, on: bool, order: Order) -> CommandResult {
        let output = &mut self.switches[index];
        let took = milliseconds(now.saturating_since(order.received));
        let mut result = CommandResult {
            value: Some(Value::Boolean(on)),
            took_ms: Some(took),
            ..CommandResult::new(order.id.clone(), Status::Done)
        };
        let Some(wanted) = order.pulse else { return result };
        if output.waiting.is_some() {
            return CommandResult::new(order.id, Status::Superseded);
        }
        result.status = Status::Accepted;
        result.pulse_ms = Some(milliseconds(wanted));
        let Order { ticket, id, received, .. } = order;
        output.pulse = Some(Pulse { ticket, id, wanted, received, since: now, until: now + wanted });
        result
    }
}
