//! What each rule did, and why it did nothing.

use super::clock::When;
use super::{Engine, Origin, TRACES_ALL_MAX, TRACES_MAX};
use crate::rules::program::{LevelOn, Literal, Start, TriggerOn, slot};
use serde::{Deserialize, Serialize};

/// Deeds that are kept of one run.
const DEEDS_MAX: usize = 16;

/// One start of a rule, or one that came to nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// The run; 0 if there was none.
    pub run: u64,
    /// When.
    pub at: When,
    /// Where it came from.
    pub origin: Origin,
    /// What came of it.
    pub outcome: Outcome,
    /// The values it read: input and value.
    pub reads: Vec<(u16, Literal)>,
    /// What it did.
    pub did: Vec<Deed>,
}

/// What came of a start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It ran.
    Ran,
    /// The level rule left.
    Left,
    /// It saw to its outputs after a start.
    Reconciled,
    /// A part of its condition was not true.
    Stopped {
        /// Which.
        by: Box<str>,
        /// False or unknown.
        value: Literal,
    },
    /// It was running already.
    Busy,
    /// As many starts as may wait were waiting.
    Full,
    /// It had started too often.
    Limited,
    /// It was paused.
    Paused,
    /// It was disabled.
    Disabled,
    /// It was caused by a chain of rules that is too long: a loop.
    Loop,
}

/// One deed of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Deed {
    /// When.
    pub at: When,
    /// What.
    pub what: Did,
}

/// What a run did.
#[derive(Clone, Debug, PartialEq)]
pub enum Did {
    /// An output was commanded.
    Set(u16, Literal),
    /// An output was that already.
    Already(u16, Literal),
    /// Anything else, in words.
    Said(String),
}

impl Did {
    /// Whether it changed something, or was to.
    pub(super) fn is_act(&self) -> bool {
        !matches!(self, Self::Already(..))
    }
}

impl Trace {
    pub(super) fn push(&mut self, did: Deed) {
        if self.did.len() < DEEDS_MAX {
            // Most runs do one thing.
            if self.did.len() < 2 {
                self.did.reserve_exact(1);
            }
            self.did.push(did);
        }
    }
}

impl Outcome {
    /// In words.
    pub fn text(&self) -> String {
        match self {
            Self::Ran => "ran".into(),
            Self::Left => "left".into(),
            Self::Reconciled => "made sure after a start".into(),
            Self::Stopped { by, value } => format!("did not run: `{by}` was {value}"),
            Self::Busy => "did not run: it was running already".into(),
            Self::Full => "did not run: too many starts waited".into(),
            Self::Limited => "did not run: it had started too often".into(),
            Self::Paused => "did not run: rules were paused".into(),
            Self::Disabled => "did not run: it was disabled".into(),
            Self::Loop => "did not run: a chain of rules caused each other".into(),
        }
    }
}

impl Engine {
    /// Adds a trace. One too many takes the place of the oldest that is not the answer to why an output is as it is.
    pub(super) fn push_trace(&mut self, rule: u16, trace: Trace) {
        let now = self.now();
        self.journal.note(rule, now, false);
        let traces = &self.rules[usize::from(rule)].traces;
        if traces.len() >= self.traces_max() {
            let oldest = traces.iter().position(|trace| !self.is_an_answer(trace)).unwrap_or(0);
            self.rules[usize::from(rule)].traces.remove(oldest);
        }
        let traces = &mut self.rules[usize::from(rule)].traces;
        traces.reserve_exact(1);
        traces.push_back(trace);
    }

    /// Traces that are kept of each rule.
    pub(super) fn traces_max(&self) -> usize {
        (TRACES_ALL_MAX / self.rules.len().max(1)).clamp(2, TRACES_MAX)
    }

    /// Whether a run was the last one to set an output.
    fn is_an_answer(&self, trace: &Trace) -> bool {
        trace.did.iter().any(|deed| {
            let Did::Set(output, _) = &deed.what else { return false };
            self.outputs[usize::from(*output)].last.as_ref().is_some_and(|(cause, ..)| cause.run == trace.run)
        })
    }

    /// Notes a start that came to nothing.
    pub(super) fn traced(&mut self, rule: u16, origin: &Origin, outcome: super::Outcome) {
        let reads = self.reads(rule);
        let trace = Trace { run: 0, at: self.clock.when(), origin: origin.clone(), outcome, reads, did: Vec::new() };
        self.push_trace(rule, trace);
        self.shown(rule);
    }

    /// The values that decide whether a rule starts.
    pub(super) fn reads(&self, rule: u16) -> Vec<(u16, Literal)> {
        let settings = &self.program.rules[usize::from(rule)];
        let mut inputs: Vec<u16> = Vec::new();
        let mut expressions: Vec<_> = settings.condition.iter().collect();
        match &settings.start {
            Start::While(level) => match &level.on {
                LevelOn::Condition(expression) => expressions.push(expression),
                LevelOn::Hysteresis { input, .. } => inputs.push(*input),
            },
            Start::When(triggers) => {
                for trigger in triggers {
                    match &trigger.on {
                        TriggerOn::Change { input, .. } => inputs.push(*input),
                        TriggerOn::True(expression) => expressions.push(expression),
                        TriggerOn::Event { .. }
                        | TriggerOn::Availability { .. }
                        | TriggerOn::At(_)
                        | TriggerOn::Started
                        | TriggerOn::Manual => {}
                    }
                }
            }
        }
        let slots = expressions.iter().flat_map(|expression| expression.reads());
        inputs.extend(slots.filter_map(|slot| slot.checked_sub(slot::FIRST)));
        inputs.sort_unstable();
        inputs.dedup();
        inputs.into_iter().map(|input| (input, self.value(input).into())).collect()
    }
}
