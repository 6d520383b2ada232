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
        self.sessions.at_mut(key).rare().replays.push_back(replay);
        self.replay_part(now, key);
    }

    /// Goes on with every replay that can.
    pub(super) fn replay_parts(&mut self, now: Moment) {
        for key in std::mem::take(&mut self.replaying) {
            if self.sessions.is_there(key) {
                self.replay_part(now, key);
            }
        }
    }

    /// Sends the next part of a session's replays. It goes on in the next turn, or when the socket or the
    /// window has room again.
    pub(super) fn replay_part(&mut self, now: Moment, key: SessionKey) {
        let Some(to) = self.sessions.at(key).connection else { return };
        let Some(mut replay) = self.sessions.at_mut(key).rare().replays.pop_front() else { return };
        if self.outboxes.is_full(to) || self.ring_is_full(key) {
            self.sessions.at_mut(key).rare().replays.push_front(replay);
            return;
        }
        let Ok(filter) = TopicFilter::new(&replay.filter) else { return };
        let part = self.retained.matching(filter, replay.after.as_deref(), REPLAY_MESSAGES, REPLAY_SCANNED);
        for message in &part.messages {
            self.deliver_retained(now, key, message, replay.qos, replay.identifier);
        }
        replay.after = part.rest;
        let rare = self.sessions.at_mut(key).rare();
        if replay.after.is_some() {
            rare.replays.push_front(replay);
        }
        if !rare.replays.is_empty() && self.replaying.last() != Some(&key) {
            self.replaying.push(key);
        }
        self.pump(now, key);
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
