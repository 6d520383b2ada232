//! Switches: rules that are enabled or not, and the pause of all of them.

use super::triggers::{DueCause, Timer};
use super::{Cause, Engine};
use crate::base::Moment;
use std::time::Duration;

/// A rest of all rules but those for safety; without an end until further notice. It is kept over restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pause {
    pub(super) timer: Option<Timer>,
}

impl Engine {
    pub(super) fn enable(&mut self, rule: u16, enabled: bool) {
        let state = &mut self.rules[usize::from(rule)];
        state.is_disabled = !enabled;
        state.is_dirty = true;
        if !enabled {
            state.runs.clear();
            if let Some(lists) = state.lists.get_mut() {
                lists.queue.clear();
            }
            state.triggers.iter_mut().for_each(|trigger| trigger.pending = None);
        }
        if enabled && self.has_started {
            self.schedule_rule(rule);
            self.level_check(rule, Cause::default());
        }
        self.shown(rule);
        self.arm(rule);
    }

    pub(super) fn pause(&mut self, pause: Option<Pause>) {
        self.is_dirty |= self.paused != pause;
        self.paused = pause;
        for rule in 0..self.rules.len() as u16 {
            if self.paused.is_none() && !self.rests(rule) {
                self.continue_rule(rule);
            }
            self.arm(rule);
        }
    }

    /// The pause is over: what it held goes on.
    fn continue_rule(&mut self, rule: u16) {
        let lists = self.rules[usize::from(rule)].lists.get_mut();
        if lists.is_some_and(|lists| std::mem::take(&mut lists.resumes_later)) {
            self.resume_runs(rule);
        }
        self.reschedule(rule, DueCause::Continued);
        self.level_check(rule, Cause::default());
        self.runs_look(rule);
    }

    /// Whether all rules but those for safety are paused.
    pub fn is_paused(&self) -> bool {
        self.paused.is_some()
    }

    pub(super) fn pause_for(&mut self, length: Option<Duration>) {
        let timer = length.map(|length| Timer::new(self.now(), length));
        self.pause(Some(Pause { timer }));
    }

    /// When the pause is over.
    pub(super) fn pause_end(&self) -> Option<Moment> {
        self.paused.and_then(|pause| pause.timer).map(|timer| timer.until)
    }
}
