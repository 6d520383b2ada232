//! Enhanced authentication (sections 3.15 and 4.12), with a client of SCRAM-SHA-256 written from its RFC.

use super::scene::{BROKEN, Scene, assert_ended};
use crate::notation::bytes;
use crate::support::client::Client;
use crate::support::scram::{METHOD, Scram};
use crate::support::wire::{Connect, Message, PINGREQ, Properties, Received, Version, auth, id};

/// The user of RFC 7677, with the password `pencil`.
const USERS: &str = r##"
schema = 1
[[user]]
name = "user"
password = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
[[acl]]
everyone = true
readwrite = ["#"]
"##;

fn house() -> Scene {
    Scene::with("anonymous = true", Some(USERS))
}

fn asks_for(client_id: &str, method: &str, data: Option<&str>) -> Connect {
    let properties = Properties::default().bytes(id::AUTHENTICATION_METHOD, method);
    let properties = match data {
        Some(data) => properties.bytes(id::AUTHENTICATION_DATA, data),
        None => properties,
    };
    Connect::clean(Version::V5, client_id).with(properties)
}

/// The data of an AUTH that goes on; its method has to be ours.
fn challenge(client: &mut Client) -> Vec<u8> {
    match client.next() {
        Received::Auth { reason: 0x18, properties } => {
            assert_eq!(properties.find_bytes(id::AUTHENTICATION_METHOD), Some(METHOD.as_bytes()));
            properties.find_bytes(id::AUTHENTICATION_DATA).unwrap_or_default().to_vec()
        }
        other => panic!("no AUTH that goes on: {other:?}"),
    }
}

/// A client that proved who it is.
fn enter(scene: &Scene, client_id: &str) -> Client {
    let mut scram = Scram::new("user", "pencil", "clientnonce");
    let mut client = scene.open(Version::V5);
    client.send(&asks_for(client_id, METHOD, Some(&scram.first())).encode());
    let last = scram.last(&challenge(&mut client));
    client.send(&auth(0x18, METHOD, last.as_bytes()));
    match client.next() {
        Received::Connack { code: 0, properties, .. } => {
            assert_eq!(properties.find_bytes(id::AUTHENTICATION_METHOD), Some(METHOD.as_bytes()));
            assert!(scram.is_verified(properties.find_bytes(id::AUTHENTICATION_DATA)), "the server proves itself");
        }
        other => panic!("not let in: {other:?}"),
    }
    client
}

/// A server that needs more sends AUTH with 0x18 and the method that CONNECT named, and names it in CONNACK.
/// 5.0 [MQTT-4.12.0-2] [MQTT-4.12.0-5] [MQTT-3.15.2-1].
#[test]
fn a_client_proves_who_it_is() {
    let scene = house();
    let mut reader = scene.reader(Version::V5, "a", 1);
    let mut client = enter(&scene, "c");
    client.publish(&Message::new("a", "x", 1));
    assert_eq!(reader.message().text(), "x");
    // A client that leaves the first word to the server is asked for its own.
    let mut scram = Scram::new("user", "pencil", "other");
    let mut client = scene.open(Version::V5);
    client.send(&asks_for("d", METHOD, None).encode());
    assert_eq!(challenge(&mut client), b"");
    client.send(&auth(0x18, METHOD, scram.first().as_bytes()));
    let last = scram.last(&challenge(&mut client));
    client.send(&auth(0x18, METHOD, last.as_bytes()));
    assert!(matches!(client.next(), Received::Connack { code: 0, .. }));
}

/// A method that nobody knows is refused, and so is every method where there are no users.
/// 5.0 [MQTT-4.12.0-1].
#[test]
fn an_unknown_method_is_refused() {
    for (scene, method) in [(house(), "SCRAM-SHA-1"), (Scene::new(), METHOD)] {
        let mut client = scene.open(Version::V5);
        client.send(&asks_for("c", method, None).encode());
        let answers = client.until_closed();
        assert!(matches!(answers[..], [Received::Connack { session_present: false, code: 0x8c, .. }]), "{answers:?}");
    }
}

/// Whoever does not prove who it is is told so and its connection closed, whatever is wrong.
/// 5.0 [MQTT-4.12.0-4].
#[test]
fn a_client_that_proves_nothing_is_refused() {
    let scene = house();
    for (user, password) in [("user", "Pencil"), ("nobody", "pencil")] {
        let mut scram = Scram::new(user, password, "abc");
        let mut client = scene.open(Version::V5);
        client.send(&asks_for("c", METHOD, Some(&scram.first())).encode());
        let last = scram.last(&challenge(&mut client));
        client.send(&auth(0x18, METHOD, last.as_bytes()));
        let answers = client.until_closed();
        assert!(matches!(answers[..], [Received::Connack { session_present: false, code: 0x86, .. }]), "{answers:?}");
    }
    let mut client = scene.open(Version::V5);
    client.send(&asks_for("c", METHOD, Some("no message of it")).encode());
    assert!(matches!(client.until_closed()[..], [Received::Connack { code: 0x86, .. }]));
}

/// Before CONNACK a client sends AUTH and DISCONNECT only; another packet is a protocol error.
/// 5.0 [MQTT-3.15.1-1].
#[test]
fn nothing_else_comes_before_connack() {
    let scene = house();
    for packet in [PINGREQ.to_vec(), Message::new("a", "x", 0).encode(Version::V5), bytes("f1| 18 00"), bytes("f0|")] {
        let mut client = scene.open(Version::V5);
        client.send(&asks_for("c", METHOD, None).encode());
        challenge(&mut client);
        client.send(&packet);
        let answers = client.until_closed();
        let is_right = matches!(answers[..], [Received::Connack { code, .. }] if BROKEN.contains(&code));
        assert!(is_right, "{packet:02x?}: {answers:?}");
    }
    scene.client(Version::V5, "fresh").assert_quiet();
}

/// A client that came without a method is sent no AUTH and no method, and may send none.
/// 5.0 [MQTT-4.12.0-6] [MQTT-4.12.0-7].
#[test]
fn without_a_method_there_is_no_auth() {
    let scene = house();
    let (mut client, told) = scene.told(&Connect::clean(Version::V5, "c"));
    assert_eq!(told.find_bytes(id::AUTHENTICATION_METHOD), None, "no authentication method");
    client.send(&auth(0x19, METHOD, b"n,,n=user,r=abc"));
    assert_ended(Version::V5, &mut client, &[0x82]);
    scene.assert_ends(Version::V5, "f1| 18 00", BROKEN);
}

/// A client proves again who it is, while all else goes on; whoever fails is disconnected.
/// 5.0 [MQTT-4.12.1-2].
#[test]
fn a_client_proves_it_again() {
    let scene = house();
    let mut client = enter(&scene, "c");
    let mut scram = Scram::new("user", "pencil", "again");
    client.send(&auth(0x19, METHOD, scram.first().as_bytes()));
    let last = scram.last(&challenge(&mut client));
    assert_eq!(client.publish(&Message::new("a", "meanwhile", 1)), 0x10);
    client.send(&auth(0x18, METHOD, last.as_bytes()));
    match client.next() {
        Received::Auth { reason: 0, properties } => {
            assert_eq!(properties.find_bytes(id::AUTHENTICATION_METHOD), Some(METHOD.as_bytes()));
            assert!(scram.is_verified(properties.find_bytes(id::AUTHENTICATION_DATA)));
        }
        other => panic!("no success: {other:?}"),
    }
    let mut scram = Scram::new("user", "wrong", "third");
    client.send(&auth(0x19, METHOD, scram.first().as_bytes()));
    let last = scram.last(&challenge(&mut client));
    client.send(&auth(0x18, METHOD, last.as_bytes()));
    assert_ended(Version::V5, &mut client, &[0x87]);
    // By another method it cannot.
    let mut client = enter(&scene, "c");
    client.send(&auth(0x19, "SCRAM-SHA-1", b"n,,n=user,r=abc"));
    assert_ended(Version::V5, &mut client, &[0x82]);
}

/// AUTH holds neither reason string nor user properties.
/// 5.0 [MQTT-3.15.2-2] [MQTT-3.15.2-3].
#[test]
fn auth_is_bare() {
    let scene = house();
    let mut client = scene.open(Version::V5);
    let wishes = asks_for("c", METHOD, None);
    client.send(&wishes.clone().with(wishes.properties.number(0x17, 0)).encode());
    challenge(&mut client);
    assert_eq!(client.last_bytes(), bytes("f0| 18 10 15 s:SCRAM-SHA-256"));
}
