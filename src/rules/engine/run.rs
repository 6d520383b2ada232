//! Runs: from the start of a rule's action to its end, with all its waits.

use super::clock::{Now, When};
use super::trace::{Did, Outcome, Trace};
use super::triggers::Timer;
use super::values::View;
use super::{Cause, DEPTH_MAX, Engine, STARTS_MAX, STARTS_PER};
use crate::rules::expression::{Expression, Value};
use crate::rules::program::{Literal, Mode, OnRestart, Start};

/// Numbers of runs that are reserved at once: one write for so many runs.
const RUNS_AHEAD: u64 = 1_000;

/// No house has had so many runs.
const RUN_MAX: u64 = 1 << 52;

/// Where a run comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Origin {
    /// Which trigger; none for a level, or for somebody who said so.
    pub trigger: Option<u16>,
    /// What the value was.
    pub value: Literal,
    /// Who is behind it.
    pub cause: Cause,
    /// When.
    pub at: When,
}

/// An action under way.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Run {
    pub(super) id: u64,
    /// The next step.
    pub(super) step: u16,
    /// Whether the steps are those of `leave`.
    pub(super) leaves: bool,
    pub(super) counters: Vec<u16>,
    pub(super) waiting: Option<Waiting>,
    pub(super) origin: Origin,
    /// Whether a record holds it: what it does from now on is kept before it is said.
    pub(super) is_kept: bool,
}

/// What a run waits for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Waiting {
    /// The end of a time.
    Time(Timer),
    /// The condition of its step, or the end of a time.
    Condition(Timer),
    /// That an output is what it was set to; and how often it was set.
    Confirm(Timer, u8),
}

impl Waiting {
    pub(super) fn timer(&self) -> &Timer {
        match self {
            Self::Time(timer) | Self::Condition(timer) | Self::Confirm(timer, _) => timer,
        }
    }

    pub(super) fn timer_mut(&mut self) -> &mut Timer {
        match self {
            Self::Time(timer) | Self::Condition(timer) | Self::Confirm(timer, _) => timer,
        }
    }
}

impl Engine {
    /// A trigger has fired: the rule starts, unless something stops it.
    pub(super) fn begin(&mut self, rule: u16, origin: Origin) {
        let program = self.program.clone();
        let settings = &program.rules[usize::from(rule)];
        if let Some(condition) = &settings.condition {
            let id = self.trigger_id(rule, &origin).to_owned();
            let view = View { engine: self, trigger: Some((&id, &origin.value)) };
            if !condition.evaluate(&view).is_true() {
                let (text, value) = condition.stopped_by(&view).unwrap_or((condition.source(), Value::Unknown));
                let outcome = Outcome::Stopped { by: text.into(), value: value.into() };
                return self.traced(rule, &origin, outcome);
            }
        }
        if !self.may_start_traced(rule, &origin) {
            return;
        }
        let state = &mut self.rules[usize::from(rule)];
        if state.runs.len() < settings.runs_max() {
            return self.run(rule, origin, false);
        }
        match settings.mode {
            Mode::Single => self.traced(rule, &origin, Outcome::Busy),
            Mode::Restart => {
                state.runs.clear();
                state.is_dirty = true;
                self.run(rule, origin, false);
            }
            Mode::Queued if state.lists.queue.len() < usize::from(settings.max) => {
                state.lists.queue.push_back(origin);
                state.is_dirty = true;
            }
            Mode::Queued | Mode::Parallel => self.traced(rule, &origin, Outcome::Full),
        }
    }

    /// Whether a rule may start now; what stands against it is counted.
    pub(super) fn may_start(&mut self, rule: u16, cause: Cause) -> bool {
        let origin = Origin { trigger: None, value: Literal::Boolean(true), cause, at: self.clock.when() };
        self.may_start_traced(rule, &origin)
    }

    fn may_start_traced(&mut self, rule: u16, origin: &Origin) -> bool {
        match self.refusal(rule, origin.cause) {
            None => true,
            Some(refusal) => {
                self.traced(rule, origin, refusal);
                false
            }
        }
    }

    fn refusal(&mut self, rule: u16, cause: Cause) -> Option<Outcome> {
        let now = self.now();
        let program = self.program.clone();
        let settings = &program.rules[usize::from(rule)];
        let state = &mut self.rules[usize::from(rule)];
        if state.is_disabled {
            return Some(Outcome::Disabled);
        }
        if self.paused.is_some() && !settings.is_safety {
            return Some(Outcome::Paused);
        }
        if cause.depth >= DEPTH_MAX {
            self.counters.loops += 1;
            return Some(Outcome::Loop);
        }
        if now.saturating_since(state.window.0) >= STARTS_PER {
            state.window = (now, 0);
        }
        if let Some(limit) = settings.limit {
            let starts = &mut state.lists.starts;
            while starts.front().is_some_and(|start| now.saturating_since(*start) >= limit.per) {
                starts.pop_front();
            }
            if starts.len() >= usize::from(limit.starts) {
                self.counters.starts_refused += 1;
                return Some(Outcome::Limited);
            }
            starts.push_back(now);
            state.is_dirty = true;
        }
        if state.window.1 >= STARTS_MAX && !settings.is_safety {
            self.counters.starts_refused += 1;
            return Some(Outcome::Limited);
        }
        state.window.1 += 1;
        None
    }

    /// The number of another run. Numbers are reserved ahead on the disk, so that no run after a restart has one again.
    pub(super) fn next_run(&mut self) -> u64 {
        self.runs += 1;
        if self.runs > self.runs_reserved {
            self.runs_reserved = self.runs.saturating_add(RUNS_AHEAD);
            self.is_dirty = true;
        }
        self.runs
    }

    /// A number of a run from before the start, as it was kept. One that no house has come to is damage.
    pub(super) fn had_run(&mut self, id: u64) {
        if id <= RUN_MAX {
            self.runs = self.runs.max(id);
        }
    }

    /// Begins a run.
    pub(super) fn run(&mut self, rule: u16, origin: Origin, leaves: bool) {
        let id = self.next_run();
        let state = &mut self.rules[usize::from(rule)];
        state.started += 1;
        let run =
            Run { id, step: 0, leaves, counters: Vec::new(), waiting: None, origin: origin.clone(), is_kept: false };
        let outcome = if leaves { Outcome::Left } else { Outcome::Ran };
        let reads = self.reads(rule);
        let at = self.clock.when();
        self.push_trace(rule, Trace { run: id, at, origin, outcome, reads, did: Vec::new() });
        let runs = &mut self.rules[usize::from(rule)].runs;
        // Most rules have one run.
        runs.reserve_exact(1);
        runs.push(run);
        self.shown(rule);
        self.go_on(rule, id);
    }

    /// Somebody says so, whatever the rule does now: what runs is given up, so that there is never more than one.
    pub(super) fn start_by_hand(&mut self, rule: u16) {
        if self.rules[usize::from(rule)].is_disabled || !self.has_started {
            return;
        }
        let origin = Origin { trigger: None, value: Literal::Unknown, cause: Cause::default(), at: self.clock.when() };
        self.rules[usize::from(rule)].runs.clear();
        self.run(rule, origin, false);
        self.arm(rule);
    }

    /// Runs whose time is over go on.
    pub(super) fn runs_due(&mut self, rule: u16) {
        let now = self.now();
        let is_due = |run: &&Run| run.waiting.as_ref().is_some_and(|waiting| waiting.timer().until <= now);
        let due: Vec<u64> = self.rules[usize::from(rule)].runs.iter().filter(is_due).map(|run| run.id).collect();
        for id in due {
            self.time_is_over(rule, id);
        }
    }

    /// Runs that wait for something look whether it has come.
    pub(super) fn runs_look(&mut self, rule: u16) {
        if self.rests(rule) {
            return;
        }
        let ids: Vec<u64> = self.rules[usize::from(rule)].runs.iter().map(|run| run.id).collect();
        for id in ids {
            let Some(run) = self.rules[usize::from(rule)].runs.iter().find(|run| run.id == id) else { continue };
            let is_over = match run.waiting {
                Some(Waiting::Condition(_)) => self.condition_came(rule, run),
                Some(Waiting::Confirm(..)) => self.is_confirmed(rule, run),
                Some(Waiting::Time(_)) | None => false,
            };
            if is_over {
                self.wait_is_over(rule, id);
            }
        }
    }

    /// The run goes on with the step behind the one that waited.
    pub(super) fn wait_is_over(&mut self, rule: u16, id: u64) {
        let state = &mut self.rules[usize::from(rule)];
        if let Some(run) = state.runs.iter_mut().find(|run| run.id == id) {
            run.waiting = None;
            run.step += 1;
            state.is_dirty = true;
        }
        self.go_on(rule, id);
    }

    /// The run is over; the next start that waits begins.
    pub(super) fn end(&mut self, rule: u16, id: u64) {
        let state = &mut self.rules[usize::from(rule)];
        let before = state.runs.len();
        state.runs.retain(|run| run.id != id);
        if state.runs.len() == before {
            return;
        }
        state.is_dirty |= state.is_kept;
        if state.runs.is_empty() {
            state.runs = Vec::new();
        }
        let next = state.lists.get_mut().and_then(|lists| lists.queue.pop_front());
        self.shown(rule);
        if let Some(origin) = next {
            self.run(rule, origin, false);
        }
    }

    pub(super) fn trigger_id(&self, rule: u16, origin: &Origin) -> &str {
        match (&self.program.rules[usize::from(rule)].start, origin.trigger) {
            (Start::When(triggers), Some(index)) => {
                triggers.get(usize::from(index)).and_then(|trigger| trigger.id.as_deref()).unwrap_or("")
            }
            (Start::When(_) | Start::While(_), _) => "",
        }
    }

    /// What an expression of a run comes to.
    pub(super) fn literal(&self, rule: u16, origin: &Origin, expression: &Expression) -> Literal {
        let id = self.trigger_id(rule, origin);
        expression.evaluate(&View { engine: self, trigger: Some((id, &origin.value)) }).into()
    }

    /// After a restart: each kept run by its policy. A pause holds what acts until it is over.
    pub(super) fn resume_runs(&mut self, rule: u16) {
        let policy = self.program.rules[usize::from(rule)].on_restart;
        let rests = self.rests(rule);
        let (state, before) = (&mut self.rules[usize::from(rule)], self.runs_before);
        if rests && matches!(policy, OnRestart::Restart | OnRestart::Finish) {
            state.lists.resumes_later = true;
            return;
        }
        // A run that began since the start is none of the policy's business.
        let ids: Vec<u64> = state.runs.iter().map(|run| run.id).filter(|id| *id <= before).collect();
        for id in &ids {
            self.did(rule, *id, Did::Said(policy.text().into()));
        }
        let state = &mut self.rules[usize::from(rule)];
        match policy {
            OnRestart::Resume => {}
            OnRestart::Cancel => {
                state.runs.retain(|run| run.id > before);
                if !ids.is_empty() {
                    state.lists.queue.clear();
                    state.is_dirty = true;
                }
            }
            OnRestart::Restart => {
                for run in state.runs.iter_mut().filter(|run| run.id <= before) {
                    (run.step, run.waiting) = (0, None);
                    run.counters.clear();
                }
            }
            OnRestart::Finish => {
                for id in &ids {
                    self.finish(rule, *id);
                }
            }
        }
        for id in ids {
            let is_waiting = self.rules[usize::from(rule)].runs.iter().any(|run| run.id == id && run.waiting.is_some());
            if !is_waiting {
                self.go_on(rule, id);
            }
        }
    }

    /// The rest of a run without its waits. A loop of waits ends by the fuel.
    fn finish(&mut self, rule: u16, id: u64) {
        for _ in 0..super::FUEL {
            let waits = self.rules[usize::from(rule)].runs.iter().any(|run| run.id == id && run.waiting.is_some());
            if !waits {
                return;
            }
            self.wait_is_over(rule, id);
        }
        self.end(rule, id);
    }
}

impl OnRestart {
    fn text(self) -> &'static str {
        match self {
            Self::Resume => "went on after a restart",
            Self::Restart => "began anew after a restart",
            Self::Finish => "did the rest at once after a restart",
            Self::Cancel => "was given up at a restart",
        }
    }
}

impl Run {
    pub(super) fn take_up(&mut self, now: Now) {
        if let Some(waiting) = &mut self.waiting {
            waiting.timer_mut().take_up(now);
        }
    }
}
