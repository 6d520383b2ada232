//! SUBSCRIBE and SUBACK (sections 3.8 and 3.9).

use super::scene::{BOTH, BROKEN, Scene, number};
use crate::support::wire::{Message, Properties, Received, Value, Version, id};

const NO_LOCAL: u8 = 0x04;

/// The flags of SUBSCRIBE are 2.
/// 5.0 [MQTT-3.8.1-1], 3.1.1 [MQTT-3.8.1-1].
#[test]
fn subscribe_has_its_flags() {
    let scene = Scene::new();
    for flags in (0..=0xf).filter(|flags| *flags != 2) {
        scene.assert_ends(Version::V311, &format!("8{flags:x}| 0001 s:a 00"), &[]);
        scene.assert_ends(Version::V5, &format!("8{flags:x}| 0001 00 s:a 00"), BROKEN);
    }
}

/// Topic filters are UTF-8.
/// 5.0 [MQTT-3.8.3-1], 3.1.1 [MQTT-3.8.3-1].
#[test]
fn filters_are_utf_8() {
    let scene = Scene::new();
    for bad in ["0002 c328", "0003 eda080", "0003 610062", "0009 61"] {
        scene.assert_ends(Version::V311, &format!("82| 0001 {bad} 00"), &[]);
        scene.assert_ends(Version::V5, &format!("82| 0001 00 {bad} 00"), &[0x81, 0x82, 0x8f]);
    }
}

/// There is at least one filter.
/// 5.0 [MQTT-3.8.3-2], 3.1.1 [MQTT-3.8.3-3].
#[test]
fn there_is_a_filter() {
    let scene = Scene::new();
    scene.assert_ends(Version::V311, "82| 0001", &[]);
    scene.assert_ends(Version::V5, "82| 0001 00", BROKEN);
}

/// No local keeps a client's own messages from it, and only those.
/// 5.0 [MQTT-3.8.3-3].
#[test]
fn no_local_keeps_own_messages_away() {
    let scene = Scene::new();
    let mut client = scene.reader(Version::V5, "a", NO_LOCAL | 1);
    for qos in 0..=2 {
        client.publish(&Message::new("a", "own", qos));
    }
    client.assert_quiet();
    scene.publish(&Message::new("a", "other", 1));
    assert_eq!(client.message().text(), "other");
}

/// No local does not go with a shared subscription.
/// 5.0 [MQTT-3.8.3-4].
#[test]
fn no_local_is_not_for_shares() {
    Scene::new().assert_ends(Version::V5, "82| 0001 00 s:$share/g/a 04", &[0x82]);
}

/// Reserved bits of the options are 0, and there is no QoS 3.
/// 5.0 [MQTT-3.8.3-5], 3.1.1 [MQTT-3-8.3-4].
#[test]
fn reserved_bits_are_refused() {
    let scene = Scene::new();
    for options in ["03", "04", "08", "10", "20", "40", "80"] {
        scene.assert_ends(Version::V311, &format!("82| 0001 s:a {options}"), &[]);
    }
    for options in ["03", "30", "40", "80"] {
        scene.assert_ends(Version::V5, &format!("82| 0001 00 s:a {options}"), BROKEN);
    }
}

/// SUBSCRIBE is answered with SUBACK, with its packet identifier and a code for each filter in their order.
/// 5.0 [MQTT-3.8.4-1] [MQTT-3.8.4-2] [MQTT-3.8.4-5] [MQTT-3.8.4-6] [MQTT-3.8.4-7] [MQTT-3.9.3-1] [MQTT-3.9.3-2]
/// [MQTT-2.2.1-6], 3.1.1 [MQTT-3.8.4-1] [MQTT-3.8.4-2] [MQTT-3.8.4-4] [MQTT-3.8.4-5] [MQTT-3.9.3-1] [MQTT-3.9.3-2]
/// [MQTT-2.3.1-7].
#[test]
fn each_filter_has_its_code() {
    let scene = Scene::new();
    for version in BOTH {
        let mut client = scene.client(version, "c");
        let filters = [("m/a", 2), ("m/b", 0), ("m/+", 1), ("m/a", 1)];
        client.send(&crate::support::wire::subscribe(version, 0x1234, &Properties::default(), &filters));
        assert_eq!(client.next(), Received::Suback { packet_id: 0x1234, codes: vec![2, 0, 1, 1] });
        // As if each had come alone: the last one for m/a counts, beside m/+.
        scene.publish(&Message::new("m/a", "x", 2));
        assert_eq!(client.messages_until_ping().iter().map(|message| message.qos).max(), Some(1), "{version:?}");
    }
}

/// A filter subscribed again takes the place of the first.
/// 5.0 [MQTT-3.8.4-3], 3.1.1 [MQTT-3.8.4-3].
#[test]
fn a_repeated_filter_replaces_the_first() {
    let scene = Scene::new();
    for version in BOTH {
        let mut client = scene.reader(version, "a/+", 2);
        client.subscribe("a/+", 0);
        scene.publish(&Message::new("a/b", "x", 2));
        let messages = client.messages_until_ping();
        assert_eq!(messages.iter().map(|message| message.qos).collect::<Vec<_>>(), [0], "{version:?}");
    }
}

/// A message has the lower of its own QoS and its subscription's.
/// 5.0 [MQTT-3.8.4-8], 3.1.1 [MQTT-3.8.4-6].
#[test]
fn the_lower_qos_counts() {
    let scene = Scene::new();
    for version in BOTH {
        for granted in 0..=2 {
            let mut reader = scene.reader(version, "a", granted);
            for published in 0..=2 {
                scene.publish(&Message::new("a", "x", published));
                assert_eq!(reader.message().qos, granted.min(published), "{version:?}");
            }
        }
    }
}

/// Overlapping subscriptions deliver with the highest QoS among them, in one copy.
/// 5.0 [MQTT-3.3.4-2], 3.1.1 [MQTT-3.3.5-1].
#[test]
fn overlapping_subscriptions_have_the_highest_qos() {
    let scene = Scene::new();
    for version in BOTH {
        let mut client = scene.client(version, "c");
        for (filter, qos) in [("a/#", 0), ("a/+", 2), ("a/b", 1)] {
            client.subscribe(filter, qos);
        }
        scene.publish(&Message::new("a/b", "x", 2));
        let qos: Vec<u8> = client.messages_until_ping().iter().map(|message| message.qos).collect();
        assert_eq!(qos, [2], "{version:?}");
    }
}

/// The one copy names the subscription identifiers of all subscriptions that match.
/// 5.0 [MQTT-3.3.4-3] [MQTT-3.3.4-4].
#[test]
fn all_subscription_identifiers_come_along() {
    let scene = Scene::new();
    let mut client = scene.client(Version::V5, "c");
    for (filter, identifier) in [("a/#", 7), ("a/+", 268_435_455), ("a/b", 1), ("c", 9)] {
        client.subscribe_with(&[(filter, 1)], &number(id::SUBSCRIPTION_ID, identifier));
    }
    client.subscribe("+/b", 1);
    for (topic, expected) in [("a/b", vec![1, 7, 268_435_455]), ("a/c", vec![7, 268_435_455]), ("c", vec![9])] {
        scene.publish(&Message::new(topic, "x", 1));
        let mut identifiers: Vec<u32> = vec![];
        for (found, value) in client.message().properties.0 {
            let Value::Number(identifier) = value else { panic!("{found:#04x} is no number") };
            assert_eq!(found, id::SUBSCRIPTION_ID);
            identifiers.push(identifier);
        }
        identifiers.sort_unstable();
        assert_eq!(identifiers, expected);
    }
    client.assert_quiet();
}

/// Packet identifiers of SUBSCRIBE and UNSUBSCRIBE are not 0.
/// 5.0 [MQTT-2.2.1-3], 3.1.1 [MQTT-2.3.1-1].
#[test]
fn the_packet_identifier_is_not_0() {
    let scene = Scene::new();
    for notation in ["82| 0000 s:a 00", "a2| 0000 s:a"] {
        scene.assert_ends(Version::V311, notation, &[]);
        scene.assert_ends(Version::V5, &notation.replace("0000", "0000 00"), BROKEN);
    }
}

/// Filters with wildcards are served.
/// 3.1.1 [MQTT-3.8.3-2].
#[test]
fn wildcards_are_served() {
    let scene = Scene::new();
    for version in BOTH {
        for filter in ["#", "+", "a/#", "+/b", "/+"] {
            let mut client = scene.client(version, "c");
            assert_eq!(client.subscribe(filter, 1), 1, "{filter}");
        }
    }
}

/// Packets that only a server sends are refused.
/// 5.0 [MQTT-4.13.1-1], 3.1.1 [MQTT-4.8.0-1].
#[test]
fn packets_of_a_server_are_refused() {
    let scene = Scene::new();
    for notation in ["20| 0000", "90| 0001 00", "b0| 0001", "d0|"] {
        scene.assert_ends(Version::V311, notation, &[]);
    }
    for notation in ["20| 000000", "90| 0001 00 00", "b0| 0001 00 00", "d0|"] {
        scene.assert_ends(Version::V5, notation, BROKEN);
    }
}
