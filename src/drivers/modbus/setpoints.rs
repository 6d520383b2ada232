//! Registers that can be set: a command becomes words, is written when the unit is there, and is done when the same
//! words were read back. Pure.

use super::encode;
use super::packet::Request;
use crate::base::Moment;
use crate::config::Register;
use crate::device::{Command, CommandResult, Status, Ticket, Value};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// What registers want done; they are known by their index.
#[derive(Debug)]
pub(super) enum SetpointEvent {
    /// Write this, then read the register.
    Write { register: usize, request: Request },
    /// Answer a command.
    Result { register: usize, ticket: Ticket, result: CommandResult },
}

/// A command on its way.
#[derive(Debug)]
struct Order {
    ticket: Ticket,
    id: Option<String>,
    words: Vec<u16>,
    received: Moment,
    expires: Moment,
}

#[derive(Debug, Default)]
struct Setpoint {
    waiting: Option<Order>,
    writing: Option<Order>,
}

/// The registers of one unit that can be set.
#[derive(Debug, Default)]
pub(super) struct Setpoints {
    registers: BTreeMap<usize, Setpoint>,
    events: VecDeque<SetpointEvent>,
}

impl Setpoints {
    /// Takes in a command. A later one takes the place of one that was not written yet.
    pub(super) fn command(&mut self, now: Moment, index: usize, register: &Register, ticket: Ticket, command: Command) {
        let Command { action, pulse, ttl, id, .. } = command;
        let words = if pulse.is_some() { Err("no-pulse".to_owned()) } else { encode::words(register, &action) };
        let words = match words {
            Ok(words) => words,
            Err(reason) => return self.answer(index, ticket, CommandResult::because(id, Status::Rejected, reason)),
        };
        let order = Order { ticket, id, words, received: now, expires: now + ttl.unwrap_or(Duration::ZERO) };
        let before = self.registers.entry(index).or_default().waiting.replace(order);
        if let Some(Order { ticket, id, .. }) = before {
            self.answer(index, ticket, CommandResult::new(id, Status::Superseded));
        }
    }

    /// Begins what can be begun and gives up what waited too long.
    pub(super) fn advance(&mut self, now: Moment, is_online: bool, registers: &[Register]) {
        for (index, setpoint) in &mut self.registers {
            if let Some(order) = setpoint.waiting.take_if(|order| order.expires <= now) {
                let result = CommandResult::new(order.id, Status::Expired);
                self.events.push_back(SetpointEvent::Result { register: *index, ticket: order.ticket, result });
            }
            if is_online
                && setpoint.writing.is_none()
                && let Some(order) = setpoint.waiting.take()
            {
                let address = registers[*index].address;
                let request = match order.words.as_slice() {
                    [word] => Request::WriteWord { address, word: *word },
                    words => Request::WriteWords { address, words: words.to_vec() },
                };
                setpoint.writing = Some(order);
                self.events.push_back(SetpointEvent::Write { register: *index, request });
            }
        }
    }

    /// What was read after a write.
    pub(super) fn verified(&mut self, now: Moment, index: usize, words: &[u16], value: Option<Value>) {
        let Some(order) = self.registers.get_mut(&index).and_then(|setpoint| setpoint.writing.take()) else { return };
        let took = u64::try_from(now.saturating_since(order.received).as_millis()).unwrap_or(u64::MAX);
        let result = if words == order.words {
            CommandResult { took_ms: Some(took), ..CommandResult::new(order.id, Status::Done) }
        } else {
            CommandResult::because(order.id, Status::Failed, "not-verified")
        };
        self.answer(index, order.ticket, CommandResult { value, ..result });
    }

    /// The write, or reading it back, failed.
    pub(super) fn failed(&mut self, index: usize, reason: &str) {
        if let Some(order) = self.registers.get_mut(&index).and_then(|setpoint| setpoint.writing.take()) {
            self.answer(index, order.ticket, CommandResult::because(order.id, Status::Failed, reason));
        }
    }

    /// The unit is lost: what is under way failed, what waits goes on waiting for as long as it may.
    pub(super) fn lose(&mut self) {
        let indexes: Vec<usize> = self.registers.keys().copied().collect();
        for index in indexes {
            self.failed(index, "offline");
        }
    }

    /// When [`advance`](Self::advance) is due.
    pub(super) fn next_deadline(&self) -> Option<Moment> {
        self.registers.values().filter_map(|setpoint| Some(setpoint.waiting.as_ref()?.expires)).min()
    }

    /// The next thing to do.
    pub(super) fn poll_output(&mut self) -> Option<SetpointEvent> {
        self.events.pop_front()
    }

    fn answer(&mut self, register: usize, ticket: Ticket, result: CommandResult) {
        self.events.push_back(SetpointEvent::Result { register, ticket, result });
    }
}
