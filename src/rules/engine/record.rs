//! What is kept of a rule, so that it goes on after a power cut where it was.

use super::alerts::Alert;
use super::clock::Now;
use super::run::{Origin, Run, Waiting};
use super::switch::Pause;
use super::triggers::Timer;
use super::{Cause, Engine, Output};
use crate::base::Moment;
use crate::rules::program::{Literal, Program};
use crate::rules::schedule::millis;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Whose record it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kept {
    /// Of all rules together: their pause, and the numbers of runs.
    All,
    /// What a rule is doing.
    Rule(u16),
    /// What a rule did.
    Traces(u16),
}

/// What is kept of all rules together, as JSON.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct AllRecord {
    /// No run of before the restart has a number above this one.
    runs: u64,
    #[serde(rename = "paused", skip_serializing_if = "std::ops::Not::not")]
    is_paused: bool,
    /// The end of the pause, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pause: Option<KeptTimer>,
}

/// What is kept of a rule, as JSON.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// The rule's version.
    version: u32,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    disabled: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    runs: Vec<KeptRun>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    queue: Vec<KeptOrigin>,
    /// By the number of the trigger.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    triggers: Vec<KeptTrigger>,
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<KeptLevel>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    alerts: Vec<Alert>,
    /// Outputs by name, each with the rest of its hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    holds: Vec<(String, KeptTimer)>,
    /// How long ago the starts were, in milliseconds before `written`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    starts: Vec<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    written: Option<i64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct KeptTimer {
    /// When it is over by the clock on the wall, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    at: Option<i64>,
    /// What was left when it was written, in milliseconds.
    left: u64,
    /// How long it takes in all, in milliseconds.
    total: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct KeptRun {
    #[serde(default)]
    id: u64,
    step: u16,
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    leaves: bool,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    counters: Vec<u16>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    waiting: Option<KeptWaiting>,
    #[serde(flatten)]
    origin: KeptOrigin,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum KeptWaiting {
    Time(KeptTimer),
    Condition(KeptTimer),
    Confirm(KeptTimer, u8),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct KeptOrigin {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    trigger: Option<u16>,
    value: Literal,
    /// The run that caused it, and its rule.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    by: Option<(u64, String)>,
    #[serde(default)]
    depth: u8,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    since: Option<i64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct KeptTrigger {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pending: Option<KeptTimer>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    mark: Option<i64>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct KeptLevel {
    #[serde(rename = "in")]
    is_in: bool,
    high: bool,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pending: Option<KeptTimer>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    stay: Option<KeptTimer>,
    /// Outputs by name that another rule has set since.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    lost: Vec<String>,
}

fn to_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl KeptTimer {
    fn of(timer: &Timer, now: Now) -> Self {
        let left = timer.until.saturating_since(now.moment);
        let at = now.trusted_wall().map(|wall| wall.saturating_add(millis(left))).or(timer.wall);
        Self { at, left: to_millis(left), total: to_millis(timer.total) }
    }

    /// As it goes on: until the clock on the wall can be believed, what was left counts from now.
    fn timer(self, now: Now) -> Timer {
        let total = Duration::from_millis(self.total);
        let until = now.moment + Duration::from_millis(self.left).min(total);
        let mut timer = Timer { until, total, wall: self.at };
        timer.take_up(now);
        timer
    }
}

impl KeptWaiting {
    fn of(waiting: &Waiting, now: Now) -> Self {
        match waiting {
            Waiting::Time(timer) => Self::Time(KeptTimer::of(timer, now)),
            Waiting::Condition(timer) => Self::Condition(KeptTimer::of(timer, now)),
            Waiting::Confirm(timer, tries) => Self::Confirm(KeptTimer::of(timer, now), *tries),
        }
    }

    fn waiting(self, now: Now) -> Waiting {
        match self {
            Self::Time(timer) => Waiting::Time(timer.timer(now)),
            Self::Condition(timer) => Waiting::Condition(timer.timer(now)),
            Self::Confirm(timer, tries) => Waiting::Confirm(timer.timer(now), tries),
        }
    }
}

impl KeptOrigin {
    pub(super) fn of(origin: &Origin, program: &Program) -> Self {
        let Cause { run, rule, depth } = origin.cause;
        let by = (run != 0).then(|| (run, program.rules[usize::from(rule)].id.to_string()));
        Self { trigger: origin.trigger, value: origin.value.clone(), by, depth, since: origin.at.wall() }
    }

    /// As it was; a rule that is no more is nobody.
    pub(super) fn origin(self, program: &Program) -> Origin {
        let by =
            self.by.and_then(|(run, id)| Some((run, program.rules.iter().position(|rule| *rule.id == *id)? as u16)));
        let (run, rule) = by.unwrap_or_default();
        Origin {
            trigger: self.trigger,
            value: self.value,
            cause: Cause { run, rule, depth: self.depth },
            at: self.since.into(),
        }
    }
}

impl Engine {
    /// Whether all of a rule that would be kept is what it is without a record.
    fn record(&self, rule: u16) -> Record {
        let now = self.clock.now();
        let (state, settings) = (&self.rules[usize::from(rule)], &self.program.rules[usize::from(rule)]);
        let keeps_marks = settings.run_if_within.is_some();
        let trigger = |trigger: &super::triggers::TriggerState| KeptTrigger {
            pending: trigger.pending.as_ref().map(|timer| KeptTimer::of(timer, now)),
            mark: trigger.dates.mark.filter(|_| keeps_marks),
        };
        let run = |run: &Run| KeptRun {
            step: run.step,
            leaves: run.leaves,
            counters: run.counters.clone(),
            waiting: run.waiting.as_ref().map(|waiting| KeptWaiting::of(waiting, now)),
            id: run.id,
            origin: KeptOrigin::of(&run.origin, &self.program),
        };
        let timer = |timer: &Timer| KeptTimer::of(timer, now);
        let level = KeptLevel {
            is_in: state.level.is_in,
            high: state.level.is_high,
            pending: state.level.pending.as_ref().map(timer),
            stay: state.level.stay.as_ref().map(timer),
            lost: state.level.lost.iter().map(|output| self.program.output_name(*output).to_owned()).collect(),
        };
        let triggers: Vec<KeptTrigger> = state.triggers.iter().map(trigger).collect();
        let hold = |(output, until): &(u16, Moment)| {
            let left = until.saturating_since(now.moment);
            let timer = Timer { until: *until, total: left, wall: None };
            (self.program.output_name(*output).to_owned(), KeptTimer::of(&timer, now))
        };
        Record {
            version: settings.version,
            disabled: state.is_disabled,
            runs: state.runs.iter().map(run).collect(),
            queue: state.lists.queue.iter().map(|origin| KeptOrigin::of(origin, &self.program)).collect(),
            triggers: if triggers.iter().all(|one| *one == KeptTrigger::default()) { Vec::new() } else { triggers },
            level: Some(level).filter(|level| *level != KeptLevel::default()),
            alerts: state.lists.alerts.clone(),
            holds: state.lists.holds.iter().map(hold).collect(),
            starts: state.lists.starts.iter().map(|start| to_millis(now.moment.saturating_since(*start))).collect(),
            written: now.trusted_wall(),
        }
    }

    /// Keeps what has changed, after an input.
    pub(super) fn keep(&mut self) {
        let mut touched = std::mem::take(&mut self.touched);
        touched.sort_unstable();
        touched.dedup();
        for rule in touched.drain(..) {
            if !std::mem::take(&mut self.rules[usize::from(rule)].is_dirty) {
                continue;
            }
            let record = self.record(rule);
            let is_nothing = record.is_nothing();
            let state = &mut self.rules[usize::from(rule)];
            if is_nothing && !state.is_kept {
                continue;
            }
            state.is_kept = !is_nothing;
            state.runs.iter_mut().for_each(|run| run.is_kept = true);
            self.records += 1;
            let record = if is_nothing { String::new() } else { serde_json::to_string(&record).unwrap_or_default() };
            self.out.push_back(Output::Keep { number: self.records, of: Kept::Rule(rule), record });
        }
        self.keep_all();
        self.touched = touched;
        let last = self.records;
        self.held.iter_mut().filter(|(number, _)| *number == 0).for_each(|(number, _)| *number = last);
    }

    /// Keeps what belongs to no rule alone.
    fn keep_all(&mut self) {
        if !std::mem::take(&mut self.is_dirty) {
            return;
        }
        let now = self.clock.now();
        let pause = self.paused.map(|pause| pause.timer.as_ref().map(|timer| KeptTimer::of(timer, now)));
        let record = AllRecord { runs: self.runs_reserved, is_paused: pause.is_some(), pause: pause.flatten() };
        self.records += 1;
        let record = serde_json::to_string(&record).unwrap_or_default();
        self.out.push_back(Output::Keep { number: self.records, of: Kept::All, record });
    }

    /// Takes up what was kept, before the start. A record that cannot be read is given up.
    pub fn restore(&mut self, of: Kept, record: &str) -> bool {
        match of {
            Kept::Rule(rule) => self.restore_rule(rule, record),
            Kept::Traces(rule) => self.restore_traces(rule, record),
            Kept::All => self.restore_all(record),
        }
    }

    fn restore_all(&mut self, record: &str) -> bool {
        let Ok(record) = serde_json::from_str::<AllRecord>(record) else { return false };
        let now = self.clock.now();
        self.had_run(record.runs);
        self.paused = record.is_paused.then(|| Pause { timer: record.pause.map(|timer| timer.timer(now)) });
        true
    }

    fn restore_rule(&mut self, rule: u16, record: &str) -> bool {
        let Ok(record) = serde_json::from_str::<Record>(record) else { return false };
        let now = self.clock.now();
        let program = self.program.clone();
        let settings = &program.rules[usize::from(rule)];
        let is_same = record.version == settings.version;
        let holds =
            record.holds.iter().filter_map(|(name, timer)| Some((program.output_named(name)?, timer.timer(now).until)));
        let holds: Vec<_> = holds.collect();
        let steps = (settings.steps.len(), settings.leave.len());
        let state = &mut self.rules[usize::from(rule)];
        state.is_kept = true;
        state.is_disabled = record.disabled;
        if !record.alerts.is_empty() || !holds.is_empty() {
            state.lists.alerts = record.alerts;
            state.lists.holds = holds;
        }
        let lists = state.lists.get_mut();
        for alert in lists.into_iter().flat_map(|lists| &mut lists.alerts) {
            alert.next = alert.repeat.map(|repeat| now.moment + Duration::from_millis(repeat));
        }
        if !is_same {
            state.is_dirty = true;
            self.touched.push(rule);
            return true;
        }
        if !record.queue.is_empty() {
            state.lists.queue = record.queue.into_iter().map(|origin| origin.origin(&program)).collect();
        }
        for (trigger, kept) in state.triggers.iter_mut().zip(record.triggers) {
            trigger.pending = kept.pending.map(|timer| Box::new(timer.timer(now)));
            if kept.mark.is_some() {
                trigger.dates.mark = kept.mark;
            }
        }
        if let Some(level) = record.level {
            state.level.is_in = level.is_in;
            state.level.is_high = level.high;
            state.level.pending = level.pending.map(|timer| timer.timer(now));
            state.level.stay = level.stay.map(|timer| timer.timer(now));
            state.level.lost = level.lost.iter().filter_map(|name| program.output_named(name)).collect();
        }
        for kept in record.runs {
            let is_there = usize::from(kept.step) < if kept.leaves { steps.1 } else { steps.0 };
            if is_there {
                let id = if kept.id == 0 { self.next_run() } else { kept.id };
                self.had_run(id);
                let waiting = kept.waiting.map(|waiting| waiting.waiting(now));
                let (step, leaves, counters) = (kept.step, kept.leaves, kept.counters);
                let origin = kept.origin.origin(&program);
                self.rules[usize::from(rule)].runs.push(Run {
                    id,
                    step,
                    leaves,
                    counters,
                    waiting,
                    origin,
                    is_kept: true,
                });
            }
        }
        self.restore_starts(rule, &record.starts, record.written);
        true
    }

    /// Starts before the restart count against the limit as well; time off counts where it is known.
    fn restore_starts(&mut self, rule: u16, starts: &[u64], written: Option<i64>) {
        let now = self.clock.now();
        let off = now
            .trusted_wall()
            .zip(written)
            .map_or(0, |(wall, written)| u64::try_from(wall.saturating_sub(written)).unwrap_or(0));
        let Some(limit) = self.program.rules[usize::from(rule)].limit else { return };
        let young = starts.iter().filter(|ago| Duration::from_millis(ago.saturating_add(off)) < limit.per);
        // A moment before this process cannot be told; the start counts as one of now, which is on the safe side.
        self.rules[usize::from(rule)].lists.starts = young.map(|_| now.moment).collect();
    }

    /// The end of a pause from before a restart, once the clock on the wall can be believed.
    pub(super) fn take_up_pause(&mut self) {
        let now = self.clock.now();
        if let Some(timer) = self.paused.as_mut().and_then(|pause| pause.timer.as_mut()) {
            timer.take_up(now);
        }
    }

    /// Timers from before a restart, once the clock on the wall can be believed.
    pub(super) fn take_up_timers(&mut self, rule: u16) {
        let now = self.clock.now();
        let state = &mut self.rules[usize::from(rule)];
        state.runs.iter_mut().for_each(|run| run.take_up(now));
        state.triggers.iter_mut().filter_map(|trigger| trigger.pending.as_mut()).for_each(|timer| timer.take_up(now));
        if let Some(level) = state.level.get_mut() {
            level.take_up(now);
        }
    }
}

impl Record {
    fn is_nothing(&self) -> bool {
        let nothing = Self { version: self.version, written: self.written, ..Self::default() };
        *self == nothing
    }
}
