//! CONNECT: its payload (section 3.1.3), and the flags that tell what is in it.

use super::scene::{BOTH, BROKEN, Scene};
use crate::notation::bytes;
use crate::support::wire::{Connect, Message, Received, Version, id};

/// The fields of the payload come in their order.
/// 5.0 [MQTT-3.1.3-1] [MQTT-3.1.3-3] [MQTT-3.1.2-17] [MQTT-3.1.2-19],
/// 3.1.1 [MQTT-3.1.3-1] [MQTT-3.1.3-3] [MQTT-3.1.2-19] [MQTT-3.1.2-21].
#[test]
fn the_fields_come_in_their_order() {
    let scene = Scene::new();
    let mut reader = scene.reader(Version::V5, "will/topic", 1);
    for (version, notation) in [
        (Version::V311, "10| s:MQTT 04 ce 0000 s:me s:will/topic s:will s:user s:password"),
        (Version::V5, "10| s:MQTT 05 ce 0000 00 s:me 00 s:will/topic s:will s:user s:password"),
    ] {
        let mut client = scene.open(version);
        client.send(&bytes(notation));
        let answer = client.next();
        assert!(matches!(answer, Received::Connack { code: 0, .. }), "{answer:?}");
        drop(client);
        assert_eq!(reader.message().text(), "will");
    }
}

/// User name and password are there exactly when their flags say so.
/// 5.0 [MQTT-3.1.2-16] [MQTT-3.1.2-17] [MQTT-3.1.2-18] [MQTT-3.1.2-19],
/// 3.1.1 [MQTT-3.1.2-18] [MQTT-3.1.2-19] [MQTT-3.1.2-20] [MQTT-3.1.2-21].
#[test]
fn user_name_and_password_are_as_announced() {
    let scene = Scene::new();
    for flags_and_fields in ["02 0000 s:c s:u", "82 0000 s:c", "c2 0000 s:c s:u", "82 0000 s:c s:u s:p"] {
        scene.assert_refused(Version::V311, &format!("10| s:MQTT 04 {flags_and_fields}"), &[]);
        let v5 = flags_and_fields.replace("0000", "0000 00");
        scene.assert_refused(Version::V5, &format!("10| s:MQTT 05 {v5}"), BROKEN);
    }
    scene.assert_refused(Version::V5, "10| s:MQTT 05 42 0000 00 s:c", BROKEN);
    scene.assert_refused(Version::V5, "10| s:MQTT 05 02 0000 00 s:c s:p", BROKEN);
}

/// A password without a user name is refused in 3.1.1, and taken in 5.0.
/// 3.1.1 [MQTT-3.1.2-22].
#[test]
fn a_password_without_user_name_is_for_5_0_only() {
    let scene = Scene::new();
    scene.assert_refused(Version::V311, "10| s:MQTT 04 42 0000 s:c s:p", &[]);
    let mut client = scene.open(Version::V5);
    client.send(&bytes("10| s:MQTT 05 42 0000 00 s:c s:p"));
    let answer = client.next();
    assert!(matches!(answer, Received::Connack { code: 0, .. }), "{answer:?}");
}

/// The flags of a will that is not there are 0, and no will has QoS 3.
/// 5.0 [MQTT-3.1.2-11] [MQTT-3.1.2-12] [MQTT-3.1.2-13],
/// 3.1.1 [MQTT-3.1.2-11] [MQTT-3.1.2-13] [MQTT-3.1.2-14] [MQTT-3.1.2-15].
#[test]
fn will_flags_fit_the_will() {
    let scene = Scene::new();
    for flags in ["0a", "12", "22"] {
        scene.assert_refused(Version::V311, &format!("10| s:MQTT 04 {flags} 0000 s:c"), &[]);
        scene.assert_refused(Version::V5, &format!("10| s:MQTT 05 {flags} 0000 00 s:c"), BROKEN);
    }
    scene.assert_refused(Version::V311, "10| s:MQTT 04 1e 0000 s:c s:w s:p", &[]);
    scene.assert_refused(Version::V5, "10| s:MQTT 05 1e 0000 00 s:c 00 s:w s:p", BROKEN);
}

/// A will has all its fields.
/// 5.0 [MQTT-3.1.2-9], 3.1.1 [MQTT-3.1.2-9].
#[test]
fn a_will_has_all_its_fields() {
    let scene = Scene::new();
    for fields in ["", " s:w"] {
        scene.assert_refused(Version::V311, &format!("10| s:MQTT 04 06 0000 s:c{fields}"), &[]);
    }
    for fields in ["", " 00", " 00 s:w"] {
        scene.assert_refused(Version::V5, &format!("10| s:MQTT 05 06 0000 00 s:c{fields}"), BROKEN);
    }
}

/// Each client identifier has a session of its own.
/// 5.0 [MQTT-3.1.3-2], 3.1.1 [MQTT-3.1.3-2].
#[test]
fn the_client_identifier_names_the_session() {
    let scene = Scene::new();
    for version in BOTH {
        let names = ["name", "Name", "name "].map(|name| format!("{version:?}-{name}"));
        for name in &names {
            let (client, session_present) = scene.connect(&Connect::lasting(version, name));
            assert!(!session_present, "{name}");
            client.disconnect();
        }
        for name in &names {
            assert!(scene.connect(&Connect::lasting(version, name)).1, "{name}");
        }
    }
}

/// There is a client identifier.
/// 5.0 [MQTT-3.1.3-3], 3.1.1 [MQTT-3.1.3-3].
#[test]
fn a_client_identifier_is_there() {
    let scene = Scene::new();
    scene.assert_refused(Version::V311, "10| s:MQTT 04 02 0000", &[]);
    scene.assert_refused(Version::V5, "10| s:MQTT 05 02 0000 00", BROKEN);
}

/// Client identifier, will topic and user name are UTF-8.
/// 5.0 [MQTT-3.1.3-4] [MQTT-3.1.3-11] [MQTT-3.1.3-12], 3.1.1 [MQTT-3.1.3-4] [MQTT-3.1.3-10] [MQTT-3.1.3-11].
#[test]
fn names_in_connect_are_utf_8() {
    const REASONS: &[u8] = &[0x81, 0x82, 0x85, 0x90];
    let scene = Scene::new();
    for bad in ["0002 c328", "0003 eda080", "0003 610062"] {
        scene.assert_refused(Version::V311, &format!("10| s:MQTT 04 02 0000 {bad}"), &[]);
        scene.assert_refused(Version::V311, &format!("10| s:MQTT 04 06 0000 s:c {bad} s:p"), &[]);
        scene.assert_refused(Version::V311, &format!("10| s:MQTT 04 82 0000 s:c {bad}"), &[]);
        scene.assert_refused(Version::V5, &format!("10| s:MQTT 05 02 0000 00 {bad}"), REASONS);
        scene.assert_refused(Version::V5, &format!("10| s:MQTT 05 06 0000 00 s:c 00 {bad} s:p"), REASONS);
        scene.assert_refused(Version::V5, &format!("10| s:MQTT 05 82 0000 00 s:c {bad}"), REASONS);
    }
}

/// Client identifiers of 1 to 23 letters and digits are taken.
/// 5.0 [MQTT-3.1.3-5], 3.1.1 [MQTT-3.1.3-5].
#[test]
fn plain_client_identifiers_are_taken() {
    const ALL: &str = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let scene = Scene::new();
    for version in BOTH {
        for start in (0..ALL.len()).step_by(13) {
            let end = (start + 23).min(ALL.len());
            scene.client(version, &ALL[start..end]).disconnect();
        }
        scene.client(version, "0").disconnect();
        // Longer ones may be taken.
        scene.client(version, &ALL.repeat(4)).disconnect();
    }
}

/// An empty client identifier gets a unique one in its place, and 5.0 is told which.
/// 5.0 [MQTT-3.1.3-6] [MQTT-3.1.3-7] [MQTT-3.2.2-16], 3.1.1 [MQTT-3.1.3-6].
#[test]
fn an_empty_client_identifier_gets_another() {
    let scene = Scene::new();
    let (mut first, told) = scene.told(&Connect::lasting(Version::V5, ""));
    let (mut second, told_second) = scene.told(&Connect::lasting(Version::V5, ""));
    let name = String::from_utf8(told.find_bytes(id::ASSIGNED_CLIENT_ID).unwrap().to_vec()).unwrap();
    assert_ne!(told_second.find_bytes(id::ASSIGNED_CLIENT_ID), Some(name.as_bytes()));
    first.assert_quiet();
    second.assert_quiet();
    // The session is there under the name that was given.
    first.subscribe("assigned", 1);
    first.disconnect();
    scene.publish(&Message::new("assigned", "x", 1));
    let (mut first, session_present) = scene.connect(&Connect::lasting(Version::V5, &name));
    assert!(session_present);
    assert_eq!(first.message().text(), "x");
    let mut others = [scene.client(Version::V311, ""), scene.client(Version::V311, "")];
    for other in &mut others {
        other.assert_quiet();
    }
}

/// An empty identifier for a lasting session is rejected in 3.1.1.
/// 3.1.1 [MQTT-3.1.3-8].
#[test]
fn an_empty_client_identifier_needs_a_clean_session() {
    let answers = Scene::new().answers(Version::V311, "10| s:MQTT 04 00 0000 s:");
    assert!(matches!(answers[..], [Received::Connack { session_present: false, code: 2, .. }]), "{answers:?}");
}

/// A client identifier that is rejected is told so before the connection is closed.
/// 5.0 [MQTT-3.1.3-8], 3.1.1 [MQTT-3.1.3-9].
#[test]
fn a_rejected_client_identifier_is_told() {
    let scene = Scene::new();
    let answers = scene.answers(Version::V311, "10| s:MQTT 04 02 0000 s:$own");
    assert!(matches!(answers[..], [Received::Connack { code: 2, .. }]), "{answers:?}");
    let answers = scene.answers(Version::V5, "10| s:MQTT 05 02 0000 00 s:$own");
    assert!(matches!(answers[..], [Received::Connack { code: 0x85, .. }]), "{answers:?}");
}
