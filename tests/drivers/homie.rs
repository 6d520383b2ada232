//! The mirror for Homie 5: as the golden file beside this one says, and as the convention wants it. `UPDATE_EXPECTED=1`
//! writes the file anew; read the difference before keeping it.

use super::hub;
use super::observer::{Observer, client, settings};
use gatehouse::client::{Client, Event, Message};
use gatehouse::mqtt::QoS;
use gatehouse::mqtt::packet::SubscriptionOptions;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use tokio::io::DuplexStream;

const HOUSE: &str = r#"
schema = 1
[gateway]
id = "gw1"
topics = { homie = true }
[gpio]
backend = "simulated"
[device.blind]
name = "Kitchen blind"
interlock = { outputs = ["up", "down"] }
[device.blind.out.up]
line = "GPIO23"
[device.blind.out.down]
line = "GPIO24"
[device.blind.button.press]
line = "GPIO6"
[device.lamp.light.level]
pwm = "pwm0"
[device.boiler]
driver = "w1"
rom = "28-0316a2795cff"
simulate = 60.5
"#;

/// The datatypes of the convention.
const DATATYPES: [&str; 9] = ["integer", "float", "boolean", "string", "enum", "color", "datetime", "duration", "json"];

/// Facts of The Homie Convention 5.0.0: "Device description", "Node", "Property", "Formats".
fn check_against_the_convention(description: &Value) {
    assert_eq!(description["homie"], "5.0");
    assert!(description["version"].is_u64() && description["name"].is_string());
    for (node, about) in description["nodes"].as_object().expect("nodes") {
        assert!(is_id(node), "{node}");
        for (id, property) in about["properties"].as_object().expect("properties") {
            assert!(is_id(id), "{id}");
            let datatype = property["datatype"].as_str().expect("a datatype is required");
            assert!(DATATYPES.contains(&datatype), "{datatype}");
            let format = property["format"].as_str();
            match datatype {
                "enum" => assert!(format.is_some_and(|format| !format.is_empty()), "an enum needs its values"),
                "float" => assert!(format.is_none_or(is_range), "{format:?}"),
                _ => assert_eq!(format, None),
            }
            for key in property.as_object().expect("an object").keys() {
                let known = ["name", "datatype", "format", "settable", "retained", "unit"];
                assert!(known.contains(&key.as_str()), "{key}");
            }
        }
    }
}

fn is_id(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

/// `[min]:[max][:step]`.
fn is_range(format: &str) -> bool {
    let parts: Vec<&str> = format.split(':').collect();
    (2..=3).contains(&parts.len()) && parts.iter().all(|part| part.is_empty() || part.parse::<f64>().is_ok())
}

/// Someone who knows Homie and nothing else.
struct Controller {
    client: Client<DuplexStream>,
    last: BTreeMap<String, String>,
}

impl Controller {
    /// Waits until something was told.
    async fn see(&mut self, topic: &str, payload: &str) -> Message {
        loop {
            let event = tokio::time::timeout(Duration::from_secs(10), self.client.next()).await;
            let event = event.unwrap_or_else(|_| panic!("{topic} {payload}: {:#?}", self.last));
            let Event::Message(message) = event.expect("the connection stays") else { continue };
            let (name, text) = (message.topic.clone(), message.text().expect("text").to_owned());
            let is_it = name == format!("homie/5/{topic}") && text == payload;
            self.last.insert(name, text);
            if is_it {
                return message;
            }
        }
    }

    async fn set(&mut self, message: Message) {
        self.client.publish(message.qos(QoS::ExactlyOnce)).expect("room");
        self.client.settle().await.expect("an answer");
    }
}

async fn house() -> (Observer, Controller) {
    let connect = hub::start();
    let mut client = client(&connect, "controller").await;
    let options = SubscriptionOptions { no_local: true, ..SubscriptionOptions::plain(QoS::ExactlyOnce) };
    client.subscribe(&[("homie/5/#", options)]).expect("a filter");
    let observer = Observer::start(&connect, settings(HOUSE)).await;
    (observer, Controller { client, last: BTreeMap::new() })
}

#[tokio::test]
async fn the_mirror_is_as_the_convention_and_the_golden_file_say() {
    let (_house, mut controller) = house().await;
    for device in ["gw1-blind", "gw1-lamp", "gw1-boiler"] {
        let state = format!("{device}/$state");
        if controller.last.get(&format!("homie/5/{state}")).is_none_or(|state| state != "ready") {
            controller.see(&state, "ready").await;
        }
    }
    for (topic, payload) in &mut controller.last {
        if topic.ends_with("/$description") {
            let description: Value = serde_json::from_str(payload).expect("JSON");
            check_against_the_convention(&description);
        }
    }
    let written = serde_json::to_string_pretty(&controller.last).expect("JSON") + "\n";
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/drivers/discovery/homie.json");
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(&golden, &written).expect("a writable file");
    }
    assert_eq!(written, std::fs::read_to_string(&golden).unwrap_or_default(), "{}", golden.display());
}

#[tokio::test]
async fn a_command_over_the_mirror_is_one_like_any_other() {
    let (mut house, mut controller) = house().await;
    controller.see("gw1-blind/$state", "ready").await;
    controller.set(Message::new("homie/5/gw1-blind/main/up/set", "true")).await;
    assert!(controller.see("gw1-blind/main/up", "true").await.topic.ends_with("/up"));
    house.see_part("blind/up/$result", "\"done\"").await;
    controller.set(Message::new("homie/5/gw1-blind/main/down/set", "true")).await;
    house.see_part("blind/down/$result", "interlock:up").await;
    // What is retained is refused, and taken away.
    controller.set(Message::new("homie/5/gw1-blind/main/up/set", "false").retained()).await;
    house.see_part("blind/up/$result", "\"retained\"").await;
    house.say("blind/up/set", "false").await;
    controller.see("gw1-blind/main/up", "false").await;
}

#[tokio::test]
async fn a_button_is_an_event_and_a_device_that_goes_leaves_nothing() {
    let (mut house, mut controller) = house().await;
    controller.see("gw1-blind/$state", "ready").await;
    house.say("$gw/simulate/GPIO6/set", "press 100ms").await;
    assert!(!controller.see("gw1-blind/main/press", "single").await.retain);
    let rest = HOUSE.split("[device.lamp").next().expect("the part before");
    house.reload(settings(rest));
    controller.see("gw1-lamp/$state", "disconnected").await;
    controller.see("gw1-lamp/$state", "").await;
    house.stop().await;
    controller.see("gw1-blind/$state", "disconnected").await;
}
