//! Commands: what is so already is not commanded, what another rule holds neither, and nothing too often.

use super::clock::When;
use super::run::Origin;
use super::trace::Did;
use super::{Cause, Engine, HELD_MAX, OUTPUTS_MAX, Output, Speech, TopicUse};
use crate::base::{Moment, duration_text};
use crate::rules::program::{Literal, Set, To};
use std::time::Duration;

/// Commands to one output that are sent within [`RATE_PER`].
const RATE_MAX: u16 = 30;

/// See [`RATE_MAX`].
const RATE_PER: Duration = Duration::from_secs(10);

/// How long an output may take to become what it was commanded; until then the command counts as what it is.
const COMMAND_PATIENCE: Duration = Duration::from_secs(10);

/// What the engine knows of an output.
#[derive(Clone, Debug, Default)]
pub(super) struct OutputState {
    /// What it was commanded and is not yet.
    commanded: Option<(Literal, Moment)>,
    /// Start of the window of its rate, and commands in it.
    window: (Moment, u16),
    /// Who commanded it last, what to, and when.
    pub(super) last: Option<(Cause, Literal, When)>,
}

impl Engine {
    /// What an output is to be set to; unknown if that is unknown.
    fn wanted(&self, rule: u16, origin: &Origin, set: &Set) -> Literal {
        match &set.to {
            To::Value(value) => value.clone(),
            To::Expression(expression) => self.literal(rule, origin, expression),
            To::Toggle => match self.expected(set.output) {
                Literal::Boolean(on) => Literal::Boolean(!on),
                Literal::Unknown | Literal::Number(_) | Literal::Text(_) => Literal::Unknown,
            },
        }
    }

    /// What an output is, or is about to be.
    fn expected(&self, output: u16) -> Literal {
        let now = self.now();
        match &self.outputs[usize::from(output)].commanded {
            Some((value, at)) if now.saturating_since(*at) < COMMAND_PATIENCE => value.clone(),
            Some(_) | None => self.value(self.program.outputs[usize::from(output)].state).into(),
        }
    }

    /// Whether an output is what a step sets it to.
    pub(super) fn is_set(&self, rule: u16, origin: &Origin, set: &Set) -> bool {
        let state: Literal = self.value(self.program.outputs[usize::from(set.output)].state).into();
        !state.is_unknown() && (is_same(&state, &self.wanted(rule, origin, set)) || set.to == To::Toggle)
    }

    /// Which safety rule holds an output.
    fn holder(&self, output: u16) -> Option<u16> {
        let now = self.now();
        let holds = |rule: &&u16| {
            self.rules[usize::from(**rule)].lists.holds.iter().any(|(held, until)| *held == output && *until > now)
        };
        self.watches.safety_rules().iter().find(holds).copied()
    }

    pub(super) fn set(&mut self, rule: u16, id: u64, origin: &Origin, set: &Set) {
        let program = self.program.clone();
        let spec = program.outputs[usize::from(set.output)];
        let name = program.output_name(set.output);
        let settings = &program.rules[usize::from(rule)];
        let is_toggle = set.to == To::Toggle;
        let value = self.wanted(rule, origin, set);
        if value.is_unknown() && !is_toggle {
            return self.did(rule, id, Did::Said(format!("{name} not set: the value is unknown")));
        }
        if let Some(holder) = self.holder(set.output).filter(|holder| *holder != rule && !settings.is_safety) {
            let holder = &program.rules[usize::from(holder)].id;
            return self.did(rule, id, Did::Said(format!("{name} not set: held by safety rule {holder}")));
        }
        if settings.is_safety && !settings.hold.is_zero() {
            let until = self.now() + settings.hold;
            let state = &mut self.rules[usize::from(rule)];
            state.lists.holds.retain(|(output, _)| *output != set.output);
            state.lists.holds.push((set.output, until));
            state.is_dirty = true;
        }
        if set.pulse.is_none() && !set.force && !is_toggle && is_same(&self.expected(set.output), &value) {
            return self.did(rule, id, Did::Already(set.output, value));
        }
        if !self.may_command(set.output) && !settings.is_safety {
            self.counters.commands_refused += 1;
            return self.did(rule, id, Did::Said(format!("{name} not set: too many commands")));
        }
        self.take_over(rule, set.output);
        let cause = Cause { run: id, rule, depth: origin.cause.depth + 1 };
        let at = self.clock.when();
        self.outputs[usize::from(set.output)].last = Some((cause, value.clone(), at));
        self.did(rule, id, Did::Set(set.output, value.clone()));
        if let Some(house) = spec.house {
            self.set_house(house, value, cause);
            return;
        }
        let now = self.now();
        self.outputs[usize::from(set.output)].commanded = Some((value.clone(), now));
        let payload = command(set, &value, &settings.id, id);
        let speech = Speech { topic: program.output_topic(set.output), payload, retain: false, is_command: true };
        self.speak(rule, id, speech, set.pulse.is_some() || is_toggle);
    }

    /// A level rule whose output another rule sets does not take it back at the next start.
    fn take_over(&mut self, rule: u16, output: u16) {
        for at in 0..self.watches.level_rules(output).len() {
            let owner = self.watches.level_rules(output)[at];
            let state = &mut self.rules[usize::from(owner)];
            let before = state.level.lost.len();
            state.level.lost.retain(|lost| *lost != output);
            if owner != rule {
                state.level.lost.push(output);
            }
            state.is_dirty |= state.level.lost.len() != before;
            self.touched.push(owner);
        }
    }

    fn may_command(&mut self, output: u16) -> bool {
        let now = self.now();
        let state = &mut self.outputs[usize::from(output)];
        if now.saturating_since(state.window.0) >= RATE_PER {
            state.window = (now, 0);
        }
        state.window.1 = state.window.1.saturating_add(1);
        state.window.1 <= RATE_MAX
    }

    pub(super) fn publish(&mut self, rule: u16, id: u64, topic: &str, payload: String, retain: bool) {
        self.did(rule, id, Did::Said(format!("published {topic}")));
        let depth =
            self.rules[usize::from(rule)].runs.iter().find(|run| run.id == id).map_or(0, |run| run.origin.cause.depth);
        let cause = Cause { run: id, rule, depth: depth + 1 };
        let uses = self.topics.uses(&self.program, topic);
        if let Some(TopicUse::Input(input)) = uses.own {
            self.causes[usize::from(input)] = cause;
        }
        for at in uses.foreign {
            self.causes[usize::from(self.topics.foreign(at))] = cause;
        }
        self.speak(rule, id, Speech { topic: topic.to_owned(), payload, retain, is_command: false }, !retain);
    }

    /// Says something. What may not be said twice waits for its record, if the run was kept before.
    fn speak(&mut self, rule: u16, id: u64, speech: Speech, is_once: bool) {
        if self.out.len() >= OUTPUTS_MAX {
            self.counters.speeches_refused += 1;
            return self.did(rule, id, Did::Said("not said: too much waits for the broker".into()));
        }
        let is_kept = self.rules[usize::from(rule)].runs.iter().any(|run| run.id == id && run.is_kept);
        if !is_once || !is_kept {
            return self.out.push_back(Output::Publish(speech));
        }
        if self.held.len() >= HELD_MAX {
            self.counters.speeches_refused += 1;
            return self.did(rule, id, Did::Said("not said: too much waits for the disk".into()));
        }
        self.rules[usize::from(rule)].is_dirty = true;
        // The record of this rule gets the number 0 until it is written at the end of this input.
        self.held.push_back((0, speech));
    }

    pub(super) fn kept(&mut self, number: u64) {
        while self.held.front().is_some_and(|(waits_for, _)| *waits_for != 0 && *waits_for <= number) {
            if let Some((_, speech)) = self.held.pop_front() {
                self.out.push_back(Output::Publish(speech));
            }
        }
    }

    pub(super) fn speak_house(&mut self, input: u16, value: &Literal) {
        let topic = self.program.input_topic(input).into_owned();
        let speech = Speech { topic, payload: value.to_string(), retain: true, is_command: false };
        self.out.push_back(Output::Publish(speech));
    }

    /// Who is behind a value that came in just now: the run that commanded it, if it was commanded.
    pub(super) fn cause_of(&mut self, input: u16, value: &Literal) -> Cause {
        let now = self.now();
        if let Some(output) = self.watches.output_of(input) {
            let state = &mut self.outputs[usize::from(output)];
            let is_late = |at: &Moment| now.saturating_since(*at) >= COMMAND_PATIENCE;
            let is_over = state.commanded.as_ref().is_some_and(|(_, at)| is_late(at));
            let is_done =
                state.commanded.as_ref().is_some_and(|(wanted, _)| is_same(value, wanted) || wanted.is_unknown());
            if is_over || is_done {
                state.commanded = None;
            }
            if is_done && !is_over {
                return state.last.as_ref().map_or_else(Cause::default, |(cause, ..)| *cause);
            }
        }
        std::mem::take(&mut self.causes[usize::from(input)])
    }
}

/// Whether a state is what was wanted. A dimmer that was switched on has some level.
fn is_same(state: &Literal, wanted: &Literal) -> bool {
    match (state, wanted) {
        (Literal::Number(level), Literal::Boolean(on)) => (*level > 0.0) == *on,
        _ => state == wanted,
    }
}

/// The payload of a command.
fn command(set: &Set, value: &Literal, rule: &str, run: u64) -> String {
    let value = match value {
        Literal::Unknown => "\"toggle\"".to_owned(),
        _ if set.to == To::Toggle => "\"toggle\"".to_owned(),
        Literal::Text(text) => serde_json::to_string(text).unwrap_or_default(),
        Literal::Boolean(_) | Literal::Number(_) => value.to_string(),
    };
    let pulse = set.pulse.map_or(String::new(), |pulse| format!(",\"pulse\":\"{}\"", duration_text(pulse)));
    let transition =
        set.transition.map_or(String::new(), |time| format!(",\"transition\":\"{}\"", duration_text(time)));
    format!("{{\"value\":{value}{pulse}{transition},\"id\":\"{rule}/{run}\"}}")
}
