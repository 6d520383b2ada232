//! Monotonic time, handed to the core as an argument.

use std::ops::Add;
use std::time::Duration;

/// A point on the monotonic clock, in microseconds since the gateway started.
///
/// The core never reads a clock: shells and simulations pass a `Moment` with every input.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Moment(u64);

impl Moment {
    /// The start of the clock.
    pub const START: Moment = Moment(0);

    /// A moment `micros` microseconds after the start.
    pub const fn from_micros(micros: u64) -> Moment {
        Moment(micros)
    }

    /// Microseconds since the start.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// Whole seconds since the start; wraps after 136 years.
    pub const fn as_secs(self) -> u32 {
        (self.0 / 1_000_000) as u32
    }

    /// The earlier of two moments that may not come.
    #[inline]
    pub const fn earlier(one: Option<Moment>, other: Option<Moment>) -> Option<Moment> {
        match (one, other) {
            (Some(Moment(one)), Some(Moment(other))) => Some(Moment(if one < other { one } else { other })),
            (one, None) => one,
            (None, other) => other,
        }
    }

    /// This moment, earlier by `length`; the start of the clock at the earliest.
    #[must_use]
    pub const fn earlier_by(self, length: Duration) -> Moment {
        Moment(self.0.saturating_sub(length.as_micros() as u64))
    }

    /// Time that passed since `earlier`; zero if `earlier` is later.
    pub const fn saturating_since(self, earlier: Moment) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Moment {
    type Output = Moment;

    /// A later moment; saturates at the end of the clock.
    fn add(self, length: Duration) -> Moment {
        let micros = u64::try_from(length.as_micros()).unwrap_or(u64::MAX);
        Moment(self.0.saturating_add(micros))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_add_and_differ_without_overflow() {
        let a = Moment::from_micros(5);
        assert_eq!((a + Duration::from_micros(7)).as_micros(), 12);
        assert_eq!((a + Duration::MAX).as_micros(), u64::MAX);
        assert_eq!(a.saturating_since(a + Duration::from_secs(1)), Duration::ZERO);
        assert_eq!((a + Duration::from_secs(3)).as_secs(), 3);
    }
}
