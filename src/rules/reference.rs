//! The engine against a naive interpreter, on random rules and random events; and against itself with a power cut
//! between any two steps.

use super::engine::{Engine, Input, Kept, Now, Output};
use super::expression::{Expression, Kind, Name, Named, Names, Unnamed};
use super::*;
use crate::base::Moment;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const INPUTS: u16 = 3;
const OUTPUTS: u16 = 3;
/// Time goes in half seconds: events at the halves, timers at whole ones, so that neither overtakes the other.
const TICK: u64 = 500;

struct Random(u64);

impl Random {
    fn below(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) % below
    }

    fn boolean(&mut self) -> bool {
        self.below(2) == 1
    }
}

struct Inputs;

impl Names for Inputs {
    fn find(&mut self, name: Name<'_>) -> Result<Named, Unnamed> {
        let Name::Property { property, .. } = name else { panic!("only inputs are named") };
        let input: u16 = property[1..].parse().expect("a number");
        Ok(Named { slot: slot::FIRST + input, kind: Kind::Boolean })
    }
}

fn condition(text: &str) -> Expression {
    Expression::parse(text, &mut Inputs).expect("a condition")
}

/// Inputs 0 to 2 are contacts, 3 to 5 the states of outputs.
fn inputs() -> Vec<InputSpec> {
    let input = |index: u16| InputSpec {
        name: format!("d/i{index}").into(),
        source: Source::Device(0),
        is_event: false,
        kind: Kind::Boolean,
    };
    (0..INPUTS + OUTPUTS).map(input).collect()
}

/// A step that both interpreters know.
#[derive(Clone, Copy, Debug)]
enum Simple {
    Set(u16, bool),
    Wait(u64),
}

/// A rule that both interpreters know, with conditions as a number of an input and what it must be.
#[derive(Clone, Debug)]
struct Plan {
    is_level: bool,
    on: (u16, bool),
    only: Option<(u16, bool)>,
    hold: u64,
    min_on: u64,
    mode: Mode,
    steps: Vec<Simple>,
    leave: Vec<Simple>,
}

fn plan(random: &mut Random) -> Plan {
    let steps = |random: &mut Random| {
        let step = |random: &mut Random| match random.below(3) {
            0 => Simple::Wait(1_000 * (1 + random.below(4))),
            _ => Simple::Set(random.below(u64::from(OUTPUTS)) as u16, random.boolean()),
        };
        (0..=random.below(4)).map(|_| step(random)).collect::<Vec<_>>()
    };
    let input = |random: &mut Random| (random.below(u64::from(INPUTS)) as u16, random.boolean());
    Plan {
        is_level: random.below(3) == 0,
        on: input(random),
        only: random.boolean().then(|| input(random)),
        hold: if random.boolean() { 1_000 * random.below(4) } else { 0 },
        min_on: if random.boolean() { 1_000 * random.below(4) } else { 0 },
        mode: [Mode::Single, Mode::Restart, Mode::Queued, Mode::Parallel][random.below(4) as usize],
        steps: steps(random),
        leave: steps(random),
    }
}

fn text((input, wanted): (u16, bool)) -> String {
    format!("{}d/i{input}", if wanted { "" } else { "!" })
}

fn rule(index: usize, plan: &Plan) -> Rule {
    let step = |step: &Simple| match *step {
        Simple::Set(output, value) => Step::Set(Set {
            output,
            to: To::Value(Literal::Boolean(value)),
            pulse: None,
            transition: None,
            force: false,
            confirm: None,
            retry: 0,
        }),
        Simple::Wait(length) => Step::Wait(Duration::from_millis(length)),
    };
    let trigger = Trigger {
        on: TriggerOn::Change { input: plan.on.0, from: None, to: Becomes::Equal(Literal::Boolean(plan.on.1)) },
        id: None,
        hold: (plan.hold > 0).then(|| Duration::from_millis(plan.hold)),
        text: text(plan.on).into(),
    };
    let level = Level {
        on: LevelOn::Condition(condition(&text(plan.on))),
        hold: Duration::from_millis(plan.hold),
        min_on: Duration::from_millis(plan.min_on),
        on_unknown: OnUnknown::Leave,
    };
    Rule {
        id: format!("rule-{index}").into(),
        place: "".into(),
        is_safety: false,
        hold: Duration::ZERO,
        start: if plan.is_level { Start::While(Box::new(level)) } else { Start::When([trigger].into()) },
        condition: plan.only.map(|only| condition(&text(only))),
        steps: plan.steps.iter().map(step).collect(),
        leave: plan.leave.iter().map(step).collect(),
        mode: plan.mode,
        max: 3,
        limit: None,
        on_restart: OnRestart::Resume,
        run_if_within: None,
        version: index as u32,
    }
}

fn program(plans: &[Plan]) -> Arc<Program> {
    let output = |index: u16| OutputSpec { state: INPUTS + index, house: None };
    Arc::new(Program {
        base: "home".into(),
        inputs: inputs(),
        devices: vec!["d".into()],
        outputs: (0..OUTPUTS).map(output).collect(),
        rules: plans.iter().enumerate().map(|(index, plan)| rule(index, plan)).collect(),
        ..Program::default()
    })
}

/// When which output was set to what.
type Action = (u64, u16, bool);

/// The engine in a house where commands are obeyed at once.
struct Real {
    program: Arc<Program>,
    engine: Engine,
    time: u64,
    values: Vec<bool>,
    records: BTreeMap<Kept, String>,
    actions: Vec<Action>,
}

impl Real {
    fn new(program: &Arc<Program>) -> Self {
        let mut real = Self {
            program: program.clone(),
            engine: Engine::new(program.clone(), Self::now(0)),
            time: 0,
            values: vec![false; usize::from(INPUTS + OUTPUTS)],
            records: BTreeMap::new(),
            actions: Vec::new(),
        };
        real.wake();
        real
    }

    fn now(time: u64) -> Now {
        Now {
            moment: Moment::from_micros(time * 1_000),
            wall: Some(1_795_000_000_000 + time.cast_signed()),
            trusted: true,
        }
    }

    fn wake(&mut self) {
        self.handle(Input::Message { topic: "home/d/$availability", payload: b"online", replayed: true });
        for (index, value) in self.values.clone().into_iter().enumerate() {
            let (topic, payload) = (format!("home/d/i{index}"), value.to_string());
            self.handle(Input::Message { topic: &topic, payload: payload.as_bytes(), replayed: true });
        }
        self.handle(Input::Started);
    }

    fn restart(&mut self) {
        self.engine = Engine::new(self.program.clone(), Self::now(self.time));
        for (of, record) in self.records.iter().filter(|(_, record)| !record.is_empty()) {
            assert!(self.engine.restore(*of, record), "{record}");
        }
        self.wake();
    }

    fn handle(&mut self, input: Input<'_>) {
        self.engine.handle(Self::now(self.time), input);
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Keep { number, of, record } => {
                    self.records.insert(of, record);
                    self.engine.handle(Self::now(self.time), Input::Kept(number));
                }
                Output::Publish(speech) => {
                    let name = speech.topic.strip_prefix("home/").and_then(|rest| rest.strip_suffix("/set"));
                    let output = name.and_then(|name| self.program.output_named(name));
                    let output = output.expect("only outputs are spoken to");
                    let value = speech.payload.contains("true");
                    self.actions.push((self.time, output, value));
                    self.become_value(INPUTS + output, value);
                }
                Output::Shown(_) => {}
            }
        }
    }

    fn become_value(&mut self, input: u16, value: bool) {
        self.values[usize::from(input)] = value;
        let (topic, payload) = (format!("home/d/i{input}"), value.to_string());
        let input = Input::Message { topic: &topic, payload: payload.as_bytes(), replayed: false };
        self.engine.handle(Self::now(self.time), input);
    }

    fn tick(&mut self, time: u64, event: Option<(u16, bool)>) {
        self.time = time;
        self.handle(Input::Tick);
        if let Some((input, value)) = event {
            self.become_value(input, value);
            self.handle(Input::Tick);
        }
    }
}

/// A run of the naive interpreter: what is left to do, and until when it waits.
struct NaiveRun {
    left: Vec<Simple>,
    until: u64,
}

#[derive(Default)]
struct NaiveRule {
    runs: Vec<NaiveRun>,
    queued: usize,
    pending: Option<u64>,
    is_in: bool,
    stay_until: u64,
    /// Whether it has entered, or was found to be out.
    is_sure: bool,
    /// Outputs that another rule has set since.
    lost: [bool; OUTPUTS as usize],
}

/// Looks at everything in every half second.
struct Naive<'p> {
    plans: &'p [Plan],
    rules: Vec<NaiveRule>,
    values: Vec<bool>,
    actions: Vec<Action>,
    time: u64,
}

impl<'p> Naive<'p> {
    fn new(plans: &'p [Plan]) -> Self {
        let rules = plans.iter().map(|_| NaiveRule::default()).collect();
        let values = vec![false; usize::from(INPUTS + OUTPUTS)];
        let mut naive = Self { plans, rules, values, actions: Vec::new(), time: 0 };
        for rule in 0..plans.len() {
            naive.look(rule);
        }
        naive
    }

    /// A level rule that is out sees to it at the start that its outputs are so.
    fn make_sure(&mut self, rule: usize) {
        let plans = self.plans;
        let steps = &plans[rule].leave;
        for output in (0..OUTPUTS).filter(|output| !self.rules[rule].lost[usize::from(*output)]).collect::<Vec<_>>() {
            let last = steps.iter().rev().find_map(|step| match step {
                Simple::Set(set, value) if *set == output => Some(*value),
                Simple::Set(..) | Simple::Wait(_) => None,
            });
            if let Some(value) = last {
                self.set(rule, output, value);
            }
        }
    }

    fn set(&mut self, rule: usize, output: u16, value: bool) {
        if std::mem::replace(&mut self.values[usize::from(INPUTS + output)], value) == value {
            return;
        }
        self.actions.push((self.time, output, value));
        for (other, state) in self.rules.iter_mut().enumerate() {
            state.lost[usize::from(output)] = other != rule;
        }
    }

    fn holds(&self, (input, wanted): (u16, bool)) -> bool {
        self.values[usize::from(input)] == wanted
    }

    fn may(&self, rule: usize) -> bool {
        self.plans[rule].only.is_none_or(|only| self.holds(only))
    }

    fn tick(&mut self, time: u64, event: Option<(u16, bool)>) {
        self.time = time;
        for rule in 0..self.plans.len() {
            if self.rules[rule].pending.is_some_and(|until| until <= time) && !self.plans[rule].is_level {
                self.rules[rule].pending = None;
                self.begin(rule);
            }
            self.look(rule);
            self.go_on(rule);
        }
        let Some((input, value)) = event else { return };
        let before = std::mem::replace(&mut self.values[usize::from(input)], value);
        if before == value {
            return;
        }
        // Edges first, then levels.
        for rule in (0..self.plans.len()).filter(|rule| !self.plans[*rule].is_level) {
            let plan = &self.plans[rule];
            if plan.on == (input, value) {
                if plan.hold > 0 {
                    self.rules[rule].pending = Some(time + plan.hold);
                } else {
                    self.begin(rule);
                }
            } else if plan.on.0 == input {
                self.rules[rule].pending = None;
            }
        }
        for rule in 0..self.plans.len() {
            self.look(rule);
        }
    }

    /// A level rule.
    fn look(&mut self, rule: usize) {
        let plan = &self.plans[rule];
        if !plan.is_level {
            return;
        }
        let is_so = self.holds(plan.on) && self.may(rule);
        let (time, state) = (self.time, &mut self.rules[rule]);
        if !is_so {
            state.pending = None;
            let was_sure = std::mem::replace(&mut state.is_sure, true);
            if !was_sure && !state.is_in {
                return self.make_sure(rule);
            }
            if state.is_in && state.stay_until <= time {
                state.is_in = false;
                state.runs = vec![NaiveRun { left: plan.leave.clone(), until: time }];
                self.go_on(rule);
            }
        } else if !state.is_in {
            let until = *state.pending.get_or_insert(time + plan.hold);
            if until <= time {
                state.pending = None;
                state.is_in = true;
                state.is_sure = true;
                state.stay_until = time + plan.min_on;
                state.runs = vec![NaiveRun { left: plan.steps.clone(), until: time }];
                self.go_on(rule);
            }
        }
    }

    fn begin(&mut self, rule: usize) {
        if !self.may(rule) {
            return;
        }
        let (plan, state, until) = (&self.plans[rule], &mut self.rules[rule], self.time);
        let run = NaiveRun { left: plan.steps.clone(), until };
        match plan.mode {
            Mode::Single if state.runs.is_empty() => state.runs.push(run),
            Mode::Restart => state.runs = vec![run],
            Mode::Queued if state.runs.is_empty() => state.runs.push(run),
            Mode::Queued if state.queued < 3 => state.queued += 1,
            Mode::Parallel if state.runs.len() < 3 => state.runs.push(run),
            Mode::Single | Mode::Queued | Mode::Parallel => {}
        }
        self.go_on(rule);
    }

    /// Every run whose wait is over does what it can.
    fn go_on(&mut self, rule: usize) {
        let mut index = 0;
        while index < self.rules[rule].runs.len() {
            if self.rules[rule].runs[index].until > self.time {
                index += 1;
                continue;
            }
            if self.rules[rule].runs[index].left.is_empty() {
                self.rules[rule].runs.remove(index);
                if self.rules[rule].queued > 0 {
                    self.rules[rule].queued -= 1;
                    let left = self.plans[rule].steps.clone();
                    self.rules[rule].runs.push(NaiveRun { left, until: self.time });
                }
                continue;
            }
            match self.rules[rule].runs[index].left.remove(0) {
                Simple::Wait(length) => self.rules[rule].runs[index].until = self.time + length,
                Simple::Set(output, value) => self.set(rule, output, value),
            }
        }
    }
}

/// Rules, and what happens in each half second.
fn history(seed: u64) -> (Vec<Plan>, Vec<Option<(u16, bool)>>) {
    let mut random = Random(seed);
    let plans = (0..=random.below(5)).map(|_| plan(&mut random)).collect();
    let mut event = |tick: u64| {
        let happens = tick % 2 == 1 && random.below(3) == 0;
        happens.then(|| (random.below(u64::from(INPUTS)) as u16, random.boolean()))
    };
    (plans, (1..80).map(&mut event).collect())
}

fn seeds() -> impl Iterator<Item = u64> {
    (1..400).map(|seed: u64| seed.wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

#[test]
fn the_engine_does_what_the_naive_interpreter_does() {
    let mut count = 0;
    for seed in seeds() {
        let (plans, events) = history(seed);
        let program = program(&plans);
        let (mut real, mut naive) = (Real::new(&program), Naive::new(&plans));
        for (tick, event) in events.iter().enumerate() {
            let time = (tick as u64 + 1) * TICK;
            real.tick(time, *event);
            naive.tick(time, *event);
            assert_eq!(real.actions, naive.actions, "seed {seed:#x}, rules {plans:#?}, at {time}");
        }
        count += naive.actions.len();
    }
    assert!(count > 1_000, "{count} actions were compared");
}

#[test]
fn a_power_cut_between_any_two_steps_changes_nothing() {
    let mut count = 0;
    for seed in seeds() {
        let (plans, events) = history(seed);
        let program = program(&plans);
        let mut plain = Real::new(&program);
        let mut cut = Real::new(&program);
        for (tick, event) in events.iter().enumerate() {
            let time = (tick as u64 + 1) * TICK;
            plain.tick(time, *event);
            cut.tick(time, *event);
            cut.restart();
            assert_eq!(plain.actions, cut.actions, "seed {seed:#x}, rules {plans:#?}, at {time}");
        }
        count += plain.actions.len();
    }
    assert!(count > 1_000, "{count} actions were compared");
}
