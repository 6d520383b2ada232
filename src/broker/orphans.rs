//! What waited for sessions that ended: let go in slices, so that a long queue stalls nobody. Messages of shared
//! subscriptions are read and go to other members.

use super::Broker;
use super::ids::{MessageId, SessionKey, SessionNumber};
use super::input::Loaded;
use super::output::Output;
use super::queue::Queue;
use super::subscriptions::ShareId;
use super::timers::Timer;
use crate::base::Moment;
use crate::base::limits::{LOAD_WINDOW, RELEASED_PER_TURN};
use crate::mqtt::QoS;
use std::collections::VecDeque;
use std::time::Duration;

/// The place of a session that has none any more.
const NOWHERE: SessionKey = SessionKey(u32::MAX);

/// How long after a failed read of the store it is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// The queues of ended sessions.
#[derive(Debug, Default)]
pub struct Orphans {
    all: VecDeque<Orphan>,
}

#[derive(Debug)]
struct Orphan {
    number: SessionNumber,
    queue: Queue,
    /// Messages of shared subscriptions that are being read.
    shared: Vec<(MessageId, ShareId)>,
    is_loading: bool,
}

impl Orphans {
    /// A session ended and leaves this.
    pub fn add(&mut self, number: SessionNumber, queue: Queue) {
        if !queue.is_empty() {
            self.all.push_back(Orphan { number, queue, shared: vec![], is_loading: false });
        }
    }

    /// The stored messages that are still to be let go or read.
    pub fn messages(&self) -> impl Iterator<Item = MessageId> {
        self.all.iter().flat_map(|orphan| {
            orphan.shared.iter().map(|(id, _)| *id).chain(orphan.queue.iter().map(|waiting| waiting.id))
        })
    }

    /// Whether there is something to do at once.
    pub fn are_due(&self) -> bool {
        self.all.front().is_some_and(|orphan| !orphan.is_loading)
    }
}

impl Broker {
    /// Lets the next slice go.
    pub(super) fn release_orphans(&mut self, now: Moment) {
        for _ in 0..RELEASED_PER_TURN {
            let Some(orphan) = self.orphans.all.front_mut().filter(|orphan| !orphan.is_loading) else { return };
            let number = orphan.number;
            if orphan.shared.len() == LOAD_WINDOW || (orphan.queue.is_empty() && !orphan.shared.is_empty()) {
                orphan.is_loading = true;
                let messages = orphan.shared.iter().map(|(id, _)| *id).collect();
                return self.outputs.push_back(Output::Load { session: NOWHERE, number, messages });
            }
            match orphan.queue.pop() {
                None => drop(self.orphans.all.pop_front()),
                Some(waiting) if waiting.share == ShareId::NONE => {
                    self.release_message(waiting.id, number);
                    self.store.open.forget_later(now);
                }
                Some(waiting) => orphan.shared.push((waiting.id, waiting.share)),
            }
        }
    }

    /// Messages of shared subscriptions were read.
    pub(super) fn orphans_loaded(&mut self, now: Moment, loaded: Loaded) {
        if loaded.session != NOWHERE {
            // What the session itself had asked for, before it ended.
            return;
        }
        let Some(orphan) = self.orphans.all.front_mut().filter(|orphan| orphan.number == loaded.number) else { return };
        let Ok(found) = loaded.messages else {
            return self.timers.set(now + RETRY, Timer::Load(NOWHERE, loaded.number));
        };
        orphan.is_loading = false;
        let shared = std::mem::take(&mut orphan.shared);
        for ((id, filter), (_, stored)) in shared.into_iter().zip(found) {
            let stored = stored.or_else(|| self.unstored(id, loaded.number));
            if let Some(stored) = stored
                && stored.receiver.qos == QoS::AtLeastOnce
            {
                self.share_again(now, &[(filter, stored.message)]);
            }
            self.release_message(id, loaded.number);
        }
    }

    /// They could not be read, and are asked for again.
    pub(super) fn orphans_load_again(&mut self, number: SessionNumber) {
        if let Some(orphan) = self.orphans.all.front_mut().filter(|orphan| orphan.number == number) {
            orphan.is_loading = false;
        }
    }
}
