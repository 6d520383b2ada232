//! The delivery protocols, from the server to a client, and flow control (sections 4.3, 4.6 and 4.9).

use super::scene::{BOTH, Scene, number};
use crate::support::client::Client;
use crate::support::wire::{Connect, Kind, Message, Received, Version, acknowledge, id};
use std::collections::BTreeSet;

/// A client of 5.0 that takes so many messages at once, subscribed with QoS 2.
fn narrow(scene: &Scene, maximum: u32) -> Client {
    let connect = Connect::clean(Version::V5, "narrow").with(number(id::RECEIVE_MAXIMUM, maximum));
    let mut client = scene.connect(&connect).0;
    client.subscribe("a", 2);
    client
}

/// Messages that are not acknowledged have packet identifiers of their own.
/// 5.0 [MQTT-4.3.2-1] [MQTT-4.3.3-1] [MQTT-2.2.1-4], 3.1.1 [MQTT-4.3.2-1] [MQTT-4.3.3-1] [MQTT-2.3.1-4].
#[test]
fn open_messages_have_different_identifiers() {
    let scene = Scene::new();
    for version in BOTH {
        let mut reader = scene.reader(version, "a", 2);
        let mut publisher = scene.client(version, "publisher");
        for number in 0..20 {
            publisher.publish(&Message::new("a", "x", 1 + number % 2));
        }
        let ids: BTreeSet<u16> = (0..20).map(|_| reader.message_unacknowledged().packet_id).collect();
        assert_eq!(ids.len(), 20, "{version:?}");
    }
}

/// PUBREC is answered with PUBREL of the same identifier.
/// 5.0 [MQTT-4.3.3-4], 3.1.1 [MQTT-4.3.3-1].
#[test]
fn pubrec_is_answered_with_pubrel() {
    let scene = Scene::new();
    for version in BOTH {
        let mut reader = scene.reader(version, "a", 2);
        scene.publish(&Message::new("a", "x", 2));
        let id = reader.message_unacknowledged().packet_id;
        for _ in 0..2 {
            reader.send(&acknowledge(Kind::Pubrec, id));
            assert_eq!(reader.acknowledged(Kind::Pubrel, id), 0);
        }
        reader.send(&acknowledge(Kind::Pubcomp, id));
        reader.assert_quiet();
    }
}

/// Messages of one topic and QoS arrive in the order in which each publisher sent them.
/// 5.0 [MQTT-4.6.0-5] [MQTT-4.6.0-6], 3.1.1 [MQTT-4.6.0-5] [MQTT-4.6.0-6].
#[test]
fn order_is_kept() {
    let scene = Scene::new();
    for version in BOTH {
        for qos in 0..=2 {
            let mut reader = scene.reader(version, "a", qos);
            let mut publisher = scene.client(version, "publisher");
            let all: Vec<u8> = (1..=100)
                .flat_map(|number: u16| Message::new("a", number.to_string(), qos).id(number).encode(version))
                .collect();
            publisher.send(&all);
            for number in 1..=100 {
                assert_eq!(reader.message().text(), number.to_string(), "{version:?} QoS {qos}");
            }
        }
    }
}

/// A client gets no more unanswered messages than its receive maximum; PUBACK and PUBCOMP make room.
/// 5.0 [MQTT-3.3.4-9] [MQTT-4.9.0-1] [MQTT-4.9.0-2].
#[test]
fn no_more_than_the_receive_maximum_is_sent() {
    let scene = Scene::new();
    let mut reader = narrow(&scene, 2);
    for number in 0..6 {
        scene.publish(&Message::new("a", "x", 1 + number % 2));
    }
    let mut open = reader.messages_until_ping();
    assert_eq!(open.len(), 2);
    for left in (0..4).rev() {
        reader.accept(&open.remove(0));
        let next = reader.message_unacknowledged();
        open.push(next);
        assert!(reader.messages_until_ping().is_empty(), "{left} are still to come");
    }
}

/// PUBREC with success makes no room, PUBREC that refuses does.
/// 5.0 [MQTT-3.3.4-9] [MQTT-4.9.0-2].
#[test]
fn only_a_refusing_pubrec_makes_room() {
    let scene = Scene::new();
    let mut reader = narrow(&scene, 1);
    for _ in 0..3 {
        scene.publish(&Message::new("a", "x", 2));
    }
    let first = reader.message_unacknowledged();
    reader.send(&acknowledge(Kind::Pubrec, first.packet_id));
    reader.acknowledged(Kind::Pubrel, first.packet_id);
    assert_eq!(reader.messages_until_ping(), []);
    reader.send(&acknowledge(Kind::Pubcomp, first.packet_id));
    let [high, low] = reader.message_unacknowledged().packet_id.to_be_bytes();
    reader.send(&[0x50, 3, high, low, 0x97]);
    assert_eq!(reader.message_unacknowledged().text(), "x");
}

/// Whoever has reached its receive maximum still gets everything else, QoS 0 among it.
/// 5.0 [MQTT-3.3.4-10] [MQTT-4.9.0-3].
#[test]
fn a_full_client_still_gets_other_packets() {
    let scene = Scene::new();
    let mut reader = narrow(&scene, 1);
    for _ in 0..2 {
        scene.publish(&Message::new("a", "x", 1));
    }
    let open = reader.message_unacknowledged();
    scene.publish(&Message::new("a", "at once", 0));
    assert_eq!(reader.message().text(), "at once");
    assert_eq!(reader.subscribe("b", 1), 1);
    assert!(reader.publish(&Message::new("c", "x", 2)) < 0x80);
    assert_eq!(reader.unsubscribe("b"), [0]);
    reader.assert_quiet();
    reader.accept(&open);
    assert_eq!(reader.message().text(), "x");
}

/// A client that sends more than the receive maximum is told so.
/// 5.0 [MQTT-3.3.4-7].
#[test]
fn a_client_over_the_receive_maximum_is_disconnected() {
    let scene = Scene::new();
    let (mut client, told) = scene.told(&Connect::clean(Version::V5, "eager"));
    let maximum = told.find_number(id::RECEIVE_MAXIMUM).expect("a maximum that can be met");
    let message = |number: u32| Message::new("a", "", 2).id(u16::try_from(number).unwrap());
    client.send(&(1..=maximum).flat_map(|number| message(number).encode(Version::V5)).collect::<Vec<_>>());
    for number in 1..=maximum {
        assert!(client.acknowledged(Kind::Pubrec, u16::try_from(number).unwrap()) < 0x80);
    }
    client.send(&message(maximum + 1).encode(Version::V5));
    assert_eq!(client.until_closed(), [Received::Disconnect { reason: 0x93 }]);
}

/// An acknowledgement of what was never sent, or of another QoS, harms nobody.
/// 5.0 [MQTT-4.13.1-1], 3.1.1 [MQTT-4.8.0-1].
#[test]
fn a_wrong_acknowledgement_ends_its_connection_at_most() {
    let scene = Scene::new();
    for version in BOTH {
        for (qos, kind) in [(1, Kind::Pubrec), (1, Kind::Pubcomp), (2, Kind::Puback), (2, Kind::Pubcomp)] {
            let mut reader = scene.reader(version, "a", 2);
            scene.publish(&Message::new("a", "x", qos));
            let id = reader.message_unacknowledged().packet_id;
            reader.send(&acknowledge(kind, id));
            super::scene::assert_ended(version, &mut reader, &[0x82]);
        }
    }
}
