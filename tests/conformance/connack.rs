//! CONNACK (section 3.2), and what CONNECT asks of later packets.

use super::scene::{BOTH, Scene, number};
use crate::support::wire::{Connect, Message, Received, Version, id};

/// A connection gets one CONNACK.
/// 5.0 [MQTT-3.2.0-2].
#[test]
fn there_is_one_connack() {
    let scene = Scene::new();
    for version in BOTH {
        let mut client = scene.client(version, "c");
        client.subscribe("a", 1);
        client.publish(&Message::new("a", "x", 1));
        let is_connack = |received: &Received| matches!(received, Received::Connack { .. });
        assert!(!client.until_ping().iter().any(is_connack), "{version:?}");
    }
}

/// CONNACK sets no reserved flag, names each property once, and only those that belong to it.
/// 5.0 [MQTT-3.2.2-1] [MQTT-3.2.2-8].
#[test]
fn connack_is_well_formed() {
    const KNOWN: [u8; 17] =
        [0x11, 0x12, 0x13, 0x15, 0x16, 0x1a, 0x1c, 0x1f, 0x21, 0x22, 0x24, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2a];
    let (_, told) = Scene::new().told(&Connect::clean(Version::V5, "c"));
    let mut ids: Vec<u8> = told.0.iter().map(|(id, _)| *id).collect();
    assert!(ids.iter().all(|id| KNOWN.contains(id)), "{told:?}");
    ids.sort_unstable();
    ids.windows(2).for_each(|pair| assert_ne!(pair[0], pair[1], "{told:?}"));
    assert_ne!(told.find_number(id::RECEIVE_MAXIMUM), Some(0));
    assert_ne!(told.find_number(id::PACKET_SIZE_MAXIMUM), Some(0));
}

/// QoS 2, retained messages, wildcards, subscription identifiers and shared subscriptions are all there:
/// no property says otherwise.
/// 5.0 [MQTT-3.2.2-9] [MQTT-3.2.2-10] [MQTT-3.2.2-12] [MQTT-3.2.2-13].
#[test]
fn nothing_is_left_out() {
    let scene = Scene::new();
    let will = Message::new("w", "x", 2).retained();
    let (mut client, told) = scene.told(&Connect::clean(Version::V5, "c").will(will));
    for available in [0x24, 0x25, 0x28, 0x29, 0x2a] {
        assert!([None, Some(1)].contains(&told.find_number(available)), "{available:#04x} in {told:?}");
    }
    for qos in 0..=2 {
        assert_eq!(client.subscribe("a/#", qos), qos);
        assert!(client.publish(&Message::new("a/b", "x", qos).retained()) < 0x80);
    }
}

/// Response information is not sent to a client that does not ask for it.
/// 5.0 [MQTT-3.1.2-28].
#[test]
fn response_information_is_not_forced_on_anyone() {
    let scene = Scene::new();
    for connect in [Connect::clean(Version::V5, "c"), Connect::clean(Version::V5, "c").with(number(0x19, 0))] {
        assert_eq!(scene.told(&connect).1.find_bytes(0x1a), None);
    }
}

/// A message that would be larger than its reader takes is not sent, and the next one is.
/// 5.0 [MQTT-3.1.2-24] [MQTT-3.1.2-25].
#[test]
fn a_message_too_large_for_its_reader_is_left_out() {
    let scene = Scene::new();
    let maximum = number(id::PACKET_SIZE_MAXIMUM, 100);
    let (mut reader, _) = scene.connect(&Connect::clean(Version::V5, "c").with(maximum));
    reader.subscribe("a", 2);
    // Two bytes of fixed header, three of topic name, one of properties, and two of packet identifier.
    for (qos, overhead) in [(0, 6), (1, 8), (2, 8)] {
        scene.publish(&Message::new("a", "x".repeat(101 - overhead), qos));
        scene.publish(&Message::new("a", "x".repeat(100 - overhead), qos));
        let message = reader.message();
        assert_eq!((message.payload.len(), message.qos), (100 - overhead, qos));
        reader.assert_quiet();
    }
}

/// A message too large for its reader counts as sent: it takes no place of the receive maximum.
/// 5.0 [MQTT-3.1.2-25].
#[test]
fn a_message_too_large_takes_no_place() {
    let scene = Scene::new();
    let limits = number(id::PACKET_SIZE_MAXIMUM, 100).number(id::RECEIVE_MAXIMUM, 1);
    let (mut reader, _) = scene.connect(&Connect::clean(Version::V5, "c").with(limits));
    reader.subscribe("a", 1);
    for _ in 0..5 {
        scene.publish(&Message::new("a", "x".repeat(200), 1));
    }
    scene.publish(&Message::new("a", "small", 1));
    assert_eq!(reader.message().text(), "small");
}
