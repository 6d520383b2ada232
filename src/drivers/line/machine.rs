//! A device that speaks in lines: what its lines mean, what commands write. Pure.

use super::format::{self, Line, LineReader};
use crate::base::Moment;
use crate::config::{LineDevice, LineOutput};
use crate::device::{OutputEvent, OutputInput, OutputSpec, Value};
use crate::drivers::Start;
use crate::drivers::door::Asked;
use crate::drivers::say::Say;
use crate::drivers::serial::{Machine, PORT, PortInput, PortOutput};
use crate::drivers::switches::{SharedInterlocks, Switches};
use crate::drivers::values::Values;
use std::collections::VecDeque;

/// One device.
#[derive(Debug)]
pub(in crate::drivers) struct LineMachine {
    settings: LineDevice,
    reader: LineReader,
    values: Values,
    outputs: Switches,
    /// States to bring the outputs into once the device has spoken for the first time.
    restore: Option<Vec<Option<bool>>>,
    is_online: bool,
    is_open: bool,
    says: VecDeque<PortOutput>,
}

impl LineMachine {
    /// A device that has not spoken; `last` are the states of its switches before the start.
    pub(in crate::drivers) fn new(
        interlocks: &SharedInterlocks,
        device: &str,
        settings: &LineDevice,
        last: &[Option<bool>],
        start: Start,
    ) -> Self {
        let spec = |output: &LineOutput| OutputSpec {
            id: output.id.clone(),
            settings: output.output.clone(),
            confirm: Some(output.confirm),
        };
        let outputs = Switches::new(interlocks, device, settings.outputs.iter().map(spec).collect());
        let restore = match start {
            Start::Fresh => outputs.start_states(last),
            Start::AfterFault => outputs.failsafe_states(),
        };
        Self {
            reader: LineReader::default(),
            values: Values::new(settings.properties.iter().map(|property| &property.property)),
            outputs,
            restore: Some(restore),
            is_online: false,
            is_open: false,
            says: VecDeque::new(),
            settings: settings.clone(),
        }
    }

    fn say(&mut self, say: Say) {
        self.says.push_back(PortOutput::Say(say));
    }

    fn trouble(&mut self, part: &str, kind: &'static str, text: impl Into<String>) {
        self.say(Say::Trouble { part: part.to_owned(), kind, text: text.into() });
    }

    /// The port is gone: nothing the device said is to be trusted any more.
    fn closed(&mut self, now: Moment, kind: &'static str, text: String) {
        self.trouble(PORT, kind, text);
        self.is_open = false;
        self.is_online = false;
        self.say(Say::Offline);
        self.values.lose();
        self.outputs.handle(now, OutputInput::Lost);
    }

    fn received(&mut self, now: Moment, bytes: &[u8]) {
        for line in self.reader.read(bytes) {
            match line {
                Line::Text(text) => self.line(now, &text),
                Line::NotText => self.trouble(PORT, "read", "the device sends bytes that are no text"),
                Line::TooLong => self.trouble(PORT, "read", "the device sends a line without end"),
            }
        }
    }

    /// One line: its values, then the outputs it tells about.
    fn line(&mut self, now: Moment, text: &str) {
        let pairs = match format::pairs(&self.settings.read, text) {
            Ok(pairs) => pairs,
            Err(why) => return self.trouble(PORT, "read", why),
        };
        let mut observed = Vec::new();
        let mut is_known = false;
        for (key, value) in &pairs {
            let property = self.settings.properties.iter().position(|property| property.key == *key);
            let output = self.settings.outputs.iter().position(|output| output.key == *key);
            match (property, output) {
                (Some(index), _) => is_known |= self.value(now, index, value),
                (None, Some(output)) => {
                    let on = self.switch(output, value);
                    is_known |= on.is_some();
                    observed.extend(on.map(|on| OutputInput::Observed { output, on }));
                }
                (None, None) => {}
            }
        }
        if is_known {
            self.spoke(now, observed);
        }
    }

    /// The device said something that is understood.
    fn spoke(&mut self, now: Moment, observed: Vec<OutputInput>) {
        self.say(Say::Well { part: PORT.to_owned() });
        self.collect();
        if !std::mem::replace(&mut self.is_online, true) {
            self.say(Say::Online);
            self.outputs.handle(now, OutputInput::Found);
        }
        for input in observed {
            self.outputs.handle(now, input);
        }
        if let Some(states) = self.restore.take() {
            self.outputs.handle(now, OutputInput::Restore(states));
        }
    }

    /// A property's value; whether it could be read and believed.
    fn value(&mut self, now: Moment, index: usize, text: &str) -> bool {
        match format::value(self.settings.properties[index].kind, text) {
            Ok(value) => self.values.take(now, index, value),
            Err(why) => {
                self.values.doubt(index, why);
                false
            }
        }
    }

    fn switch(&mut self, output: usize, text: &str) -> Option<bool> {
        let on = format::switch(text);
        let part = self.settings.outputs[output].id.clone();
        match on {
            Some(_) => self.say(Say::Well { part }),
            None => self.trouble(&part, "read", format!("`{text}` is neither 0 nor 1")),
        }
        on
    }

    fn asked(&mut self, now: Moment, asked: Asked) {
        match asked {
            Asked::Set { property, ticket, command } => {
                if let Some(output) = self.settings.outputs.iter().position(|output| output.id == property) {
                    self.outputs.handle(now, OutputInput::Command { output, ticket, command });
                }
            }
            Asked::Alive { outputs } => {
                for id in outputs {
                    if let Some(output) = self.settings.outputs.iter().position(|output| output.id == id) {
                        self.outputs.handle(now, OutputInput::Alive { output });
                    }
                }
            }
            // Such a device cannot be asked: what it last said is published again, if it can still be trusted.
            Asked::Get { property } => {
                if let Some(index) = self.values.index_of(&property) {
                    self.values.again(index);
                } else if let Some(output) = self.settings.outputs.iter().position(|output| output.id == property)
                    && let Some(on) = self.outputs.state(output)
                {
                    self.say(Say::State { property, value: Value::Boolean(on) });
                }
            }
        }
    }

    /// What values and outputs want becomes something to do.
    fn collect(&mut self) {
        while let Some(say) = self.values.poll_output() {
            self.say(say);
        }
        while let Some(event) = self.outputs.poll_output() {
            if let OutputEvent::Write { output, on } = event {
                // Without a port nothing is written; the outputs were told that it is lost.
                if self.is_open {
                    let command = format::command(&self.settings.outputs[output].write, on);
                    self.says.push_back(PortOutput::Send(command.into_bytes()));
                }
                continue;
            }
            let outputs = &self.settings.outputs;
            self.says.extend(Say::of_output(event, |output| outputs[output].id.clone()).map(PortOutput::Say));
        }
    }
}

impl Machine for LineMachine {
    fn handle(&mut self, now: Moment, input: PortInput) {
        match input {
            PortInput::Opened => {
                self.is_open = true;
                self.reader = LineReader::default();
            }
            PortInput::Closed { kind, text } => self.closed(now, kind, text),
            PortInput::Received(bytes) => self.received(now, bytes),
            PortInput::Asked(asked) => self.asked(now, asked),
            PortInput::Failsafe => self.outputs.handle(now, OutputInput::Failsafe),
            PortInput::Time => {
                self.values.pass(now);
                self.outputs.handle(now, OutputInput::Time);
            }
        }
        self.collect();
    }

    fn poll_output(&mut self) -> Option<PortOutput> {
        self.says.pop_front()
    }

    fn next_deadline(&self) -> Option<Moment> {
        [self.values.next_deadline(), self.outputs.next_deadline()].into_iter().flatten().min()
    }

    fn switches(&mut self) -> Option<&mut Switches> {
        Some(&mut self.outputs)
    }

    fn is_idle(&self) -> bool {
        self.outputs.is_idle() || !self.is_online
    }
}
