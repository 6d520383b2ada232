//! Shared subscriptions: whose turn it is, and what happens to the messages of a member that is gone
//! (MQTT 5.0 section 4.8.2).

use super::Broker;
use super::ids::SessionKey;
use super::layout::Source;
use super::message::{Message, Parts};
use super::outgoing::Entry;
use super::publish::Publication;
use super::route::Target;
use super::subscriptions::{FilterId, ShareId, Subscriber};
use crate::access::Action;
use crate::base::Moment;
use crate::mqtt::QoS;
use std::sync::Arc;

/// How well a member can take a message now; the greatest is chosen.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fitness {
    /// Away; its session keeps the message.
    Away,
    /// Connected, but its window or its outbox is full.
    Busy,
    /// It can take the message at once.
    Free,
}

impl Broker {
    /// The member that gets a message: the next one in turn among those that can take it best.
    pub(super) fn choose_member(&mut self, filter: FilterId, topic: &str, qos: QoS) -> Option<Target> {
        let turn = self.subscriptions.next_turn(filter) as usize;
        let members = self.subscriptions.subscribers(filter);
        let in_turn = (0..members.len()).map(|step| &members[(turn + step) % members.len()]);
        let mut best: Option<(Fitness, &Subscriber)> = None;
        for member in in_turn {
            let Some(fitness) = self.fitness(member, topic, qos) else { continue };
            if best.is_none_or(|(known, _)| fitness > known) {
                best = Some((fitness, member));
            }
            if fitness == Fitness::Free {
                break;
            }
        }
        best.map(|(_, member)| Target::of_share(member, self.subscriptions.share_of(filter)))
    }

    fn fitness(&self, member: &Subscriber, topic: &str, qos: QoS) -> Option<Fitness> {
        if !self.may(member.session, Action::Read, topic) {
            return None;
        }
        let session = self.sessions.at(member.session);
        let qos = qos.min(member.options.qos);
        let Some(connection) = session.connection else {
            return (session.is_stored && qos != QoS::AtMostOnce).then_some(Fitness::Away);
        };
        let window = self.connected(connection)?.window;
        let has_window = qos == QoS::AtMostOnce || session.outgoing.as_ref().is_none_or(|o| o.is_open(window));
        Some(if has_window && !self.outboxes.is_full(connection) { Fitness::Free } else { Fitness::Busy })
    }

    /// A member's session ended: its QoS 1 messages that are not acknowledged go to another member. A QoS 2
    /// message may have arrived, so it stays where it was ([MQTT-4.8.2-5]).
    pub(super) fn share_again(&mut self, now: Moment, entries: &[(ShareId, Arc<Message>)]) {
        for (share, message) in entries {
            let Some(filter) = self.subscriptions.find_share(*share) else { continue };
            let Some(target) = self.choose_member(filter, message.topic(), message.qos) else { continue };
            let parts = Parts { retain: false, ..message.parts() };
            if !parts.is_expired(now) {
                // It was promised: a full queue takes it all the same.
                let nobody = Publication {
                    session: None,
                    answer: None,
                    store_retained: false,
                    must_be_kept: false,
                    passes_over_full: false,
                };
                self.deliver_one(now, &Source { parts, packet: None }, nobody, target);
            }
        }
    }

    /// What [`share_again`](Broker::share_again) has to do for a session.
    pub(super) fn shared_entries<'a>(entries: impl Iterator<Item = &'a Entry>) -> Vec<(ShareId, Arc<Message>)> {
        let shared = entries.filter(|entry| entry.share != ShareId::NONE && entry.qos == QoS::AtLeastOnce);
        shared.filter_map(|entry| Some((entry.share, entry.body.clone()?))).collect()
    }

    /// The identifier of a member's shared subscription; 0 for none.
    pub(super) fn share_identifier(&self, key: SessionKey, share: ShareId) -> u32 {
        let Some(filter) = self.subscriptions.find_share(share) else { return 0 };
        let members = self.subscriptions.subscribers(filter).iter();
        members.clone().find(|member| member.session == key).map_or(0, |member| member.identifier)
    }
}
