//! UNSUBSCRIBE and UNSUBACK (sections 3.10 and 3.11).

use super::scene::{BOTH, BROKEN, Scene};
use crate::support::wire::{Message, Received, Version, unsubscribe};

/// The flags of UNSUBSCRIBE are 2.
/// 5.0 [MQTT-3.10.1-1], 3.1.1 [MQTT-3.10.1-1].
#[test]
fn unsubscribe_has_its_flags() {
    let scene = Scene::new();
    for flags in (0..=0xf).filter(|flags| *flags != 2) {
        scene.assert_ends(Version::V311, &format!("a{flags:x}| 0001 s:a"), &[]);
        scene.assert_ends(Version::V5, &format!("a{flags:x}| 0001 00 s:a"), BROKEN);
    }
}

/// Topic filters are UTF-8.
/// 5.0 [MQTT-3.10.3-1], 3.1.1 [MQTT-3.10.3-1].
#[test]
fn filters_are_utf_8() {
    let scene = Scene::new();
    for bad in ["0002 c328", "0003 eda080", "0003 610062", "0009 61"] {
        scene.assert_ends(Version::V311, &format!("a2| 0001 {bad}"), &[]);
        scene.assert_ends(Version::V5, &format!("a2| 0001 00 {bad}"), &[0x81, 0x82, 0x8f]);
    }
}

/// There is at least one filter.
/// 5.0 [MQTT-3.10.3-2], 3.1.1 [MQTT-3.10.3-2].
#[test]
fn there_is_a_filter() {
    let scene = Scene::new();
    scene.assert_ends(Version::V311, "a2| 0001", &[]);
    scene.assert_ends(Version::V5, "a2| 0001 00", BROKEN);
}

/// Filters are compared character by character: wildcards do not cover other filters.
/// 5.0 [MQTT-3.10.4-1] [MQTT-3.10.4-2], 3.1.1 [MQTT-3.10.4-1] [MQTT-3.10.4-2].
#[test]
fn only_the_same_filter_is_deleted() {
    let scene = Scene::new();
    for version in BOTH {
        let mut client = scene.client(version, "c");
        client.subscribe("a/b", 1);
        client.subscribe("a/+", 1);
        for other in ["a/#", "A/b", "a/b/", "+/b", "#"] {
            client.unsubscribe(other);
        }
        scene.publish(&Message::new("a/b", "x", 1));
        assert_eq!(client.message().text(), "x");
        client.unsubscribe("a/+");
        scene.publish(&Message::new("a/c", "x", 1));
        client.assert_quiet();
        client.unsubscribe("a/b");
        scene.publish(&Message::new("a/b", "x", 1));
        client.assert_quiet();
    }
}

/// What was sent already is delivered to its end.
/// 5.0 [MQTT-3.10.4-3], 3.1.1 [MQTT-3.10.4-3].
#[test]
fn deliveries_that_began_are_completed() {
    let scene = Scene::new();
    for version in BOTH {
        let mut client = scene.reader(version, "a", 2);
        for qos in [1, 2] {
            scene.publish(&Message::new("a", "x", qos));
        }
        let open = [client.message_unacknowledged(), client.message_unacknowledged()];
        client.unsubscribe("a");
        for message in &open {
            client.accept(message);
        }
        client.assert_quiet();
    }
}

/// UNSUBSCRIBE is answered once, with its packet identifier and in 5.0 a code for each filter in their order,
/// also when there was nothing to delete.
/// 5.0 [MQTT-3.10.4-4] [MQTT-3.10.4-5] [MQTT-3.10.4-6] [MQTT-3.11.3-1] [MQTT-3.11.3-2] [MQTT-2.2.1-6],
/// 3.1.1 [MQTT-3.10.4-4] [MQTT-3.10.4-5] [MQTT-3.10.4-6] [MQTT-2.3.1-7].
#[test]
fn each_filter_has_its_code() {
    let scene = Scene::new();
    for version in BOTH {
        let mut client = scene.client(version, "c");
        for filter in ["a", "b"] {
            client.subscribe(filter, 1);
        }
        client.send(&unsubscribe(version, 0x1234, &["never", "b", "a", "b"]));
        let codes = if version == Version::V5 { vec![0x11, 0, 0, 0x11] } else { vec![] };
        assert_eq!(client.next(), Received::Unsuback { packet_id: 0x1234, codes });
        scene.publish(&Message::new("a", "x", 1));
        scene.publish(&Message::new("b", "x", 1));
        client.assert_quiet();
    }
}
