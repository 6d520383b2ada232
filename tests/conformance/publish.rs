//! PUBLISH: its header and properties (section 3.3).

use super::scene::{BOTH, BROKEN, Scene, number};
use crate::support::wire::{Connect, Message, Properties, Version, id};

/// DUP is told by the sender of each hop: a message that came with it leaves without.
/// 5.0 [MQTT-3.3.1-3] [MQTT-4.3.2-2] [MQTT-4.3.3-2], 3.1.1 [MQTT-3.3.1-3].
#[test]
fn dup_is_not_passed_on() {
    let scene = Scene::new();
    for version in BOTH {
        let mut reader = scene.reader(version, "a", 2);
        let mut publisher = scene.client(version, "publisher");
        for qos in [1, 2] {
            publisher.publish(&Message::new("a", "x", qos).again());
            let message = reader.message();
            assert_eq!((message.qos, message.dup), (qos, false), "{version:?}");
        }
    }
}

/// QoS 0 goes without DUP, both ways.
/// 5.0 [MQTT-3.3.1-2] [MQTT-4.3.1-1], 3.1.1 [MQTT-3.3.1-2] [MQTT-4.3.1-1].
#[test]
fn qos_0_has_no_dup() {
    let scene = Scene::new();
    scene.assert_ends(Version::V311, "38| s:a 78", &[]);
    scene.assert_ends(Version::V5, "38| s:a 00 78", BROKEN);
    for version in BOTH {
        let mut reader = scene.reader(version, "a", 0);
        scene.publish(&Message::new("a", "x", 1).again());
        // The client refuses DUP at QoS 0.
        assert_eq!(reader.message().qos, 0);
    }
}

/// QoS 3 is malformed.
/// 5.0 [MQTT-3.3.1-4], 3.1.1 [MQTT-3.3.1-4].
#[test]
fn there_is_no_qos_3() {
    let scene = Scene::new();
    scene.assert_ends(Version::V311, "36| s:a 0001 78", &[]);
    scene.assert_ends(Version::V5, "36| s:a 0001 00 78", BROKEN);
}

/// The topic name is there, is UTF-8, and has no wildcards.
/// 5.0 [MQTT-3.3.2-1] [MQTT-3.3.2-2] [MQTT-4.7.0-1], 3.1.1 [MQTT-3.3.2-1] [MQTT-3.3.2-2] [MQTT-4.7.1-1].
#[test]
fn the_topic_name_is_a_name() {
    const REASONS: &[u8] = &[0x81, 0x82, 0x90];
    let scene = Scene::new();
    for bad in ["", "s:a/+", "s:#", "s:a/#/b", "0002 c328", "0003 eda080", "0005 61"] {
        scene.assert_ends(Version::V311, &format!("30| {bad}"), &[]);
        scene.assert_ends(Version::V5, &format!("30| {bad} 00"), REASONS);
    }
}

/// A message comes under the topic name it was published to, which matches the filter.
/// 5.0 [MQTT-3.3.2-3], 3.1.1 [MQTT-3.3.2-3].
#[test]
fn a_message_keeps_its_topic_name() {
    let scene = Scene::new();
    for version in BOTH {
        let mut reader = scene.reader(version, "a/+/#", 0);
        for topic in ["a/b", "a//", "a/B/c d/\u{fc}", "a/$x"] {
            scene.publish(&Message::new(topic, "x", 0));
            assert_eq!(reader.message().topic, topic);
        }
    }
}

/// Properties of a message arrive as they were sent, user properties in their order.
/// 5.0 [MQTT-3.3.2-4] [MQTT-3.3.2-15] [MQTT-3.3.2-16] [MQTT-3.3.2-17] [MQTT-3.3.2-18] [MQTT-3.3.2-20] [MQTT-1.5.7-1].
#[test]
fn properties_travel_unaltered() {
    let scene = Scene::new();
    let mut reader = scene.reader(Version::V5, "a", 2);
    let all = Properties::default()
        .user("z", "first")
        .number(0x01, 1)
        .bytes(id::CONTENT_TYPE, "text/\u{fc}")
        .bytes(id::RESPONSE_TOPIC, "answer/here")
        .bytes(id::CORRELATION_DATA, [0, 1, 254, 255])
        .user("a", "second")
        .user("z", "")
        .user("", "third");
    for qos in 0..=2 {
        scene.publish(&Message::new("a", "x", qos).with(all.clone()));
        assert_eq!(reader.message().properties, all);
        scene.publish(&Message::new("a", "x", qos).with(number(0x01, 0)));
        assert_eq!(reader.message().properties, number(0x01, 0));
    }
    let mut publisher = scene.client(Version::V5, "publisher");
    publisher.publish(&Message::new("a", "x", 1).with(all.clone()).retained());
    assert_eq!(reader.message().properties, all);
    let mut late = scene.reader(Version::V5, "+", 2);
    assert_eq!(late.message().properties, all);
}

/// Strings among the properties are UTF-8, and a response topic has no wildcards.
/// 5.0 [MQTT-3.3.2-13] [MQTT-3.3.2-14] [MQTT-3.3.2-19] [MQTT-1.5.7-1].
#[test]
fn strings_of_properties_are_checked() {
    let scene = Scene::new();
    for bad in ["05 08 0002 c328", "05 03 0002 c328", "07 26 0002 c328 0000", "07 26 0000 0002 c328"] {
        scene.assert_ends(Version::V5, &format!("30| s:a {bad} 78"), BROKEN);
    }
    for bad in ["06 08 0003 612f23", "04 08 0001 2b"] {
        scene.assert_ends(Version::V5, &format!("30| s:a {bad} 78"), &[0x81, 0x82, 0x90]);
    }
}

/// A message whose expiry passed while it waited is not delivered.
/// 5.0 [MQTT-3.3.2-5].
#[test]
fn an_expired_message_is_not_delivered() {
    let scene = Scene::new();
    let connect = Connect::lasting(Version::V5, "away");
    let (mut reader, _) = scene.connect(&connect);
    reader.subscribe("a", 1);
    reader.disconnect();
    scene.publish(&Message::new("a", "brief", 1).with(number(id::MESSAGE_EXPIRY, 1)));
    scene.publish(&Message::new("a", "long", 1).with(number(id::MESSAGE_EXPIRY, 3_600)));
    scene.publish(&Message::new("a", "for ever", 1));
    // A will with a delay of two seconds tells when the expiry has passed.
    let clock = Message::new("clock", "tick", 1).with(number(id::WILL_DELAY, 2));
    let mut watch = scene.reader(Version::V5, "clock", 1);
    drop(scene.connect(&Connect::lasting(Version::V5, "clock").will(clock)));
    watch.message();
    let (mut reader, _) = scene.connect(&connect);
    let long = reader.message();
    let left = long.properties.find_number(id::MESSAGE_EXPIRY).expect("it still has an expiry");
    assert_eq!(long.text(), "long");
    assert!((3_500..3_600).contains(&left), "{left} seconds left");
    assert_eq!(reader.message().text(), "for ever");
    reader.assert_quiet();
}

/// A message that waited tells how long it still lives.
/// 5.0 [MQTT-3.3.2-6].
#[test]
fn an_expiry_counts_from_the_publication() {
    let scene = Scene::new();
    let mut reader = scene.reader(Version::V5, "a", 1);
    scene.publish(&Message::new("a", "x", 1).with(number(id::MESSAGE_EXPIRY, 100)).retained());
    assert_eq!(reader.message().properties.find_number(id::MESSAGE_EXPIRY), Some(100));
    let clock = Message::new("clock", "tick", 1).with(number(id::WILL_DELAY, 2));
    let mut watch = scene.reader(Version::V5, "clock", 1);
    drop(scene.connect(&Connect::lasting(Version::V5, "clock").will(clock)));
    watch.message();
    let left = scene.reader(Version::V5, "+", 1).message().properties.find_number(id::MESSAGE_EXPIRY);
    assert!(left.is_some_and(|left| (1..=98).contains(&left)), "{left:?} seconds left");
}

/// A client sends no subscription identifier.
/// 5.0 [MQTT-3.3.4-6].
#[test]
fn a_subscription_identifier_from_a_client_is_refused() {
    Scene::new().assert_ends(Version::V5, "30| s:a 02 0b01 78", BROKEN);
}

/// Messages with QoS 1 and 2 have a packet identifier that is not 0, and those with QoS 0 have none.
/// 5.0 [MQTT-2.2.1-2] [MQTT-2.2.1-3] [MQTT-2.2.1-4], 3.1.1 [MQTT-2.3.1-1] [MQTT-2.3.1-5].
#[test]
fn packet_identifiers_are_where_they_belong() {
    let scene = Scene::new();
    for first in ["32", "34"] {
        scene.assert_ends(Version::V311, &format!("{first}| s:a 0000 78"), &[]);
        scene.assert_ends(Version::V5, &format!("{first}| s:a 0000 00 78"), BROKEN);
    }
    for version in BOTH {
        let mut reader = scene.reader(version, "a", 2);
        for qos in 0..=2 {
            // The client refuses an identifier of 0; at QoS 0 the payload would begin with one.
            scene.publish(&Message::new("a", "payload", qos));
            assert_eq!(reader.message().text(), "payload");
        }
    }
}

/// A message that is not allowed is never acknowledged as if it were: 5.0 is told, 3.1.1 is closed.
/// 3.1.1 [MQTT-3.3.5-2].
#[test]
fn a_message_that_is_not_allowed_is_refused() {
    let scene = Scene::new();
    let mut client = scene.client(Version::V311, "c");
    client.send(&Message::new("$SYS/broker/version", "mine", 1).encode(Version::V311));
    assert_eq!(client.until_closed(), []);
    assert_eq!(scene.client(Version::V5, "c").publish(&Message::new("$SYS/broker/version", "mine", 1)), 0x87);
}
