//! Why something is as it is, and why something else is not: in values and in words.

use super::clock::When;
use super::trace::{Did, Trace};
use super::values::View;
use super::{Cause, DEPTH_MAX, Engine};
use crate::base::{Moment, duration_text};
use crate::rules::program::{LevelOn, Start};
use serde::Serialize;
use std::time::Duration;

/// A deed so long after its run began tells when it was.
const LATER: Duration = Duration::from_secs(1);

/// What a rule shows of itself.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    /// Its id.
    pub id: String,
    /// Whether it may start.
    pub enabled: bool,
    /// Runs under way.
    pub running: usize,
    /// Starts since the gateway started.
    pub started: u64,
    /// Whether a level rule has entered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
    /// Whether it runs for safety.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub safety: bool,
    /// What came of its last start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<String>,
    /// When that was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_at: Option<String>,
    /// When its schedule is due next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due: Option<String>,
    /// When its wait is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits_until: Option<String>,
    /// Where it is defined.
    pub place: String,
}

/// What of an [`Entry`] changes with every run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Glance {
    /// Whether it may start.
    pub enabled: bool,
    /// Runs under way.
    pub running: usize,
    /// Starts since the gateway started.
    pub started: u64,
    /// Whether a level rule has entered.
    pub active: Option<bool>,
}

impl Glance {
    /// Whether they differ in nothing but starts.
    pub fn is_alike(self, other: Self) -> bool {
        Self { started: other.started, ..self } == other
    }
}

impl Engine {
    /// What of a rule changes with every run. Allocates nothing.
    pub fn glance(&self, rule: u16) -> Glance {
        let (state, settings) = (&self.rules[usize::from(rule)], &self.program.rules[usize::from(rule)]);
        Glance {
            enabled: !state.is_disabled,
            running: state.runs.len(),
            started: state.started,
            active: matches!(settings.start, Start::While(_)).then_some(state.level.is_in),
        }
    }

    /// What a rule shows of itself.
    pub fn entry(&self, rule: u16) -> Entry {
        let (state, settings) = (&self.rules[usize::from(rule)], &self.program.rules[usize::from(rule)]);
        let text = |wall: i64| self.program.zone.text(wall);
        let Glance { enabled, running, started, active } = self.glance(rule);
        let last = state.traces.back();
        let due = state.triggers.iter().filter_map(|trigger| trigger.dates.due).min();
        Entry {
            id: settings.id.to_string(),
            enabled,
            running,
            started,
            active,
            safety: settings.is_safety,
            last: last.map(|trace| trace.outcome.text()),
            last_at: last.and_then(|trace| trace.at.wall()).map(text),
            due: due.map(text),
            waits_until: self.waits_until(rule).and_then(|until| self.clock.wall_of(until)).map(text),
            place: settings.place.to_string(),
        }
    }

    /// The traces of a rule, oldest first.
    pub fn traces(&self, rule: u16) -> impl Iterator<Item = &Trace> {
        self.rules[usize::from(rule)].traces.iter()
    }

    /// A trace in words, one thing a line.
    pub fn trace_text(&self, rule: u16, trace: &Trace) -> Vec<String> {
        let at = self.when_text(trace.at);
        let mut lines = vec![format!("{at}  {}  because {}", trace.outcome.text(), self.origin_text(rule, trace))];
        for (input, value) in &trace.reads {
            lines.push(format!("    {} was {value}", self.program.inputs[usize::from(*input)].name));
        }
        for deed in &trace.did {
            let what = match &deed.what {
                Did::Set(output, value) => {
                    format!("set {} to {value}", self.program.output_name(*output))
                }
                Did::Already(output, value) => {
                    format!("{} was {value} already", self.program.output_name(*output))
                }
                Did::Said(text) => text.clone(),
            };
            let later =
                if is_later(trace.at, deed.at) { format!(", {}", self.when_text(deed.at)) } else { String::new() };
            lines.push(format!("  * {what}{later}"));
        }
        lines
    }

    /// When something was, for people: a clock that was not set tells no date.
    fn when_text(&self, when: When) -> String {
        match when {
            When::Wall(wall) => self.program.zone.text(wall),
            When::AfterStart(moment) => {
                let passed = whole_seconds(moment.saturating_since(Moment::START));
                format!("{passed} after the start (clock not set)")
            }
            When::Unknown => "at an unknown time (clock not set)".to_owned(),
        }
    }

    /// How long a rule waits: until a date, or for so long where the clock was not set.
    fn wait_text(&self, rule: u16) -> Option<String> {
        let until = self.waits_until(rule)?;
        Some(match self.clock.wall_of(until) {
            Some(wall) => format!("  waits until {}", self.program.zone.text(wall)),
            None => format!("  waits for another {}", whole_seconds(until.saturating_since(self.now()))),
        })
    }

    fn waits_until(&self, rule: u16) -> Option<Moment> {
        let waits = self.rules[usize::from(rule)].runs.iter().filter_map(|run| run.waiting.as_ref());
        waits.map(|waiting| waiting.timer().until).min()
    }

    fn origin_text(&self, rule: u16, trace: &Trace) -> String {
        let origin = &trace.origin;
        let what = match (&self.program.rules[usize::from(rule)].start, origin.trigger) {
            (Start::When(triggers), Some(index)) => {
                let text = triggers.get(usize::from(index)).map_or("", |trigger| &*trigger.text);
                if origin.value.is_unknown() { text.to_owned() } else { format!("{text} ({})", origin.value) }
            }
            (Start::When(_), None) => "somebody started it".to_owned(),
            (Start::While(level), _) => match &level.on {
                LevelOn::Condition(condition) => format!("`{}` was {}", condition.source(), origin.value),
                LevelOn::Hysteresis { input, .. } => {
                    let name = &self.program.inputs[usize::from(*input)].name;
                    format!("{name} {} its threshold", if origin.value.value().is_true() { "passed" } else { "left" })
                }
            },
        };
        let Cause { run, rule, .. } = origin.cause;
        if run == 0 { what } else { format!("{what}, which rule {} had set", self.program.rules[usize::from(rule)].id) }
    }

    /// Why a rule is what it is, or why an output (`device/property`) is what it is; none if there is neither.
    pub fn explain(&self, name: &str) -> Option<Vec<String>> {
        if let Some(rule) = self.rule_named(name) {
            return Some(self.explain_rule(rule));
        }
        Some(self.explain_output(self.program.output_named(name)?))
    }

    fn explain_rule(&self, rule: u16) -> Vec<String> {
        let (state, settings) = (&self.rules[usize::from(rule)], &self.program.rules[usize::from(rule)]);
        let entry = self.entry(rule);
        let mut lines = vec![format!("rule {} ({})", settings.id, settings.place)];
        if state.is_disabled {
            lines.push("  is disabled".into());
        }
        if self.paused.is_some() && !settings.is_safety {
            lines.push("  is paused with all others".into());
        }
        match &settings.start {
            Start::When(triggers) => {
                lines.extend(triggers.iter().map(|trigger| format!("  starts when {}", trigger.text)));
            }
            Start::While(_) => lines.push(format!("  is {}", if state.level.is_in { "active" } else { "not active" })),
        }
        for (input, value) in self.reads(rule) {
            lines.push(format!("    {} is {value}", self.program.inputs[usize::from(input)].name));
        }
        if let Some(condition) = &settings.condition {
            let view = View { engine: self, trigger: None };
            lines.push(match condition.stopped_by(&view) {
                None => format!("  its condition `{}` is true", condition.source()),
                Some((part, value)) => format!("  would not run now: `{part}` is {value}"),
            });
        }
        lines.extend(entry.due.map(|due| format!("  is due at {due}")));
        lines.extend(self.wait_text(rule));
        for trace in &state.traces {
            lines.extend(self.trace_text(rule, trace));
        }
        lines
    }

    /// From the output back to where it all began.
    fn explain_output(&self, output: u16) -> Vec<String> {
        let spec = self.program.outputs[usize::from(output)];
        let mut lines = vec![format!("{} is {}", self.program.output_name(output), self.value(spec.state))];
        let Some((cause, value, at)) = &self.outputs[usize::from(output)].last else {
            lines.push("  no rule has set it, as far as is remembered".into());
            return lines;
        };
        if self.value(spec.state) != value.value() && !value.is_unknown() {
            lines.push(format!("  a rule last set it to {value}; something else has changed it since"));
        }
        let mut cause = *cause;
        let mut at = *at;
        for _ in 0..DEPTH_MAX {
            let id = &self.program.rules[usize::from(cause.rule)].id;
            let when = match at {
                When::Wall(_) => format!(" at {}", self.when_text(at)),
                When::AfterStart(_) | When::Unknown => format!(" {}", self.when_text(at)),
            };
            let before = if cause.run <= self.runs_before { ", before the gateway started" } else { "" };
            lines.push(format!("  set by rule {id}{when}{before}"));
            let Some(trace) = self.rules[usize::from(cause.rule)].traces.iter().find(|trace| trace.run == cause.run)
            else {
                lines.push("  its trace is no longer kept".into());
                break;
            };
            lines.extend(self.trace_text(cause.rule, trace).into_iter().map(|line| format!("    {line}")));
            if trace.origin.cause.run == 0 {
                break;
            }
            (cause, at) = (trace.origin.cause, trace.origin.at);
        }
        lines
    }
}

fn whole_seconds(duration: Duration) -> String {
    duration_text(Duration::from_secs(duration.as_secs()))
}

/// Whether a deed tells when it was.
fn is_later(began: When, deed: When) -> bool {
    match (began, deed) {
        (When::Wall(began), When::Wall(deed)) => Duration::from_millis(deed.abs_diff(began)) >= LATER,
        (When::AfterStart(began), When::AfterStart(deed)) => deed.saturating_since(began) >= LATER,
        (When::Unknown, When::Unknown) => false,
        (When::Wall(_) | When::AfterStart(_) | When::Unknown, _) => true,
    }
}
