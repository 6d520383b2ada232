//! What a device reads from its lines: contacts, buttons, counters. Pure.

use super::lines::Edge;
use super::machine::LinesMachine;
use crate::base::Moment;
use crate::device::{Action, Command, CommandResult, Status, Ticket, Value, rising_among};
use crate::drivers::say::Say;

/// What an input line is, by its index among the inputs of the device.
enum Kind {
    Contact(usize),
    Button(usize),
    Counter(usize),
}

impl LinesMachine {
    fn kind(&self, index: usize) -> Kind {
        let (contacts, buttons) = (self.gpio.inputs.len(), self.gpio.buttons.len());
        match index {
            _ if index < contacts => Kind::Contact(index),
            _ if index < contacts + buttons => Kind::Button(index - contacts),
            _ => Kind::Counter(index - contacts - buttons),
        }
    }

    pub(super) fn input_id(&self, index: usize) -> &str {
        match self.kind(index) {
            Kind::Contact(index) => &self.gpio.inputs[index].id,
            Kind::Button(index) => &self.gpio.buttons[index].id,
            Kind::Counter(index) => &self.gpio.counters[index].id,
        }
    }

    /// Takes in a change of an input line.
    pub(super) fn edge(&mut self, now: Moment, edge: Edge) {
        let Some(index) = edge.line.checked_sub(self.gpio.outputs.len()) else { return };
        if edge.lost > 0 {
            self.edges_lost(index, edge);
        }
        // A level counts by its own time: what had lasted long enough before this edge, and nothing that may end yet.
        self.settle_level(edge.at, index);
        self.levels[index].handle(edge.at, edge.level);
        self.settle_level(edge.at, index);
        if edge.lost > 0 && !matches!(self.kind(index), Kind::Counter(_)) {
            self.read(edge.line);
        }
        self.tell_totals(now);
    }

    /// Edges came faster than they were read: that is told, and the pulses among them count.
    fn edges_lost(&mut self, index: usize, edge: Edge) {
        self.lost[index] += u64::from(edge.lost);
        if let (Kind::Counter(counter), Some(before)) = (self.kind(index), self.levels[index].level())
            && self.is_debounced
        {
            let pulses = rising_among(before, u64::from(edge.lost) + 1) - u64::from(edge.level);
            self.counters[counter].missed(pulses);
        }
        let text = format!("{} edges were lost since the start: the line changes too fast", self.lost[index]);
        let part = self.input_id(index).to_owned();
        self.say(Say::Trouble { part, kind: "lost-edges", text });
    }

    /// Lets time pass for debouncing, clicks and totals.
    pub(super) fn pass_inputs(&mut self, now: Moment) {
        for index in 0..self.levels.len() {
            self.settle_level(now, index);
        }
        for button in 0..self.buttons.len() {
            self.buttons[button].pass(now);
            self.tell_clicks(button);
        }
        self.tell_totals(now);
    }

    /// Publishes a level that counts from now on, and the clicks and pulses it makes.
    pub(super) fn settle_level(&mut self, now: Moment, index: usize) {
        let is_first = self.levels[index].level().is_none();
        let Some((level, at)) = self.levels[index].poll_output(now) else { return };
        match self.kind(index) {
            Kind::Contact(contact) => {
                let property = self.gpio.inputs[contact].id.clone();
                self.say(Say::State { property, value: Value::Boolean(level) });
            }
            Kind::Button(button) => {
                self.buttons[button].handle(at, level);
                self.tell_clicks(button);
            }
            // The level that is found at the start is no pulse.
            Kind::Counter(counter) if level && !is_first => {
                if !self.counters[counter].pulse(at) {
                    let refused = self.counters[counter].refused();
                    let text = format!("{refused} pulses came sooner than `max_rate` allows");
                    let part = self.gpio.counters[counter].id.clone();
                    self.say(Say::Trouble { part, kind: "rate", text });
                }
            }
            Kind::Counter(_) => {}
        }
    }

    fn tell_clicks(&mut self, button: usize) {
        while let Some(click) = self.buttons[button].poll_output() {
            let property = self.gpio.buttons[button].id.clone();
            self.say(Say::Click { property, click });
        }
    }

    pub(super) fn tell_totals(&mut self, now: Moment) {
        for index in 0..self.counters.len() {
            if let Some(total) = self.counters[index].poll_output(now) {
                let (property, value) = (self.gpio.counters[index].id.clone(), Value::Number(total.value));
                let say = if total.is_kept { Say::State { property, value } } else { Say::Passing { property, value } };
                self.say(say);
            }
        }
    }

    /// Before the end: what is counted is kept.
    pub(super) fn keep_totals(&mut self) {
        for index in 0..self.counters.len() {
            if let Some(total) = self.counters[index].finish() {
                let (property, value) = (self.gpio.counters[index].id.clone(), Value::Number(total.value));
                self.say(Say::State { property, value });
            }
        }
    }

    /// Someone sets the total of a counter.
    pub(super) fn set_total(&mut self, now: Moment, property: String, ticket: Ticket, command: &Command) {
        let Some(index) = self.gpio.counters.iter().position(|counter| counter.id == property) else { return };
        let result = match (&command.action, command.pulse) {
            (Action::Number(total), None) => {
                self.counters[index].set(now, *total);
                self.tell_totals(now);
                let value = Some(Value::Number(self.counters[index].total()));
                CommandResult { value, ..CommandResult::new(command.id.clone(), Status::Done) }
            }
            _ => CommandResult::because(command.id.clone(), Status::Rejected, "not-a-number"),
        };
        self.say(Say::Result { property, ticket, result });
    }
}
