//! CONNECT: its place, its flags, the session it asks for (section 3.1).

use super::scene::{BOTH, BROKEN, Scene, assert_ended};
use crate::support::wire::{Connect, Message, PINGREQ, Received, Version};

/// The first packet is CONNECT; another one is not answered.
/// 5.0 [MQTT-3.1.0-1] [MQTT-3.14.0-1], 3.1.1 [MQTT-3.1.0-1].
#[test]
fn the_first_packet_is_connect() {
    let scene = Scene::new();
    for version in BOTH {
        for notation in ["c0|", "30| s:a 00", "e0|", "f0| 18 00", "82| 0001 00 s:a 00"] {
            assert_eq!(scene.answers(version, notation), [], "{version:?}: {notation}");
        }
    }
}

/// A second CONNECT is a protocol error that ends the connection.
/// 5.0 [MQTT-3.1.0-2], 3.1.1 [MQTT-3.1.0-2].
#[test]
fn a_second_connect_ends_the_connection() {
    let scene = Scene::new();
    for version in BOTH {
        let mut client = scene.client(version, "twice");
        client.send(&Connect::clean(version, "twice").encode());
        assert_ended(version, &mut client, &[0x82]);
    }
}

/// Another protocol name is not MQTT: the connection is closed.
/// 5.0 [MQTT-3.1.2-1], 3.1.1 [MQTT-3.1.2-1].
#[test]
fn another_protocol_name_is_not_served() {
    let scene = Scene::new();
    for notation in ["10| s:mqtt 04 02 0000 s:c", "10| s:AMQP 04 02 0000 s:c"] {
        assert_eq!(scene.answers(Version::V5, notation), [], "{notation}");
    }
    let told = scene.answers(Version::V5, "10| s:MQTt 05 02 0000 00 s:c");
    assert!(matches!(told[..], [Received::Connack { session_present: false, code: 0x84, .. }]), "{told:?}");
}

/// An unknown protocol version is told so.
/// 5.0 [MQTT-3.1.2-2], 3.1.1 [MQTT-3.1.2-2].
#[test]
fn an_unknown_version_is_told_so() {
    let scene = Scene::new();
    let newer = scene.answers(Version::V5, "10| s:MQTT 06 02 0000 00 s:c");
    assert!(matches!(newer[..], [Received::Connack { session_present: false, code: 0x84, .. }]), "{newer:?}");
    for level in ["00", "01", "02", "03"] {
        let older = scene.answers(Version::V311, &format!("10| s:MQTT {level} 02 0000 s:c"));
        assert!(matches!(older[..], [Received::Connack { session_present: false, code: 1, .. }]), "{older:?}");
    }
}

/// The reserved flag is 0.
/// 5.0 [MQTT-3.1.2-3], 3.1.1 [MQTT-3.1.2-3].
#[test]
fn the_reserved_flag_is_checked() {
    let scene = Scene::new();
    scene.assert_refused(Version::V311, "10| s:MQTT 04 03 0000 s:c", &[]);
    scene.assert_refused(Version::V5, "10| s:MQTT 05 03 0000 00 s:c", BROKEN);
}

/// A clean start forgets the session that was.
/// 5.0 [MQTT-3.1.2-4] [MQTT-3.1.4-4] [MQTT-3.2.2-2], 3.1.1 [MQTT-3.1.2-6] [MQTT-3.1.4-3] [MQTT-3.2.2-1].
#[test]
fn a_clean_start_forgets_the_session() {
    let scene = Scene::new();
    for version in BOTH {
        let (mut client, _) = scene.connect(&Connect::lasting(version, "c"));
        client.subscribe("old", 1);
        client.disconnect();
        scene.publish(&Message::new("old", "waits", 1));
        let (mut client, session_present) = scene.connect(&Connect::clean(version, "c"));
        assert!(!session_present, "{version:?}");
        scene.publish(&Message::new("old", "x", 1));
        client.assert_quiet();
    }
}

/// A clean session of 3.1.1 ends with its connection: nothing of it is used again.
/// 3.1.1 [MQTT-3.1.2-6].
#[test]
fn a_clean_session_ends_with_its_connection() {
    let scene = Scene::new();
    let mut client = scene.client(Version::V311, "c");
    client.subscribe("old", 1);
    client.disconnect();
    let (mut client, session_present) = scene.connect(&Connect::lasting(Version::V311, "c"));
    assert!(!session_present);
    scene.publish(&Message::new("old", "x", 1));
    client.assert_quiet();
}

/// Without a clean start the session goes on: subscriptions and what waited.
/// 5.0 [MQTT-3.1.2-5] [MQTT-3.1.2-23], 3.1.1 [MQTT-3.1.2-4] [MQTT-3.1.2-5] [MQTT-3.2.2-2].
#[test]
fn a_session_goes_on() {
    let scene = Scene::new();
    for version in BOTH {
        let connect = Connect::lasting(version, "c");
        let (mut client, _) = scene.connect(&connect);
        client.subscribe("kept", 2);
        client.disconnect();
        for qos in [1, 2] {
            scene.publish(&Message::new("kept", "waited", qos));
        }
        let (mut client, session_present) = scene.connect(&connect);
        assert!(session_present, "{version:?}");
        assert_eq!([client.message().qos, client.message().qos], [1, 2]);
        scene.publish(&Message::new("kept", "live", 1));
        assert_eq!(client.message().text(), "live");
        client.subscribe("kept", 0);
        client.disconnect();
        scene.connect(&Connect::clean(version, "c")).0.disconnect();
    }
}

/// Without a clean start and without a session there is a new one.
/// 5.0 [MQTT-3.1.2-6] [MQTT-3.2.2-3], 3.1.1 [MQTT-3.1.2-4] [MQTT-3.2.2-3].
#[test]
fn a_session_begins() {
    let scene = Scene::new();
    for version in BOTH {
        let connect = Connect::lasting(version, &format!("{version:?}"));
        let (client, session_present) = scene.connect(&connect);
        assert!(!session_present, "{version:?}");
        client.disconnect();
        let (_, session_present) = scene.connect(&connect);
        assert!(session_present, "{version:?}");
    }
}

/// A CONNECT that does not follow its layout is refused, in 3.1.1 without CONNACK.
/// 5.0 [MQTT-3.1.4-1] [MQTT-4.13.1-1], 3.1.1 [MQTT-3.1.4-1] [MQTT-3.2.2-6].
#[test]
fn a_malformed_connect_is_refused() {
    let scene = Scene::new();
    for end in ["", " 04", " 04 02", " 04 02 00", " 04 02 0000", " 04 02 0000 0005 63", " 04 02 0000 s:c 00"] {
        scene.assert_refused(Version::V311, &format!("10| s:MQTT{end}"), &[]);
    }
    for end in [" 05 02 0000", " 05 02 0000 7f s:c", " 05 02 0000 02 7f01 s:c", " 05 02 0000 00 s:c 00"] {
        scene.assert_refused(Version::V5, &format!("10| s:MQTT{end}"), BROKEN);
    }
}

/// A CONNECT that meets no further restriction of the server is refused and closed.
/// 5.0 [MQTT-3.1.4-2] [MQTT-3.2.2-6] [MQTT-3.2.2-7] [MQTT-3.2.2-8] [MQTT-4.13.2-1], 3.1.1 [MQTT-3.2.2-4] [MQTT-3.2.2-5].
#[test]
fn a_refused_connect_gets_a_code_and_is_closed() {
    let scene = Scene::new();
    let refused = |version, code| {
        let mut client = scene.open(version);
        // Identifiers that begin with $ are those of the gateway's own clients.
        client.send(&Connect::lasting(version, "$own").encode());
        let answers = client.until_closed();
        let is_right = matches!(answers[..], [Received::Connack { session_present: false, code: c, .. }] if c == code);
        assert!(is_right, "{answers:?}");
    };
    refused(Version::V311, 2);
    refused(Version::V5, 0x85);
}

/// A client that connects again takes its other connection over.
/// 5.0 [MQTT-3.1.4-3] [MQTT-4.1.0-1], 3.1.1 [MQTT-3.1.4-2] [MQTT-4.1.0-2].
#[test]
fn a_second_connection_takes_over() {
    let scene = Scene::new();
    for version in BOTH {
        let connect = Connect::lasting(version, "c");
        let (mut first, _) = scene.connect(&connect);
        first.subscribe("a", 1);
        let (mut second, session_present) = scene.connect(&connect);
        assert!(session_present);
        assert_ended(version, &mut first, &[0x8e]);
        scene.publish(&Message::new("a", "x", 1));
        assert_eq!(second.message().text(), "x");
        second.disconnect();
        scene.connect(&Connect::clean(version, "c")).0.disconnect();
    }
}

/// Every CONNECT that is accepted is answered with CONNACK and code 0, before any other packet.
/// 5.0 [MQTT-3.1.4-5] [MQTT-3.2.0-1], 3.1.1 [MQTT-3.1.4-4] [MQTT-3.2.0-1].
#[test]
fn connack_comes_first() {
    let scene = Scene::new();
    for version in BOTH {
        let connect = Connect::lasting(version, &format!("{version:?}"));
        let (mut client, _) = scene.connect(&connect);
        client.subscribe("a", 1);
        client.disconnect();
        scene.publish(&Message::new("a", "waits", 1));
        let mut client = scene.open(version);
        // What is sent right behind CONNECT is answered behind CONNACK.
        client.send(&[connect.encode(), PINGREQ.to_vec()].concat());
        let first = client.next();
        assert!(matches!(first, Received::Connack { session_present: true, code: 0, .. }), "{first:?}");
        assert_eq!(client.message().text(), "waits");
        client.pick("PINGRESP", |received| (*received == Received::Pingresp).then_some(()));
    }
}

/// What comes behind a refused CONNECT is not looked at.
/// 5.0 [MQTT-3.1.4-6], 3.1.1 [MQTT-3.1.4-5].
#[test]
fn nothing_behind_a_refused_connect_counts() {
    let scene = Scene::new();
    for version in BOTH {
        let mut reader = scene.reader(version, "a", 1);
        let mut client = scene.open(version);
        let mut packets = Connect::clean(version, "$own").encode();
        packets.extend(Message::new("a", "x", 0).encode(version));
        client.send(&packets);
        assert_eq!(client.until_closed().len(), 1, "CONNACK alone");
        reader.assert_quiet();
    }
}
