//! Topic aliases, both ways (section 3.3.2.3.4).

use super::scene::{Scene, assert_ended, number};
use crate::support::client::Client;
use crate::support::wire::{Connect, Message, Version, id};

fn aliased(topic: &str, payload: &str, alias: u32) -> Message {
    Message::new(topic, payload, 0).with(number(id::TOPIC_ALIAS, alias))
}

/// A client that takes so many aliases, subscribed to everything below `a`.
fn reader(scene: &Scene, maximum: Option<u32>) -> Client {
    let mut connect = Connect::clean(Version::V5, "reader");
    if let Some(maximum) = maximum {
        connect = connect.with(number(id::TOPIC_ALIAS_MAXIMUM, maximum));
    }
    let mut reader = scene.connect(&connect).0;
    reader.subscribe("a/#", 0);
    reader
}

/// Every alias up to the maximum of CONNACK is taken.
/// 5.0 [MQTT-3.3.2-12].
#[test]
fn every_alias_up_to_the_maximum_is_taken() {
    let scene = Scene::new();
    let mut reader = reader(&scene, None);
    let (mut publisher, told) = scene.told(&Connect::clean(Version::V5, "publisher"));
    let maximum = told.find_number(id::TOPIC_ALIAS_MAXIMUM).expect("aliases are taken");
    for alias in 1..=maximum {
        publisher.publish(&aliased(&format!("a/{alias}"), "named", alias));
    }
    for alias in 1..=maximum {
        publisher.publish(&aliased("", "aliased", alias));
    }
    for payload in ["named", "aliased"] {
        for alias in 1..=maximum {
            let message = reader.message();
            assert_eq!((message.topic, message.payload), (format!("a/{alias}"), payload.into()));
        }
    }
}

/// Alias 0, one above the maximum, and one never set are refused.
/// 5.0 [MQTT-3.3.2-8] [MQTT-3.3.2-9] [MQTT-3.2.2-17].
#[test]
fn a_wrong_alias_is_refused() {
    let scene = Scene::new();
    for (topic, alias) in [("a", 0), ("a", 0xffff), ("", 1)] {
        let mut client = scene.client(Version::V5, "c");
        client.send(&aliased(topic, "x", alias).encode(Version::V5));
        assert_ended(Version::V5, &mut client, &[0x82, 0x94]);
    }
}

/// Aliases end with the connection, also when the session goes on.
/// 5.0 [MQTT-3.3.2-7].
#[test]
fn an_alias_ends_with_its_connection() {
    let scene = Scene::new();
    let connect = Connect::lasting(Version::V5, "publisher");
    let (mut publisher, _) = scene.connect(&connect);
    publisher.publish(&aliased("a", "x", 1));
    publisher.disconnect();
    let (mut publisher, session_present) = scene.connect(&connect);
    assert!(session_present);
    publisher.send(&aliased("", "x", 1).encode(Version::V5));
    assert_ended(Version::V5, &mut publisher, &[0x82, 0x94]);
}

/// A client that takes no aliases is sent none.
/// 5.0 [MQTT-3.1.2-27].
#[test]
fn a_client_without_aliases_gets_none() {
    let scene = Scene::new();
    for maximum in [None, Some(0)] {
        let mut reader = reader(&scene, maximum);
        for _ in 0..3 {
            scene.publish(&aliased("a/x", "x", 1));
            let message = reader.message();
            assert_eq!((message.topic.as_str(), message.properties.0.len()), ("a/x", 0));
        }
    }
}

/// A client that takes aliases is sent none above its maximum, and none before its name.
/// 5.0 [MQTT-3.1.2-26] [MQTT-3.3.2-11] [MQTT-3.3.2-8].
#[test]
fn aliases_to_a_client_keep_to_its_maximum() {
    let scene = Scene::new();
    let mut reader = reader(&scene, Some(2));
    let mut names = std::collections::BTreeMap::new();
    for _ in 0..3 {
        for topic in ["a/1", "a/2", "a/3", "a/4"] {
            scene.publish(&Message::new(topic, topic, 0));
            let message = reader.message();
            if let Some(alias) = message.properties.find_number(id::TOPIC_ALIAS) {
                assert!((1..=2).contains(&alias), "{message:?}");
                if !message.topic.is_empty() {
                    names.insert(alias, message.topic.clone());
                }
                assert_eq!(names.get(&alias).map(String::as_str), Some(topic));
            } else {
                assert_eq!(message.topic, topic);
            }
        }
    }
}
