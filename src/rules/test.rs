//! Tests that stand beside the rules, on a clock of their own: what is set in the house becomes so at once.

use super::engine::{Engine, Input, Kept, Now, Output};
use super::expression::Kind;
use super::program::{Literal, Program};
use super::simulate::Deed;
use crate::base::{Moment, duration_text};
use crate::device::LEVEL_MAX;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long the house of a test has been on before the test begins.
const WARM_UP: Duration = Duration::from_mins(1);

/// Outputs of one moment that are followed; beyond that rules set each other without end.
const OUTPUTS_MAX: usize = 10_000;

/// One test.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Test {
    /// What it is called: the rule it is about, or a sentence.
    pub name: String,
    /// Where it stands, `file:line`.
    pub place: String,
    /// When it begins, in milliseconds since 1970.
    pub at: i64,
    /// What happens.
    pub steps: Vec<TestStep>,
}

/// One step of a test, and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct TestStep {
    /// What happens.
    pub what: TestWhat,
    /// As it is written.
    pub text: String,
}

/// What happens in a test.
#[derive(Clone, Debug, PartialEq)]
pub enum TestWhat {
    /// A value becomes another, or an event comes.
    Set(u16, Literal),
    /// A message comes on a topic.
    Message(String, String),
    /// A device becomes online or offline.
    Available(String, bool),
    /// Time passes.
    Advance(Duration),
    /// A value must be this, at once or within a time.
    Expect(u16, Literal, Duration),
    /// A message must have been published with this payload.
    Published(String, String),
    /// An alert must be raised, or not.
    Alert(String, bool),
    /// The gateway loses its power and comes back at once, or after a time.
    Restart(Duration),
    /// Somebody acknowledges an alert.
    Acknowledge(String),
}

/// Runs all tests of a program. Returns one text for each that failed.
pub fn run_all(program: &Arc<Program>) -> Vec<(String, String)> {
    let failed = program.tests.iter().filter_map(|test| Some((test.place.clone(), run(program, test).err()?)));
    failed.collect()
}

/// Runs a test.
///
/// # Errors
/// What was otherwise than expected.
pub fn run(program: &Arc<Program>, test: &Test) -> Result<(), String> {
    let mut house = House::start(program, test.at);
    for (index, step) in test.steps.iter().enumerate() {
        let done = house.step(step);
        done.map_err(|what| format!("test `{}`, step {} {}: {what}", test.name, index + 1, step.text))?;
    }
    Ok(())
}

/// A house in which everything that is commanded becomes so at once.
pub(super) struct House {
    program: Arc<Program>,
    engine: Engine,
    moment: Moment,
    wall: i64,
    /// What every input is.
    values: Vec<Literal>,
    offline: Vec<String>,
    records: BTreeMap<Kept, String>,
    published: Vec<(String, String)>,
    alerts: Vec<String>,
    /// Outputs that go back after a pulse.
    pulses: Vec<(Moment, u16)>,
    /// Commands of rules since they were asked for.
    deeds: Vec<Deed>,
}

impl House {
    fn start(program: &Arc<Program>, at: i64) -> Self {
        let mut house = Self::new(program, at - super::schedule::millis(WARM_UP), &Literal::Boolean(false));
        house.wake();
        house.pass(WARM_UP);
        house.published.clear();
        house
    }

    /// A house that has not been started, with all contacts as given.
    fn new(program: &Arc<Program>, begin: i64, contacts: &Literal) -> Self {
        let now = Now { moment: Moment::START, wall: Some(begin), trusted: true };
        let values = program.inputs.iter().map(|input| match input.kind {
            super::expression::Kind::Boolean => contacts.clone(),
            _ => Literal::Unknown,
        });
        let mut house = Self {
            engine: Engine::new(program.clone(), now).without_pages(),
            moment: Moment::START,
            wall: begin,
            values: values.collect(),
            offline: Vec::new(),
            records: BTreeMap::new(),
            published: Vec::new(),
            alerts: Vec::new(),
            pulses: Vec::new(),
            deeds: Vec::new(),
            program: program.clone(),
        };
        for property in &program.house {
            house.values[usize::from(property.input)] = property.initial.clone();
        }
        house
    }

    /// A house of which nothing is known but that its devices are there, for a recording that tells it. Its rules wait
    /// for [`House::begin`].
    pub(super) fn silent(program: &Arc<Program>, at: i64) -> Self {
        let mut house = Self::new(program, at, &Literal::Unknown);
        house.retained();
        house
    }

    /// The rules start.
    pub(super) fn begin(&mut self) {
        self.handle(Input::Started);
    }

    pub(super) fn wall(&self) -> i64 {
        self.wall
    }

    /// A message of a recording.
    pub(super) fn recorded(&mut self, topic: &str, payload: &str, replayed: bool) {
        self.tell(topic, payload, replayed);
    }

    /// Somebody who is no rule commands an output.
    pub(super) fn commanded(&mut self, output: u16, payload: &str) {
        let state = self.program.outputs[usize::from(output)].state;
        let as_json = if payload.starts_with('{') { payload.to_owned() } else { format!("{{\"value\":{payload}}}") };
        self.obey(output, state, &as_json);
        self.handle(Input::Tick);
    }

    pub(super) fn take_deeds(&mut self) -> Vec<Deed> {
        self.published.clear();
        std::mem::take(&mut self.deeds)
    }

    fn now(&self) -> Now {
        Now { moment: self.moment, wall: Some(self.wall), trusted: true }
    }

    /// Devices come online with the values they have, and the engine starts.
    fn wake(&mut self) {
        self.retained();
        self.begin();
    }

    /// Tells what is retained.
    fn retained(&mut self) {
        let program = self.program.clone();
        for device in &program.devices {
            let word = if self.offline.contains(device) { "offline" } else { "online" };
            self.tell(&format!("{}/{device}/$availability", program.base), word, true);
        }
        for (input, spec) in program.inputs.iter().enumerate() {
            let value = self.values[input].clone();
            if !spec.is_event && !value.is_unknown() && spec.member().is_empty() {
                self.tell(&program.input_topic(input as u16), &value.to_string(), true);
            }
        }
    }

    fn tell(&mut self, topic: &str, payload: &str, replayed: bool) {
        self.handle(Input::Message { topic, payload: payload.as_bytes(), replayed });
    }

    fn handle(&mut self, input: Input<'_>) {
        self.engine.handle(self.now(), input);
        for _ in 0..OUTPUTS_MAX {
            let Some(output) = self.engine.poll_output() else { return };
            match output {
                Output::Keep { number, of, record } => {
                    self.records.insert(of, record);
                    self.engine.handle(self.now(), Input::Kept(number));
                }
                Output::Publish(speech) => self.heard(&speech.topic, &speech.payload, speech.is_command),
                Output::Shown(_) => {}
            }
        }
    }

    fn heard(&mut self, topic: &str, payload: &str, is_command: bool) {
        if let Some(name) = topic.split_once("/$gw/alerts/").map(|(_, name)| name.to_owned()) {
            self.alerts.retain(|alert| *alert != name);
            if !payload.is_empty() {
                self.alerts.push(name);
            }
            return;
        }
        let program = self.program.clone();
        if is_command {
            let name = program.below_base(topic).and_then(|rest| rest.strip_suffix("/set")).unwrap_or_default();
            if let Some(output) = program.output_named(name) {
                self.obey(output, program.outputs[usize::from(output)].state, payload);
                self.note(name, payload);
            }
            return;
        }
        self.published.push((topic.to_owned(), payload.to_owned()));
        let mut house = program.house.iter().map(|property| property.input);
        match house.find(|input| program.comes_on(*input, topic)) {
            Some(input) => self.values[usize::from(input)] = Literal::of_payload(payload),
            None => {
                self.engine.handle(self.now(), Input::Message { topic, payload: payload.as_bytes(), replayed: false });
            }
        }
    }

    fn note(&mut self, output: &str, payload: &str) {
        let command: serde_json::Map<String, serde_json::Value> = serde_json::from_str(payload).unwrap_or_default();
        let text = |key: &str| {
            command
                .get(key)
                .map_or(String::new(), |value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        };
        let id = text("id");
        let rule = id.rsplit_once('/').map_or("", |(rule, _)| rule).to_owned();
        let pulse = Some(text("pulse")).filter(|pulse| !pulse.is_empty());
        self.deeds.push(Deed { at: self.wall, output: output.to_owned(), value: text("value"), pulse, rule });
    }

    /// An output does what it is told.
    fn obey(&mut self, output: u16, state: u16, payload: &str) {
        let command: serde_json::Map<String, serde_json::Value> = serde_json::from_str(payload).unwrap_or_default();
        let value = match command.get("value") {
            Some(serde_json::Value::Bool(value)) => Literal::Boolean(*value),
            Some(serde_json::Value::Number(number)) => number.as_f64().map_or(Literal::Unknown, Literal::Number),
            Some(serde_json::Value::String(word)) if word == "toggle" => {
                let is_on = match self.values[usize::from(state)] {
                    Literal::Number(level) => level > 0.0,
                    Literal::Boolean(on) => on,
                    Literal::Unknown | Literal::Text(_) => false,
                };
                Literal::Boolean(!is_on)
            }
            Some(serde_json::Value::String(text)) => Literal::Text(text.as_str().into()),
            _ => Literal::Unknown,
        };
        // A dimmer that is switched on is full on.
        let value = match (value, self.program.inputs[usize::from(state)].kind) {
            (Literal::Boolean(on), Kind::Number(_)) => Literal::Number(if on { LEVEL_MAX } else { 0.0 }),
            (value, _) => value,
        };
        self.pulses.retain(|(_, pulsed)| *pulsed != output);
        let pulse = command.get("pulse").and_then(|pulse| crate::base::parse_duration(pulse.as_str()?).ok());
        if let Some(pulse) = pulse {
            self.pulses.push((self.moment + pulse, output));
        }
        self.become_value(state, &value);
    }

    fn become_value(&mut self, input: u16, value: &Literal) {
        self.values[usize::from(input)] = value.clone();
        let spec = &self.program.inputs[usize::from(input)];
        // The house's own properties are told to the rules as by anybody.
        let topic = self.program.input_topic(input);
        let topic = if spec.house().is_some() { format!("{topic}/set") } else { topic.into_owned() };
        let payload = value.to_string();
        self.engine.handle(self.now(), Input::Message { topic: &topic, payload: payload.as_bytes(), replayed: false });
    }

    /// Time passes, from one thing that is due to the next.
    pub(super) fn pass(&mut self, length: Duration) {
        let end = self.moment + length;
        for _ in 0..OUTPUTS_MAX * 10 {
            let pulse = self.pulses.iter().map(|(at, _)| *at).min();
            let due = [self.engine.next_deadline(), pulse].into_iter().flatten().min().filter(|due| *due <= end);
            let to = due.unwrap_or(end).max(self.moment);
            self.wall += super::schedule::millis(to.saturating_since(self.moment));
            self.moment = to;
            while let Some(at) = self.pulses.iter().position(|(at, _)| *at <= self.moment) {
                let (_, output) = self.pulses.swap_remove(at);
                let state = self.program.outputs[usize::from(output)].state;
                self.become_value(state, &Literal::Boolean(false));
            }
            self.handle(Input::Tick);
            if due.is_none() {
                return;
            }
        }
    }

    fn restart(&mut self, off: Duration) {
        self.wall += super::schedule::millis(off);
        self.moment = Moment::START;
        self.pulses.clear();
        self.engine = Engine::new(self.program.clone(), self.now()).without_pages();
        for (of, record) in self.records.iter().filter(|(_, record)| !record.is_empty()) {
            self.engine.restore(*of, record);
        }
        self.wake();
    }

    fn step(&mut self, step: &TestStep) -> Result<(), String> {
        match &step.what {
            TestWhat::Set(input, value) => {
                self.become_value(*input, value);
                self.handle(Input::Tick);
            }
            TestWhat::Message(topic, payload) => self.tell(topic, payload, false),
            TestWhat::Available(device, online) => {
                self.offline.retain(|offline| offline != device);
                if !online {
                    self.offline.push(device.clone());
                }
                let topic = format!("{}/{device}/$availability", self.program.base);
                self.tell(&topic, if *online { "online" } else { "offline" }, false);
            }
            TestWhat::Advance(length) => self.pass(*length),
            TestWhat::Restart(off) => self.restart(*off),
            TestWhat::Acknowledge(alert) => self.handle(Input::Acknowledge(alert)),
            TestWhat::Expect(input, value, within) => return self.expect(*input, value, *within),
            TestWhat::Published(topic, payload) => {
                let found = self.published.iter().any(|(heard, said)| heard == topic && said == payload);
                if !found {
                    return Err(format!("nothing of the kind was published; there was {:?}", self.published));
                }
            }
            TestWhat::Alert(name, raised) => {
                if self.alerts.contains(name) != *raised {
                    return Err(format!("the alerts are {:?}", self.alerts));
                }
            }
        }
        Ok(())
    }

    fn expect(&mut self, input: u16, value: &Literal, within: Duration) -> Result<(), String> {
        let end = self.moment + within;
        while self.values[usize::from(input)] != *value {
            let next = self.engine.next_deadline().into_iter().chain(self.pulses.iter().map(|(at, _)| *at)).min();
            let Some(next) = next.filter(|next| *next <= end && *next > self.moment) else {
                let name = &self.program.inputs[usize::from(input)].name;
                let found = &self.values[usize::from(input)];
                let rules = self.why();
                let after = if within.is_zero() { String::new() } else { format!(", after {}", duration_text(within)) };
                return Err(format!("{name} is {found}, not {value}{after}{rules}"));
            };
            self.pass(next.saturating_since(self.moment));
        }
        Ok(())
    }

    /// What the rules did last, for the one who looks for the mistake.
    fn why(&self) -> String {
        let mut text = String::new();
        for rule in 0..self.program.rules.len() as u16 {
            if let Some(trace) = self.engine.traces(rule).last() {
                let lines = self.engine.trace_text(rule, trace).join("\n      ");
                let id = &self.program.rules[usize::from(rule)].id;
                text.push_str(&["\n    rule ", id, ": ", &lines].concat());
            }
        }
        text
    }
}
