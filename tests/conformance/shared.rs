//! Shared subscriptions (section 4.8.2).

use super::scene::{Scene, number};
use crate::support::client::Client;
use crate::support::wire::{Connect, Kind, Message, Version, acknowledge, id};

const SHARE: &[u8] = &[0x81, 0x82, 0x8f];

/// A member whose session lasts.
fn member(scene: &Scene, name: &str) -> (Connect, Client) {
    let connect = Connect::lasting(Version::V5, name).with(number(id::SESSION_EXPIRY, 3_600));
    let mut client = scene.connect(&connect).0;
    assert_eq!(client.subscribe("$share/g/a", 2), 2);
    (connect, client)
}

/// Which of the members got the message that was published, with it.
fn receiver(members: &mut [Client]) -> (usize, Message) {
    let mut found = Vec::new();
    for (index, member) in members.iter_mut().enumerate() {
        found.extend(member.messages_until_ping().into_iter().map(|message| (index, message)));
    }
    assert_eq!(found.len(), 1, "one member gets it: {found:?}");
    found.remove(0)
}

/// A share has a name without wildcards and a filter behind it.
/// 5.0 [MQTT-4.8.2-1] [MQTT-4.8.2-2].
#[test]
fn a_share_has_a_name_and_a_filter() {
    let scene = Scene::new();
    for bad in ["$share", "$share/", "$share/g", "$share//a", "$share/g/", "$share/+/a", "$share/#/a", "$share/g+/a"] {
        scene.assert_ends(Version::V5, &format!("82| 0001 00 s:{bad} 00"), SHARE);
    }
    let mut client = scene.client(Version::V5, "c");
    for good in ["$share/g/a", "$share/g/#", "$share/g//", "$shared/g", "$share/g/$share/g/a"] {
        assert_eq!(client.subscribe(good, 1), 1, "{good}");
    }
}

/// One member gets each message, with the QoS granted to it.
/// 5.0 [MQTT-4.8.2-3].
#[test]
fn a_member_gets_its_own_qos() {
    let scene = Scene::new();
    let mut members = [0, 1, 2].map(|qos| scene.client(Version::V5, &format!("member {qos}")));
    for (qos, member) in (0..).zip(&mut members) {
        member.subscribe("$share/g/a", qos);
    }
    let mut seen = [false; 3];
    for _ in 0..9 {
        scene.publish(&Message::new("a", "x", 2));
        let (index, message) = receiver(&mut members);
        assert_eq!(usize::from(message.qos), index);
        members[index].accept(&message);
        seen[index] = true;
    }
    assert_eq!(seen, [true; 3], "all of them take part");
}

/// A QoS 2 message that was sent to a member is completed with that member when it is back.
/// 5.0 [MQTT-4.8.2-4].
#[test]
fn a_delivery_that_began_is_completed_with_its_member() {
    let scene = Scene::new();
    let (connects, clients): (Vec<_>, Vec<_>) = ["m1", "m2"].map(|name| member(&scene, name)).into_iter().unzip();
    let mut clients = clients;
    scene.publish(&Message::new("a", "x", 2));
    let (index, message) = receiver(&mut clients);
    drop(clients.remove(index));
    clients[0].assert_quiet();
    let (mut back, session_present) = scene.connect(&connects[index]);
    assert!(session_present);
    let again = back.message_unacknowledged();
    assert_eq!((again.packet_id, again.dup), (message.packet_id, true));
    back.accept(&again);
    clients[0].assert_quiet();
}

/// If the session of that member ends instead, the QoS 2 message goes to nobody else.
/// 5.0 [MQTT-4.8.2-5].
#[test]
fn a_delivery_that_began_ends_with_its_session() {
    let scene = Scene::new();
    let (connects, mut clients): (Vec<_>, Vec<_>) = ["m1", "m2"].map(|name| member(&scene, name)).into_iter().unzip();
    scene.publish(&Message::new("a", "x", 2));
    let (index, message) = receiver(&mut clients);
    clients[index].send(&acknowledge(Kind::Pubrec, message.packet_id));
    drop(clients.remove(index));
    // A clean start ends the session.
    scene.client(Version::V5, &connects[index].client_id).assert_quiet();
    clients[0].assert_quiet();
}

/// A message that a member refuses goes to nobody else.
/// 5.0 [MQTT-4.8.2-6].
#[test]
fn a_refused_message_goes_to_nobody_else() {
    let scene = Scene::new();
    for (qos, first) in [(1, 0x40), (2, 0x50)] {
        let mut clients = ["m1", "m2"].map(|name| member(&scene, name).1);
        scene.publish(&Message::new("a", "x", qos));
        let (index, message) = receiver(&mut clients);
        let [high, low] = message.packet_id.to_be_bytes();
        clients[index].send(&[first, 3, high, low, 0x80]);
        clients.iter_mut().for_each(Client::assert_quiet);
    }
}
