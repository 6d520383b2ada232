//! What Home Assistant is told of the shipped examples: as the golden files beside this one say, and as its
//! documentation wants it. `UPDATE_EXPECTED=1` writes the files anew; read the difference before keeping it.

use super::hub;
use super::observer::{Observer, client, settings};
use gatehouse::client::Event;
use gatehouse::mqtt::QoS;
use gatehouse::mqtt::packet::SubscriptionOptions;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Facts of Home Assistant's documentation of the MQTT integration ("Device discovery payload" and the pages of the
/// platforms): what each platform requires, and what of it is used here.
const PLATFORMS: [(&str, &[&str], &[&str]); 6] = [
    ("switch", &["command_topic"], &["state_topic", "payload_on", "payload_off", "state_on", "state_off"]),
    ("binary_sensor", &["state_topic"], &["payload_on", "payload_off", "device_class"]),
    ("sensor", &["state_topic"], &["unit_of_measurement", "device_class", "state_class"]),
    ("number", &["command_topic"], &["state_topic", "min", "max", "step", "unit_of_measurement", "device_class"]),
    ("select", &["command_topic", "options"], &["state_topic"]),
    ("event", &["state_topic", "event_types"], &["device_class", "value_template"]),
];

/// Keys of every component.
const COMMON: [&str; 3] = ["platform", "unique_id", "name"];

/// Keys of the payload: `device` and `origin` are mandatory, the others may be shared by all components.
const ROOT: [&str; 6] = ["device", "origin", "availability", "availability_mode", "qos", "components"];

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

fn check_against_the_documentation(topic: &str, payload: &Value) {
    assert!(topic.starts_with("homeassistant/device/") && topic.ends_with("/config"), "{topic}");
    assert!(keys(payload).iter().all(|key| ROOT.contains(key)), "{payload}");
    let device = &payload["device"];
    assert!(device["identifiers"].as_array().is_some_and(|ids| !ids.is_empty()) && device["name"].is_string());
    assert!(payload["origin"]["name"].is_string(), "an origin needs a name");
    for (id, component) in payload["components"].as_object().expect("components") {
        let platform = component["platform"].as_str().expect("every component names its platform");
        let (_, required, optional) = PLATFORMS.iter().find(|(name, ..)| *name == platform).expect("a known platform");
        assert!(component["unique_id"].as_str().is_some_and(|unique| unique.ends_with(id.as_str())));
        assert!(required.iter().all(|key| component.get(key).is_some()), "{id}: {component}");
        let is_known = |key: &&str| COMMON.contains(key) || required.contains(key) || optional.contains(key);
        assert!(keys(component).iter().all(is_known), "{id}: {component}");
        assert!(component.get("retain").is_none(), "a command is never retained");
    }
}

/// All discoveries of a house, by topic.
async fn discoveries(text: &str, devices: usize) -> BTreeMap<String, Value> {
    let connect = hub::start();
    let mut home_assistant = client(&connect, "home-assistant").await;
    home_assistant.subscribe(&[("homeassistant/#", SubscriptionOptions::plain(QoS::AtLeastOnce))]).expect("a filter");
    let _house = Observer::start(&connect, settings(text)).await;
    let mut found = BTreeMap::new();
    while found.len() < devices {
        let event = tokio::time::timeout(std::time::Duration::from_secs(10), home_assistant.next()).await;
        if let Event::Message(message) = event.expect("all devices are told").expect("the connection stays") {
            let payload = message.text().expect("text").to_owned();
            found.insert(message.topic, serde_json::from_str(&payload).expect("JSON"));
        }
    }
    found
}

#[tokio::test]
async fn the_examples_are_told_as_the_golden_files_say() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for name in ["demo", "gpio", "modbus"] {
        let text =
            std::fs::read_to_string(root.join("examples").join(name).join("gatehouse.toml")).expect("an example");
        let text = text.replace("backend = \"gpiochip\"", "backend = \"simulated\"");
        let text = text.replace("base = \"home\" }", "base = \"home\", home_assistant = true }");
        // One without topics of its own, whose far ends are not there.
        let text = text.replace("id = \"gw1\"\n\n", "id = \"gw1\"\ntopics = { home_assistant = true }\n\n");
        let text = text.replace("192.168.1.20:502", "127.0.0.1:1");
        let found = discoveries(&text, settings(&text).devices.len()).await;
        for (topic, payload) in &found {
            check_against_the_documentation(topic, payload);
        }
        let version = format!("\"{}\"", env!("CARGO_PKG_VERSION"));
        let written = serde_json::to_string_pretty(&found).expect("JSON").replace(&version, "\"VERSION\"") + "\n";
        let golden = root.join("tests/drivers/discovery").join(format!("{name}.json"));
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            std::fs::write(&golden, &written).expect("a writable file");
        }
        let expected = std::fs::read_to_string(&golden).unwrap_or_default();
        assert_eq!(written, expected, "{}", golden.display());
    }
}

/// What the machine that runs the tests tells of itself shows only when it is read.
#[tokio::test]
async fn a_device_that_learns_its_properties_is_told_with_them() {
    let text = "schema = 1\n[gateway]\nid = \"gw1\"\ntopics = { base = \"home\", home_assistant = true }\n\
                [device.board]\ndriver = \"system\"\nevery = \"1s\"\n";
    let found = discoveries(text, 1).await;
    let payload = &found["homeassistant/device/gatehouse_gw1_board/config"];
    check_against_the_documentation("homeassistant/device/gatehouse_gw1_board/config", payload);
    for id in ["load", "disk_free", "uptime"] {
        assert_eq!(payload["components"][id]["platform"], "sensor", "{payload}");
    }
}

/// Every command topic that is advertised is one that the device listens to: it answers even to nonsense.
#[tokio::test]
async fn every_advertised_command_topic_is_answered() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("examples/gpio/gatehouse.toml")).expect("an example");
    let text = text.replace("backend = \"gpiochip\"", "backend = \"simulated\"");
    let found = discoveries(&text, settings(&text).devices.len()).await;
    let components = found.values().flat_map(|payload| payload["components"].as_object().expect("components").values());
    let topics: Vec<String> =
        components.filter_map(|component| component["command_topic"].as_str().map(str::to_owned)).collect();
    assert!(topics.len() >= 5, "{topics:?}");
    let mut observer = Observer::start(&hub::start(), settings(&text)).await;
    for device in ["blind", "freezer", "garden", "main-meter", "desk-lamp"] {
        if !observer.has_seen(&format!("{device}/$availability online")) {
            observer.see(&format!("{device}/$availability"), "online").await;
        }
    }
    for topic in topics {
        let short = topic.strip_prefix("home/").expect("the base").to_owned();
        observer.say(&short, "nonsense").await;
        let result = short.replace("/set", "/$result");
        observer.see_part(&result, "malformed").await;
    }
}

/// Set points and modes of a Modbus unit are a number and a choice.
#[tokio::test]
async fn what_can_be_set_is_told_as_what_it_is() {
    let text = r#"
        schema = 1
        [gateway]
        id = "gw1"
        topics = { home_assistant = true }
        [bus.b]
        path = "/no/such/port"
        mode = "9600 8N1"
        [device.heat]
        driver = "modbus"
        bus = "b"
        unit = 1
        reg.setpoint = { address = 0, scale = 0.5, settable = true, range = [5.0, 30.0], unit = "°C" }
        reg.mode = { address = 1, names = { 0 = "off", 1 = "heat" }, settable = true }
    "#;
    let found = discoveries(text, 1).await;
    let (topic, payload) = found.first_key_value().expect("one device");
    check_against_the_documentation(topic, payload);
    let components = &payload["components"];
    assert_eq!((&components["setpoint"]["platform"], &components["setpoint"]["step"]), (&"number".into(), &0.5.into()));
    assert_eq!(components["setpoint"]["max"], 30.0);
    assert_eq!(components["mode"]["platform"], "select");
    assert_eq!(components["mode"]["options"], serde_json::json!(["off", "heat"]));
}

#[tokio::test]
async fn a_dimmer_goes_to_its_level_and_comes_back_to_it() {
    let text = r#"
        schema = 1
        [gateway]
        id = "gw1"
        [gpio]
        backend = "simulated"
        [device.lamp.light.level]
        pwm = "pwm0"
        transition = "50ms"
        power_on = "last-else-off"
        failsafe = "keep"
    "#;
    let connect = hub::start();
    let mut first = Observer::start(&connect, settings(text)).await;
    first.see("lamp/$availability", "online").await;
    first.say("lamp/level/set", r#"{"value":40,"id":"d"}"#).await;
    first.see("lamp/level", "40").await;
    first.see_part("lamp/level/$result", r#""status":"done","value":40.0"#).await;
    first.say("lamp/level/set", "140").await;
    first.see("lamp/level/$result", r#"{"status":"rejected","reason":"range:0:100"}"#).await;
    first.stop().await;
    let mut second = Observer::start(&connect, settings(text)).await;
    second.transcript.clear();
    second.see("lamp/$availability", "online").await;
    assert_eq!(second.retained("lamp/level").await.as_deref(), Some("40"));
}
