//! Wall time as a calendar tells it, in UTC.

use std::time::{SystemTime, UNIX_EPOCH};

/// A moment of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    /// Seconds since 1970.
    pub unix: u64,
    /// Nanoseconds of the second.
    pub nanosecond: u32,
    /// Year.
    pub year: u64,
    /// Month from 1.
    pub month: u64,
    /// Day of the month from 1.
    pub day: u64,
    /// Hour of the day.
    pub hour: u64,
    /// Minute of the hour.
    pub minute: u64,
    /// Second of the minute.
    pub second: u64,
}

impl Civil {
    /// Now. A clock before 1970 counts as 1970.
    pub fn now() -> Self {
        let passed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::of(passed.as_secs(), passed.subsec_nanos())
    }

    /// The calendar's days, counted in eras of 400 years that begin on 1 March.
    fn of(unix: u64, nanosecond: u32) -> Self {
        let days = unix / 86_400 + 719_468;
        let (era, day_of_era) = (days / 146_097, days % 146_097);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted + 2) / 5 + 1;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        let year = era * 400 + year_of_era + u64::from(month <= 2);
        let of_day = unix % 86_400;
        let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
        Civil { unix, nanosecond, year, month, day, hour, minute, second }
    }

    /// `2026-11-23T18:48:35`.
    pub fn iso(&self) -> String {
        let Civil { year, month, day, hour, minute, second, .. } = self;
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_fall_where_the_calendar_has_them() {
        for (unix, iso) in [
            (0, "1970-01-01T00:00:00"),
            (951_782_400, "2000-02-29T00:00:00"),
            (1_078_012_800, "2004-02-29T00:00:00"),
            (1_795_459_715, "2026-11-23T18:48:35"),
            (4_107_542_400, "2100-03-01T00:00:00"),
        ] {
            assert_eq!(Civil::of(unix, 0).iso(), iso);
        }
    }
}
