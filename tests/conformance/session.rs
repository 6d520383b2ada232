//! How long a session lasts, and what is sent again (sections 3.1.2.11.2, 4.1 and 4.4).

use super::scene::{BOTH, Scene, number};
use crate::support::client::Client;
use crate::support::wire::{Connect, Kind, Message, Version, acknowledge, id};
use std::time::Duration;

/// A client whose session lasts, with one subscription.
fn lasting(scene: &Scene, version: Version, filter: &str) -> (Connect, Client) {
    let connect = Connect::lasting(version, &format!("lasting {version:?}"));
    let mut client = scene.connect(&connect).0;
    client.subscribe(filter, 2);
    (connect, client)
}

/// A session ends when its expiry has passed after the connection was closed, not before.
/// 5.0 [MQTT-4.1.0-2] [MQTT-3.1.2-23].
#[test]
fn a_session_ends_with_its_expiry() {
    /// Longer than the expiry of a second.
    const AWAY: Duration = Duration::from_millis(1_500);
    let scene = Scene::new();
    let connect = Connect::lasting(Version::V5, "c").with(number(id::SESSION_EXPIRY, 1));
    let (mut client, _) = scene.connect(&connect);
    // The expiry does not run while the client is connected.
    let mut clock = scene.client(Version::V5, "clock");
    assert!(clock.receive(AWAY).is_err());
    client.assert_quiet();
    client.disconnect();
    let (client, session_present) = scene.connect(&connect);
    assert!(session_present);
    client.disconnect();
    assert!(clock.receive(AWAY).is_err());
    assert!(!scene.connect(&connect).1);
}

/// Without an expiry a session of 5.0 ends with its connection.
/// 5.0 [MQTT-4.1.0-2].
#[test]
fn a_session_without_expiry_ends_with_its_connection() {
    let scene = Scene::new();
    let mut connect = Connect::clean(Version::V5, "c");
    connect.clean = false;
    scene.connect(&connect).0.disconnect();
    assert!(!scene.connect(&connect).1);
}

/// A session lasts as long as its connection: with everything in it, whatever else the client does.
/// 5.0 [MQTT-4.1.0-1], 3.1.1 [MQTT-4.1.0-1] [MQTT-4.1.0-2].
#[test]
fn a_session_lasts_as_long_as_its_connection() {
    let scene = Scene::new();
    for version in BOTH {
        let mut client = scene.reader(version, "a", 1);
        for _ in 0..3 {
            scene.publish(&Message::new("a", "x", 1));
            assert_eq!(client.message().text(), "x");
            client.publish(&Message::new("b", "y", 2));
        }
    }
}

/// What was not acknowledged is sent again with its packet identifier and DUP, in the order it was sent in.
/// 5.0 [MQTT-4.4.0-1] [MQTT-3.3.1-1] [MQTT-4.3.2-3] [MQTT-4.3.3-3],
/// 3.1.1 [MQTT-4.4.0-1] [MQTT-3.3.1-1] [MQTT-2.3.1-4] [MQTT-4.6.0-1].
#[test]
fn what_was_not_acknowledged_is_sent_again() {
    let scene = Scene::new();
    for version in BOTH {
        let (connect, mut client) = lasting(&scene, version, "a/+");
        for number in 0..6 {
            scene.publish(&Message::new(&format!("a/{number}"), "x", 1 + number % 2));
        }
        let sent: Vec<Message> = (0..6).map(|_| client.message_unacknowledged()).collect();
        client.send(&acknowledge(Kind::Puback, sent[2].packet_id));
        client.until_ping();
        drop(client);
        let (mut client, session_present) = scene.connect(&connect);
        assert!(session_present);
        for message in sent.into_iter().enumerate().filter(|(index, _)| *index != 2).map(|(_, message)| message) {
            assert!(!message.dup);
            assert_eq!(client.message_unacknowledged(), message.again(), "{version:?}");
        }
        client.assert_quiet();
    }
}

/// PUBREL that was not answered is sent again, and its PUBLISH is not.
/// 5.0 [MQTT-4.4.0-1] [MQTT-4.3.3-5] [MQTT-4.3.3-6], 3.1.1 [MQTT-4.4.0-1] [MQTT-4.3.3-1].
#[test]
fn a_release_that_was_not_answered_is_sent_again() {
    let scene = Scene::new();
    for version in BOTH {
        let (connect, mut client) = lasting(&scene, version, "a");
        scene.publish(&Message::new("a", "x", 2));
        let id = client.message_unacknowledged().packet_id;
        client.send(&acknowledge(Kind::Pubrec, id));
        client.acknowledged(Kind::Pubrel, id);
        drop(client);
        let (mut client, _) = scene.connect(&connect);
        assert_eq!(client.acknowledged(Kind::Pubrel, id), 0);
        client.assert_quiet();
        client.send(&acknowledge(Kind::Pubcomp, id));
        client.disconnect();
        scene.connect(&connect).0.assert_quiet();
    }
}

/// Nothing is sent again while the connection lasts.
/// 5.0 [MQTT-4.4.0-1].
#[test]
fn nothing_is_sent_again_on_the_same_connection() {
    let scene = Scene::new();
    for version in BOTH {
        let mut client = scene.reader(version, "a", 2);
        for qos in [1, 2] {
            scene.publish(&Message::new("a", "x", qos));
            client.message_unacknowledged();
        }
        assert!(client.receive(Duration::from_secs(1)).is_err());
        client.assert_quiet();
    }
}

/// A message that was refused is not sent again.
/// 5.0 [MQTT-4.4.0-2].
#[test]
fn a_refused_message_is_not_sent_again() {
    let scene = Scene::new();
    let (connect, mut client) = lasting(&scene, Version::V5, "a");
    for (qos, first) in [(1, 0x40), (2, 0x50)] {
        scene.publish(&Message::new("a", "x", qos));
        let [high, low] = client.message_unacknowledged().packet_id.to_be_bytes();
        client.send(&[first, 3, high, low, 0x80]);
        client.assert_quiet();
    }
    client.disconnect();
    scene.connect(&connect).0.assert_quiet();
}

/// Retained messages are no part of a session.
/// 3.1.1 [MQTT-3.1.2-7].
#[test]
fn retained_messages_outlive_the_session() {
    let scene = Scene::new();
    for version in BOTH {
        let topic = format!("kept/{version:?}");
        let mut client = scene.client(version, "c");
        client.publish(&Message::new(&topic, "x", 1).retained());
        client.disconnect();
        let mut late = scene.reader(version, &topic, 1);
        assert_eq!(late.message().text(), "x");
    }
}

/// A message is added to every session with a subscription that matches, present or not.
/// 5.0 [MQTT-4.5.0-1], 3.1.1 [MQTT-4.5.0-1].
#[test]
fn a_message_is_added_to_every_session_that_wants_it() {
    let scene = Scene::new();
    let (connect, client) = lasting(&scene, Version::V311, "a/#");
    client.disconnect();
    let mut present = [scene.reader(Version::V5, "a/b", 1), scene.reader(Version::V311, "+/b", 1)];
    let mut other = scene.reader(Version::V5, "a/c", 1);
    scene.publish(&Message::new("a/b", "x", 1));
    for client in &mut present {
        assert_eq!(client.message().text(), "x");
    }
    assert_eq!(scene.connect(&connect).0.message().text(), "x");
    other.assert_quiet();
}
