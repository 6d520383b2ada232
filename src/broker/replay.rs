//! Retained messages for new subscriptions, a part at a time, so that a million of them delay no one.

use super::Broker;
use super::ids::SessionKey;
use super::outgoing::Outgoing;
use crate::base::Moment;
use crate::base::limits::{REPLAY_MESSAGES, REPLAY_SCANNED};
use crate::mqtt::{QoS, TopicFilter};

/// The retained messages that are still to be sent for one subscription.
#[derive(Clone, Debug)]
pub struct Replay {
    /// Its filter.
    pub filter: Box<str>,
    /// Its QoS.
    pub qos: QoS,
    /// Its identifier; 0 for none.
    pub identifier: u32,
    /// The topic behind which to go on.
    pub after: Option<Box<str>>,
}

impl Broker {
    /// Sends retained messages for a new subscription, beginning now.
    pub(super) fn start_replay(&mut self, now: Moment, key: SessionKey, replay: Replay) {
        if let Some(rest) = self.replay_part(now, key, replay) {
            self.sessions.at_mut(key).rare().replays.push_back(rest);
            self.replay_next_turn(key);
        }
        self.pump(now, key);
    }

    /// Goes on with every replay that can.
    pub(super) fn replay_parts(&mut self, now: Moment) {
        for key in std::mem::take(&mut self.replaying) {
            if self.sessions.is_there(key) {
                self.go_on_replaying(now, key);
            }
        }
    }

    /// Sends the next part of a session's first replay. It goes on in the next turn, or when the socket or the
    /// window has room again.
    fn go_on_replaying(&mut self, now: Moment, key: SessionKey) {
        let Some(rare) = &mut self.sessions.at_mut(key).rare else { return };
        let Some(replay) = rare.replays.pop_front() else { return };
        let has_room = self.sessions.at(key).connection.is_some_and(|to| !self.outboxes.is_full(to));
        if !has_room || self.ring_is_full(key) {
            return self.sessions.at_mut(key).rare().replays.push_front(replay);
        }
        let rest = self.replay_part(now, key, replay);
        let rare = self.sessions.at_mut(key).rare();
        rare.replays.extend(rest);
        if !rare.replays.is_empty() {
            self.replay_next_turn(key);
        }
        self.pump(now, key);
    }

    /// Sends one part of a replay; tells what is left of it.
    fn replay_part(&mut self, now: Moment, key: SessionKey, replay: Replay) -> Option<Replay> {
        let filter = TopicFilter::new(&replay.filter).ok()?;
        let part = self.retained.matching(filter, replay.after.as_deref(), REPLAY_MESSAGES, REPLAY_SCANNED);
        for message in &part.messages {
            self.deliver_retained(now, key, message, replay.qos, replay.identifier);
        }
        let after = Some(part.rest?);
        Some(Replay { after, ..replay })
    }

    /// A session's replay goes on in the next turn, if it has one.
    pub(super) fn replay_next_turn(&mut self, key: SessionKey) {
        let waits = self.sessions.at(key).rare.as_ref().is_some_and(|rare| !rare.replays.is_empty());
        if waits && self.replaying.last() != Some(&key) {
            self.replaying.push(key);
        }
    }

    /// Whether a replay waits until messages it brought before are acknowledged.
    fn ring_is_full(&self, key: SessionKey) -> bool {
        self.sessions.at(key).outgoing.as_deref().map_or(0, Outgoing::len) >= 2 * REPLAY_MESSAGES
    }

    /// The client does not want a filter's messages any more.
    pub(super) fn stop_replay(&mut self, key: SessionKey, filter: &str) {
        if let Some(rare) = &mut self.sessions.at_mut(key).rare {
            rare.replays.retain(|replay| *replay.filter != *filter);
        }
    }
}
