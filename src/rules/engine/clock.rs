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

/// When something was, as far as anybody can tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum When {
    /// The clock was not set then, and the gateway has started again since.
    #[default]
    Unknown,
    /// So long after the gateway started; the clock has not been set yet.
    AfterStart(Moment),
    /// In milliseconds since 1970.
    Wall(i64),
}

impl When {
    /// In milliseconds since 1970, if that is known.
    pub fn wall(self) -> Option<i64> {
        match self {
            Self::Wall(wall) => Some(wall),
            Self::Unknown | Self::AfterStart(_) => None,
        }
    }

    /// The clock was set: what was told by the monotonic one gets its date.
    fn take_up(&mut self, clock: &Clock) {
        if let Self::AfterStart(moment) = self {
            *self = clock.wall_of(*moment).map_or(*self, Self::Wall);
        }
    }
}

/// As it was kept.
impl From<Option<i64>> for When {
    fn from(wall: Option<i64>) -> Self {
        wall.map_or(Self::Unknown, Self::Wall)
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

    /// The present, for people.
    pub(super) fn when(&self) -> When {
        self.now.trusted_wall().map_or(When::AfterStart(self.now.moment), When::Wall)
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
            ClockChange::Trusted => {
                self.date_traces();
                DueCause::Trusted
            }
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

    /// What happened before the clock was set gets its date.
    fn date_traces(&mut self) {
        let clock = &self.clock;
        for state in &mut self.rules {
            let runs = state.runs.iter_mut().map(|run| &mut run.origin);
            let queue = state.lists.get_mut().into_iter().flat_map(|lists| &mut lists.queue);
            runs.chain(queue).for_each(|origin| origin.at.take_up(clock));
            for trace in &mut state.traces {
                trace.at.take_up(clock);
                trace.origin.at.take_up(clock);
                trace.did.iter_mut().for_each(|deed| deed.at.take_up(clock));
            }
        }
        let last = self.outputs.iter_mut().filter_map(|output| output.last.as_mut());
        last.for_each(|(_, _, at)| at.take_up(clock));
    }
}
