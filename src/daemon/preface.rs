//! Before anyone can connect: no value of a device counts until its driver says so, and of devices that are no more
//! nothing is left.

use crate::base::Moment;
use crate::broker::Broker;
use crate::config::Settings;
use crate::device::{HomieState, HomieTopics, discovery_topic};
use crate::drivers::{DEVICE_CLIENTS, device_client};
use std::collections::BTreeSet;

/// Marks every device unavailable; clears away what is left of devices that were removed while the gateway was off.
pub(super) fn speak(broker: &mut Broker, settings: &Settings) {
    let base = &settings.gateway.base;
    let ids: BTreeSet<&str> = settings.devices.iter().map(|device| device.id.as_str()).collect();
    for (old_base, id) in removed(broker, base, &ids) {
        forget(broker, settings, &old_base, &id);
    }
    for id in ids {
        broker.retain_own(Moment::START, &format!("{base}/{id}/$availability"), b"offline");
        mirror(broker, settings, id);
    }
    broker.retain_own(Moment::START, &format!("{base}/$gw/availability"), b"offline");
}

/// The mirror of a device: lost until its driver says otherwise, or nothing where none is wanted any more.
fn mirror(broker: &mut Broker, settings: &Settings, id: &str) {
    let topics = HomieTopics::new(&settings.gateway.id, id);
    if settings.gateway.homie {
        broker.retain_own(Moment::START, &topics.state(), HomieState::Lost.name().as_bytes());
        return;
    }
    for topic in broker.retained_below(topics.all()) {
        broker.retain_own(Moment::START, &topic, b"");
    }
}

/// The devices of the last run that this one does not have, with the base they were under. The gateway's own list
/// tells of them; devices that take commands have a session besides.
fn removed(broker: &Broker, base: &str, ids: &BTreeSet<&str>) -> BTreeSet<(String, String)> {
    let mut before: BTreeSet<(String, String)> = broker
        .retained_payload(&format!("{base}/$gw/devices"))
        .and_then(|list| serde_json::from_slice::<Vec<serde_json::Value>>(list).ok())
        .unwrap_or_default()
        .iter()
        .filter_map(|device| device["id"].as_str())
        .map(|id| (base.to_owned(), id.to_owned()))
        .collect();
    let clients = broker.clients_named(DEVICE_CLIENTS);
    before.extend(clients.iter().filter_map(|client| {
        let (base, id) = client.strip_prefix(DEVICE_CLIENTS)?.rsplit_once('/')?;
        Some((base.to_owned(), id.to_owned()))
    }));
    before.retain(|(old_base, id)| old_base != base || !ids.contains(id.as_str()));
    before
}

fn forget(broker: &mut Broker, settings: &Settings, base: &str, id: &str) {
    let now = Moment::START;
    for topic in broker.retained_below(&format!("{base}/{id}")) {
        broker.retain_own(now, &topic, b"");
    }
    for topic in broker.retained_below(HomieTopics::new(&settings.gateway.id, id).all()) {
        broker.retain_own(now, &topic, b"");
    }
    broker.retain_own(now, &discovery_topic(&settings.gateway.id, id), b"");
    broker.forget_client(now, &device_client(base, id));
    tracing::info!(base, id, "a device that is no more is forgotten");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::limits::Limits;
    use crate::config::{Source, check};

    fn settings(devices: &[&str]) -> Settings {
        let devices: Vec<String> = devices.iter().map(|id| format!("[device.{id}.out.x]\nline = \"{id}\"\n")).collect();
        let text = format!("schema = 1\n[gateway]\nid = \"gw1\"\n{}", devices.join(""));
        check(&[Source::new("house.toml", text)]).expect("a good file")
    }

    #[test]
    fn every_device_is_offline_and_removed_ones_leave_nothing() {
        let mut broker = Broker::new(Limits::default());
        let now = Moment::START;
        let kept = [
            ("home/$gw/devices", "[{\"id\":\"lamp\"},{\"id\":\"old\"}]"),
            ("home/lamp/x", "true"),
            ("home/old/x", "true"),
            ("home/old/$availability", "online"),
            ("home/zigbee/lamp", "someone else's"),
            ("homie/5/gw1-old/$state", "ready"),
            ("homie/5/gw1-lamp/$state", "ready"),
            ("homie/5/gw1-lamp/main/x", "true"),
        ];
        for (topic, payload) in kept {
            broker.retain_own(now, topic, payload.as_bytes());
        }
        speak(&mut broker, &settings(&["lamp"]));
        assert_eq!(broker.retained_payload("home/lamp/$availability"), Some(&b"offline"[..]));
        assert_eq!(broker.retained_payload("home/lamp/x"), Some(&b"true"[..]));
        assert_eq!(broker.retained_below("home/old"), [""; 0]);
        assert_eq!(broker.retained_below("homie/5"), [""; 0], "no mirror is wanted");
        assert!(broker.retained_payload("home/zigbee/lamp").is_some());
    }
}
