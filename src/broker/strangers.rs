//! Connections whose CONNECT was not accepted yet, by age: when there are too many, the oldest gives way.
//!
//! For a second each is undisturbed. When a whole house comes back after a power cut, more than the limit may be there
//! at once, up to the limit of sockets; whoever only holds the door open is sent away for those who want to come in.

use super::Broker;
use super::ids::ConnectionId;
use crate::base::Moment;
use crate::base::limits::STRANGER_UNDISTURBED_SECS;
use std::collections::VecDeque;
use std::time::Duration;

/// Entries of connections that are strangers no more, beyond as many as there are strangers.
const STALE_MAX: usize = 1_024;

/// Who came when.
#[derive(Debug, Default)]
pub(super) struct Strangers {
    /// The oldest first. An entry may be of a connection that is no stranger any more.
    came: VecDeque<(ConnectionId, u32, Moment)>,
    /// How many there are.
    count: usize,
}

impl Strangers {
    /// One of them was let in, or left.
    pub(super) fn left(&mut self) {
        self.count -= 1;
    }
}

impl Broker {
    /// One more stranger came; the oldest gives way if there are too many.
    pub(super) fn stranger_came(&mut self, now: Moment, id: ConnectionId, generation: u32) {
        self.strangers.came.push_back((id, generation, now));
        self.strangers.count += 1;
        if self.strangers.came.len() > 2 * self.strangers.count + STALE_MAX {
            let mut came = std::mem::take(&mut self.strangers.came);
            came.retain(|&(id, generation, _)| self.is_stranger(id, generation));
            self.strangers.came = came;
        }
        let patience = Duration::from_secs(STRANGER_UNDISTURBED_SECS);
        while self.strangers.count > self.limits.unauthenticated as usize
            && let Some(&(oldest, generation, since)) = self.strangers.came.front()
            && since + patience <= now
        {
            self.strangers.came.pop_front();
            if self.is_stranger(oldest, generation) {
                self.counters.turned_away += 1;
                self.close_quietly(now, oldest);
            }
        }
    }

    fn is_stranger(&self, id: ConnectionId, generation: u32) -> bool {
        let connection = self.connections.get(id.index()).and_then(Option::as_ref);
        connection.is_some_and(|connection| connection.generation == generation && connection.is_stranger())
    }
}
