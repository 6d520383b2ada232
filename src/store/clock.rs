//! The time that lifetimes are counted in: how long gateways ran on this store, and how long they were off as far as
//! that is known.
//!
//! A moment of one run is kept as the number of the run and the milliseconds since its start. Where each run begins on
//! the common time line is kept beside; when it becomes known how long the gateway was off, only the beginning of
//! this run moves, and everything from before has less time left. Civil time is used for nothing else, so a clock that
//! is wrong, or set by ten years, changes no lifetime.

use super::StoreError;
use super::write::signed;
use crate::base::Moment;
use rusqlite::{Connection, params};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Bits of the milliseconds in a kept moment: 278 years. Above them is the number of the run.
const BITS: u32 = 43;

/// Runs whose beginnings are remembered: nearly two years of one start an hour. What is older is over.
const RUNS_KEPT: i64 = 16_384;

/// A gateway is not believed to have been off for longer: the clock is wrong.
const OFF_MAX: Duration = Duration::from_hours(24 * 366 * 5);

/// Files that tell that civil time was got from the network since the system started.
const SYNCHRONIZED: [&str; 2] = ["/run/systemd/timesync/synchronized", "/run/gatehouse/time-synchronized"];

/// The time line of a store.
#[derive(Debug)]
pub struct Clock {
    run: i64,
    /// Milliseconds at which runs began.
    starts: BTreeMap<i64, i64>,
    /// A moment of this run, and when it was.
    anchor: (Moment, Instant),
    /// Civil time in milliseconds when the time was last kept before this run, if it could be trusted.
    wall_before: Option<i64>,
}

impl Clock {
    /// Begins a run; the moments of this run count from about now.
    pub fn begin(connection: &Connection, run: u32) -> Result<Clock, StoreError> {
        let meta = |key: &str| -> rusqlite::Result<i64> {
            connection.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0))
        };
        let (run, now, wall) = (i64::from(run), meta("clock")?, meta("wall")?);
        connection.execute("INSERT OR REPLACE INTO boot VALUES(?1, ?2)", [run, now])?;
        connection.execute("DELETE FROM boot WHERE no <= ?1", [run - RUNS_KEPT])?;
        let mut select = connection.prepare("SELECT no, start FROM boot")?;
        let starts = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let starts = starts.collect::<rusqlite::Result<_>>()?;
        let wall_before = (wall > 0).then_some(wall);
        Ok(Clock { run, starts, anchor: (Moment::START, Instant::now()), wall_before })
    }

    fn start(&self, run: i64) -> i64 {
        self.starts.get(&run).copied().unwrap_or(i64::MIN)
    }

    /// A moment of this run as it is kept.
    pub fn stamp(&self, at: Moment) -> i64 {
        let millis = signed(at.as_micros() / 1_000).min((1 << BITS) - 1);
        self.run << BITS | millis
    }

    /// A moment of any run, seen from this one; the start if it was before.
    pub fn moment(&self, stamp: i64) -> Moment {
        let (run, millis) = (stamp >> BITS, stamp & ((1 << BITS) - 1));
        let left = self.start(run).saturating_add(millis).saturating_sub(self.start(self.run));
        // Below zero it was before this run.
        Moment::from_micros(u64::try_from(left).unwrap_or(0).saturating_mul(1_000))
    }

    /// It is this moment now.
    pub fn note(&mut self, now: Moment) {
        self.anchor = (now, Instant::now());
    }

    /// About now.
    pub fn now(&self) -> Moment {
        self.anchor.0 + self.anchor.1.elapsed()
    }

    /// Keeps how far the time has come, and civil time if it can be trusted.
    pub fn keep(&self, connection: &Connection, wall: Option<i64>) -> rusqlite::Result<()> {
        let now = self.start(self.run).saturating_add(signed(self.now().as_micros() / 1_000));
        let mut update = connection.prepare_cached("UPDATE meta SET value = ?2 WHERE key = ?1")?;
        update.execute(params!["clock", now])?;
        update.execute(params!["wall", wall.unwrap_or(0)])?;
        Ok(())
    }

    /// When civil time can be trusted for the first time in this run: how long the gateway was off, if that is
    /// more than nothing. `wall` is civil time now.
    pub fn time_off(&mut self, wall: i64) -> Option<Duration> {
        let before = self.wall_before.take()?;
        let began = wall.saturating_sub(signed(self.now().as_micros() / 1_000));
        let off = Duration::from_millis(u64::try_from(began.saturating_sub(before)).ok()?);
        (!off.is_zero() && off <= OFF_MAX).then_some(off)
    }

    /// Whether the time off is still to be found out.
    pub fn waits_for_wall(&self) -> bool {
        self.wall_before.is_some()
    }

    /// Moves the beginning of this run, here and on the disk.
    pub fn sleep(&mut self, connection: &Connection, off: Duration) -> rusqlite::Result<()> {
        let start = self.start(self.run).saturating_add(i64::try_from(off.as_millis()).unwrap_or(i64::MAX));
        connection.execute("INSERT OR REPLACE INTO boot VALUES(?1, ?2)", [self.run, start])?;
        self.starts.insert(self.run, start);
        Ok(())
    }
}

/// Civil time in milliseconds since 1970, if the system got it from the network.
pub fn trusted_wall() -> Option<i64> {
    if !SYNCHRONIZED.iter().any(|file| Path::new(file).exists()) {
        return None;
    }
    let since = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;
    const YEAR: i64 = 365 * DAY;

    fn store() -> Connection {
        let connection = Connection::open_in_memory().expect("memory");
        connection.execute_batch(super::super::schema::TABLES).expect("tables");
        connection
    }

    fn seconds(seconds: u64) -> Moment {
        Moment::START + Duration::from_secs(seconds)
    }

    /// Ends a run after so many seconds, at this civil time.
    fn end(clock: &mut Clock, connection: &Connection, after: u64, wall: Option<i64>) {
        clock.note(seconds(after));
        clock.keep(connection, wall).expect("kept");
    }

    fn left(clock: &Clock, stamp: i64) -> u64 {
        clock.moment(stamp).as_micros() / 1_000_000
    }

    #[test]
    fn a_lifetime_goes_on_after_a_restart() {
        let store = store();
        let mut clock = Clock::begin(&store, 1).expect("first run");
        let stamp = clock.stamp(seconds(100));
        end(&mut clock, &store, 30, None);
        let mut clock = Clock::begin(&store, 2).expect("second run");
        assert_eq!(left(&clock, stamp), 70);
        end(&mut clock, &store, 80, None);
        let clock = Clock::begin(&store, 3).expect("third run");
        assert_eq!(clock.moment(stamp), Moment::START);
    }

    #[test]
    fn time_off_counts_once_it_is_known_and_only_for_what_was_before() {
        let store = store();
        let mut clock = Clock::begin(&store, 1).expect("first run");
        let old = clock.stamp(seconds(1_000));
        end(&mut clock, &store, 100, Some(50 * YEAR));
        let mut clock = Clock::begin(&store, 2).expect("second run");
        clock.note(seconds(60));
        let new = clock.stamp(seconds(500));
        let off = clock.time_off(50 * YEAR + 360_000).expect("off");
        assert_eq!(off, Duration::from_mins(5));
        clock.sleep(&store, off).expect("kept");
        assert_eq!((left(&clock, old), left(&clock, new)), (600, 500));
        assert_eq!(clock.time_off(90 * YEAR), None, "it is found out once");
        end(&mut clock, &store, 200, None);
        let clock = Clock::begin(&store, 3).expect("third run");
        assert_eq!((left(&clock, old), left(&clock, new)), (400, 300));
    }

    #[test]
    fn a_clock_that_jumps_by_ten_years_is_not_believed() {
        for jump in [-10 * YEAR, 10 * YEAR] {
            let store = store();
            let mut clock = Clock::begin(&store, 1).expect("first run");
            let stamp = clock.stamp(seconds(1_000));
            end(&mut clock, &store, 100, Some(50 * YEAR));
            let mut clock = Clock::begin(&store, 2).expect("second run");
            assert_eq!(clock.time_off(50 * YEAR + jump), None);
            assert_eq!(left(&clock, stamp), 900);
        }
    }

    #[test]
    fn the_moments_of_forgotten_runs_are_not_for_ever() {
        let store = store();
        let clock = Clock::begin(&store, 1).expect("first run");
        let stamp = clock.stamp(seconds(1_000));
        let clock = Clock::begin(&store, 16_385).expect("a later run");
        assert_eq!((clock.moment(stamp), clock.starts.len()), (Moment::START, 1));
    }
}
