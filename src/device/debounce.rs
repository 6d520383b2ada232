//! A level that counts only once it has lasted.

use crate::base::Moment;
use std::time::Duration;

/// Holds back every level until it has lasted for a given time.
#[derive(Clone, Debug)]
pub struct Debounce {
    length: Duration,
    stable: Option<bool>,
    candidate: Option<(bool, Moment)>,
}

impl Debounce {
    /// A level of which nothing is known; `length` may be zero.
    pub fn new(length: Duration) -> Self {
        Self { length, stable: None, candidate: None }
    }

    /// Takes in a level; the first one counts at once.
    pub fn handle(&mut self, now: Moment, level: bool) {
        self.candidate = match self.candidate {
            Some((candidate, since)) if candidate == level => Some((level, since)),
            _ if self.stable == Some(level) => None,
            _ if self.stable.is_none() => Some((level, now)),
            _ => Some((level, now + self.length)),
        };
    }

    /// The level that counts from now on, and since when, if it is another than before.
    pub fn poll_output(&mut self, now: Moment) -> Option<(bool, Moment)> {
        let (level, due) = self.candidate.take_if(|(_, due)| *due <= now)?;
        self.stable = Some(level);
        Some((level, due))
    }

    /// When to ask again.
    pub fn next_deadline(&self) -> Option<Moment> {
        self.candidate.map(|(_, due)| due)
    }

    /// The level that counts.
    pub fn level(&self) -> Option<bool> {
        self.stable
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Moment {
        Moment::from_micros(milliseconds * 1000)
    }

    #[test]
    fn a_level_counts_once_it_has_lasted() {
        let mut contact = Debounce::new(Duration::from_millis(30));
        contact.handle(at(0), false);
        assert_eq!(contact.poll_output(at(0)), Some((false, at(0))));
        for (time, level) in [(100, true), (105, false), (110, true), (112, false), (115, true)] {
            contact.handle(at(time), level);
            assert_eq!(contact.poll_output(at(time)), None);
        }
        assert_eq!(contact.next_deadline(), Some(at(145)));
        contact.handle(at(120), true);
        assert_eq!(contact.poll_output(at(145)), Some((true, at(145))));
        assert_eq!((contact.level(), contact.next_deadline()), (Some(true), None));
    }

    #[test]
    fn a_spike_never_counts() {
        let mut contact = Debounce::new(Duration::from_millis(30));
        contact.handle(at(0), false);
        contact.poll_output(at(0));
        contact.handle(at(10), true);
        contact.handle(at(20), false);
        assert_eq!(contact.poll_output(at(1000)), None);
        assert_eq!(contact.level(), Some(false));
    }

    #[test]
    fn without_a_length_every_level_counts() {
        let mut contact = Debounce::new(Duration::ZERO);
        for (time, level) in [(0, true), (1, false), (2, true)] {
            contact.handle(at(time), level);
            assert_eq!(contact.poll_output(at(time)), Some((level, at(time))));
        }
    }
}
