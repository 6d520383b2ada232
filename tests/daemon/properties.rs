//! What 5.0 adds: expiry, limits, aliases, properties that travel with a message.

use crate::support::client::Client;
use crate::support::daemon::{Daemon, data_dir};
use crate::support::eventually;
use crate::support::wire::{Connect, Message, Properties, Received, Version::V5, id, packet};

#[test]
fn connack_tells_only_what_5_0_knows_and_once() {
    let daemon = Daemon::start();
    let (_, _, properties) = Client::connect_told(daemon.address(), &Connect::clean(V5, "told"));
    let mut ids: Vec<u8> = properties.0.iter().map(|(id, _)| *id).filter(|id| *id != id::USER_PROPERTY).collect();
    let known = [0x11, 0x12, 0x13, 0x15, 0x16, 0x1a, 0x1c, 0x1f, 0x21, 0x22, 0x24, 0x25, 0x27, 0x28, 0x29, 0x2a];
    assert!(ids.iter().all(|id| known.contains(id)), "{ids:02x?}");
    ids.sort_unstable();
    let count = ids.len();
    ids.dedup();
    assert_eq!(ids.len(), count, "a property twice in {properties:?}");
    for limit in [id::RECEIVE_MAXIMUM, id::PACKET_SIZE_MAXIMUM] {
        assert_ne!(properties.find_number(limit), Some(0), "[MQTT-3.2.2] zero is a protocol error");
    }
    assert_eq!(properties.find_bytes(id::ASSIGNED_CLIENT_ID), None, "the client had a name");
}

#[test]
fn a_session_ends_with_its_expiry() {
    let daemon = Daemon::start();
    let expiry =
        |seconds| Connect::lasting(V5, "brief").with(Properties::default().number(id::SESSION_EXPIRY, seconds));
    let (mut client, _) = Client::connect(daemon.address(), &expiry(1));
    client.subscribe("brief", 1);
    client.disconnect();
    let session_gone = || {
        let (client, session_present) = Client::connect(daemon.address(), &expiry(1));
        client.disconnect();
        (!session_present).then_some(())
    };
    // Coming back starts the second anew, so look seldom enough.
    eventually("the end of the session", || {
        std::thread::sleep(std::time::Duration::from_millis(1_200));
        session_gone()
    });
}

#[test]
fn disconnect_may_shorten_the_session_expiry_but_not_invent_one() {
    let daemon = Daemon::start();
    let lasting = Connect::lasting(V5, "shortened");
    let expiry = |seconds: u32| packet(0xe0, &[&[0, 5, id::SESSION_EXPIRY][..], &seconds.to_be_bytes()].concat());
    let (mut client, _) = Client::connect(daemon.address(), &lasting);
    client.send(&expiry(0));
    client.until_closed();
    let (client, session_present) = Client::connect(daemon.address(), &lasting);
    assert!(!session_present, "it ended with the connection");
    client.disconnect();
    let (mut client, _) = Client::connect(daemon.address(), &Connect::clean(V5, "shortened"));
    client.send(&expiry(10));
    // [MQTT-3.1.2-23] from zero it cannot be raised.
    assert_eq!(client.until_closed(), [Received::Disconnect { reason: 0x82 }]);
}

#[test]
fn a_clean_start_with_an_expiry_begins_a_lasting_session() {
    let daemon = Daemon::start();
    let mut connect = Connect::lasting(V5, "anew");
    connect.clean = true;
    Client::connect(daemon.address(), &connect).0.disconnect();
    connect.clean = false;
    assert!(Client::connect(daemon.address(), &connect).1);
}

#[test]
fn properties_of_a_message_travel_with_it() {
    let data = data_dir();
    let daemon = Daemon::start_on(data.path());
    let properties = Properties::default()
        .number(0x01, 1)
        .bytes(id::CONTENT_TYPE, "text/plain")
        .bytes(id::RESPONSE_TOPIC, "answer/here")
        .bytes(id::CORRELATION_DATA, [0, 1, 0xff])
        .user("b", "1")
        .user("a", "2")
        .user("b", "3");
    let sorted = |properties: &Properties| {
        let mut sorted = properties.0.clone();
        sorted.sort_by_key(|(id, _)| *id);
        sorted
    };
    let connect = Connect::lasting(V5, "reader");
    let (mut live, _) = Client::connect(daemon.address(), &connect);
    live.subscribe("travel", 1);
    let mut publisher = Client::fresh(daemon.address(), V5, "publisher");
    let message = Message::new("travel", "x", 1).with(properties.clone()).retained();
    publisher.publish(&message);
    // [MQTT-3.3.2-18] the order of user properties is kept; a stable sort keeps it too.
    assert_eq!(sorted(&live.message().properties), sorted(&properties));
    live.disconnect();
    publisher.publish(&message);
    daemon.kill9();
    let daemon = Daemon::start_on(data.path());
    let (mut late, _) = Client::connect(daemon.address(), &connect);
    assert_eq!(sorted(&late.message().properties), sorted(&properties), "from the queue, after a restart");
    late.subscribe("travel", 1);
    let retained = late.message();
    assert!(retained.retain);
    assert_eq!(sorted(&retained.properties), sorted(&properties), "retained, after a restart");
}

#[test]
fn a_message_that_waited_tells_what_is_left_of_its_expiry() {
    let daemon = Daemon::start();
    let connect = Connect::lasting(V5, "late");
    let (mut late, _) = Client::connect(daemon.address(), &connect);
    late.subscribe("expiry", 1);
    late.disconnect();
    let mut publisher = Client::fresh(daemon.address(), V5, "publisher");
    let expiring = |seconds| Properties::default().number(id::MESSAGE_EXPIRY, seconds);
    publisher.publish(&Message::new("expiry", "long", 1).with(expiring(3_600)));
    publisher.publish(&Message::new("expiry", "short", 1).with(expiring(1)));
    publisher.publish(&Message::new("expiry", "last", 1));
    // The retained message is the clock: when it has expired, so has the queued one.
    publisher.publish(&Message::new("clock", "x", 1).with(expiring(1)).retained());
    eventually("the retained message to expire", || {
        let mut reader = Client::fresh(daemon.address(), V5, "reader");
        reader.subscribe("clock", 0);
        let is_gone = reader.until_ping().is_empty();
        reader.disconnect();
        is_gone.then_some(())
    });
    let (mut late, _) = Client::connect(daemon.address(), &connect);
    let long = late.message();
    let left = long.properties.find_number(id::MESSAGE_EXPIRY).expect("[MQTT-3.3.2-6]");
    assert_eq!(long.text(), "long");
    assert!((3_500..3_600).contains(&left), "{left} s are left");
    // [MQTT-3.3.2-5] what has expired is not delivered.
    assert_eq!(late.message().text(), "last");
    late.assert_quiet();
}

#[test]
fn a_topic_alias_stands_for_its_topic() {
    let daemon = Daemon::start();
    let mut subscriber = Client::fresh(daemon.address(), V5, "subscriber");
    subscriber.subscribe("alias/#", 0);
    let (mut publisher, _, told) = Client::connect_told(daemon.address(), &Connect::clean(V5, "publisher"));
    let maximum = told.find_number(id::TOPIC_ALIAS_MAXIMUM).unwrap_or(0);
    assert!(maximum > 0, "aliases are offered");
    let alias = |topic: &str, payload: &str, alias| {
        Message::new(topic, payload, 1).with(Properties::default().number(id::TOPIC_ALIAS, alias))
    };
    publisher.publish(&alias("alias/a", "1", 1));
    publisher.publish(&alias("", "2", 1));
    publisher.publish(&alias("alias/b", "3", maximum));
    publisher.publish(&alias("alias/c", "4", 1));
    publisher.publish(&alias("", "5", 1));
    publisher.publish(&alias("", "6", maximum));
    let expected = ["alias/a", "alias/a", "alias/b", "alias/c", "alias/c", "alias/b"];
    for (number, topic) in (1..).zip(expected) {
        let message = subscriber.message();
        assert_eq!((message.topic.as_str(), message.text()), (topic, number.to_string()));
        // [MQTT-3.3.2-7] the alias is for one hop.
        assert_eq!(message.properties, Properties::default());
    }
    // An alias never set, in a new connection.
    let mut publisher = Client::fresh(daemon.address(), V5, "publisher");
    publisher.send(&alias("", "7", 1).encode(V5));
    let [Received::Disconnect { reason }] = publisher.until_closed()[..] else { panic!("no DISCONNECT") };
    assert!([0x82, 0x94].contains(&reason), "{reason:#04x}");
}

#[test]
fn a_message_too_large_for_its_reader_is_dropped() {
    let daemon = Daemon::start();
    let maximum = Properties::default().number(id::PACKET_SIZE_MAXIMUM, 100);
    let (mut subscriber, _) = Client::connect(daemon.address(), &Connect::clean(V5, "small").with(maximum));
    subscriber.subscribe("large", 1);
    let mut publisher = Client::fresh(daemon.address(), V5, "publisher");
    publisher.publish(&Message::new("large", "x".repeat(100), 1));
    publisher.publish(&Message::new("large", "small", 1));
    // [MQTT-3.1.2-24]
    assert_eq!(subscriber.message().text(), "small");
    subscriber.assert_quiet();
}

#[test]
fn a_publisher_that_exceeds_the_receive_maximum_is_told_so() {
    let daemon = Daemon::start();
    let (mut publisher, _, told) = Client::connect_told(daemon.address(), &Connect::clean(V5, "eager"));
    let maximum = told.find_number(id::RECEIVE_MAXIMUM).unwrap_or(0xffff);
    let mut burst = Vec::new();
    for packet_id in 1..=u16::try_from((maximum + 1).min(0xffff)).unwrap() {
        burst.extend(Message::new("eager", "", 2).id(packet_id).encode(V5));
    }
    publisher.send(&burst);
    let mut received = publisher.until_closed();
    // [MQTT-3.3.4-7] more than it asked for is refused with 0x93.
    assert_eq!(received.pop(), Some(Received::Disconnect { reason: 0x93 }));
}

#[test]
fn a_message_nobody_reads_is_accepted() {
    let daemon = Daemon::start();
    let mut publisher = Client::fresh(daemon.address(), V5, "publisher");
    for qos in [1, 2] {
        // 0x10 says that there is no matching subscriber; a broker may say it.
        let reason = publisher.publish(&Message::new("nobody", "x", qos));
        assert!([0x00, 0x10].contains(&reason), "{reason:#04x}");
    }
}
