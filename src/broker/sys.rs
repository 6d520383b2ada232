//! `$SYS`: what the broker tells of itself, retained, under the names that mosquitto uses.

use super::message::Parts;
use super::timers::Timer;
use super::{Broker, StoreFault};
use crate::base::Moment;
use crate::base::limits::RECEIVE_MAXIMUM;
use crate::mqtt::{Properties, QoS};
use std::time::Duration;

/// How often counters are published.
const INTERVAL: Duration = Duration::from_secs(10);

/// How the store is.
const STORE_STATE: &str = "$SYS/gatehouse/store/state";

impl Broker {
    pub(super) fn publish_sys(&mut self, now: Moment) {
        self.timers.set(now + INTERVAL, Timer::Sys);
        self.loads.update(&self.counters, INTERVAL);
        for (topic, value) in self.sys_values(now) {
            self.publish_value(now, &topic, &value);
        }
    }

    /// Publishes a value unless everybody knows it.
    fn publish_value(&mut self, now: Moment, topic: &str, value: &str) {
        if self.retained.find(topic).is_some_and(|message| message.payload() == value.as_bytes()) {
            return;
        }
        let parts = Parts {
            topic,
            properties: Properties::NONE,
            payload: value.as_bytes(),
            qos: QoS::AtMostOnce,
            retain: true,
            expires: None,
        };
        self.publish_own(now, &parts, false);
    }

    /// Tells how the store is, at once and not with the counters: a fault began or ended.
    pub(super) fn publish_store_state(&mut self, now: Moment) {
        self.publish_value(now, STORE_STATE, self.store_state(now));
    }

    fn store_state(&self, now: Moment) -> &'static str {
        match self.store.fault {
            None if self.store.is_writing && self.store.stalls(now) => "slow",
            None => "ok",
            Some(StoreFault::Full) => "full",
            Some(StoreFault::Broken) => "broken",
        }
    }

    fn sys_values(&self, now: Moment) -> Vec<(String, String)> {
        let counters = &self.counters;
        let (connected, sessions) = (u64::from(self.connected), self.sessions.len() as u64);
        let away = sessions.saturating_sub(connected);
        let (stored, stored_bytes) = self.stored();
        let retained = self.retained.len() as u64;
        let numbers = [
            ("broker/clients/connected", connected),
            ("broker/clients/active", connected),
            ("broker/clients/disconnected", away),
            ("broker/clients/inactive", away),
            ("broker/clients/total", sessions),
            ("broker/clients/maximum", counters.connected_max.into()),
            ("broker/clients/expired", counters.sessions_expired),
            ("broker/messages/received", counters.packets_received),
            ("broker/messages/sent", counters.packets_sent),
            ("broker/messages/stored", stored + retained),
            ("broker/store/messages/count", stored + retained),
            ("broker/store/messages/bytes", stored_bytes),
            ("broker/subscriptions/count", self.subscriptions.count() as u64),
            ("broker/shared_subscriptions/count", self.subscriptions.shared_count() as u64),
            ("broker/retained messages/count", retained),
            ("gatehouse/retained/bytes", self.retained.bytes_of_clients()),
            ("broker/publish/messages/received", counters.publishes_received),
            ("broker/publish/messages/sent", counters.publishes_sent),
            ("broker/publish/messages/dropped", counters.publishes_dropped()),
            ("broker/publish/bytes/received", counters.payload_bytes_received),
            ("broker/publish/bytes/sent", counters.payload_bytes_sent),
            ("broker/bytes/received", counters.bytes_received),
            ("broker/bytes/sent", counters.bytes_sent),
            ("gatehouse/boots", self.boots.into()),
            ("gatehouse/connects/accepted", counters.connects),
            ("gatehouse/connects/refused", counters.connects_refused),
            ("gatehouse/connects/refused_per_address", counters.refused_per_address),
            ("gatehouse/connects/refused_rate", counters.refused_rate),
            ("gatehouse/connections/turned_away", counters.turned_away),
            ("gatehouse/packets/refused", counters.packets_refused),
            ("gatehouse/publish/refused", counters.publishes_refused),
            ("gatehouse/subscriptions/refused", counters.subscriptions_refused),
            ("gatehouse/dropped/outbox_full", counters.dropped_outbox_full),
            ("gatehouse/dropped/queue_full", counters.dropped_queue_full),
            ("gatehouse/dropped/too_large", counters.dropped_too_large),
            ("gatehouse/dropped/expired", counters.dropped_expired),
            ("gatehouse/dropped/not_authorized", counters.dropped_not_authorized),
            ("gatehouse/slow_readers_closed", counters.slow_readers_closed),
            ("gatehouse/store/commits", counters.commits),
            ("gatehouse/store/failures", counters.commit_failures),
            ("gatehouse/store/stalls", counters.commit_stalls),
            ("gatehouse/store/elided", counters.messages_elided),
            ("gatehouse/store/lost", counters.messages_lost),
        ];
        let version = concat!("gatehouse ", env!("CARGO_PKG_VERSION"));
        let mut values = vec![
            ("$SYS/broker/version".to_owned(), version.to_owned()),
            ("$SYS/broker/uptime".to_owned(), format!("{} seconds", now.as_secs())),
            (STORE_STATE.to_owned(), self.store_state(now).to_owned()),
            ("$SYS/gatehouse/store/damage".to_owned(), self.damage.as_deref().unwrap_or("none").to_owned()),
        ];
        values.extend(numbers.into_iter().map(|(name, number)| (format!("$SYS/{name}"), number.to_string())));
        values.extend(self.loads.values());
        values.extend(self.limit_values());
        values
    }

    /// What the limits are, beside what they let through.
    fn limit_values(&self) -> impl Iterator<Item = (String, String)> {
        let limits = &self.limits;
        let numbers: [(&str, u64); 19] = [
            ("connections", limits.connections.into()),
            ("connections_per_address", limits.connections_per_address.into()),
            ("connect_rate", limits.connect_rate.into()),
            ("connect_rate_per_address", limits.connect_rate_per_address.into()),
            ("unauthenticated", limits.unauthenticated.into()),
            ("connect_timeout", limits.connect_timeout.into()),
            ("packet_size_before_connect", limits.packet_size_before_connect.into()),
            ("packet_size", limits.packet_size.into()),
            ("will_size", limits.will_size.into()),
            ("inflight", limits.inflight.into()),
            ("queue_messages", limits.queue_messages.into()),
            ("queue_bytes", limits.queue_bytes),
            ("retained_messages", limits.retained_messages.into()),
            ("retained_bytes", limits.retained_bytes),
            ("topic_levels", limits.topic_levels.into()),
            ("sessions", limits.sessions.into()),
            ("subscriptions", limits.subscriptions.into()),
            ("keep_alive", limits.keep_alive.into()),
            ("receive_maximum", RECEIVE_MAXIMUM.into()),
        ];
        numbers.into_iter().map(|(name, value)| (format!("$SYS/gatehouse/limits/{name}"), value.to_string()))
    }

    /// Messages on their way to sessions, and their bytes; counted once for each receiver.
    fn stored(&self) -> (u64, u64) {
        let rings = self.sessions.iter().filter_map(|session| session.outgoing.as_deref());
        rings.fold((0, 0), |(count, bytes), ring| (count + ring.len() as u64, bytes + ring.bytes()))
    }
}
