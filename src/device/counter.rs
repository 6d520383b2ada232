//! Pulses become a total that outlives restarts: a water meter, an S0 output, a rain gauge.

use super::settings::CounterSettings;
use crate::base::Moment;

/// A total that is to be told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Total {
    /// In the counter's unit.
    pub value: f64,
    /// Whether it is to be kept over a restart, or only told.
    pub is_kept: bool,
}

/// Counts pulses.
#[derive(Clone, Debug)]
pub struct Counter {
    settings: CounterSettings,
    /// The total at the start, or as it was last set.
    base: f64,
    /// Pulses since then.
    pulses: u64,
    /// Pulses that came sooner than they can.
    refused: u64,
    last_pulse: Option<Moment>,
    /// Pulses that were told, and kept.
    told: Option<u64>,
    kept: Option<u64>,
    tell_at: Moment,
    keep_at: Moment,
}

impl Counter {
    /// A counter that goes on from the total that was kept; from zero if there is none.
    pub fn new(settings: CounterSettings, kept: Option<f64>, now: Moment) -> Self {
        Self {
            settings,
            base: kept.filter(|kept| kept.is_finite()).unwrap_or(0.0),
            pulses: 0,
            refused: 0,
            last_pulse: None,
            told: None,
            kept: kept.map(|_| 0),
            tell_at: now,
            keep_at: now,
        }
    }

    /// Takes in a pulse. Whether it counts: one that comes sooner than `max_rate` allows is a disturbance.
    pub fn pulse(&mut self, at: Moment) -> bool {
        let too_soon = self.settings.min_gap.zip(self.last_pulse).is_some_and(|(gap, last)| at < last + gap);
        if too_soon {
            self.refused += 1;
            return false;
        }
        self.last_pulse = Some(at);
        self.pulses += 1;
        true
    }

    /// Takes in pulses that were not seen one by one, but are known to have been there.
    pub fn missed(&mut self, pulses: u64) {
        self.pulses += pulses;
    }

    /// Sets the total, as to what the meter shows.
    pub fn set(&mut self, now: Moment, total: f64) {
        self.base = total;
        self.pulses = 0;
        (self.told, self.kept) = (None, None);
        (self.tell_at, self.keep_at) = (now, now);
    }

    /// The total.
    pub fn total(&self) -> f64 {
        // Millions of pulses are far below what a double holds exactly.
        #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 pulses")]
        let counted = self.pulses as f64 * self.settings.multiplier;
        // Without the last digits a sum of thousandths looks like what it is.
        ((self.base + counted) * 1e9).round() / 1e9
    }

    /// Pulses that came sooner than they can.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// The total, if it is to be told by now.
    pub fn poll_output(&mut self, now: Moment) -> Option<Total> {
        let is_kept = self.kept != Some(self.pulses) && self.keep_at <= now;
        let is_told = self.told != Some(self.pulses) && self.tell_at <= now;
        if !is_kept && !is_told {
            return None;
        }
        self.told = Some(self.pulses);
        self.tell_at = now + self.settings.report;
        if is_kept {
            self.kept = Some(self.pulses);
            self.keep_at = now + self.settings.save;
        }
        Some(Total { value: self.total(), is_kept })
    }

    /// The total to keep before the counter ends, if it is not kept yet.
    pub fn finish(&mut self) -> Option<Total> {
        (self.kept != Some(self.pulses)).then(|| Total { value: self.total(), is_kept: true })
    }

    /// When to ask again.
    pub fn next_deadline(&self) -> Option<Moment> {
        let tell = (self.told != Some(self.pulses)).then_some(self.tell_at);
        let keep = (self.kept != Some(self.pulses)).then_some(self.keep_at);
        tell.into_iter().chain(keep).min()
    }
}

/// How many of `edges` that follow each other from a level on are rising ones: levels alternate.
pub fn rising_among(before: bool, edges: u64) -> u64 {
    if before { edges / 2 } else { edges.div_ceil(2) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const SETTINGS: CounterSettings = CounterSettings {
        multiplier: 0.001,
        min_gap: Some(Duration::from_millis(20)),
        report: Duration::from_secs(1),
        save: Duration::from_mins(1),
    };

    fn at(milliseconds: u64) -> Moment {
        Moment::from_micros(milliseconds * 1000)
    }

    #[test]
    fn totals_are_told_now_and_then_and_kept_more_seldom() {
        let mut counter = Counter::new(SETTINGS, Some(12.5), at(0));
        assert_eq!(counter.poll_output(at(0)), Some(Total { value: 12.5, is_kept: false }));
        assert_eq!((counter.poll_output(at(5000)), counter.next_deadline()), (None, None));
        for pulse in 0..10 {
            assert!(counter.pulse(at(5000 + pulse * 100)));
        }
        assert_eq!(counter.poll_output(at(6000)), Some(Total { value: 12.51, is_kept: true }));
        assert!(counter.pulse(at(6100)));
        assert_eq!((counter.poll_output(at(6100)), counter.next_deadline()), (None, Some(at(7000))));
        assert_eq!(counter.poll_output(at(7000)), Some(Total { value: 12.511, is_kept: false }));
        assert_eq!(counter.next_deadline(), Some(at(66_000)));
        assert_eq!(counter.finish(), Some(Total { value: 12.511, is_kept: true }));
    }

    #[test]
    fn a_pulse_sooner_than_it_can_be_does_not_count() {
        let mut counter = Counter::new(SETTINGS, None, at(0));
        assert!(counter.pulse(at(0)) && !counter.pulse(at(19)) && counter.pulse(at(20)));
        assert_eq!((counter.total().to_string().as_str(), counter.refused()), ("0.002", 1));
    }

    #[test]
    fn a_total_that_is_set_counts_on_from_there() {
        let mut counter = Counter::new(SETTINGS, Some(3.0), at(0));
        counter.poll_output(at(0));
        counter.set(at(10), 4711.0);
        assert_eq!(counter.poll_output(at(10)), Some(Total { value: 4711.0, is_kept: true }));
        counter.pulse(at(2000));
        assert_eq!(counter.poll_output(at(2000)), Some(Total { value: 4711.001, is_kept: false }));
    }

    #[test]
    fn lost_edges_alternate_so_their_pulses_are_known() {
        assert_eq!([0, 1, 2, 3, 4].map(|edges| rising_among(false, edges)), [0, 1, 1, 2, 2]);
        assert_eq!([0, 1, 2, 3, 4].map(|edges| rising_among(true, edges)), [0, 0, 1, 1, 2]);
    }

    /// Pulses at any times, with orderly restarts between any two of them: the total is what was there.
    #[test]
    fn no_pulse_is_lost_over_restarts() {
        let mut random = 0x9E37_79B9_7F4A_7C15_u64;
        let mut below = |bound: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % bound
        };
        for _ in 0..200 {
            let (mut now, mut pulses, mut kept) = (0, 0_u32, None);
            let mut counter = Counter::new(SETTINGS, kept, at(now));
            for _ in 0..below(400) {
                now += 20 + below(3000);
                match below(12) {
                    0 => {
                        kept = counter.finish().map(|total| total.value).or(kept);
                        counter = Counter::new(SETTINGS, kept, at(now));
                    }
                    1 | 2 => {
                        if let Some(Total { value, is_kept: true }) = counter.poll_output(at(now)) {
                            kept = Some(value);
                        }
                    }
                    _ => pulses += u32::from(counter.pulse(at(now))),
                }
            }
            assert_eq!(format!("{:.3}", counter.total()), format!("{:.3}", f64::from(pulses) / 1e3));
        }
    }
}
