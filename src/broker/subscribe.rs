//! SUBSCRIBE and UNSUBSCRIBE.

use super::Broker;
use super::change::Change;
use super::connect::is_private;
use super::group::Answer;
use super::ids::{ConnectionId, SessionKey};
use super::replay::Replay;
use super::subscriptions::Subscriber;
use crate::base::Moment;
use crate::mqtt::packet::{RetainHandling, Suback, Subscribe, SubscriptionOptions, Unsuback, Unsubscribe};
use crate::mqtt::{ReasonCode, TopicFilter};

/// A subscription that was made, for which retained messages are due.
struct Made<'a> {
    filter: TopicFilter<'a>,
    options: SubscriptionOptions,
}

impl Broker {
    pub(super) fn subscribe(&mut self, now: Moment, from: ConnectionId, subscribe: &Subscribe<'_>) {
        let Some(connected) = self.connected(from) else { return };
        let key = connected.session;
        let identifier = subscribe.identifier().unwrap_or(0);
        let (mut reasons, mut made) = (vec![], vec![]);
        for (filter, options) in subscribe.filters.iter() {
            let plain = filter.shared().ok().flatten().map_or(filter, |shared| shared.filter);
            let made_one = if is_private(plain.as_str()) && self.origin(from).is_network() {
                Err(ReasonCode::NOT_AUTHORIZED)
            } else {
                self.subscribe_one(key, filter, options, identifier)
            };
            match made_one {
                Ok(is_new) => {
                    reasons.push(ReasonCode(options.qos.bits()));
                    let is_shared = filter.shared().is_ok_and(|shared| shared.is_some());
                    let sends = match options.retain_handling {
                        // Section 4.8.2: a shared subscription is sent no retained messages.
                        _ if is_shared => false,
                        RetainHandling::Send => true,
                        RetainHandling::SendIfNew => is_new,
                        RetainHandling::DoNotSend => false,
                    };
                    if sends {
                        made.push(Made { filter, options });
                    }
                }
                Err(reason) => {
                    self.counters.subscriptions_refused += 1;
                    reasons.push(reason);
                }
            }
        }
        let suback = Suback { packet_id: subscribe.packet_id, reasons };
        if self.sessions.at(key).is_stored {
            self.hold(from, Answer::Suback(Box::new(suback)));
        } else {
            self.speak(self.held(from, Answer::Suback(Box::new(suback))));
        }
        for made in made {
            let (filter, qos) = (made.filter.as_str().into(), made.options.qos);
            self.start_replay(now, key, Replay { filter, qos, identifier, after: None });
        }
    }

    fn subscribe_one(
        &mut self,
        key: SessionKey,
        filter: TopicFilter<'_>,
        options: SubscriptionOptions,
        identifier: u32,
    ) -> Result<bool, ReasonCode> {
        self.may_subscribe(key, filter)?;
        if self.is_too_deep(filter.shared().ok().flatten().map_or(filter, |shared| shared.filter).as_str()) {
            return Err(ReasonCode::QUOTA_EXCEEDED);
        }
        let session = self.sessions.at_mut(key);
        let subscriptions = session.subscriptions.as_slice();
        let is_known = || self.subscriptions.find(filter.as_str()).is_some_and(|id| subscriptions.contains(&id));
        if subscriptions.len() >= self.limits.subscriptions as usize && !is_known() {
            return Err(ReasonCode::QUOTA_EXCEEDED);
        }
        let subscriber = Subscriber { session: key, options, identifier };
        let (id, is_new) = self.subscriptions.insert(filter.as_str(), subscriber);
        session.has_identifiers |= identifier != 0;
        if is_new {
            session.subscriptions.push(id);
        }
        if session.is_stored {
            let (session, filter) = (session.number, filter.as_str().into());
            self.store.open.change(Change::Subscribed { session, filter, options, identifier });
        }
        Ok(is_new)
    }

    pub(super) fn unsubscribe(&mut self, _now: Moment, from: ConnectionId, unsubscribe: &Unsubscribe<'_>) {
        let Some(connected) = self.connected(from) else { return };
        let key = connected.session;
        let is_stored = self.sessions.at(key).is_stored;
        let reasons = unsubscribe.filters.iter().map(|filter| self.unsubscribe_one(key, filter)).collect();
        let answer = Answer::Unsuback(Box::new(Unsuback { packet_id: unsubscribe.packet_id, reasons }));
        if is_stored {
            self.hold(from, answer);
        } else {
            self.speak(self.held(from, answer));
        }
    }

    fn unsubscribe_one(&mut self, key: SessionKey, filter: TopicFilter<'_>) -> ReasonCode {
        let Some(id) = self.subscriptions.find(filter.as_str()) else { return ReasonCode::NO_SUBSCRIPTION_EXISTED };
        if !self.subscriptions.remove(id, key) {
            return ReasonCode::NO_SUBSCRIPTION_EXISTED;
        }
        self.stop_replay(key, filter.as_str());
        let session = self.sessions.at_mut(key);
        session.subscriptions.retain(|&other| other != id);
        if session.is_stored {
            let (session, filter) = (session.number, filter.as_str().into());
            self.store.open.change(Change::Unsubscribed { session, filter });
        }
        ReasonCode::SUCCESS
    }
}
