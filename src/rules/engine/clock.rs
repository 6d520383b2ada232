//! The two clocks: monotonic moments for what lasts, the clock on the wall for what has a date.

use super::Engine;
use super::triggers::DueCause;
use crate::base::Moment;
use crate::rules::schedule::millis;
use std::time::Duration;

/// How far the clock on the wall may drift from the monotonic one before it has been set.
const JUMP: i64 = 2_000;

/// The present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// On the monotonic clock.
    pub moment: Moment,
    /// On the clock on the wall, in milliseconds since 1970; none if it was never set.
    pub wall: Option<i64>,
    /// Whether the clock on the wall can be believed.
    pub trusted: bool,
}

impl Now {
    /// The clock on the wall, if it can be believed.
    pub fn trusted_wall(self) -> Option<i64> {
        self.wall.filter(|_| self.trusted)
    }
}

/// What became of the clock on the wall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClockChange {
    None,
    /// It can be believed from now on.
    Trusted,
    /// It was set: it showed the first number before.
    Jumped(i64),
}

#[derive(Debug)]
pub(super) struct Clock {
    now: Now,
}

impl Clock {
    pub(super) fn new(now: Now) -> Self {
        Self { now }
    }

    pub(super) fn now(&self) -> Now {
        self.now
    }

    pub(super) fn set(&mut self, mut now: Now) -> ClockChange {
        now.moment = now.moment.max(self.now.moment);
        let before = std::mem::replace(&mut self.now, now);
        let passed = millis(now.moment.saturating_since(before.moment));
        match (before.trusted_wall(), now.trusted_wall()) {
            (None, Some(_)) => ClockChange::Trusted,
            (Some(then), Some(wall)) if (wall - then - passed).abs() > JUMP => ClockChange::Jumped(then + passed),
            (Some(_) | None, _) => ClockChange::None,
        }
    }

    /// The moment at which the clock on the wall will show a time; none while it cannot be believed.
    pub(super) fn moment_of(&self, wall: i64) -> Option<Moment> {
        let left = wall.saturating_sub(self.now.trusted_wall()?);
        Some(self.now.moment + Duration::from_millis(u64::try_from(left).unwrap_or(0)))
    }

    /// What the clock on the wall will show at a moment; none while it cannot be believed.
    pub(super) fn wall_of(&self, moment: Moment) -> Option<i64> {
        let wall = self.now.trusted_wall()?;
        let ahead = millis(moment.saturating_since(self.now.moment));
        let behind = millis(self.now.moment.saturating_since(moment));
        Some(wall.saturating_add(ahead).saturating_sub(behind))
    }
}

impl Engine {
    /// Sees to it that what has a date happens at its date.
    pub(super) fn clock_moved(&mut self, change: ClockChange) {
        let cause = match change {
            ClockChange::None => return,
            ClockChange::Trusted => DueCause::Trusted,
            ClockChange::Jumped(before) => DueCause::Jumped(before),
        };
        self.take_up_pause();
        for rule in 0..self.rules.len() as u16 {
            self.take_up_timers(rule);
            self.reschedule(rule, cause);
            self.rules[usize::from(rule)].is_dirty |= self.rules[usize::from(rule)].is_kept;
            self.arm(rule);
        }
    }
}
