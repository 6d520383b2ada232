//! The switched outputs of one device: commands, pulses, interlock with dead time, longest time on, failsafe.
//!
//! Knows levels and moments, and nothing of lines or ports: it asks for a write and is told what was observed.
//! A state is only published when it was observed, a command is only done when its state was.

mod output;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

use super::command::{Action, Command, CommandResult, Status};
use super::interlocks::Interlocks;
use super::settings::OutputSettings;
use crate::base::{Moment, duration_text};
use output::{Cause, Order, Output, Wish};
use std::collections::VecDeque;
use std::time::Duration;

/// Time to the next attempt when a write failed that must not be given up, such as the end of a pulse.
pub const RETRY: Duration = Duration::from_secs(1);

/// Why a command is refused while the controller of its output is silent.
const HEARTBEAT_LOST: &str = "heartbeat-lost";

/// One output as the machine needs to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputSpec {
    /// Id of the property.
    pub id: String,
    /// States at start and fault, and limits.
    pub settings: OutputSettings,
    /// How long a written state may take to be observed. If absent, the next observation decides.
    pub confirm: Option<Duration>,
}

/// Stands for a command until its last result; the sender's matter is kept by whoever chose it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What the machine is told. Outputs are told apart by their index.
#[derive(Clone, Debug, PartialEq)]
pub enum OutputInput {
    /// Someone wants something. `command.ttl` must be set by now; without one it may not wait at all.
    Command {
        /// Which output.
        output: usize,
        /// The command's ticket.
        ticket: Ticket,
        /// The command.
        command: Command,
    },
    /// The state was read from the line, or the device reported it.
    Observed {
        /// Which output.
        output: usize,
        /// Its state.
        on: bool,
    },
    /// The controller of an output gave a sign of life.
    Alive {
        /// Which output.
        output: usize,
    },
    /// A write did not reach the device.
    WriteFailed {
        /// Which output.
        output: usize,
        /// Why, for `$result`.
        reason: String,
    },
    /// The device can be written to.
    Found,
    /// The device cannot be written to; nothing about its state is known any more.
    Lost,
    /// Bring every output into its failsafe state.
    Failsafe,
    /// Bring outputs into these states, where there is one.
    Restore(Vec<Option<bool>>),
    /// Time has passed.
    Time,
}

/// What the machine wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum OutputEvent {
    /// Write a state; it answers with `Observed` or `WriteFailed`.
    Write {
        /// Which output.
        output: usize,
        /// The state.
        on: bool,
    },
    /// Publish a verified state.
    State {
        /// Which output.
        output: usize,
        /// The state.
        on: bool,
        /// Whether it is what the output was left at, and what it comes back to: not during a pulse, nor when it went
        /// into its failsafe state.
        is_lasting: bool,
    },
    /// Publish the state that is wanted but not reached; none any more if absent.
    Target {
        /// Which output.
        output: usize,
        /// The state that is wanted.
        on: Option<bool>,
    },
    /// The controller of an output is silent for too long, or is back.
    Heartbeat {
        /// Which output.
        output: usize,
        /// Whether it is silent.
        lost: bool,
    },
    /// Answer a command.
    Result {
        /// Which output.
        output: usize,
        /// The command.
        ticket: Ticket,
        /// The answer; if its status is `accepted`, another follows.
        result: CommandResult,
    },
}

/// The outputs of one device.
///
/// Interlocks reach over devices, so they are handed in: all devices of a house share one [`Interlocks`].
#[derive(Debug)]
pub struct Outputs {
    switches: Vec<Output>,
    available: bool,
    events: VecDeque<OutputEvent>,
}

impl Outputs {
    /// Outputs of a device of which nothing is known and which cannot be written to yet.
    pub fn new(device: &str, specs: Vec<OutputSpec>) -> Self {
        let switches = specs.into_iter().map(|spec| Output::new(device, spec)).collect();
        Self { switches, available: false, events: VecDeque::new() }
    }

    /// The states to begin with, given the last known ones: what `power_on` says, but never two of an interlock.
    pub fn start_states(&self, last: &[Option<bool>], interlocks: &Interlocks) -> Vec<Option<bool>> {
        let wanted = |(index, output): (usize, &Output)| {
            let last = last.get(index).copied().flatten();
            output.spec.settings.power_on.state(last)
        };
        self.exclusive(self.switches.iter().enumerate().map(wanted).collect(), interlocks)
    }

    /// The failsafe states, but never two of an interlock.
    pub fn failsafe_states(&self, interlocks: &Interlocks) -> Vec<Option<bool>> {
        self.exclusive(self.switches.iter().map(|output| output.spec.settings.failsafe.state()).collect(), interlocks)
    }

    /// Of these start states the ones that lines may have from the first moment on. What is to be on but has a
    /// shortest time off begins off; [`OutputInput::Restore`] brings it to its state in time.
    pub fn first_levels(&self, states: &[Option<bool>]) -> Vec<Option<bool>> {
        let must_rest = |index: usize| self.switches[index].spec.settings.min_off.is_some();
        states.iter().enumerate().map(|(index, on)| on.map(|on| on && !must_rest(index))).collect()
    }

    /// The verified state of an output.
    pub fn state(&self, output: usize) -> Option<bool> {
        self.switches[output].known
    }

    /// Whether nothing is being written and nothing waits to be.
    pub fn is_idle(&self) -> bool {
        self.switches.iter().all(|output| output.writing.is_none() && output.waiting.is_none())
    }

    /// Takes in what happened. Whether outputs of other devices may now do what they could not.
    pub fn handle(&mut self, now: Moment, input: OutputInput, interlocks: &mut Interlocks) -> bool {
        match input {
            OutputInput::Command { output, ticket, command } => self.command(now, output, ticket, command, interlocks),
            OutputInput::Observed { output, on } => self.observed(now, output, on),
            OutputInput::Alive { output } => self.alive(now, output),
            OutputInput::WriteFailed { output, reason } => self.write_failed(now, output, &reason),
            OutputInput::Found => self.found(now),
            OutputInput::Lost => self.lost(now),
            OutputInput::Failsafe => {
                let states = self.failsafe_states(interlocks);
                self.order_states(now, &states, "failsafe");
            }
            OutputInput::Restore(states) => self.order_states(now, &states, "restart"),
            OutputInput::Time => {}
        }
        let mut eased = false;
        for output in &self.switches {
            eased |= output.tell(interlocks);
        }
        for index in 0..self.switches.len() {
            self.advance(now, index, interlocks);
            eased |= self.switches[index].tell(interlocks);
        }
        eased
    }

    /// The next thing to do, if there is any. Ask again after every input.
    pub fn poll_output(&mut self) -> Option<OutputEvent> {
        if let Some(event) = self.events.pop_front() {
            return Some(event);
        }
        // Only what is still wanted when all else is done is a target worth telling: most are reached at once.
        let (index, target) = self.switches.iter().enumerate().find_map(|(index, output)| {
            let target = output.target().filter(|target| output.known != Some(*target));
            (target != output.announced).then_some((index, target))
        })?;
        self.switches[index].announced = target;
        Some(OutputEvent::Target { output: index, on: target })
    }

    /// When [`OutputInput::Time`] is due.
    pub fn next_deadline(&self, interlocks: &Interlocks) -> Option<Moment> {
        (0..self.switches.len()).filter_map(|index| self.deadline(index, interlocks)).min()
    }

    fn command(&mut self, now: Moment, index: usize, ticket: Ticket, command: Command, interlocks: &Interlocks) {
        let reject = |reason: String| CommandResult::because(command.id.clone(), Status::Rejected, reason);
        let output = &self.switches[index];
        let on = match (&command.action, output.target()) {
            (Action::Set(on), _) => Ok(*on),
            (Action::Number(_) | Action::Word(_), _) => Err("not-a-boolean".to_owned()),
            (Action::Toggle, Some(on)) => Ok(!on),
            (Action::Toggle, None) => Err("unknown-state".to_owned()),
        };
        let allowed = on.and_then(|on| self.allowed(index, on, command.pulse, interlocks).map(|()| on));
        let on = match allowed {
            Ok(on) => on,
            Err(reason) => {
                let result = reject(reason);
                self.events.push_back(OutputEvent::Result { output: index, ticket, result });
                return;
            }
        };
        self.supersede(index, Status::Superseded, None);
        let expires = now + command.ttl.unwrap_or(Duration::ZERO);
        let order = Order { ticket, id: command.id, pulse: command.pulse, received: now, expires };
        self.switches[index].waiting = Some(Wish { on, cause: Cause::Command(order), not_before: now });
    }

    fn allowed(&self, index: usize, on: bool, pulse: Option<Duration>, interlocks: &Interlocks) -> Result<(), String> {
        let output = &self.switches[index];
        if !self.available {
            return Err("offline".to_owned());
        }
        if output.heartbeat_lost && output.spec.settings.failsafe.state().is_some_and(|safe| safe != on) {
            return Err(HEARTBEAT_LOST.to_owned());
        }
        if pulse.is_some() && !on {
            return Err("pulse-must-be-on".to_owned());
        }
        match (pulse, output.spec.settings.max_on) {
            (Some(pulse), Some(max_on)) if pulse > max_on => {
                return Err(format!("max-on:{}", duration_text(max_on)));
            }
            _ => {}
        }
        match interlocks.blocking(&output.name).filter(|_| on) {
            Some(other) => Err(format!("interlock:{}", self.local_name(other))),
            None => Ok(()),
        }
    }

    /// How an output is called in answers: its id if it is of this device, else `DEVICE/OUTPUT`.
    fn local_name<'n>(&'n self, name: &'n str) -> &'n str {
        let own = self.switches.iter().find(|output| output.name == name);
        own.map_or(name, |output| &output.spec.id)
    }

    /// The device can be written to; the controllers of its outputs have their time from here.
    fn found(&mut self, now: Moment) {
        self.available = true;
        for output in &mut self.switches {
            if let Some(heartbeat) = &output.spec.settings.heartbeat
                && output.alive_until.is_none()
                && !output.heartbeat_lost
            {
                output.alive_until = Some(now + heartbeat.lost_after);
            }
        }
    }

    fn alive(&mut self, now: Moment, index: usize) {
        let output = &mut self.switches[index];
        let Some(heartbeat) = &output.spec.settings.heartbeat else { return };
        output.alive_until = Some(now + heartbeat.lost_after);
        if std::mem::take(&mut output.heartbeat_lost) {
            self.events.push_back(OutputEvent::Heartbeat { output: index, lost: false });
        }
    }

    /// The controller of an output is silent for too long.
    fn heartbeat_lost(&mut self, now: Moment, index: usize) {
        let output = &mut self.switches[index];
        output.alive_until = None;
        output.heartbeat_lost = true;
        let safe = output.spec.settings.failsafe.state();
        self.events.push_back(OutputEvent::Heartbeat { output: index, lost: true });
        if let Some(on) = safe {
            self.supersede(index, Status::Failed, Some(HEARTBEAT_LOST));
            self.switches[index].waiting = Some(Wish { on, cause: Cause::System, not_before: now });
        }
    }

    /// Ends what is waiting and what pulses, because something else takes its place.
    fn supersede(&mut self, index: usize, status: Status, reason: Option<&str>) {
        self.end_waiting(index, status, reason);
        let pulse = self.switches[index].pulse.take();
        self.end(index, pulse.map(Cause::Pulse), status, reason);
    }

    fn end_waiting(&mut self, index: usize, status: Status, reason: Option<&str>) {
        let waiting = self.switches[index].waiting.take();
        self.end(index, waiting.map(|wish| wish.cause), status, reason);
    }

    fn end(&mut self, index: usize, cause: Option<Cause>, status: Status, reason: Option<&str>) {
        if let Some((ticket, id)) = cause.and_then(Cause::into_sender) {
            let result = CommandResult { reason: reason.map(str::to_owned), ..CommandResult::new(id, status) };
            self.events.push_back(OutputEvent::Result { output: index, ticket, result });
        }
    }

    fn order_states(&mut self, now: Moment, states: &[Option<bool>], reason: &str) {
        for (index, state) in states.iter().enumerate() {
            self.supersede(index, Status::Failed, Some(reason));
            self.switches[index].waiting = state.map(|on| Wish { on, cause: Cause::System, not_before: now });
        }
    }

    fn observed(&mut self, now: Moment, index: usize, on: bool) {
        let output = &mut self.switches[index];
        if output.set_known(now, on) {
            let is_lasting = output.writing.as_ref().is_none_or(|writing| writing.wish.cause.is_lasting());
            self.events.push_back(OutputEvent::State { output: index, on, is_lasting });
        }
        match output.writing.take() {
            Some(writing) if writing.wish.on == on => self.complete(now, index, writing.wish),
            // A device that reports by itself may report once more what was before the write.
            Some(writing) if writing.deadline.is_some() => output.writing = Some(writing),
            Some(writing) => {
                output.writing = Some(writing);
                self.write_failed(now, index, "not-verified");
                self.switches[index].known = Some(on);
            }
            None => self.changed_by_device(now, index, on),
        }
    }

    fn changed_by_device(&mut self, now: Moment, index: usize, on: bool) {
        let output = &mut self.switches[index];
        if on {
            return;
        }
        if let Some(pulse) = output.pulse.take() {
            let result = pulse.result(now, Status::Failed, Some("switched-off-by-device"));
            self.events.push_back(OutputEvent::Result { output: index, ticket: pulse.ticket, result });
        }
    }

    fn write_failed(&mut self, now: Moment, index: usize, reason: &str) {
        let output = &mut self.switches[index];
        let Some(writing) = output.writing.take() else { return };
        // The write may still take effect: until the next observation everything is possible.
        output.known = None;
        match writing.wish.cause {
            Cause::Command(order) => {
                let result = CommandResult {
                    took_ms: Some(milliseconds(now.saturating_since(order.received))),
                    ..CommandResult::because(order.id, Status::Failed, reason)
                };
                self.events.push_back(OutputEvent::Result { output: index, ticket: order.ticket, result });
            }
            // What is not commanded is a duty: it is tried until it succeeds or a command takes its place.
            cause @ (Cause::Pulse(_) | Cause::MaxOn | Cause::System) => {
                if output.waiting.is_some() {
                    self.end(index, Some(cause), Status::Superseded, None);
                } else {
                    output.waiting = Some(Wish { on: writing.wish.on, cause, not_before: now + RETRY });
                }
            }
        }
    }

    fn lost(&mut self, now: Moment) {
        self.available = false;
        for index in 0..self.switches.len() {
            self.switches[index].known = None;
            self.write_failed(now, index, "offline");
            // A duty waits on: the end of a pulse, or of the longest time on.
            let waiting = self.switches[index].waiting.as_ref();
            if waiting.is_some_and(|wish| matches!(wish.cause, Cause::Command(_))) {
                self.end_waiting(index, Status::Failed, Some("offline"));
            }
        }
    }

    fn exclusive(&self, mut states: Vec<Option<bool>>, interlocks: &Interlocks) -> Vec<Option<bool>> {
        for (index, output) in self.switches.iter().enumerate() {
            if states[index] == Some(true) {
                let others = interlocks.excluded_by(&output.name);
                for (later, state) in self.switches.iter().zip(&mut states).skip(index + 1) {
                    if others.contains(&later.name.as_str()) {
                        *state = Some(false);
                    }
                }
            }
        }
        states
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
