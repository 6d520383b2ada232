//! What is said when the gateway is ready, as text.

use crate::config::Settings;
use crate::daemon::Started;

/// A number and what is counted: `1 problem`, `2 problems`.
pub fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// What a configuration holds, in a line.
pub fn contents(settings: &Settings) -> String {
    format!("{}, {}", count(settings.devices.len(), "device"), count(settings.buses.len(), "bus"))
}

/// What is there, and a first command to try.
pub fn start(started: &Started, settings: &Settings) -> String {
    let restored = &started.restored;
    let mut text = format!(
        "kept from before: {}, {}, {}\n",
        count(restored.sessions, "session"),
        count(restored.retained, "retained message"),
        count(restored.queued, "queued message"),
    );
    for device in &settings.devices {
        text.push_str(&format!("device {} ({})\n", device.id, device.driver.name()));
    }
    if let Some(address) = started.addresses.first() {
        text.push_str(&format!("try: mosquitto_sub -h {} -p {} -v -t '#'", address.ip(), address.port()));
    }
    text
}
