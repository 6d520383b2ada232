//! The delivery protocols, from a client to the server (section 4.3).

use super::scene::{BOTH, Scene};
use crate::support::wire::{Kind, Message, Version, acknowledge};

/// A message is answered as its QoS asks.
/// 5.0 [MQTT-3.3.4-1] [MQTT-4.3.2-4] [MQTT-4.3.3-8] [MQTT-2.2.1-5],
/// 3.1.1 [MQTT-3.3.4-1] [MQTT-4.3.2-2] [MQTT-4.3.3-2] [MQTT-2.3.1-6].
#[test]
fn a_message_is_answered_as_its_qos_asks() {
    let scene = Scene::new();
    for version in BOTH {
        let mut client = scene.client(version, "c");
        client.send(&Message::new("a", "x", 0).encode(version));
        client.assert_quiet();
        for id in [1, 0x0102, 0xffff] {
            client.send(&Message::new("a", "x", 1).id(id).encode(version));
            assert!(client.acknowledged(Kind::Puback, id) < 0x80);
            client.send(&Message::new("a", "x", 2).id(id).encode(version));
            assert!(client.acknowledged(Kind::Pubrec, id) < 0x80);
            client.send(&acknowledge(Kind::Pubrel, id));
            assert_eq!(client.acknowledged(Kind::Pubcomp, id), 0);
        }
        client.assert_quiet();
    }
}

/// After PUBACK the same identifier is a new message, whatever DUP says.
/// 5.0 [MQTT-4.3.2-5], 3.1.1 [MQTT-4.3.2-2].
#[test]
fn a_qos_1_identifier_is_free_after_puback() {
    let scene = Scene::new();
    for version in BOTH {
        let mut reader = scene.reader(version, "a", 1);
        let mut client = scene.client(version, "c");
        let message = Message::new("a", "x", 1).id(9);
        for message in [message.clone(), message.clone().again(), message] {
            client.send(&message.encode(version));
            client.acknowledged(Kind::Puback, 9);
            assert_eq!(reader.message().text(), "x", "{version:?}");
        }
    }
}

/// Until PUBREL a QoS 2 identifier stands for the message it came with: sent again, it is only answered again.
/// 5.0 [MQTT-4.3.3-10], 3.1.1 [MQTT-4.3.3-2].
#[test]
fn a_qos_2_message_is_delivered_once() {
    let scene = Scene::new();
    for version in BOTH {
        let mut reader = scene.reader(version, "a", 2);
        let mut client = scene.client(version, "c");
        let message = Message::new("a", "x", 2).id(9);
        for message in [message.clone(), message.clone().again(), message] {
            client.send(&message.encode(version));
            assert!(client.acknowledged(Kind::Pubrec, 9) < 0x80);
        }
        assert_eq!(reader.message().text(), "x");
        reader.assert_quiet();
    }
}

/// After PUBCOMP a QoS 2 identifier is free for a new message.
/// 5.0 [MQTT-4.3.3-11] [MQTT-4.3.3-12], 3.1.1 [MQTT-4.3.3-2].
#[test]
fn a_qos_2_identifier_is_free_after_pubcomp() {
    let scene = Scene::new();
    for version in BOTH {
        let mut reader = scene.reader(version, "a", 2);
        let mut client = scene.client(version, "c");
        for _ in 0..3 {
            client.send(&Message::new("a", "x", 2).id(9).encode(version));
            client.acknowledged(Kind::Pubrec, 9);
            client.send(&acknowledge(Kind::Pubrel, 9));
            assert_eq!(client.acknowledged(Kind::Pubcomp, 9), 0);
            assert_eq!(reader.message().text(), "x", "{version:?}");
        }
    }
}

/// After a PUBREC that refuses, the identifier is free.
/// 5.0 [MQTT-4.3.3-9].
#[test]
fn a_refused_qos_2_identifier_is_free() {
    let scene = Scene::new();
    let mut reader = scene.reader(Version::V5, "a", 2);
    let mut client = scene.client(Version::V5, "c");
    client.send(&Message::new("$SYS/mine", "x", 2).id(9).encode(Version::V5));
    assert_eq!(client.acknowledged(Kind::Pubrec, 9), 0x87);
    client.send(&Message::new("a", "x", 2).id(9).encode(Version::V5));
    assert_eq!(client.acknowledged(Kind::Pubrec, 9), 0);
    assert_eq!(reader.message().text(), "x");
}

/// Codes of PUBACK and PUBREC are those of their tables.
/// 5.0 [MQTT-3.4.2-1] [MQTT-3.5.2-1].
#[test]
fn codes_of_acknowledgements_are_known() {
    const KNOWN: [u8; 9] = [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99];
    let scene = Scene::new();
    let _reader = scene.reader(Version::V5, "a", 2);
    let mut client = scene.client(Version::V5, "c");
    for topic in ["a", "nobody", "$SYS/mine"] {
        for qos in [1, 2] {
            assert!(KNOWN.contains(&client.publish(&Message::new(topic, "x", qos))), "{topic}");
        }
    }
}

/// Codes of PUBREL and PUBCOMP are those of their tables.
/// 5.0 [MQTT-3.6.2-1] [MQTT-3.7.2-1].
#[test]
fn codes_of_the_second_half_are_known() {
    let scene = Scene::new();
    let mut client = scene.client(Version::V5, "c");
    client.send(&acknowledge(Kind::Pubrel, 77));
    assert_eq!(client.acknowledged(Kind::Pubcomp, 77), 0x92);
    client.send(&acknowledge(Kind::Pubrec, 78));
    assert_eq!(client.acknowledged(Kind::Pubrel, 78), 0x92);
    // A code of another packet is malformed.
    for bad in ["40| 0001 92", "50| 0001 92", "62| 0001 10", "70| 0001 80"] {
        scene.assert_ends(Version::V5, bad, &[0x81, 0x82]);
    }
}

/// The flags of PUBREL are 2.
/// 5.0 [MQTT-3.6.1-1], 3.1.1 [MQTT-3.6.1-1].
#[test]
fn pubrel_has_its_flags() {
    let scene = Scene::new();
    for version in BOTH {
        for flags in (0..=0xf).filter(|flags| *flags != 2) {
            scene.assert_ends(version, &format!("6{flags:x}| 0001"), &[0x81, 0x82]);
        }
    }
}

/// The handshake of QoS 2 goes on when the message has expired.
/// 5.0 [MQTT-4.3.3-7] [MQTT-4.3.3-13].
#[test]
fn a_handshake_goes_on_after_the_expiry() {
    let scene = Scene::new();
    let mut reader = scene.reader(Version::V5, "a", 2);
    let mut client = scene.client(Version::V5, "c");
    let brief = Message::new("a", "x", 2).id(9).with(super::scene::number(0x02, 1));
    client.send(&brief.encode(Version::V5));
    client.acknowledged(Kind::Pubrec, 9);
    let message = reader.message_unacknowledged();
    // Two seconds later, on a clock that the server keeps.
    let clock = Message::new("clock", "tick", 1).with(super::scene::number(0x18, 2));
    let mut watch = scene.reader(Version::V5, "clock", 1);
    drop(scene.connect(&crate::support::wire::Connect::lasting(Version::V5, "clock").will(clock)));
    watch.message();
    client.send(&acknowledge(Kind::Pubrel, 9));
    assert_eq!(client.acknowledged(Kind::Pubcomp, 9), 0);
    reader.accept(&message);
    reader.assert_quiet();
}
