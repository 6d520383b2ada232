//! What happens at a moment: one heap, checked lazily.
//!
//! A timer is not moved when its reason moves: when it fires, whoever set it looks whether it is due and sets it again.

use super::ids::{ConnectionId, SessionKey, SessionNumber};
use crate::base::Moment;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// What a timer is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Timer {
    /// CONNECT must have come, or a packet within the keep alive: connection and its generation.
    Connection(ConnectionId, u32),
    /// The session's will is due or the session expires.
    Session(SessionKey, SessionNumber),
    /// Messages could not be read; ask again.
    Load(SessionKey, SessionNumber),
    /// The writer may be tried again.
    Store,
    /// Counters are published.
    Sys,
}

/// All timers.
#[derive(Debug, Default)]
pub struct Timers(BinaryHeap<Reverse<(Moment, Timer)>>);

impl Timers {
    /// Sets a timer.
    pub fn set(&mut self, at: Moment, timer: Timer) {
        self.0.push(Reverse((at, timer)));
    }

    /// When the next one fires.
    #[inline]
    pub fn next(&self) -> Option<Moment> {
        self.0.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes one that is due.
    pub fn pop_due(&mut self, now: Moment) -> Option<Timer> {
        if self.next()? > now {
            return None;
        }
        self.0.pop().map(|Reverse((_, timer))| timer)
    }
}
