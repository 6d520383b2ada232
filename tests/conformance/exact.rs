//! Answers byte by byte: what is not in them is as binding as what is.

use super::scene::Scene;
use crate::notation::bytes;
use crate::support::client::Client;
use crate::support::wire::{Connect, Message, Properties, Version};

/// Connects with a largest packet of 20 bytes and without wish for problem information.
fn narrow(scene: &Scene) -> Client {
    let wishes = Properties::default().number(0x27, 20).number(0x17, 0);
    scene.connect(&Connect::clean(Version::V5, "narrow").with(wishes)).0
}

/// Sends one packet and compares what comes back.
fn assert_answer(client: &mut Client, sent: &str, answer: &str) {
    client.send(&bytes(sent));
    client.next();
    assert_eq!(client.last_bytes(), bytes(answer), "the answer to {sent}");
}

/// Answers hold neither reason string nor user properties, so that none is sent to a client that does not want
/// problem information, and none makes a packet larger than the client takes.
/// 5.0 [MQTT-3.1.2-29] [MQTT-3.4.2-2] [MQTT-3.4.2-3] [MQTT-3.5.2-2] [MQTT-3.5.2-3] [MQTT-3.7.2-2] [MQTT-3.7.2-3]
/// [MQTT-3.9.2-1] [MQTT-3.9.2-2] [MQTT-3.11.2-1] [MQTT-3.11.2-2] [MQTT-2.2.2-1] [MQTT-2.2.1-5] [MQTT-2.2.1-6].
#[test]
fn answers_are_bare() {
    let scene = Scene::new();
    let mut client = narrow(&scene);
    assert_answer(&mut client, "82| 0102 00 s:a 01", "90| 0102 00 01");
    assert_answer(&mut client, "32| s:b 0103 00 78", "40| 0103 10");
    assert_answer(&mut client, "34| s:b 0104 00 78", "50| 0104 10");
    assert_answer(&mut client, "62| 0104", "70| 0104");
    assert_answer(&mut client, "62| 0105", "70| 0105 92");
    assert_answer(&mut client, "50| 0106", "62| 0106 92");
    assert_answer(&mut client, "a2| 0107 00 s:a s:b", "b0| 0107 00 00 11");
    assert_answer(&mut client, "c0|", "d0|");
}

/// PUBREL holds neither reason string nor user properties.
/// 5.0 [MQTT-3.6.2-2] [MQTT-3.6.2-3] [MQTT-3.6.2-1].
#[test]
fn pubrel_is_bare() {
    let scene = Scene::new();
    let mut client = narrow(&scene);
    client.subscribe("a", 2);
    scene.publish(&Message::new("a", "x", 2));
    let message = client.message_unacknowledged();
    let id = format!("{:04x}", message.packet_id);
    assert_answer(&mut client, &format!("50| {id}"), &format!("62| {id}"));
}

/// DISCONNECT holds neither session expiry, nor reason string, nor user properties.
/// 5.0 [MQTT-3.14.2-1] [MQTT-3.14.2-2] [MQTT-3.14.2-3] [MQTT-3.14.2-4].
#[test]
fn disconnect_is_bare() {
    let scene = Scene::new();
    for (sent, reason) in [("c1|", "81"), ("d0|", "82"), ("30| s:a 03 23ffff 78", "94")] {
        let mut client = narrow(&scene);
        assert_answer(&mut client, sent, &format!("e0| {reason}"));
        assert_eq!(client.until_closed(), []);
    }
}

/// CONNACK of a refusal holds neither reason string nor user properties.
/// 5.0 [MQTT-3.2.2-19] [MQTT-3.2.2-20].
#[test]
fn connack_of_a_refusal_is_bare() {
    let scene = Scene::new();
    let mut client = scene.open(Version::V5);
    assert_answer(&mut client, "10| s:MQTT 05 02 0000 05 2700000010 s:$own", "20| 00 85 00");
}

/// Answers of 3.1.1 hold no more than it knows.
/// 3.1.1 [MQTT-2.3.1-6] [MQTT-2.3.1-7] [MQTT-3.9.3-2] [MQTT-3.10.4-4].
#[test]
fn answers_of_3_1_1_are_bare() {
    let scene = Scene::new();
    let mut client = scene.client(Version::V311, "narrow");
    assert_answer(&mut client, "82| 0102 s:a 01 s:b 02", "90| 0102 01 02");
    assert_answer(&mut client, "32| s:c 0103 78", "40| 0103");
    assert_answer(&mut client, "34| s:c 0104 78", "50| 0104");
    assert_answer(&mut client, "62| 0104", "70| 0104");
    assert_answer(&mut client, "62| 0105", "70| 0105");
    assert_answer(&mut client, "a2| 0107 s:a s:b", "b0| 0107");
    assert_answer(&mut client, "c0|", "d0|");
}
