//! What Home Assistant is told of a device: its device-based discovery.
//!
//! Source: Home Assistant's documentation of the MQTT integration, "Device discovery payload", and of the platforms
//! `switch`, `binary_sensor`, `sensor`, `number`, `select` and `event`.

use super::meta::{Meta, PropertyMeta};
use serde_json::{Map, Value, json};

/// The topic that Home Assistant says `online` on when it starts.
pub const BIRTH_TOPIC: &str = "homeassistant/status";

/// Classes that Home Assistant knows of what is switched on or off.
const BINARY_CLASSES: [&str; 28] = [
    "battery",
    "battery_charging",
    "carbon_monoxide",
    "cold",
    "connectivity",
    "door",
    "garage_door",
    "gas",
    "heat",
    "light",
    "lock",
    "moisture",
    "motion",
    "moving",
    "occupancy",
    "opening",
    "plug",
    "power",
    "presence",
    "problem",
    "running",
    "safety",
    "smoke",
    "sound",
    "tamper",
    "update",
    "vibration",
    "window",
];

/// Classes that Home Assistant knows of numbers, as far as devices of a house have them.
const SENSOR_CLASSES: [&str; 29] = [
    "apparent_power",
    "aqi",
    "atmospheric_pressure",
    "battery",
    "carbon_dioxide",
    "carbon_monoxide",
    "current",
    "distance",
    "duration",
    "energy",
    "frequency",
    "gas",
    "humidity",
    "illuminance",
    "moisture",
    "pm1",
    "pm10",
    "pm25",
    "power",
    "power_factor",
    "precipitation",
    "pressure",
    "reactive_power",
    "signal_strength",
    "speed",
    "temperature",
    "voltage",
    "volume",
    "water",
];

/// Classes of sums, which only grow.
const TOTALS: [&str; 3] = ["energy", "gas", "water"];

/// The topic of a device's discovery.
pub fn discovery_topic(gateway: &str, device: &str) -> String {
    format!("homeassistant/device/{}/config", unique(gateway, device))
}

/// The payload of a device's discovery.
pub fn discovery(base: &str, meta: &Meta, version: &str) -> String {
    let id = unique(&meta.via, &meta.id);
    let topics = super::DeviceTopics::new(base, &meta.id);
    let mut device = Map::new();
    device.insert("identifiers".into(), json!([id]));
    device.insert("name".into(), json!(meta.name.as_deref().unwrap_or(&meta.id)));
    if let Some(area) = &meta.area {
        device.insert("suggested_area".into(), json!(area));
    }
    device.insert("model".into(), json!(meta.driver));
    device.insert("sw_version".into(), json!(version));
    device.insert("via_device".into(), json!(format!("gatehouse_{}", snake(&meta.via))));
    let components = meta.properties.iter().map(|(property, about)| {
        let (platform, mut component) = component(&topics, property, about);
        component.insert("platform".into(), json!(platform));
        component.insert("unique_id".into(), json!(format!("{id}_{}", snake(property))));
        component.insert("name".into(), json!(words(property)));
        (snake(property), Value::Object(component))
    });
    let components: Map<String, Value> = components.collect();
    let payload = json!({
        "device": device,
        "origin": { "name": "gatehouse", "sw_version": version },
        "availability": [
            { "topic": format!("{base}/$gw/availability") },
            { "topic": topics.availability() },
        ],
        "availability_mode": "all",
        "qos": 1,
        "components": components,
    });
    payload.to_string()
}

/// The platform of a property, and what that platform needs.
fn component(topics: &super::DeviceTopics, id: &str, about: &PropertyMeta) -> (&'static str, Map<String, Value>) {
    let mut component = Map::new();
    let mut put = |key: &str, value: Value| drop(component.insert(key.to_owned(), value));
    put("state_topic", json!(topics.property(id)));
    if about.settable {
        put("command_topic", json!(topics.set(id)));
    }
    let class = about.class.as_deref().map(snake);
    let platform = match (about.datatype, about.settable, about.retained) {
        ("boolean", true, _) => {
            for (key, value) in [("payload_on", "true"), ("payload_off", "false")] {
                put(key, json!(value));
            }
            put("state_on", json!("true"));
            put("state_off", json!("false"));
            "switch"
        }
        ("boolean", false, _) => {
            put("payload_on", json!("true"));
            put("payload_off", json!("false"));
            if let Some(class) = class.filter(|class| BINARY_CLASSES.contains(&class.as_str())) {
                put("device_class", json!(class));
            }
            "binary_sensor"
        }
        ("enum", _, false) => {
            let events: Vec<&str> = about.format.as_deref().unwrap_or_default().split(',').collect();
            put("event_types", json!(events));
            put("device_class", json!("button"));
            put("value_template", json!("{\"event_type\": \"{{ value }}\"}"));
            "event"
        }
        ("enum", true, true) => {
            let options: Vec<&str> = about.format.as_deref().unwrap_or_default().split(',').collect();
            put("options", json!(options));
            "select"
        }
        ("float" | "integer", _, _) => {
            let is_total = class.as_deref().is_some_and(|class| TOTALS.contains(&class));
            if let Some(unit) = &about.unit {
                put("unit_of_measurement", json!(unit));
            }
            if let Some(class) = class.filter(|class| SENSOR_CLASSES.contains(&class.as_str())) {
                put("device_class", json!(class));
            }
            let range = about.format.as_deref().and_then(|format| format.split_once(':'));
            let range = range.and_then(|(low, high)| Some((low.parse::<f64>().ok()?, high.parse::<f64>().ok()?)));
            match range {
                Some((low, high)) if about.settable => {
                    put("min", json!(low));
                    put("max", json!(high));
                    put("step", json!(about.step.unwrap_or(1.0)));
                    "number"
                }
                _ => {
                    put("state_class", json!(if is_total { "total_increasing" } else { "measurement" }));
                    "sensor"
                }
            }
        }
        _ => "sensor",
    };
    if platform == "sensor" {
        component.remove("command_topic");
    }
    (platform, component)
}

fn unique(gateway: &str, device: &str) -> String {
    format!("gatehouse_{}_{}", snake(gateway), snake(device))
}

/// An id as Home Assistant writes them.
fn snake(id: &str) -> String {
    id.replace('-', "_")
}

/// An id as people read it.
fn words(id: &str) -> String {
    let text = id.replace('-', " ");
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}
