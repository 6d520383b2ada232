//! One unit of a bus as a device: what replies mean, what commands ask for. Pure.

use super::decode;
use super::packet::{Data, Request, exception_text};
use super::plan::{Planned, Point, What, plan, points};
use super::schedule::{About, Failure, Poll};
use super::setpoints::{SetpointEvent, Setpoints};
use super::switch;
use crate::base::Moment;
use crate::config::ModbusDevice;
use crate::device::{OutputEvent, OutputInput, OutputSpec};
use crate::drivers::door::Asked;
use crate::drivers::say::Say;
use crate::drivers::switches::{SharedInterlocks, Switches};
use crate::drivers::values::Values;
use crate::drivers::{Start, values};
use std::collections::{BTreeMap, VecDeque};

/// The part in `$problem` that stands for the unit.
const UNIT: &str = "unit";

/// The part in `$problem` that stands for the bus.
const PORT: &str = "port";

/// What the device wants done.
#[derive(Debug, PartialEq)]
pub(super) enum Wish {
    /// Tell something.
    Say(Say),
    /// Make a request at once; it is answered under this token.
    Urgent { token: u64, request: Request },
    /// Ask for these registers from now on.
    Polls(Vec<Poll>),
}

/// Why an urgent request was made.
#[derive(Clone, Copy, Debug)]
enum Purpose {
    /// Someone asked for it.
    Again(Point),
    /// To switch an output or set a register.
    Write(Point),
    /// To see whether it followed.
    Verify(Point),
}

/// One unit.
#[derive(Debug)]
pub(super) struct Device {
    settings: ModbusDevice,
    points: Vec<Point>,
    plan: Vec<Planned>,
    values: Values,
    outputs: Switches,
    setpoints: Setpoints,
    /// States to bring the outputs into once all of them were read.
    restore: Option<Vec<Option<bool>>>,
    urgent: BTreeMap<u64, Purpose>,
    tokens: u64,
    is_online: bool,
    /// Whether it was told that the unit or its bus is lost.
    is_in_trouble: bool,
    wishes: VecDeque<Wish>,
}

impl Device {
    /// A unit of which nothing is known; `last` are the states of its switches before the start.
    pub(super) fn new(
        interlocks: &SharedInterlocks,
        device: &str,
        settings: &ModbusDevice,
        last: &[Option<bool>],
        start: Start,
    ) -> Self {
        let spec = |output: &crate::config::ModbusOutput| OutputSpec {
            id: output.id.clone(),
            settings: output.output.clone(),
            confirm: None,
        };
        let outputs = Switches::new(interlocks, device, settings.outputs.iter().map(spec).collect());
        let restore = match start {
            Start::Fresh => outputs.start_states(last),
            Start::AfterFault => outputs.failsafe_states(),
        };
        let points = points(settings);
        Self {
            plan: plan(&points, settings.gap, settings.read_max),
            points,
            values: Values::new(settings.registers.iter().map(|register| &register.property)),
            outputs,
            setpoints: Setpoints::default(),
            restore: Some(restore).filter(|states| !states.is_empty()),
            urgent: BTreeMap::new(),
            tokens: 0,
            is_online: false,
            is_in_trouble: false,
            wishes: VecDeque::new(),
            settings: settings.clone(),
        }
    }

    /// The requests to make again and again.
    pub(super) fn polls(&self) -> Vec<Poll> {
        self.plan.iter().map(|planned| planned.poll.clone()).collect()
    }

    /// Takes in what became of a request.
    pub(super) fn answered(&mut self, now: Moment, about: About, result: Result<Data, Failure>) {
        match (about, result) {
            (About::Urgent(token), result) => {
                if let Some(purpose) = self.urgent.remove(&token) {
                    self.urgent_answered(now, purpose, result);
                }
            }
            (About::Poll(request), Ok(data)) => self.polled(now, &request, &data),
            (About::Poll(request), Err(Failure::Exception(code))) => {
                self.refused(&request, code);
                self.answers(now);
                self.online(now);
            }
            (About::Poll(_) | About::Bus, Err(failure)) => self.lose(now, &failure),
            (About::Bus, Ok(_)) => {}
        }
        self.setpoints.advance(now, self.is_online, &self.settings.registers);
        self.collect();
    }

    /// Takes in what someone asks of the device.
    pub(super) fn asked(&mut self, now: Moment, asked: Asked) {
        match asked {
            Asked::Set { property, ticket, command } => {
                if let Some(output) = self.settings.outputs.iter().position(|output| output.id == property) {
                    self.outputs.handle(now, OutputInput::Command { output, ticket, command });
                } else if let Some(index) = self.values.index_of(&property) {
                    let register = &self.settings.registers[index];
                    self.setpoints.command(now, index, register, ticket, command);
                    self.setpoints.advance(now, self.is_online, &self.settings.registers);
                }
            }
            Asked::Alive { outputs } => {
                for id in outputs {
                    if let Some(output) = self.settings.outputs.iter().position(|output| output.id == id) {
                        self.outputs.handle(now, OutputInput::Alive { output });
                    }
                }
            }
            Asked::Get { property } => {
                let point = self.points.iter().find(|point| self.id_of(point.what) == property).copied();
                if let Some(point) = point.filter(|_| self.is_online) {
                    self.ask(Purpose::Again(point), point.request());
                }
            }
        }
        self.collect();
    }

    /// Lets time pass.
    pub(super) fn pass(&mut self, now: Moment) {
        self.values.pass(now);
        self.outputs.handle(now, OutputInput::Time);
        self.setpoints.advance(now, self.is_online, &self.settings.registers);
        self.collect();
    }

    /// Brings the outputs into their failsafe states.
    pub(super) fn failsafe(&mut self, now: Moment) {
        self.outputs.handle(now, OutputInput::Failsafe);
        self.collect();
    }

    /// Whether no output is being written or waits to be, or none can be.
    pub(super) fn is_idle(&self) -> bool {
        self.outputs.is_idle() || !self.is_online
    }

    /// Waits until outputs of other devices let go what they excluded; then [`pass`](Self::pass) is due.
    pub(super) async fn eased(&mut self) {
        self.outputs.eased().await;
    }

    /// The next thing to do.
    pub(super) fn poll_output(&mut self) -> Option<Wish> {
        self.wishes.pop_front()
    }

    /// When [`pass`](Self::pass) is due.
    pub(super) fn next_deadline(&self) -> Option<Moment> {
        let deadlines = [self.values.next_deadline(), self.outputs.next_deadline(), self.setpoints.next_deadline()];
        deadlines.into_iter().flatten().min()
    }

    fn id_of(&self, what: What) -> &str {
        match what {
            What::Register(index) => &self.settings.registers[index].property.id,
            What::Output(index) => &self.settings.outputs[index].id,
        }
    }

    fn ask(&mut self, purpose: Purpose, request: Request) {
        self.tokens += 1;
        self.urgent.insert(self.tokens, purpose);
        self.wishes.push_back(Wish::Urgent { token: self.tokens, request });
    }

    fn polled(&mut self, now: Moment, request: &Request, data: &Data) {
        let mut points = Vec::new();
        for planned in self.plan.iter_mut().filter(|planned| planned.poll.request == *request) {
            planned.is_answered = true;
            points.extend_from_slice(&planned.points);
        }
        self.answers(now);
        for (point, offset) in points {
            match point.what {
                what if self.is_being_written(what) => {}
                What::Register(index) => self.register(now, index, data, offset),
                What::Output(index) => self.observe(now, index, data, offset),
            }
        }
        self.online(now);
    }

    /// The unit answers.
    fn answers(&mut self, now: Moment) {
        if std::mem::take(&mut self.is_in_trouble) {
            for part in [PORT, UNIT] {
                self.say(Say::Well { part: part.to_owned() });
            }
        }
        if !self.is_online {
            self.outputs.handle(now, OutputInput::Found);
        }
    }

    /// Once everything was asked for, what was read can be trusted.
    fn online(&mut self, now: Moment) {
        self.collect();
        let is_complete = self.plan.iter().all(|planned| planned.is_answered);
        if is_complete && !std::mem::replace(&mut self.is_online, true) {
            self.say(Say::Online);
        }
        let all_known = (0..self.settings.outputs.len()).all(|output| self.outputs.state(output).is_some());
        if all_known && let Some(states) = self.restore.take() {
            self.outputs.handle(now, OutputInput::Restore(states));
        }
    }

    fn register(&mut self, now: Moment, index: usize, data: &Data, offset: usize) {
        match decode::value(&self.settings.registers[index], data, offset) {
            Ok(value) => drop(self.values.take(now, index, value)),
            Err(text) => self.values.doubt(index, text),
        }
    }

    fn observe(&mut self, now: Moment, index: usize, data: &Data, offset: usize) {
        let output = &self.settings.outputs[index];
        let on = switch::state(output, data, offset);
        let part = output.id.clone();
        if let Some(on) = on {
            self.say(Say::Well { part });
            self.outputs.handle(now, OutputInput::Observed { output: index, on });
        } else {
            let text = format!("the register is neither {} nor {}", output.off, output.on);
            self.say(Say::Trouble { part, kind: "read", text });
        }
    }

    fn is_being_written(&self, what: What) -> bool {
        let concerns = |purpose: &Purpose| match purpose {
            Purpose::Write(point) | Purpose::Verify(point) => point.what == what,
            Purpose::Again(_) => false,
        };
        self.urgent.values().any(concerns)
    }

    fn urgent_answered(&mut self, now: Moment, purpose: Purpose, result: Result<Data, Failure>) {
        match (purpose, result) {
            (Purpose::Write(point), Ok(_)) => self.ask(Purpose::Verify(point), point.request()),
            (Purpose::Verify(point) | Purpose::Again(point), Ok(data)) => {
                self.answers(now);
                match point.what {
                    What::Output(index) => {
                        let again = matches!(purpose, Purpose::Again(_));
                        if !again || !self.is_being_written(point.what) {
                            self.observe(now, index, &data, 0);
                        }
                        if again {
                            self.output_again(index);
                        }
                    }
                    What::Register(index) => {
                        self.register(now, index, &data, 0);
                        self.values.again(index);
                        if matches!(purpose, Purpose::Verify(_)) {
                            self.verified(now, index, &data);
                        }
                    }
                }
                self.online(now);
            }
            (Purpose::Write(point) | Purpose::Verify(point), Err(failure)) => {
                match point.what {
                    What::Output(output) => {
                        self.outputs.handle(now, OutputInput::WriteFailed { output, reason: reason(&failure) });
                    }
                    What::Register(register) => self.setpoints.failed(register, &reason(&failure)),
                }
                self.lose_if_absent(now, &failure);
            }
            (Purpose::Again(point), Err(Failure::Exception(code))) => self.doubt(point.what, code),
            (Purpose::Again(_), Err(failure)) => self.lose_if_absent(now, &failure),
        }
    }

    fn verified(&mut self, now: Moment, index: usize, data: &Data) {
        let value = decode::value(&self.settings.registers[index], data, 0).ok();
        let words = match data {
            Data::Words(words) => words.as_slice(),
            Data::Bits(_) | Data::Written => &[],
        };
        self.setpoints.verified(now, index, words, value);
    }

    fn output_again(&mut self, index: usize) {
        if let Some(on) = self.outputs.state(index) {
            let property = self.settings.outputs[index].id.clone();
            self.say(Say::State { property, value: crate::device::Value::Boolean(on) });
        }
    }

    /// The unit refuses a poll. If it asked for several things, each is asked for alone from now on:
    /// one that is not there must not hide the others.
    fn refused(&mut self, request: &Request, code: u8) {
        let (refused, rest): (Vec<Planned>, Vec<Planned>) =
            std::mem::take(&mut self.plan).into_iter().partition(|planned| planned.poll.request == *request);
        self.plan = rest;
        let is_many = refused.iter().any(|planned| planned.points.len() > 1);
        for planned in refused {
            if is_many {
                let alone = planned.points.iter().map(|(point, _)| *point);
                self.plan.extend(alone.flat_map(|point| plan(&[point], 0, u16::MAX)));
            } else {
                for (point, _) in &planned.points {
                    self.doubt(point.what, code);
                }
                self.plan.push(Planned { is_answered: true, ..planned });
            }
        }
        if is_many {
            self.wishes.push_back(Wish::Polls(self.polls()));
        }
    }

    fn doubt(&mut self, what: What, code: u8) {
        let text = format!("{} (exception {code})", exception_text(code));
        match what {
            What::Register(index) => self.values.doubt(index, text),
            What::Output(_) => {
                let part = self.id_of(what).to_owned();
                self.say(Say::Trouble { part, kind: "read", text });
            }
        }
    }

    fn lose_if_absent(&mut self, now: Moment, failure: &Failure) {
        match failure {
            Failure::Silent | Failure::Garbled(_) | Failure::Closed => self.lose(now, failure),
            Failure::Exception(_) | Failure::Full => {}
        }
    }

    /// The unit is lost: nothing it said is to be trusted any more.
    fn lose(&mut self, now: Moment, failure: &Failure) {
        let (part, kind, text) = match failure {
            Failure::Closed => (PORT, "closed", "the bus is not there".to_owned()),
            Failure::Silent => (UNIT, "read", format!("unit {} does not answer", self.settings.unit)),
            Failure::Garbled(why) => (UNIT, "read", format!("unit {}: {why}", self.settings.unit)),
            Failure::Exception(_) | Failure::Full => return,
        };
        self.is_in_trouble = true;
        self.say(Say::Trouble { part: part.to_owned(), kind, text });
        if std::mem::replace(&mut self.is_online, false) {
            self.say(Say::Offline);
        }
        self.values.lose();
        for planned in &mut self.plan {
            planned.is_answered = false;
        }
        self.urgent.clear();
        self.setpoints.lose();
        self.outputs.handle(now, OutputInput::Lost);
    }

    fn say(&mut self, say: Say) {
        self.wishes.push_back(Wish::Say(say));
    }

    /// What values and outputs want becomes wishes.
    fn collect(&mut self) {
        while let Some(say) = self.values.poll_output() {
            self.say(say);
        }
        while let Some(event) = self.outputs.poll_output() {
            match event {
                OutputEvent::Write { output, on } => {
                    let request = switch::write(&self.settings.outputs[output], on);
                    self.write(What::Output(output), request);
                }
                event => {
                    let outputs = &self.settings.outputs;
                    let say = Say::of_output(event, |output| outputs[output].id.clone());
                    self.wishes.extend(say.map(Wish::Say));
                }
            }
        }
        while let Some(event) = self.setpoints.poll_output() {
            match event {
                SetpointEvent::Write { register, request } => self.write(What::Register(register), request),
                SetpointEvent::Result { register, ticket, result } => {
                    let property = self.settings.registers[register].property.id.clone();
                    self.say(Say::Result { property, ticket, result });
                }
            }
        }
    }

    fn write(&mut self, what: What, request: Request) {
        let point = self.points.iter().find(|point| point.what == what);
        let point = *point.expect("everything that can be written is a point");
        self.ask(Purpose::Write(point), request);
    }
}

/// Why a write failed, for `$result`.
pub(super) fn reason(failure: &Failure) -> String {
    match failure {
        Failure::Silent => "no-reply".to_owned(),
        Failure::Garbled(_) => "garbled-reply".to_owned(),
        Failure::Exception(code) => format!("exception:{code}"),
        Failure::Full => "bus-busy".to_owned(),
        Failure::Closed => "offline".to_owned(),
    }
}

/// The step that is offered of a number with a fraction.
const FLOAT_STEP: f64 = 0.1;

/// What the device tells about its registers.
pub(super) fn describe(meta: &mut crate::device::Meta, settings: &ModbusDevice) {
    use crate::config::RegisterKind;
    for register in &settings.registers {
        let datatype = match register.kind {
            _ if !register.names.is_empty() => "enum",
            RegisterKind::Text(_) => "string",
            _ if register.is_number() => "float",
            _ => "boolean",
        };
        values::describe(meta, &register.property, datatype);
        let Some(property) = meta.properties.get_mut(&register.property.id) else { continue };
        if datatype == "enum" {
            let names: Vec<&str> = register.names.values().map(String::as_str).collect();
            property.format = Some(names.join(","));
        }
        if register.is_settable {
            property.settable = true;
            property.failsafe = Some("keep");
            let is_float = matches!(register.kind, RegisterKind::F32 | RegisterKind::F64);
            let scale = register.scaling.map_or(1.0, |(scale, _)| scale.abs());
            property.step = (datatype == "float").then_some(if is_float { FLOAT_STEP } else { scale });
        }
    }
}
