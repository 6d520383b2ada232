//! When something is due on the clock on the wall: cron patterns and the sun.
//!
//! Pure: the present comes in as milliseconds since 1970. Daylight saving is croner's own rule: what is fixed at 02:30
//! is due at 03:00 in the night that has no 02:30, and once in the night that has it twice; `*/30 2 * * *` skips the
//! gap and is due four times in autumn.

mod sun;
#[cfg(test)]
mod tests;

pub use sun::{Location, Position, SunEvent, position, solar_noon, sun_event};

use croner::Cron;
use croner::parser::{CronParser, Seconds};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};
use std::time::Duration;

/// Days that are searched for a day on which the sun rises: beyond the longest polar night.
const SUN_DAYS_MAX: i32 = 200;

/// A time zone. The rules of all zones are in the program.
#[derive(Clone, Debug, PartialEq)]
pub struct Zone(TimeZone);

impl Default for Zone {
    fn default() -> Self {
        Self(TimeZone::UTC)
    }
}

/// A point on the clock on the wall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    /// Hour, 0 to 23.
    pub hour: u8,
    /// Minute, 0 to 59.
    pub minute: u8,
    /// Day of the week, 1 is Monday.
    pub weekday: u8,
    /// Day of the month.
    pub day: u8,
    /// Month, 1 to 12.
    pub month: u8,
}

impl Zone {
    /// A zone by its name in the tz database, `Europe/Amsterdam`; none if there is no such zone.
    pub fn named(name: &str) -> Option<Self> {
        TimeZone::get(name).ok().map(Self)
    }

    fn zoned(&self, millis: i64) -> Option<Zoned> {
        Some(Timestamp::from_millisecond(millis).ok()?.to_zoned(self.0.clone()))
    }

    /// What the clock on the wall shows.
    pub fn civil(&self, millis: i64) -> Option<Civil> {
        let zoned = self.zoned(millis)?;
        Some(Civil {
            hour: zoned.hour().cast_unsigned(),
            minute: zoned.minute().cast_unsigned(),
            weekday: zoned.weekday().to_monday_one_offset().cast_unsigned(),
            day: zoned.day().cast_unsigned(),
            month: zoned.month().cast_unsigned(),
        })
    }

    /// The moment of a civil date and time, `2026-12-01T17:30:00`; none if the text is none.
    pub fn moment(&self, text: &str) -> Option<i64> {
        let civil: jiff::civil::DateTime = text.parse().ok()?;
        Some(civil.to_zoned(self.0.clone()).ok()?.timestamp().as_millisecond())
    }

    /// A moment for people: `2026-12-01 17:30:00`.
    pub fn text(&self, millis: i64) -> String {
        self.zoned(millis).map_or_else(String::new, |zoned| zoned.strftime("%Y-%m-%d %H:%M:%S").to_string())
    }
}

/// When something is due, again and again.
#[derive(Clone, Debug, PartialEq)]
pub enum Schedule {
    /// By a cron pattern.
    Cron(Box<Cron>),
    /// By the sun.
    Sun {
        /// What it does.
        event: SunEvent,
        /// Milliseconds later, or earlier if negative.
        offset: i64,
        /// Whether the middle of the day stands in on days on which it does not happen.
        or_noon: bool,
    },
}

impl Schedule {
    /// A cron pattern of five fields, or six with seconds in front.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn cron(pattern: &str) -> Result<Self, String> {
        let parser = CronParser::builder().seconds(Seconds::Optional).build();
        parser.parse(pattern).map(|cron| Self::Cron(Box::new(cron))).map_err(|error| error.to_string())
    }

    /// The first time after `after` at which it is due, both in milliseconds since 1970; none if it never is.
    pub fn next(&self, zone: &Zone, location: Option<Location>, after: i64) -> Option<i64> {
        match self {
            Self::Cron(cron) => {
                let next = cron.find_next_occurrence(&zone.zoned(after)?, false).ok()?;
                Some(next.timestamp().as_millisecond())
            }
            Self::Sun { event, offset, or_noon } => {
                sun_days(zone, after.checked_sub(*offset)?, false)?.find_map(|day| {
                    let at = sun_on(*event, *or_noon, location?, &day)? + offset;
                    (at > after).then_some(at)
                })
            }
        }
    }

    /// The last time up to `before` at which it was due.
    pub fn previous(&self, zone: &Zone, location: Option<Location>, before: i64) -> Option<i64> {
        match self {
            Self::Cron(cron) => {
                let previous = cron.find_previous_occurrence(&zone.zoned(before)?, true).ok()?;
                Some(previous.timestamp().as_millisecond())
            }
            Self::Sun { event, offset, or_noon } => {
                sun_days(zone, before.checked_sub(*offset)?, true)?.find_map(|day| {
                    let at = sun_on(*event, *or_noon, location?, &day)? + offset;
                    (at <= before).then_some(at)
                })
            }
        }
    }
}

/// Noon of the days around a moment and from there on, or back.
fn sun_days(zone: &Zone, around: i64, back: bool) -> Option<impl Iterator<Item = Zoned>> {
    let (sign, first) = if back { (-1, 1) } else { (1, -1) };
    let noon = zone.zoned(around)?.with().hour(12).minute(0).second(0).subsec_nanosecond(0).build().ok()?;
    let days = (0..SUN_DAYS_MAX).map(move |day| sign * day + first);
    Some(days.filter_map(move |day| noon.checked_add(day.days()).ok()))
}

fn sun_on(event: SunEvent, or_noon: bool, location: Location, noon: &Zoned) -> Option<i64> {
    let noon = noon.timestamp().as_millisecond();
    sun_event(event, location, noon).or_else(|| or_noon.then(|| solar_noon(location, noon)))
}

/// Milliseconds of a duration.
pub fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
