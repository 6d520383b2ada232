//! When what a rule shows of itself is published: at once if that matters, and never in the way of what rules do.

use crate::rules::engine::Glance;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::Instant;

/// A start that is over already is shown after this time: what the rule did goes first.
const SOON: Duration = Duration::from_millis(100);

/// Starts of one rule that are over already are shown at most so often.
const STARTS_AGAIN: Duration = Duration::from_secs(1);

/// Anything else of a rule is shown at most so often.
const AGAIN: Duration = Duration::from_mins(1);

/// Rules that are to be shown.
pub(super) struct ToShow {
    due: BTreeSet<(Instant, u16)>,
    rules: Vec<Shown>,
}

/// What was published of a rule, and when it is to be published again.
#[derive(Clone, Debug, Default)]
struct Shown {
    last: Option<(Instant, Glance)>,
    due: Option<Instant>,
}

impl ToShow {
    pub(super) fn new(rules: usize) -> Self {
        Self { due: BTreeSet::new(), rules: vec![Shown::default(); rules] }
    }

    /// A rule is as `glance` says, and something else of it may have changed.
    pub(super) fn note(&mut self, rule: u16, glance: Glance, now: Instant) {
        let shown = &mut self.rules[usize::from(rule)];
        let due = match shown.last {
            None => now,
            Some((_, last)) if !last.is_alike(glance) => now,
            Some((at, last)) if last.started != glance.started => (now + SOON).max(at + STARTS_AGAIN),
            Some((at, _)) => at + AGAIN,
        };
        if shown.due.is_some_and(|before| before <= due) {
            return;
        }
        if let Some(later) = shown.due.replace(due) {
            self.due.remove(&(later, rule));
        }
        self.due.insert((due, rule));
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|(due, _)| *due)
    }

    /// The next rule that is to be shown now. Each turn looks at one entry unless one is due.
    pub(super) fn take(&mut self, now: Instant, glance: impl Fn(u16) -> Glance) -> Option<u16> {
        let (due, rule) = self.due.first().copied().filter(|(due, _)| *due <= now)?;
        self.due.remove(&(due, rule));
        self.rules[usize::from(rule)] = Shown { last: Some((now, glance(rule))), due: None };
        Some(rule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(to_show: &mut ToShow, now: Instant, glance: Glance) -> bool {
        to_show.take(now, |_| glance).is_some()
    }

    #[test]
    fn a_start_that_is_over_already_is_shown_soon_and_the_rest_once_a_minute() {
        let (mut to_show, start) = (ToShow::new(1), Instant::now());
        let mut glance = Glance { enabled: true, ..Glance::default() };
        to_show.note(0, glance, start);
        assert!(taken(&mut to_show, start, glance));
        glance.started = 1;
        to_show.note(0, glance, start + STARTS_AGAIN);
        assert!(!taken(&mut to_show, start + STARTS_AGAIN, glance), "what it did goes first");
        assert!(taken(&mut to_show, start + STARTS_AGAIN + SOON, glance));
        let now = start + 2 * STARTS_AGAIN;
        to_show.note(0, glance, now);
        assert!(!taken(&mut to_show, now + STARTS_AGAIN, glance), "it read something, no more");
        assert!(taken(&mut to_show, now + AGAIN, glance));
    }

    #[test]
    fn what_begins_ends_or_is_switched_is_shown_at_once() {
        let (mut to_show, now) = (ToShow::new(2), Instant::now());
        let mut glance = Glance::default();
        to_show.note(1, glance, now);
        assert!(taken(&mut to_show, now, glance));
        for change in [
            Glance { enabled: true, ..glance },
            Glance { enabled: true, running: 1, started: 1, ..glance },
            Glance { enabled: true, started: 1, ..glance },
            Glance { enabled: true, started: 1, active: Some(true), ..glance },
        ] {
            glance = change;
            to_show.note(1, glance, now);
            assert!(taken(&mut to_show, now, glance), "{glance:?}");
            assert!(!taken(&mut to_show, now + AGAIN, glance));
        }
    }
}
