//! The will (sections 3.1.2.5 to 3.1.2.7 and 3.1.3.2).

use super::scene::{BOTH, Scene, number};
use crate::support::client::Client;
use crate::support::wire::{Connect, Message, Properties, Version, id, packet};

fn with_will(version: Version) -> Connect {
    Connect::clean(version, "mortal").will(Message::new("will", "gone", 1))
}

fn delayed(seconds: u32, expiry: u32) -> Connect {
    let will = Message::new("will", "gone", 1).with(number(id::WILL_DELAY, seconds));
    Connect::clean(Version::V5, "mortal").with(number(id::SESSION_EXPIRY, expiry)).will(will)
}

/// A will is published when the connection ends without DISCONNECT.
/// 5.0 [MQTT-3.1.2-7] [MQTT-3.1.2-8], 3.1.1 [MQTT-3.1.2-8].
#[test]
fn a_lost_connection_publishes_the_will() {
    let scene = Scene::new();
    for version in BOTH {
        let mut reader = scene.reader(version, "will", 2);
        let (mortal, _) = scene.connect(&with_will(version));
        reader.assert_quiet();
        drop(mortal);
        let message = reader.message();
        assert_eq!((message.text(), message.qos), ("gone".to_owned(), 1), "{version:?}");
    }
}

/// A protocol error of the client publishes its will too.
/// 5.0 [MQTT-3.1.2-8], 3.1.1 [MQTT-3.1.2-8].
#[test]
fn a_protocol_error_publishes_the_will() {
    let scene = Scene::new();
    for version in BOTH {
        let mut reader = scene.reader(version, "will", 2);
        let (mut mortal, _) = scene.connect(&with_will(version));
        mortal.send(&[0x00, 0x00]);
        assert_eq!(reader.message().text(), "gone", "{version:?}");
    }
}

/// DISCONNECT drops the will.
/// 5.0 [MQTT-3.1.2-8] [MQTT-3.1.2-10] [MQTT-3.14.4-3], 3.1.1 [MQTT-3.1.2-10] [MQTT-3.14.4-3].
#[test]
fn disconnect_drops_the_will() {
    let scene = Scene::new();
    for version in BOTH {
        let mut reader = scene.reader(version, "will", 2);
        scene.connect(&with_will(version)).0.disconnect();
        reader.assert_quiet();
    }
}

/// DISCONNECT with reason 0x04 asks for the will.
/// 5.0 [MQTT-3.14.2-1] [MQTT-3.1.2-8].
#[test]
fn disconnect_with_will_message_publishes_it() {
    let scene = Scene::new();
    let mut reader = scene.reader(Version::V5, "will", 2);
    let (mut mortal, _) = scene.connect(&with_will(Version::V5));
    mortal.send(&packet(0xe0, &[0x04]));
    assert_eq!(mortal.until_closed(), []);
    assert_eq!(reader.message().text(), "gone");
}

/// A will is published once.
/// 5.0 [MQTT-3.1.2-10], 3.1.1 [MQTT-3.1.2-10] [MQTT-3.1.2-12].
#[test]
fn a_will_is_published_once() {
    let scene = Scene::new();
    for version in BOTH {
        let mut reader = scene.reader(version, "will", 2);
        let lasting = Connect::lasting(version, "mortal");
        drop(scene.connect(&lasting.clone().will(Message::new("will", "gone", 1))));
        assert_eq!(reader.message().text(), "gone");
        // Connected without a will, there is none.
        drop(scene.connect(&lasting));
        scene.connect(&lasting).0.disconnect();
        reader.assert_quiet();
    }
}

fn will_as_live_and_late(scene: &Scene, version: Version, will: Message) -> (Message, Option<Message>) {
    let topic = will.topic.clone();
    let mut reader = scene.reader(version, &topic, 1);
    drop(scene.connect(&Connect::clean(version, "mortal").will(will)));
    let live = reader.message();
    let mut late = scene.client(version, "late");
    late.subscribe(&topic, 1);
    (live, late.messages_until_ping().pop())
}

/// A will without the retain flag is not retained.
/// 5.0 [MQTT-3.1.2-14], 3.1.1 [MQTT-3.1.2-16].
#[test]
fn a_plain_will_is_not_retained() {
    let scene = Scene::new();
    for version in BOTH {
        let (live, late) = will_as_live_and_late(&scene, version, Message::new("plain", "gone", 1));
        assert_eq!((live.text().as_str(), late), ("gone", None), "{version:?}");
    }
}

/// A will with the retain flag is retained.
/// 5.0 [MQTT-3.1.2-15], 3.1.1 [MQTT-3.1.2-17].
#[test]
fn a_retained_will_is_retained() {
    let scene = Scene::new();
    for version in BOTH {
        let will = Message::new(&format!("kept/{version:?}"), "gone", 1).retained();
        let (live, late) = will_as_live_and_late(&scene, version, will);
        assert_eq!((live.text().as_str(), live.retain), ("gone", false), "{version:?}");
        let late = late.expect("a retained message");
        assert_eq!((late.text().as_str(), late.retain), ("gone", true), "{version:?}");
    }
}

/// A will waits for its delay.
/// 5.0 [MQTT-3.1.2-8].
#[test]
fn a_will_waits_for_its_delay() {
    let scene = Scene::new();
    let mut reader = scene.reader(Version::V5, "will", 1);
    drop(scene.connect(&delayed(1, 3_600)));
    reader.assert_quiet();
    assert_eq!(reader.message().text(), "gone");
}

/// A will that still waits is published when the session ends.
/// 5.0 [MQTT-3.1.2-8].
#[test]
fn the_end_of_the_session_publishes_a_waiting_will() {
    let scene = Scene::new();
    let mut reader = scene.reader(Version::V5, "will", 1);
    drop(scene.connect(&delayed(3_600, 1)));
    assert_eq!(reader.message().text(), "gone");
    let mut mortal: Client = scene.connect(&delayed(3_600, 3_600)).0;
    mortal.shut_down();
    mortal.until_closed();
    reader.assert_quiet();
    // A clean start ends the old session at once.
    scene.client(Version::V5, "mortal").disconnect();
    assert_eq!(reader.message().text(), "gone");
}

/// A client that is back before the delay has passed keeps its will to itself.
/// 5.0 [MQTT-3.1.3-9] [MQTT-3.1.2-8].
#[test]
fn a_client_that_is_back_in_time_publishes_no_will() {
    let scene = Scene::new();
    let mut reader = scene.reader(Version::V5, "will", 1);
    let mut connect = delayed(1, 3_600);
    connect.clean = false;
    drop(scene.connect(&connect));
    let (back, session_present) = scene.connect(&Connect::lasting(Version::V5, "mortal"));
    assert!(session_present);
    // Another will with the same delay is a clock: when it is published, the first one would have been.
    let clock = Message::new("clock", "tick", 1).with(number(id::WILL_DELAY, 1));
    let mut watch = scene.reader(Version::V5, "clock", 1);
    drop(scene.connect(&Connect::lasting(Version::V5, "clock").will(clock)));
    assert_eq!(watch.message().text(), "tick");
    reader.assert_quiet();
    back.disconnect();
}

/// The properties of a will travel with it, user properties in their order; its delay does not.
/// 5.0 [MQTT-3.1.3-10].
#[test]
fn properties_of_a_will_travel_in_order() {
    let scene = Scene::new();
    let mut reader = scene.reader(Version::V5, "will", 1);
    let travelling = Properties::default()
        .number(0x01, 1)
        .bytes(id::CONTENT_TYPE, "text/plain")
        .bytes(id::RESPONSE_TOPIC, "answer")
        .bytes(id::CORRELATION_DATA, [0, 255])
        .user("b", "1")
        .user("a", "2")
        .user("b", "1");
    let mut all = travelling.clone();
    all.0.insert(2, number(id::WILL_DELAY, 0).0[0].clone());
    drop(scene.connect(&Connect::clean(Version::V5, "mortal").will(Message::new("will", "gone", 1).with(all))));
    assert_eq!(reader.message().properties, travelling);
}
