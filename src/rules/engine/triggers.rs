//! What starts event rules: edges, events, conditions that come true, times.

use super::clock::{Now, When};
use super::compact::{Empty, Seldom};
use super::values::View;
use super::watch::Watch;
use super::{Cause, Engine, Origin, Outcome};
use crate::base::Moment;
use crate::rules::expression::Value;
use crate::rules::program::{Becomes, Literal, TriggerOn};
use crate::rules::schedule::millis;
use std::time::Duration;

/// How often a condition that depends on the clock or the sun is looked at.
pub(super) const LOOK_AGAIN: Duration = Duration::from_mins(1);

/// What the engine knows of a trigger.
#[derive(Clone, Debug, Default)]
pub(super) struct TriggerState {
    /// It happened and must stay so until then; and how long that is in all.
    pub(super) pending: Option<Box<Timer>>,
    /// A condition was true when it was last looked at.
    pub(super) was_true: Option<bool>,
    pub(super) dates: Seldom<Dates>,
}

/// What a trigger has to do with clocks.
#[derive(Clone, Debug, Default)]
pub(super) struct Dates {
    /// When a condition on the clock is looked at next.
    pub(super) look: Option<Moment>,
    /// When it is due by the clock on the wall.
    pub(super) due: Option<i64>,
    /// Up to when nothing of it was missed.
    pub(super) mark: Option<i64>,
}

impl Empty for Dates {
    const EMPTY: &'static Self = &Self { look: None, due: None, mark: None };
}

/// Something that takes its time, on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Timer {
    /// When it is over.
    pub(super) until: Moment,
    /// How long it takes in all.
    pub(super) total: Duration,
    /// When it is over by the clock on the wall, from before a restart, while that cannot be believed yet.
    pub(super) wall: Option<i64>,
}

impl Timer {
    pub(super) fn new(now: Moment, total: Duration) -> Self {
        Self { until: now + total, total, wall: None }
    }

    /// Now that the clock on the wall can be believed, what passed while the gateway was off counts.
    pub(super) fn take_up(&mut self, now: Now) {
        if let Some(wall) = now.trusted_wall()
            && let Some(until) = self.wall.take()
        {
            let left = Duration::from_millis(u64::try_from(until.saturating_sub(wall)).unwrap_or(0));
            self.until = self.until.min(now.moment + left.min(self.total));
        }
    }
}

/// Why schedules are computed anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DueCause {
    /// The clock on the wall can be believed from now on, or the gateway starts.
    Trusted,
    /// A pause is over.
    Continued,
    /// The clock was set; it showed this before.
    Jumped(i64),
}

/// A clock set back by less does not repeat what was due meanwhile.
const BACK_MAX: i64 = 3 * 3_600_000;

impl Engine {
    /// A value is another now.
    pub(super) fn value_changed(&mut self, input: u16, before: &Literal, is_edge: bool, cause: Cause) {
        if !self.has_started {
            return;
        }
        let program = self.program.clone();
        for at in 0..self.watches.of_input(input).len() {
            match self.watches.of_input(input)[at] {
                Watch::Trigger(rule, index) => match &program.trigger(rule, index).on {
                    TriggerOn::Change { from, to, .. } => {
                        let after: Literal = self.value(input).into();
                        self.edge(rule, index, (before, &after), (from.as_deref(), to), is_edge, cause);
                    }
                    TriggerOn::True(_) => self.condition_looked_at(rule, index, is_edge, cause),
                    TriggerOn::Event { .. }
                    | TriggerOn::Availability { .. }
                    | TriggerOn::At(_)
                    | TriggerOn::Started
                    | TriggerOn::Manual => {}
                },
                Watch::Level(rule) => self.level_check(rule, cause),
                Watch::Waiting(rule) => self.runs_look(rule),
            }
            match self.watches.of_input(input)[at] {
                Watch::Trigger(rule, _) | Watch::Level(rule) | Watch::Waiting(rule) => self.arm(rule),
            }
        }
    }

    fn edge(
        &mut self,
        rule: u16,
        index: u16,
        (before, after): (&Literal, &Literal),
        (from, to): (Option<&Literal>, &Becomes),
        is_edge: bool,
        cause: Cause,
    ) {
        let is_so = becomes(to, after);
        let was_so = if to == &Becomes::Other { before == after } else { becomes(to, before) };
        if !is_so {
            return self.give_up_pending(rule, index);
        }
        let is_from = from.is_none_or(|from| from == before);
        if is_edge && !was_so && is_from && !before.is_unknown() {
            self.fired(rule, index, after.clone(), cause);
        } else if to == &Becomes::Other {
            self.give_up_pending(rule, index);
        }
    }

    fn give_up_pending(&mut self, rule: u16, index: u16) {
        let state = &mut self.rules[usize::from(rule)];
        state.is_dirty |= state.triggers[usize::from(index)].pending.take().is_some();
    }

    /// A trigger has happened: the rule starts, or when it has stayed so for long enough.
    fn fired(&mut self, rule: u16, index: u16, value: Literal, cause: Cause) {
        let now = self.now();
        let hold = self.program.trigger(rule, index).hold;
        match hold {
            Some(hold) if !hold.is_zero() => {
                let state = &mut self.rules[usize::from(rule)];
                state.triggers[usize::from(index)].pending = Some(Box::new(Timer::new(now, hold)));
                state.is_dirty = true;
            }
            Some(_) | None => {
                self.begin(rule, Origin { trigger: Some(index), value, cause, at: self.clock.when() });
            }
        }
    }

    /// An event: a click, or a message of a foreign topic.
    pub(super) fn event(&mut self, input: u16, value: &Literal) {
        if !self.has_started {
            return;
        }
        let text = value.to_string();
        let cause = self.cause_of(input, value);
        for at in 0..self.watches.of_input(input).len() {
            let Watch::Trigger(rule, index) = self.watches.of_input(input)[at] else { continue };
            let is_meant = match &self.program.trigger(rule, index).on {
                TriggerOn::Event { is, .. } => is.is_empty() || is.iter().any(|word| **word == *text),
                _ => false,
            };
            if is_meant {
                self.fired(rule, index, value.clone(), cause);
                self.arm(rule);
            }
        }
    }

    /// A device is online or offline now. `is_edge` if it was known to be the other before.
    pub(super) fn availability_changed(&mut self, device: u16, online: bool, is_edge: bool) {
        if !self.has_started {
            return;
        }
        for at in 0..self.watches.of_availability(device).len() {
            let (rule, index) = self.watches.of_availability(device)[at];
            let TriggerOn::Availability { online: wanted, .. } = self.program.trigger(rule, index).on else { continue };
            if wanted != online {
                self.give_up_pending(rule, index);
            } else if is_edge {
                let word = if online { "online" } else { "offline" };
                self.fired(rule, index, Literal::Text(word.into()), Cause::default());
            }
            self.arm(rule);
        }
    }

    /// Looks at a condition: it fires when it becomes true after it was false.
    fn condition_looked_at(&mut self, rule: u16, index: u16, is_edge: bool, cause: Cause) {
        let program = self.program.clone();
        let TriggerOn::True(expression) = &program.trigger(rule, index).on else { return };
        let is_true = match expression.evaluate(&View { engine: self, trigger: None }) {
            Value::Boolean(value) => Some(value),
            Value::Unknown | Value::Number(_) | Value::Text(_) => None,
        };
        let look = self.watches.timed[usize::from(rule)].then(|| self.now() + LOOK_AGAIN);
        let state = &mut self.rules[usize::from(rule)].triggers[usize::from(index)];
        if look.is_some() {
            state.dates.look = look;
        }
        let Some(is_true) = is_true else {
            // What was kept over a restart waits for its values.
            if state.was_true.is_some() {
                self.give_up_pending(rule, index);
            }
            return;
        };
        let was_true = state.was_true.replace(is_true);
        if !is_true {
            self.give_up_pending(rule, index);
        } else if was_true == Some(false) && is_edge {
            self.fired(rule, index, Literal::Boolean(true), cause);
        }
    }

    /// Timers and schedules of a rule's triggers.
    pub(super) fn triggers_due(&mut self, rule: u16) {
        let now = self.clock.now();
        for index in 0..self.rules[usize::from(rule)].triggers.len() as u16 {
            let state = &mut self.rules[usize::from(rule)].triggers[usize::from(index)];
            if state.pending.as_ref().is_some_and(|pending| pending.until <= now.moment) {
                state.pending = None;
                self.rules[usize::from(rule)].is_dirty = true;
                if !self.is_still_so(rule, index) {
                    continue;
                }
                let value = Literal::Boolean(true);
                self.begin(
                    rule,
                    Origin { trigger: Some(index), value, cause: Cause::default(), at: self.clock.when() },
                );
            }
            if self.rules[usize::from(rule)].triggers[usize::from(index)].dates.look.is_some_and(|at| at <= now.moment)
            {
                self.condition_looked_at(rule, index, true, Cause::default());
            }
            let state = &self.rules[usize::from(rule)].triggers[usize::from(index)];
            if let (Some(due), Some(wall)) = (state.dates.due, now.trusted_wall())
                && due <= wall
            {
                self.schedule_next(rule, index, wall);
                self.begin(
                    rule,
                    Origin {
                        trigger: Some(index),
                        value: Literal::Unknown,
                        cause: Cause::default(),
                        at: When::Wall(due),
                    },
                );
            }
        }
    }

    /// Whether what was to stay so for a time is so at its end.
    fn is_still_so(&self, rule: u16, index: u16) -> bool {
        match &self.program.trigger(rule, index).on {
            TriggerOn::Change { input, to, .. } => becomes(to, &self.value(*input).into()),
            TriggerOn::True(condition) => condition.evaluate(&View { engine: self, trigger: None }).is_true(),
            TriggerOn::Availability { device, online } => {
                self.devices[usize::from(*device)].is_none_or(|is_online| is_online == *online)
            }
            TriggerOn::Event { .. } | TriggerOn::At(_) | TriggerOn::Started | TriggerOn::Manual => true,
        }
    }

    pub(super) fn trigger_deadline(&self, state: &TriggerState) -> Option<Moment> {
        let due = state.dates.due.and_then(|due| self.clock.moment_of(due));
        [state.pending.as_ref().map(|pending| pending.until), state.dates.look, due].into_iter().flatten().min()
    }

    /// Computes when a schedule is due next, after `wall`, up to which nothing was missed.
    fn schedule_next(&mut self, rule: u16, index: u16, wall: i64) {
        let program = self.program.clone();
        let TriggerOn::At(schedule) = &program.trigger(rule, index).on else { return };
        let due = schedule.next(&program.zone, program.location, wall);
        let keeps = program.rules[usize::from(rule)].run_if_within.is_some();
        let state = &mut self.rules[usize::from(rule)];
        let dates = &mut state.triggers[usize::from(index)].dates;
        (dates.due, dates.mark) = (due, Some(wall));
        state.is_dirty |= keeps;
    }

    /// Looks at all conditions and schedules of a rule for the first time.
    pub(super) fn schedule_rule(&mut self, rule: u16) {
        for index in 0..self.rules[usize::from(rule)].triggers.len() as u16 {
            self.condition_looked_at(rule, index, false, Cause::default());
        }
        self.reschedule(rule, DueCause::Trusted);
    }

    /// Computes the schedules of a rule anew; what was missed runs if it is young enough.
    pub(super) fn reschedule(&mut self, rule: u16, why: DueCause) {
        let Some(wall) = self.clock.now().trusted_wall() else { return };
        let program = self.program.clone();
        let settings = &program.rules[usize::from(rule)];
        for index in 0..self.rules[usize::from(rule)].triggers.len() as u16 {
            let TriggerOn::At(schedule) = &program.trigger(rule, index).on else { continue };
            let known = self.rules[usize::from(rule)].triggers[usize::from(index)].dates.mark;
            let mark = match why {
                DueCause::Trusted | DueCause::Continued => known,
                DueCause::Jumped(before) => Some(known.unwrap_or(before).max(before)),
            };
            let back = mark.map_or(0, |mark| mark - wall);
            if (1..=BACK_MAX).contains(&back) {
                // Set back a little: what was due in that time was done already.
                let state = &mut self.rules[usize::from(rule)].triggers[usize::from(index)];
                state.dates.due = mark.and_then(|mark| schedule.next(&program.zone, program.location, mark));
                state.dates.mark = mark;
                continue;
            }
            let missed = mark.filter(|mark| *mark < wall).and_then(|mark| {
                let last = schedule.previous(&program.zone, program.location, wall)?;
                (last > mark).then_some(last)
            });
            self.schedule_next(rule, index, wall);
            let Some(missed) = missed else { continue };
            let is_young = settings.run_if_within.is_some_and(|within| wall - missed <= millis(within));
            let (cause, at) = (Cause::default(), When::Wall(missed));
            let origin = Origin { trigger: Some(index), value: Literal::Unknown, cause, at };
            if is_young {
                self.begin(rule, origin);
            } else if why == DueCause::Continued {
                self.traced(rule, &origin, Outcome::Paused);
            }
        }
    }
}

/// Whether a value is what a trigger waits for.
fn becomes(to: &Becomes, value: &Literal) -> bool {
    match to {
        Becomes::Other => !value.is_unknown(),
        Becomes::Equal(wanted) => value == wanted,
        Becomes::Above(limit) => matches!(value, Literal::Number(number) if number > limit),
        Becomes::Below(limit) => matches!(value, Literal::Number(number) if number < limit),
    }
}
