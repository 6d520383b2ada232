//! DISCONNECT, and what breaks the rules (sections 3.14 and 4.13).

use super::scene::{BOTH, BROKEN, Scene};
use crate::notation::bytes;
use crate::support::wire::{Connect, Message, Received, Version, id, packet};

/// DISCONNECT has no flags.
/// 5.0 [MQTT-3.14.1-1], 3.1.1 [MQTT-3.14.1-1].
#[test]
fn disconnect_has_no_flags() {
    let scene = Scene::new();
    for flags in 1..=0xf {
        scene.assert_ends(Version::V311, &format!("e{flags:x}|"), &[]);
        scene.assert_ends(Version::V5, &format!("e{flags:x}|"), &[0x81]);
    }
}

/// Behind its DISCONNECT the server sends nothing more and closes.
/// 5.0 [MQTT-3.14.4-1] [MQTT-3.14.4-2] [MQTT-4.13.1-1] [MQTT-4.13.2-1].
#[test]
fn disconnect_is_the_last_packet() {
    let scene = Scene::new();
    let mut client = scene.reader(Version::V5, "a", 1);
    let mut packets = bytes("c1|");
    packets.extend(Message::new("a", "own", 1).encode(Version::V5));
    packets.extend(bytes("c0|"));
    client.send(&packets);
    assert_eq!(client.until_closed(), [Received::Disconnect { reason: 0x81 }]);
}

/// A client that goes on sending still reads why its connection is closed.
/// 5.0 [MQTT-3.14.4-2] [MQTT-4.13.1-1].
#[test]
fn a_client_that_goes_on_sending_reads_the_reason() {
    let scene = Scene::new();
    let mut client = scene.client(Version::V5, "c");
    client.send(&bytes("c1|"));
    // Each of these comes to a connection that is closed already, or is about to be.
    for _ in 0..200 {
        client.send(&Message::new("a", "x".repeat(1_000), 0).encode(Version::V5));
    }
    assert_eq!(client.until_closed(), [Received::Disconnect { reason: 0x81 }]);
}

/// The server closes a connection whose client said DISCONNECT.
/// 5.0 [MQTT-3.14.4-3], 3.1.1 [MQTT-3.14.4-3].
#[test]
fn disconnect_closes_the_connection() {
    let scene = Scene::new();
    for version in BOTH {
        let mut reader = scene.reader(version, "a", 0);
        let mut client = scene.client(version, "c");
        let mut packets = bytes("e0|");
        packets.extend(Message::new("a", "too late", 0).encode(version));
        client.send(&packets);
        assert_eq!(client.until_closed(), []);
        reader.assert_quiet();
    }
}

/// DISCONNECT may shorten a session's expiry, and not give one to a session without.
/// 5.0 [MQTT-4.1.0-2] [MQTT-4.13.1-1].
#[test]
fn disconnect_changes_the_expiry() {
    let scene = Scene::new();
    let expiry = |seconds: u32| packet(0xe0, &[&[0, 5, id::SESSION_EXPIRY][..], &seconds.to_be_bytes()].concat());
    let lasting = Connect::lasting(Version::V5, "c");
    let (mut client, _) = scene.connect(&lasting);
    client.send(&expiry(0));
    assert_eq!(client.until_closed(), []);
    assert!(!scene.connect(&lasting).1);
    let mut client = scene.client(Version::V5, "without");
    client.send(&expiry(60));
    assert_eq!(client.until_closed(), [Received::Disconnect { reason: 0x82 }]);
}

/// Reserved packet types and flags end the connection.
/// 5.0 [MQTT-2.1.3-1] [MQTT-4.13.1-1], 3.1.1 [MQTT-2.2.2-1] [MQTT-2.2.2-2] [MQTT-4.8.0-1].
#[test]
fn reserved_types_and_flags_are_refused() {
    let scene = Scene::new();
    for notation in ["00|", "0f|", "41| 0001", "52| 0001", "72| 0001", "c8|"] {
        for version in BOTH {
            scene.assert_ends(version, notation, BROKEN);
        }
    }
    scene.assert_ends(Version::V311, "f0|", &[]);
}

/// A code of another packet in DISCONNECT is malformed.
/// 5.0 [MQTT-3.14.2-1].
#[test]
fn codes_of_disconnect_are_known() {
    let scene = Scene::new();
    for bad in ["01", "10", "18", "7f", "84", "91"] {
        scene.assert_ends(Version::V5, &format!("e0| {bad}"), BROKEN);
    }
}

/// One connection's mistake ends no other.
/// 5.0 [MQTT-4.13.1-1], 3.1.1 [MQTT-4.8.0-1].
#[test]
fn a_mistake_ends_its_own_connection_only() {
    let scene = Scene::new();
    let mut readers = BOTH.map(|version| scene.reader(version, "a", 1));
    for version in BOTH {
        scene.assert_ends(version, "00|", BROKEN);
        scene.publish(&Message::new("a", "x", 1));
        for reader in &mut readers {
            assert_eq!(reader.message().text(), "x");
            reader.assert_quiet();
        }
    }
}
