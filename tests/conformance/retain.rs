//! Retained messages (sections 3.3.1.3 and 3.8.3.1).

use super::scene::{BOTH, Scene};
use crate::support::client::Client;
use crate::support::wire::{Message, Version};

const SEND_IF_NEW: u8 = 0x10;
const DO_NOT_SEND: u8 = 0x20;
const AS_PUBLISHED: u8 = 0x08;

/// What a new subscription of a new client finds.
fn found(scene: &Scene, version: Version, filter: &str) -> Vec<Message> {
    let mut client = scene.client(version, "finder");
    client.subscribe(filter, 2);
    let found = client.messages_until_ping();
    client.disconnect();
    found
}

fn texts(client: &mut Client) -> Vec<String> {
    client.messages_until_ping().iter().map(Message::text).collect()
}

/// The last retained message of a topic name is kept with its QoS, and meets every new subscription.
/// 5.0 [MQTT-3.3.1-5] [MQTT-3.3.1-9], 3.1.1 [MQTT-3.3.1-5] [MQTT-3.3.1-6] [MQTT-3.3.1-8].
#[test]
fn the_last_retained_message_meets_a_new_subscription() {
    let scene = Scene::new();
    for version in BOTH {
        let mut publisher = scene.client(version, "publisher");
        for qos in [0, 2, 1] {
            publisher.publish(&Message::new("a/b", qos.to_string(), qos).retained());
            let [message] = &found(&scene, version, "a/+")[..] else { panic!("not one message") };
            assert_eq!((message.text(), message.qos, message.retain), (qos.to_string(), qos, true), "{version:?}");
        }
    }
}

/// A retained message of QoS 0 takes the place of one of higher QoS.
/// 3.1.1 [MQTT-3.3.1-7].
#[test]
fn a_retained_message_of_qos_0_replaces_the_one_before() {
    let scene = Scene::new();
    for version in BOTH {
        let mut publisher = scene.client(version, "publisher");
        publisher.publish(&Message::new("a", "old", 2).retained());
        publisher.publish(&Message::new("a", "new", 0).retained());
        publisher.until_ping();
        assert_eq!(found(&scene, version, "a")[0].text(), "new");
    }
}

/// An empty retained message is delivered, removes the one that was, and is not kept.
/// 5.0 [MQTT-3.3.1-6] [MQTT-3.3.1-7], 3.1.1 [MQTT-3.3.1-10] [MQTT-3.3.1-11].
#[test]
fn an_empty_retained_message_clears() {
    let scene = Scene::new();
    for version in BOTH {
        for qos in 0..=2 {
            let mut publisher = scene.client(version, "publisher");
            publisher.publish(&Message::new("a", "x", 1).retained());
            let mut reader = scene.reader(version, "a", 2);
            assert_eq!(reader.message().text(), "x");
            publisher.publish(&Message::new("a", "", qos).retained());
            let message = reader.message();
            assert_eq!((message.payload.len(), message.retain), (0, false), "{version:?}");
            assert_eq!(found(&scene, version, "a"), []);
        }
    }
}

/// A message without the flag leaves the retained one alone.
/// 5.0 [MQTT-3.3.1-8], 3.1.1 [MQTT-3.3.1-12].
#[test]
fn a_plain_message_leaves_the_retained_one() {
    let scene = Scene::new();
    for version in BOTH {
        let mut publisher = scene.client(version, "publisher");
        publisher.publish(&Message::new("a", "kept", 1).retained());
        publisher.publish(&Message::new("a", "plain", 1));
        publisher.publish(&Message::new("a", "", 1));
        publisher.publish(&Message::new("b", "plain", 1));
        let found = found(&scene, version, "#");
        assert_eq!(found.iter().map(Message::text).collect::<Vec<_>>(), ["kept"], "{version:?}");
    }
}

/// Retain handling 0 sends retained messages with every SUBSCRIBE.
/// 5.0 [MQTT-3.3.1-9] [MQTT-3.8.4-4].
#[test]
fn handling_0_sends_retained_messages_each_time() {
    let scene = Scene::new();
    scene.publish(&Message::new("a", "x", 1).retained());
    let mut client = scene.client(Version::V5, "c");
    for _ in 0..3 {
        client.subscribe("a", 0);
        assert_eq!(texts(&mut client), ["x"]);
    }
}

/// Retain handling 1 sends them when the subscription is new.
/// 5.0 [MQTT-3.3.1-10].
#[test]
fn handling_1_sends_retained_messages_once() {
    let scene = Scene::new();
    scene.publish(&Message::new("a", "x", 1).retained());
    let mut client = scene.client(Version::V5, "c");
    client.subscribe("a", SEND_IF_NEW);
    assert_eq!(texts(&mut client), ["x"]);
    client.subscribe("a", SEND_IF_NEW | 1);
    client.assert_quiet();
    client.unsubscribe("a");
    client.subscribe("a", SEND_IF_NEW);
    assert_eq!(texts(&mut client), ["x"]);
}

/// Retain handling 2 never sends them.
/// 5.0 [MQTT-3.3.1-11].
#[test]
fn handling_2_sends_no_retained_messages() {
    let scene = Scene::new();
    scene.publish(&Message::new("a", "x", 1).retained());
    let mut client = scene.client(Version::V5, "c");
    client.subscribe("a", DO_NOT_SEND);
    client.assert_quiet();
    scene.publish(&Message::new("a", "live", 1));
    assert_eq!(texts(&mut client), ["live"]);
}

/// A live message comes without the flag, unless the subscription wants it as it was published.
/// 5.0 [MQTT-3.3.1-12] [MQTT-3.3.1-13], 3.1.1 [MQTT-3.3.1-9].
#[test]
fn the_flag_of_a_live_message_is_as_wanted() {
    let scene = Scene::new();
    let mut plain = BOTH.map(|version| scene.reader(version, "a", 1));
    let mut published = scene.client(Version::V5, "published");
    published.subscribe("a", AS_PUBLISHED | 1);
    for retain in [true, false] {
        scene.publish(&Message { retain, ..Message::new("a", "x", 1) });
        for client in &mut plain {
            assert!(!client.message().retain);
        }
        assert_eq!(published.message().retain, retain);
    }
}

/// A subscription that is made again gets the retained messages again, and loses no live one.
/// 5.0 [MQTT-3.8.4-3] [MQTT-3.8.4-4], 3.1.1 [MQTT-3.8.4-3].
#[test]
fn a_subscription_made_again_loses_nothing() {
    let scene = Scene::new();
    for version in BOTH {
        let topic = format!("a/{version:?}");
        let mut publisher = scene.client(version, "publisher");
        publisher.publish(&Message::new(&topic, "kept", 1).retained());
        let mut reader = scene.reader(version, "a/+", 1);
        reader.until_ping();
        for number in 0..20 {
            publisher.publish(&Message::new(&topic, number.to_string(), 1));
            reader.subscribe("a/+", 1);
        }
        let all: Vec<String> = reader.messages_until_ping().iter().map(Message::text).collect();
        let live: Vec<String> = all.iter().filter(|text| *text != "kept").cloned().collect();
        assert_eq!(live, (0..20).map(|number: u8| number.to_string()).collect::<Vec<_>>(), "{version:?}");
        assert!(all.len() >= 40, "retained messages again: {all:?}");
    }
}
