//! Level rules: what must be so while something is so.

use super::clock::Now;
use super::compact::Empty;
use super::triggers::{LOOK_AGAIN, Timer};
use super::values::View;
use super::{Cause, Engine, Origin};
use crate::base::Moment;
use crate::rules::expression::Value;
use crate::rules::program::{Level, LevelOn, Literal, OnUnknown, Start};

/// What the engine knows of a level rule.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct LevelState {
    /// Whether the rule has entered.
    pub(super) is_in: bool,
    /// The hysteresis alone, without `if`.
    pub(super) is_high: bool,
    /// It must stay true until then before the rule enters.
    pub(super) pending: Option<Timer>,
    /// The rule does not leave before.
    pub(super) stay: Option<Timer>,
    /// Outputs of the rule that another rule has set since.
    pub(super) lost: Vec<u16>,
    /// When a condition on the clock is looked at next.
    pub(super) look: Option<Moment>,
    /// Whether it has been looked at since the start with everything known.
    pub(super) is_reconciled: bool,
}

impl Empty for LevelState {
    const EMPTY: &'static Self = &Self {
        is_in: false,
        is_high: false,
        pending: None,
        stay: None,
        lost: Vec::new(),
        look: None,
        is_reconciled: false,
    };
}

impl LevelState {
    pub(super) fn take_up(&mut self, now: Now) {
        for timer in [&mut self.pending, &mut self.stay].into_iter().flatten() {
            timer.take_up(now);
        }
    }
}

impl Engine {
    /// Whether the level is so now; none if nobody knows.
    fn level_now(&mut self, rule: u16, level: &Level) -> Option<bool> {
        let program = self.program.clone();
        let settings = &program.rules[usize::from(rule)];
        let state = &self.rules[usize::from(rule)].level;
        let is_high = match &level.on {
            LevelOn::Condition(expression) => truth(expression.evaluate(&View { engine: self, trigger: None })),
            LevelOn::Hysteresis { input, on, off } => match self.value(*input) {
                Value::Number(number) => Some(hysteresis(number, *on, *off, state.is_high)),
                Value::Unknown | Value::Boolean(_) | Value::Text(_) => None,
            },
        };
        if let Some(is_high) = is_high
            && state.is_high != is_high
        {
            let state = &mut self.rules[usize::from(rule)];
            state.level.is_high = is_high;
            state.is_dirty |= matches!(level.on, LevelOn::Hysteresis { .. });
        }
        let allowed = settings
            .condition
            .as_ref()
            .map_or(Some(true), |condition| truth(condition.evaluate(&View { engine: self, trigger: None })));
        match (is_high, allowed) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            (None, _) | (_, None) => None,
        }
    }

    /// Looks at a level rule: it enters, leaves, waits or stays.
    pub(super) fn level_check(&mut self, rule: u16, cause: Cause) {
        let program = self.program.clone();
        let settings = &program.rules[usize::from(rule)];
        let Start::While(level) = &settings.start else { return };
        if self.rests(rule) || self.rules[usize::from(rule)].is_disabled {
            return;
        }
        let now = self.now();
        let known = self.level_now(rule, level);
        let state = &mut self.rules[usize::from(rule)];
        state.level.look = self.watches.timed[usize::from(rule)].then(|| now + LOOK_AGAIN);
        let is_so = known.unwrap_or(match level.on_unknown {
            OnUnknown::Leave => false,
            OnUnknown::Keep => state.level.is_in || state.level.pending.is_some(),
            OnUnknown::Enter => true,
        });
        let is_first = !state.level.is_reconciled;
        state.level.is_reconciled |= !is_so || state.level.is_in;
        if !is_so {
            state.is_dirty |= state.level.pending.take().is_some();
            let must_stay = state.level.stay.is_some_and(|stay| stay.until > now);
            if state.level.is_in && !must_stay {
                self.level_turn(rule, false, cause);
            } else if is_first && !state.level.is_in {
                self.reconcile(rule, false);
            }
        } else if state.level.is_in {
            if is_first {
                self.reconcile(rule, true);
            }
        } else {
            self.level_enter(rule, level, cause);
        }
        self.arm(rule);
    }

    fn level_enter(&mut self, rule: u16, level: &Level, cause: Cause) {
        let now = self.now();
        let state = &mut self.rules[usize::from(rule)];
        if !level.hold.is_zero() {
            let pending = *state.level.pending.get_or_insert_with(|| {
                state.is_dirty = true;
                Timer::new(now, level.hold)
            });
            if pending.until > now {
                return;
            }
        }
        if !self.may_start(rule, cause) {
            // Looked at again, as nobody knows when the next change comes.
            self.rules[usize::from(rule)].level.look = Some(now + LOOK_AGAIN);
            return;
        }
        let state = &mut self.rules[usize::from(rule)];
        state.level.pending = None;
        state.level.stay = (!level.min_on.is_zero()).then(|| Timer::new(now, level.min_on));
        self.level_turn(rule, true, cause);
    }

    /// The rule enters or leaves: its runs end, the steps of the other side begin.
    fn level_turn(&mut self, rule: u16, is_in: bool, cause: Cause) {
        let state = &mut self.rules[usize::from(rule)];
        state.level.is_in = is_in;
        state.level.is_reconciled = true;
        if !is_in {
            state.level.stay = None;
        }
        state.runs.clear();
        state.is_dirty = true;
        let at = self.clock.when();
        self.run(rule, Origin { trigger: None, value: Literal::Boolean(is_in), cause, at }, !is_in);
    }

    pub(super) fn level_deadline(&self, rule: u16) -> Option<Moment> {
        let level = &self.rules[usize::from(rule)].level;
        // One that is over has been looked at: what still stands against entering or leaving is looked at later.
        let timers = [level.pending, level.stay].into_iter().flatten().map(|timer| timer.until);
        timers.filter(|until| *until > self.now()).chain(level.look).min()
    }
}

fn truth(value: Value<'_>) -> Option<bool> {
    match value {
        Value::Boolean(value) => Some(value),
        Value::Unknown | Value::Number(_) | Value::Text(_) => None,
    }
}

/// Between the thresholds it stays what it was.
fn hysteresis(number: f64, on: f64, off: f64, was: bool) -> bool {
    if on >= off {
        if was { number >= off } else { number > on }
    } else if was {
        number <= off
    } else {
        number < on
    }
}
