//! The clocks of this layer: monotonic moments for the machines, civil time for people.

use crate::base::Moment;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// The monotonic clock, from when the drivers started.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    start: Instant,
    /// The kernel's monotonic clock at the start.
    kernel_start: Duration,
}

impl Clock {
    pub(super) fn start() -> Self {
        let kernel = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC);
        let kernel_start = kernel.map_or(Duration::ZERO, Duration::from);
        Self { start: Instant::now(), kernel_start }
    }

    pub(super) fn now(&self) -> Moment {
        Moment::START + self.start.elapsed()
    }

    /// The moment of a kernel event that is stamped with `CLOCK_MONOTONIC`; never later than now.
    pub(super) fn moment_of_kernel(&self, timestamp: Duration) -> Moment {
        (Moment::START + timestamp.saturating_sub(self.kernel_start)).min(self.now())
    }

    pub(super) fn instant(&self, moment: Moment) -> Instant {
        self.start + moment.saturating_since(Moment::START)
    }

    /// Sleeps until a machine's deadline, or for ever without one.
    pub(super) async fn sleep_until(&self, deadline: Option<Moment>) {
        match deadline {
            Some(deadline) => tokio::time::sleep_until(self.instant(deadline)).await,
            None => std::future::pending().await,
        }
    }
}

/// No gateway of this version runs before this date, 2025-01-01: a clock that says so was never set.
const CLOCK_UNSET_BEFORE: u64 = 1_735_689_600;

/// Civil time now in UTC, as `2026-11-23T06:50:00Z`; none if the clock was never set.
pub(super) fn civil_now() -> Option<String> {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
    (seconds >= CLOCK_UNSET_BEFORE).then(|| civil(seconds))
}

/// The clock on the wall in milliseconds since 1970, and whether it can be believed: a board without a clock battery
/// starts in the past.
pub(super) fn wall_now() -> (Option<i64>, bool) {
    let Ok(passed) = SystemTime::now().duration_since(UNIX_EPOCH) else { return (None, false) };
    (i64::try_from(passed.as_millis()).ok(), passed.as_secs() >= CLOCK_UNSET_BEFORE)
}

/// Civil time in UTC of seconds since 1970, by the days of a 400-year cycle that begins on 1 March.
fn civil(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn civil_time_knows_leap_years() {
        let cases = [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (1_709_164_800, "2024-02-29T00:00:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (1_795_416_600, "2026-11-23T06:50:00Z"),
        ];
        for (seconds, text) in cases {
            assert_eq!(civil(seconds), text);
        }
    }

    #[test]
    fn kernel_stamps_become_moments_and_never_lie_ahead() {
        let clock = Clock::start();
        let stamp = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).expect("a monotonic clock");
        assert!(clock.moment_of_kernel(stamp.into()) <= clock.now());
        assert!(clock.moment_of_kernel(Duration::MAX) <= clock.now());
        assert_eq!(clock.moment_of_kernel(Duration::ZERO), Moment::START);
    }
}
