//! What a client is told of devices before their drivers know: nothing that is not so.

use crate::support::client::Client;
use crate::support::daemon::{Daemon, data_dir};
use crate::support::wire::{Message, Version};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;

fn house(devices: &str) -> String {
    format!(
        "schema = 1\n[gateway]\nid = \"gw1\"\ntopics = {{ home_assistant = true }}\n[gpio]\nbackend = \"simulated\"\n{devices}"
    )
}

fn start(data: &Path, text: &str) -> Daemon {
    let file = data.join("house.toml");
    std::fs::write(&file, text).expect("a writable directory");
    let starting = Daemon::spawn_with(&data.join("data"), &[OsStr::new("--config"), file.as_os_str()]);
    starting.listening().unwrap_or_else(|what| panic!("{what}"))
}

/// What is retained, or said of it, until a message with this topic and payload comes.
fn told(daemon: &Daemon, filter: &str, topic: &str, payload: &str) -> (Vec<Message>, BTreeMap<String, String>) {
    let mut client = Client::fresh(daemon.address(), Version::V5, "reader");
    client.subscribe(filter, 1);
    let (mut messages, mut last) = (vec![], BTreeMap::new());
    loop {
        let message = client.message();
        last.insert(message.topic.clone(), message.text());
        messages.push(message.clone());
        if message.topic == topic && message.text().contains(payload) {
            return (messages, last);
        }
    }
}

const LAMP: &str = "[device.lamp.out.light]\nline = \"GPIO1\"\npower_on = \"last-else-off\"\n";
const OLD: &str = "[device.old.out.light]\nline = \"GPIO2\"\npower_on = \"last-else-off\"\n";

#[test]
fn at_the_first_connection_every_device_is_offline_or_verified_and_removed_ones_are_gone() {
    let data = data_dir();
    let daemon = start(data.path(), &house(&format!("{LAMP}{OLD}")));
    told(&daemon, "home/#", "home/old/$availability", "online");
    let mut client = Client::fresh(daemon.address(), Version::V5, "client");
    for device in ["lamp", "old"] {
        client.publish(&Message::new(&format!("home/{device}/light/set"), "true", 2));
    }
    told(&daemon, "home/old/#", "home/old/light", "true");
    told(&daemon, "home/lamp/#", "home/lamp/light", "true");
    // Its answer waits for a commit, and with it everything said before is kept.
    client.publish(&Message::new("mark", "x", 1).retained());
    daemon.kill9();

    // A line that cannot be had: the lamp's driver never gets to know anything.
    let broken = house(&LAMP.replace("GPIO1", "NO-SUCH-LINE")).replace("simulated", "gpiochip");
    let daemon = start(data.path(), &broken);
    let (_, last) = told(&daemon, "home/#", "home/lamp/$problem", "lines");
    assert_eq!(last.get("home/lamp/$availability").map(String::as_str), Some("offline"), "{last:?}");
    assert!(!last.keys().any(|topic| topic.starts_with("home/old/")), "the removed device is gone: {last:?}");
    let mut client = Client::fresh(daemon.address(), Version::V5, "client");
    client.subscribe("home/lamp/light/$result", 1);
    client.publish(&Message::new("home/lamp/light/set", "true", 2));
    // It depends on whether the driver is just being started again.
    let refusals = [r#"{"status":"rejected","reason":"offline"}"#, r#"{"status":"failed","reason":"restart"}"#];
    let result = client.message().text();
    assert!(refusals.contains(&result.as_str()), "{result}");
    daemon.kill9();

    let daemon = start(data.path(), &house(LAMP));
    let (_, last) = told(&daemon, "home/lamp/#", "home/lamp/$availability", "online");
    assert_eq!(last.get("home/lamp/light").map(String::as_str), Some("true"), "it is as it was left: {last:?}");
}

#[test]
fn home_assistant_hears_of_a_device_before_its_availability_and_again_when_it_starts() {
    let data = data_dir();
    let daemon = start(data.path(), &house(LAMP));
    told(&daemon, "home/#", "home/lamp/$availability", "online");
    let mut home_assistant = Client::fresh(daemon.address(), Version::V5, "home-assistant");
    home_assistant.subscribe("homeassistant/+/+/config", 1);
    home_assistant.subscribe("home/lamp/$availability", 1);
    home_assistant.messages_until_ping();
    home_assistant.publish(&Message::new("homeassistant/status", "online", 0));
    let discovery = home_assistant.message();
    assert_eq!(discovery.topic, "homeassistant/device/gatehouse_gw1_lamp/config");
    assert!(discovery.text().contains("home/lamp/light/set"), "{}", discovery.text());
    let availability = home_assistant.message();
    assert_eq!((availability.topic.as_str(), availability.text().as_str()), ("home/lamp/$availability", "online"));
}

fn last(messages: &[Message], topic: &str) -> Option<String> {
    messages.iter().rev().find(|message| message.topic == topic).map(Message::text)
}

#[test]
fn a_bad_file_keeps_the_old_house_and_shows_its_problems_a_good_one_is_taken_over() {
    let data = data_dir();
    let file = data.path().join("house.toml");
    let daemon = start(data.path(), &house(LAMP));
    let mut client = Client::fresh(daemon.address(), Version::V5, "client");
    client.subscribe("home/#", 1);
    let mut wait = |topic: &str, part: &str| {
        loop {
            let message = client.message();
            if message.topic == topic && message.text().contains(part) {
                return message.text();
            }
        }
    };
    wait("home/lamp/$availability", "online");
    std::fs::write(&file, house("[device.lamp.out.light]\nlien = \"GPIO1\"\n")).expect("a writable file");
    nix::sys::signal::kill(daemon.pid(), nix::sys::signal::Signal::SIGHUP).expect("the process is ours");
    let told = wait("home/$gw/config", "refused");
    assert!(told.contains("house.toml:") && told.contains("did you mean `line`?"), "{told}");
    std::fs::write(&file, house(&format!("{LAMP}{OLD}"))).expect("a writable file");
    nix::sys::signal::kill(daemon.pid(), nix::sys::signal::Signal::SIGHUP).expect("the process is ours");
    wait("home/old/$availability", "online");
    let (retained, _) = told_all(&daemon);
    assert_eq!(last(&retained, "home/$gw/config").as_deref(), Some(r#"{"status":"ok"}"#));
    assert_eq!(last(&retained, "home/lamp/$availability").as_deref(), Some("online"));
    drop(daemon);

    // At the next start the file is bad: the last good one takes its place, and everyone is told.
    let daemon = start(data.path(), "schema = 1\n[gateway]\nid = 5\n");
    let (messages, _) = told_all(&daemon);
    assert_eq!(last(&messages, "home/old/$availability").as_deref(), Some("online"));
    let config = last(&messages, "home/$gw/config").expect("it is told");
    assert!(config.contains("refused") && config.contains("house.toml:3:"), "{config}");
    assert!(daemon.log().contains("LAST GOOD CONFIGURATION"), "{}", daemon.log());
}

fn told_all(daemon: &Daemon) -> (Vec<Message>, BTreeMap<String, String>) {
    told(daemon, "home/old/#", "home/old/$availability", "online");
    told(daemon, "home/#", "home/old/light", "")
}
