//! `$SYS`: what the broker tells of itself, retained, under the names that mosquitto uses.

use super::Broker;
use super::message::Parts;
use super::timers::Timer;
use crate::base::Moment;
use crate::mqtt::{Properties, QoS};
use std::time::Duration;

/// How often counters are published.
const INTERVAL: Duration = Duration::from_secs(10);

impl Broker {
    pub(super) fn publish_sys(&mut self, now: Moment) {
        self.timers.set(now + INTERVAL, Timer::Sys);
        for (topic, value) in self.sys_values(now) {
            let is_known = self.retained.find(topic).is_some_and(|message| message.payload() == value.as_bytes());
            if is_known {
                continue;
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
    }

    fn sys_values(&self, now: Moment) -> Vec<(&'static str, String)> {
        let counters = &self.counters;
        let fault = match self.store.fault {
            None => "ok",
            Some(super::StoreFault::Full) => "full",
            Some(super::StoreFault::Broken) => "broken",
        };
        let disconnected = self.sessions.len().saturating_sub(self.connected as usize);
        let numbers: [(&'static str, u64); 23] = [
            ("$SYS/broker/clients/connected", self.connected.into()),
            ("$SYS/broker/clients/disconnected", disconnected as u64),
            ("$SYS/broker/clients/total", self.sessions.len() as u64),
            ("$SYS/broker/subscriptions/count", self.subscriptions.count() as u64),
            ("$SYS/broker/retained messages/count", self.retained.len() as u64),
            ("$SYS/broker/publish/messages/received", counters.publishes_received),
            ("$SYS/broker/publish/messages/sent", counters.publishes_sent),
            ("$SYS/broker/publish/messages/dropped", counters.dropped_outbox_full + counters.dropped_expired),
            ("$SYS/broker/bytes/received", counters.bytes_received),
            ("$SYS/gatehouse/connects/accepted", counters.connects),
            ("$SYS/gatehouse/connects/refused", counters.connects_refused),
            ("$SYS/gatehouse/packets/refused", counters.packets_refused),
            ("$SYS/gatehouse/publish/refused", counters.publishes_refused),
            ("$SYS/gatehouse/subscriptions/refused", counters.subscriptions_refused),
            ("$SYS/gatehouse/dropped/outbox_full", counters.dropped_outbox_full),
            ("$SYS/gatehouse/dropped/too_large", counters.dropped_too_large),
            ("$SYS/gatehouse/dropped/expired", counters.dropped_expired),
            ("$SYS/gatehouse/dropped/not_authorized", counters.dropped_not_authorized),
            ("$SYS/gatehouse/slow_readers_closed", counters.slow_readers_closed),
            ("$SYS/gatehouse/store/commits", counters.commits),
            ("$SYS/gatehouse/store/failures", counters.commit_failures),
            ("$SYS/gatehouse/store/elided", counters.messages_elided),
            ("$SYS/gatehouse/store/lost", counters.messages_lost),
        ];
        let mut values = vec![
            ("$SYS/broker/version", concat!("gatehouse ", env!("CARGO_PKG_VERSION")).to_string()),
            ("$SYS/broker/uptime", format!("{} seconds", now.as_secs())),
            ("$SYS/gatehouse/boots", self.boots.to_string()),
            ("$SYS/gatehouse/store/state", fault.to_string()),
        ];
        values.extend(numbers.into_iter().map(|(topic, number)| (topic, number.to_string())));
        values
    }
}
