//! A device as Homie 5 tells of it: a mirror of its own topics for controllers that know that convention.
//!
//! Source: The Homie Convention, version 5.0.0 (11 May 2025). A device has one node, `main`, with all its properties. A
//! connection has one will, and the device's own availability has it: `$state` follows when the driver starts again,
//! and all are `lost` before the first client can connect to a gateway that was off.

use super::meta::{Meta, PropertyMeta};
use serde_json::{Map, Value, json};

/// The version of the convention, as it stands in a description.
const VERSION: &str = "5.0";

/// The first levels of all topics.
const ROOT: &str = "homie/5";

/// The one node of a device.
const NODE: &str = "main";

/// The payload of a text that is empty; an empty payload would delete the topic.
pub const EMPTY_TEXT: &str = "\0";

/// What `$state` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HomieState {
    /// It is connected, and not everything was told yet.
    Init,
    /// Its values can be trusted.
    Ready,
    /// It was stopped.
    Disconnected,
    /// It is not there, or nobody knows.
    Lost,
}

impl HomieState {
    /// The payload.
    pub fn name(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Ready => "ready",
            Self::Disconnected => "disconnected",
            Self::Lost => "lost",
        }
    }
}

/// Topic names of one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HomieTopics {
    prefix: String,
}

impl HomieTopics {
    /// The names of a device of this gateway.
    pub fn new(gateway: &str, device: &str) -> Self {
        Self { prefix: format!("{ROOT}/{gateway}-{device}") }
    }

    /// What all of them begin with.
    pub fn all(&self) -> &str {
        &self.prefix
    }

    /// Whether it is there.
    pub fn state(&self) -> String {
        format!("{}/$state", self.prefix)
    }

    /// What it is.
    pub fn description(&self) -> String {
        format!("{}/$description", self.prefix)
    }

    /// A property's value.
    pub fn property(&self, property: &str) -> String {
        format!("{}/{NODE}/{property}", self.prefix)
    }

    /// The value that is wanted.
    pub fn target(&self, property: &str) -> String {
        format!("{}/{NODE}/{property}/$target", self.prefix)
    }

    /// The filter for commands to all properties.
    pub fn set_filter(&self) -> String {
        format!("{}/{NODE}/+/set", self.prefix)
    }

    /// The property that a message is a command for.
    pub fn request<'t>(&self, topic: &'t str) -> Option<&'t str> {
        let rest = topic.strip_prefix(&self.prefix)?.strip_prefix('/')?.strip_prefix(NODE)?.strip_prefix('/')?;
        rest.strip_suffix("/set").filter(|property| !property.contains('/'))
    }
}

/// The payload of `$description`.
pub fn homie_description(meta: &Meta) -> String {
    let properties: Map<String, Value> =
        meta.properties.iter().map(|(id, about)| (id.clone(), property(about))).collect();
    let mut description = json!({
        "homie": VERSION,
        "name": meta.name.as_deref().unwrap_or(&meta.id),
        "type": meta.driver,
        "nodes": { NODE: { "properties": properties } },
    });
    description["version"] = json!(super::meta::checksum(description.to_string().as_bytes()));
    description.to_string()
}

fn property(about: &PropertyMeta) -> Value {
    let mut property = Map::new();
    property.insert("datatype".into(), json!(about.datatype));
    if let Some(format) = &about.format {
        // Of a number: the smallest, the largest, and the step from the smallest on.
        let step = about.step.filter(|_| about.datatype == "float");
        let format = step.map_or(format.clone(), |step| format!("{format}:{step}"));
        property.insert("format".into(), json!(format));
    }
    if about.settable {
        property.insert("settable".into(), json!(true));
    }
    if !about.retained {
        property.insert("retained".into(), json!(false));
    }
    if let Some(unit) = &about.unit {
        property.insert("unit".into(), json!(unit));
    }
    Value::Object(property)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_told_by_their_topic_names() {
        let topics = HomieTopics::new("gw1", "blind");
        assert_eq!(topics.property("up"), "homie/5/gw1-blind/main/up");
        assert_eq!(topics.request("homie/5/gw1-blind/main/up/set"), Some("up"));
        for other in ["homie/5/gw1-blind/main/up", "homie/5/gw1-blind/main/a/b/set", "homie/5/gw1-blinds/main/up/set"] {
            assert_eq!(topics.request(other), None, "{other}");
        }
    }

    #[test]
    fn a_description_says_what_the_convention_asks_for() {
        let mut meta = Meta { id: "heat".into(), driver: "modbus".into(), ..Meta::default() };
        let mut setpoint = PropertyMeta::new("float");
        (setpoint.settable, setpoint.step, setpoint.format) = (true, Some(0.5), Some("5:30".into()));
        setpoint.unit = Some("°C".into());
        let mut press = PropertyMeta::new("enum");
        (press.retained, press.format) = (false, Some("single,double".into()));
        meta.properties.extend([("setpoint".to_owned(), setpoint), ("press".to_owned(), press)]);
        let description: Value = serde_json::from_str(&homie_description(&meta)).expect("JSON");
        assert!(description["version"].is_u64());
        let properties = &description["nodes"]["main"]["properties"];
        let expected = json!({ "datatype": "float", "format": "5:30:0.5", "settable": true, "unit": "°C" });
        assert_eq!(properties["setpoint"], expected);
        assert_eq!(properties["press"], json!({ "datatype": "enum", "format": "single,double", "retained": false }));
    }
}
