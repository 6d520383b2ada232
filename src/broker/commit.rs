//! The end of a turn: when the open group goes to the writer, and what follows its return.

use super::Broker;
use super::change::{Change, SessionState};
use super::group::Group;
use super::ids::{MessageId, SessionKey};
use super::input::StoreFault;
use super::output::Output;
use super::session::Session;
use super::timers::Timer;
use crate::base::Moment;
use std::time::Duration;

/// Longest pause between two tries to write a group that failed.
const RETRY_MAX: Duration = Duration::from_secs(10);

impl Broker {
    /// Hands the open group over if the writer is free and the group is due.
    pub(super) fn turn_end(&mut self, now: Moment) {
        self.release_orphans(now);
        self.sweep();
        if self.store.is_writing || self.store.failed.is_some() {
            return;
        }
        let is_due = self.store.open.due().is_some_and(|due| due <= now);
        let must_settle = self.store.stopping && !self.is_settled();
        if !is_due && !must_settle {
            return;
        }
        if self.store.stopping || self.store.open.wants_retained(now) {
            self.add_lazy_retained();
        }
        let dirty = std::mem::take(&mut self.store.dirty_sessions);
        let group = if self.store.index.is_due(self.store.open.next_message()) {
            let run = self.take_run(dirty);
            let mut group = self.take_group(now, vec![]);
            group.run = Some(run);
            self.count_messages(&group);
            group
        } else {
            let states = dirty.iter().map(|&key| self.state_of(key)).collect();
            let group = self.take_group(now, states);
            self.count_messages(&group);
            self.count_rows(&group, &dirty);
            group
        };
        if self.store.blocks.has_trash(self.store.open.group().first) || self.store.sweep.is_some() {
            self.store.open.forget_later(now);
        }
        if !group.is_empty() {
            self.write(now, group);
        }
    }

    fn take_group(&mut self, now: Moment, states: Vec<SessionState>) -> Box<Group> {
        let mut trash = self.store.blocks.take_trash(self.store.open.group().first);
        trash.extend(self.take_swept());
        let mut group = self.store.open.take(now, states);
        self.store.unsettled.taken();
        (group.trash, group.completed) = (trash, std::mem::take(&mut self.store.completed));
        group
    }

    fn write(&mut self, now: Moment, group: Box<Group>) {
        self.store.writing_since = now;
        self.store.is_writing = true;
        self.outputs.push_back(Output::Commit(group));
    }

    fn add_lazy_retained(&mut self) {
        for topic in std::mem::take(&mut self.store.dirty_retained) {
            self.store.open.change(match self.retained.find(&topic) {
                Some(message) => Change::RetainedSet(message.clone()),
                None => Change::RetainedCleared(topic),
            });
        }
        self.store.open.retained_added();
    }

    /// Where a session stands now; it is no longer dirty.
    pub(super) fn state_of(&mut self, key: SessionKey) -> SessionState {
        let next = self.store.open.next_message();
        let session = self.sessions.at_mut(key);
        session.is_dirty = false;
        session_state(session, next)
    }

    /// Counts the messages that the group brings alive in the store.
    fn count_messages(&mut self, group: &Group) {
        let is_covered = group.run.is_some();
        for (place, slot) in group.messages.iter().enumerate() {
            let Some(slot) = slot else { continue };
            self.store.blocks.add(MessageId(group.first.0 + place as u64), slot.live);
            if !is_covered {
                self.store.index.add_row(slot.message.size());
            }
        }
    }

    /// Counts the row of the group's states, and what they make void.
    fn count_rows(&mut self, group: &Group, dirty: &[SessionKey]) {
        if dirty.is_empty() {
            return;
        }
        self.store.blocks.add_row(group.state_row, dirty.len() as u32);
        for &key in dirty {
            self.store.index.add_row(0);
            let session = self.sessions.at_mut(key);
            let number = session.number;
            let old = std::mem::replace(&mut session.rare().state_row, group.state_row);
            if old == MessageId::NONE {
                self.store.index.tell(key, number);
            } else {
                self.store.blocks.release_row(old);
            }
        }
    }

    /// A group is safe: now its answers may be spoken.
    pub(super) fn committed(&mut self, now: Moment, group: Group) {
        self.counters.commit_stalls += u64::from(self.store.stalls(now));
        self.store.is_writing = false;
        self.store.failures = 0;
        let had_fault = self.store.fault.take().is_some();
        self.counters.commits += 1;
        self.store.open.committed(&group);
        self.store.unsettled.committed();
        for held in group.answers {
            self.speak(held);
        }
        for slot in group.messages.into_iter().flatten() {
            if let Some(held) = slot.answer {
                self.speak(held);
            }
        }
        for key in std::mem::take(&mut self.store.waiting) {
            if self.sessions.is_there(key) {
                self.pump(now, key);
            }
        }
        if had_fault {
            self.publish_store_state(now);
        }
    }

    /// A group is not safe. It is kept as it is and tried again; nothing of it is answered until then.
    pub(super) fn commit_failed(&mut self, now: Moment, group: Box<Group>, fault: StoreFault) {
        self.store.is_writing = false;
        self.store.failed = Some(group);
        // A full card stays full until a commit succeeds, whatever else fails on the way.
        if self.store.fault != Some(StoreFault::Full) {
            self.store.fault = Some(fault);
        }
        self.store.failures += 1;
        self.counters.commit_failures += 1;
        let pause = Duration::from_millis(250) * (1 << self.store.failures.min(6));
        self.timers.set(now + pause.min(RETRY_MAX), Timer::Store);
        self.publish_store_state(now);
    }

    pub(super) fn try_store_again(&mut self, now: Moment) {
        if let Some(group) = self.store.failed.take() {
            self.write(now, group);
        }
    }
}

/// `next` is the number that the next stored message would get.
fn session_state(session: &Session, next: MessageId) -> SessionState {
    let mut state = SessionState { session: session.number, first: next, ..SessionState::default() };
    if let Some(outgoing) = &session.outgoing {
        outgoing.tell(&mut state);
    }
    if let Some(rare) = &session.rare {
        state.incoming = rare.incoming.iter().copied().collect();
    }
    state
}
