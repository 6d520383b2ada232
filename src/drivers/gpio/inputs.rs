//! What a device reads from its lines: contacts, buttons, counters.

use super::Device;
use super::lines::Edge;
use crate::device::{Action, Command, CommandResult, Status, Ticket, Value, rising_among};
use crate::drivers::DriverError;

/// What an input line is, by its index among the inputs of the device.
enum Kind {
    Contact(usize),
    Button(usize),
    Counter(usize),
}

impl Device<'_> {
    fn kind(&self, index: usize) -> Kind {
        let (contacts, buttons) = (self.gpio.inputs.len(), self.gpio.buttons.len());
        match index {
            _ if index < contacts => Kind::Contact(index),
            _ if index < contacts + buttons => Kind::Button(index - contacts),
            _ => Kind::Counter(index - contacts - buttons),
        }
    }

    fn input_id(&self, index: usize) -> &str {
        match self.kind(index) {
            Kind::Contact(index) => &self.gpio.inputs[index].id,
            Kind::Button(index) => &self.gpio.buttons[index].id,
            Kind::Counter(index) => &self.gpio.counters[index].id,
        }
    }

    /// Reads every input line.
    pub(super) fn read_inputs(&mut self) -> Result<(), DriverError> {
        for index in 0..self.levels.len() {
            self.read_level(index)?;
        }
        self.tell_totals()
    }

    fn read_level(&mut self, index: usize) -> Result<(), DriverError> {
        let level = self.lines.read(self.gpio.outputs.len() + index)?;
        self.levels[index].handle(self.house.clock.now(), level);
        self.settle_level(index)
    }

    /// Takes in a change of an input line.
    pub(super) fn edge(&mut self, edge: Edge) -> Result<(), DriverError> {
        let Some(index) = edge.line.checked_sub(self.gpio.outputs.len()) else { return Ok(()) };
        if edge.lost > 0 {
            self.edges_lost(index, edge)?;
        }
        self.levels[index].handle(edge.at, edge.level);
        self.settle_level(index)?;
        if edge.lost > 0 && !matches!(self.kind(index), Kind::Counter(_)) {
            self.read_level(index)?;
        }
        self.tell_totals()
    }

    /// Edges came faster than they were read: that is told, and the pulses among them count.
    fn edges_lost(&mut self, index: usize, edge: Edge) -> Result<(), DriverError> {
        self.lost[index] += u64::from(edge.lost);
        if let (Kind::Counter(counter), Some(before)) = (self.kind(index), self.levels[index].level())
            && self.lines.debounces()
        {
            let pulses = rising_among(before, u64::from(edge.lost) + 1) - u64::from(edge.level);
            self.counters[counter].missed(pulses);
        }
        let text = format!("{} edges were lost since the start: the line changes too fast", self.lost[index]);
        let id = self.input_id(index).to_owned();
        self.door.trouble(&id, "lost-edges", &text)
    }

    /// Lets time pass for debouncing, clicks and totals.
    pub(super) fn pass_inputs(&mut self) -> Result<(), DriverError> {
        for index in 0..self.levels.len() {
            self.settle_level(index)?;
        }
        for button in 0..self.buttons.len() {
            self.buttons[button].pass(self.house.clock.now());
            self.tell_clicks(button)?;
        }
        self.tell_totals()
    }

    /// Publishes a level that counts from now on, and the clicks and pulses it makes.
    fn settle_level(&mut self, index: usize) -> Result<(), DriverError> {
        let is_first = self.levels[index].level().is_none();
        let Some((level, at)) = self.levels[index].poll_output(self.house.clock.now()) else { return Ok(()) };
        match self.kind(index) {
            Kind::Contact(contact) => self.door.state(&self.gpio.inputs[contact].id, &Value::Boolean(level)),
            Kind::Button(button) => {
                self.buttons[button].handle(at, level);
                self.tell_clicks(button)
            }
            // The level that is found at the start is no pulse.
            Kind::Counter(counter) if level && !is_first => {
                if self.counters[counter].pulse(at) {
                    return Ok(());
                }
                let text = format!("{} pulses came sooner than `max_rate` allows", self.counters[counter].refused());
                self.door.trouble(&self.gpio.counters[counter].id, "rate", &text)
            }
            Kind::Counter(_) => Ok(()),
        }
    }

    fn tell_clicks(&mut self, button: usize) -> Result<(), DriverError> {
        while let Some(click) = self.buttons[button].poll_output() {
            self.door.click(&self.gpio.buttons[button].id, click)?;
        }
        Ok(())
    }

    fn tell_totals(&mut self) -> Result<(), DriverError> {
        let now = self.house.clock.now();
        for (counter, settings) in self.counters.iter_mut().zip(&self.gpio.counters) {
            if let Some(total) = counter.poll_output(now) {
                let value = Value::Number(total.value);
                if total.is_kept {
                    self.door.state(&settings.id, &value)?;
                } else {
                    self.door.passing_state(&settings.id, &value)?;
                }
            }
        }
        Ok(())
    }

    /// Before the end: what is counted is kept.
    pub(super) fn keep_totals(&mut self) -> Result<(), DriverError> {
        for (counter, settings) in self.counters.iter_mut().zip(&self.gpio.counters) {
            if let Some(total) = counter.finish() {
                self.door.state(&settings.id, &Value::Number(total.value))?;
            }
        }
        Ok(())
    }

    /// Someone sets the total of a counter.
    pub(super) fn set_total(&mut self, id: &str, ticket: Ticket, command: &Command) -> Result<(), DriverError> {
        let Some(index) = self.gpio.counters.iter().position(|counter| counter.id == id) else { return Ok(()) };
        let result = match (&command.action, command.pulse) {
            (Action::Number(total), None) => {
                self.counters[index].set(self.house.clock.now(), *total);
                self.tell_totals()?;
                let value = Some(Value::Number(self.counters[index].total()));
                CommandResult { value, ..CommandResult::new(command.id.clone(), Status::Done) }
            }
            _ => CommandResult::because(command.id.clone(), Status::Rejected, "not-a-number"),
        };
        self.door.result(id, ticket, &result)
    }

    /// Reads an input or a counter again and publishes it.
    pub(super) fn read_input_again(&mut self, id: &str) -> Result<(), DriverError> {
        if let Some(index) = self.gpio.inputs.iter().position(|input| input.id == id) {
            self.read_level(index)?;
            if let Some(level) = self.levels[index].level() {
                self.door.state(id, &Value::Boolean(level))?;
            }
        } else if let Some(index) = self.gpio.counters.iter().position(|counter| counter.id == id) {
            self.door.passing_state(id, &Value::Number(self.counters[index].total()))?;
        }
        Ok(())
    }
}
