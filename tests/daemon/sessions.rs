//! Connecting, being taken over, coming back.

use crate::support::client::Client;
use crate::support::daemon::{Daemon, data_dir};
use crate::support::wire::{Connect, Kind, Message, Properties, Received, VERSIONS, Version, acknowledge, id};

#[test]
fn a_first_connection_finds_no_session() {
    let daemon = Daemon::start();
    for version in VERSIONS {
        for connect in [Connect::clean(version, "first-clean"), Connect::lasting(version, "first-lasting")] {
            let (client, session_present) = Client::connect(daemon.address(), &connect);
            assert!(!session_present, "{connect:?}");
            client.disconnect();
            if version == Version::V311 {
                let (client, _) = Client::connect(daemon.address(), &Connect::clean(version, &connect.client_id));
                client.disconnect();
            }
        }
        Client::connect(daemon.address(), &Connect::clean(version, "first-lasting")).0.disconnect();
    }
}

#[test]
fn a_lasting_session_is_found_again_and_a_clean_one_is_not() {
    let daemon = Daemon::start();
    for version in VERSIONS {
        let name = format!("{version:?}");
        let lasting = Connect::lasting(version, &name);
        Client::connect(daemon.address(), &lasting).0.disconnect();
        let (client, session_present) = Client::connect(daemon.address(), &lasting);
        assert_eq!(session_present, version.tells_session(), "{version:?}");
        client.disconnect();
        // [MQTT-3.1.2-6] a clean start discards it.
        let (client, session_present) = Client::connect(daemon.address(), &Connect::clean(version, &name));
        assert!(!session_present, "{version:?}");
        client.disconnect();
        let (_, session_present) = Client::connect(daemon.address(), &lasting);
        assert!(!session_present, "{version:?}");
    }
}

#[test]
fn a_second_connection_takes_the_first_one_over() {
    let daemon = Daemon::start();
    for version in VERSIONS {
        let connect = Connect::lasting(version, &format!("twin-{version:?}"));
        let (mut first, _) = Client::connect(daemon.address(), &connect);
        first.subscribe("twin", 1);
        let (mut second, session_present) = Client::connect(daemon.address(), &connect);
        assert_eq!(session_present, version.tells_session(), "{version:?}");
        // [MQTT-3.1.4-3] 5.0 says why with reason 0x8e, 3.1.1 just closes.
        let expected = if version == Version::V5 { vec![Received::Disconnect { reason: 0x8e }] } else { vec![] };
        assert_eq!(first.until_closed(), expected);
        Client::fresh(daemon.address(), version, "publisher").publish(&Message::new("twin", "x", 1));
        assert_eq!(second.message().text(), "x");
    }
}

#[test]
fn a_clean_connection_takes_over_without_the_session() {
    let daemon = Daemon::start();
    for version in VERSIONS {
        let name = format!("twin-{version:?}");
        let (mut first, _) = Client::connect(daemon.address(), &Connect::lasting(version, &name));
        first.subscribe("twin", 1);
        let (mut second, session_present) = Client::connect(daemon.address(), &Connect::clean(version, &name));
        assert!(!session_present);
        first.until_closed();
        Client::fresh(daemon.address(), version, "publisher").publish(&Message::new("twin", "x", 1));
        second.assert_quiet();
    }
}

#[test]
fn messages_wait_for_an_absent_session_in_order() {
    let daemon = Daemon::start();
    for version in VERSIONS {
        let connect = Connect::lasting(version, &format!("absent-{version:?}"));
        let (mut subscriber, _) = Client::connect(daemon.address(), &connect);
        assert_eq!(subscriber.subscribe("absent/#", 2), 2);
        subscriber.disconnect();
        let mut publisher = Client::fresh(daemon.address(), version, "publisher");
        for number in 0..200_u8 {
            publisher.publish(&Message::new("absent/x", number.to_string(), 1 + number % 2));
        }
        let (mut subscriber, session_present) = Client::connect(daemon.address(), &connect);
        assert_eq!(session_present, version.tells_session());
        for number in 0..200_u8 {
            let message = subscriber.message();
            assert_eq!((message.text(), message.qos), (number.to_string(), 1 + number % 2), "{version:?}");
        }
        subscriber.assert_quiet();
    }
}

#[test]
fn what_was_not_acknowledged_is_sent_again_as_a_duplicate() {
    let daemon = Daemon::start();
    for version in VERSIONS {
        let connect = Connect::lasting(version, &format!("slow-{version:?}"));
        let (mut subscriber, _) = Client::connect(daemon.address(), &connect);
        subscriber.subscribe("slow/#", 2);
        let mut publisher = Client::fresh(daemon.address(), version, "publisher");
        for qos in [1, 2] {
            publisher.publish(&Message::new("slow/x", "x", qos));
            let first = subscriber.message_unacknowledged();
            assert!(!first.dup);
            drop(subscriber);
            let (again, session_present) = Client::connect(daemon.address(), &connect);
            assert_eq!(session_present, version.tells_session());
            subscriber = again;
            let second = subscriber.message();
            // [MQTT-4.4.0-1] the original packet identifier is kept, [MQTT-3.3.1-1] DUP is set.
            assert_eq!((second.packet_id, second.dup, second.qos), (first.packet_id, true, qos), "{version:?}");
            subscriber.assert_quiet();
        }
    }
}

#[test]
fn a_received_qos_2_message_is_released_and_not_sent_again() {
    let daemon = Daemon::start();
    for version in VERSIONS {
        let connect = Connect::lasting(version, &format!("halfway-{version:?}"));
        let (mut subscriber, _) = Client::connect(daemon.address(), &connect);
        subscriber.subscribe("halfway", 2);
        Client::fresh(daemon.address(), version, "publisher").publish(&Message::new("halfway", "x", 2));
        let message = subscriber.message_unacknowledged();
        subscriber.send(&acknowledge(Kind::Pubrec, message.packet_id));
        assert_eq!(subscriber.acknowledged(Kind::Pubrel, message.packet_id), 0);
        drop(subscriber);
        let (mut subscriber, _) = Client::connect(daemon.address(), &connect);
        assert_eq!(subscriber.acknowledged(Kind::Pubrel, message.packet_id), 0, "{version:?}");
        subscriber.send(&acknowledge(Kind::Pubcomp, message.packet_id));
        subscriber.assert_quiet();
        subscriber.disconnect();
        Client::connect(daemon.address(), &connect).0.assert_quiet();
    }
}

#[test]
fn a_repeated_qos_2_publish_is_delivered_once() {
    let daemon = Daemon::start();
    for version in VERSIONS {
        let mut subscriber = Client::fresh(daemon.address(), version, "subscriber");
        subscriber.subscribe("once", 2);
        let connect = Connect::lasting(version, &format!("repeats-{version:?}"));
        let (mut publisher, _) = Client::connect(daemon.address(), &connect);
        let message = Message::new("once", "x", 2).id(77);
        publisher.send(&message.encode(version));
        publisher.acknowledged(Kind::Pubrec, 77);
        drop(publisher);
        let (mut publisher, session_present) = Client::connect(daemon.address(), &connect);
        assert_eq!(session_present, version.tells_session());
        publisher.send(&message.clone().again().encode(version));
        assert_eq!(publisher.acknowledged(Kind::Pubrec, 77), 0);
        publisher.send(&acknowledge(Kind::Pubrel, 77));
        assert_eq!(publisher.acknowledged(Kind::Pubcomp, 77), 0);
        assert_eq!(subscriber.message().text(), "x");
        subscriber.assert_quiet();
        // The identifier is free again: the same packet is a new message.
        publisher.send(&message.encode(version));
        publisher.acknowledged(Kind::Pubrec, 77);
        publisher.send(&acknowledge(Kind::Pubrel, 77));
        publisher.acknowledged(Kind::Pubcomp, 77);
        assert_eq!(subscriber.message().text(), "x", "{version:?}");
    }
}

#[test]
fn sessions_subscriptions_and_queues_survive_a_restart() {
    let data = data_dir();
    let connect = |version| Connect::lasting(version, &format!("patient-{version:?}"));
    let daemon = Daemon::start_on(data.path());
    for version in VERSIONS {
        let (mut subscriber, _) = Client::connect(daemon.address(), &connect(version));
        subscriber.subscribe("patient/#", 2);
        subscriber.disconnect();
    }
    let mut publisher = Client::fresh(daemon.address(), Version::V5, "publisher");
    for number in 0..50_u8 {
        publisher.publish(&Message::new("patient/x", number.to_string(), 1 + number % 2));
    }
    daemon.kill9();
    let daemon = Daemon::start_on(data.path());
    let mut publisher = Client::fresh(daemon.address(), Version::V311, "publisher");
    publisher.publish(&Message::new("patient/x", "50", 1));
    for version in VERSIONS {
        let (mut subscriber, session_present) = Client::connect(daemon.address(), &connect(version));
        assert_eq!(session_present, version.tells_session(), "{version:?}");
        for number in 0..=50_u8 {
            assert_eq!(subscriber.message().text(), number.to_string(), "{version:?}");
        }
        subscriber.assert_quiet();
    }
}

#[test]
fn an_unsubscription_survives_a_restart() {
    let data = data_dir();
    let connect = Connect::lasting(Version::V5, "fickle");
    let daemon = Daemon::start_on(data.path());
    let (mut client, _) = Client::connect(daemon.address(), &connect);
    client.subscribe("fickle/a", 1);
    client.subscribe("fickle/b", 1);
    assert_eq!(client.unsubscribe("fickle/a"), [0]);
    daemon.kill9();
    let daemon = Daemon::start_on(data.path());
    let mut publisher = Client::fresh(daemon.address(), Version::V5, "publisher");
    publisher.publish(&Message::new("fickle/a", "a", 1));
    publisher.publish(&Message::new("fickle/b", "b", 1));
    let (mut client, session_present) = Client::connect(daemon.address(), &connect);
    assert!(session_present);
    assert_eq!(client.message().text(), "b");
    client.assert_quiet();
}

#[test]
fn an_empty_client_id_gets_one_assigned() {
    let daemon = Daemon::start();
    let (first, _, told) = Client::connect_told(daemon.address(), &Connect::clean(Version::V5, ""));
    let (second, _, told_second) = Client::connect_told(daemon.address(), &Connect::clean(Version::V5, ""));
    let assigned = told.find_bytes(id::ASSIGNED_CLIENT_ID).expect("[MQTT-3.2.2-16] the client is told its name");
    assert!(!assigned.is_empty());
    assert_ne!(Some(assigned), told_second.find_bytes(id::ASSIGNED_CLIENT_ID));
    first.disconnect();
    second.disconnect();
    Client::fresh(daemon.address(), Version::V311, "").assert_quiet();
}

#[test]
fn an_empty_client_id_with_a_lasting_session_is_refused_in_3_1_1() {
    let daemon = Daemon::start();
    let mut client = Client::open(daemon.address(), Version::V311);
    client.send(&Connect::lasting(Version::V311, "").encode());
    // [MQTT-3.1.3-8] return code 2, identifier rejected.
    let refused = Received::Connack { session_present: false, code: 2, properties: Properties::default() };
    assert_eq!(client.until_closed(), [refused]);
}

#[test]
fn a_repeated_qos_2_publish_is_delivered_once_across_kill9() {
    for version in VERSIONS {
        let data = data_dir();
        let daemon = Daemon::start_on(data.path());
        let reader = Connect::lasting(version, "reader");
        let (mut subscriber, _) = Client::connect(daemon.address(), &reader);
        subscriber.subscribe("once", 2);
        subscriber.disconnect();
        let connect = Connect::lasting(version, "repeats");
        let (mut publisher, _) = Client::connect(daemon.address(), &connect);
        let message = Message::new("once", "x", 2).id(77);
        publisher.send(&message.encode(version));
        publisher.acknowledged(Kind::Pubrec, 77);
        daemon.kill9();
        let daemon = Daemon::start_on(data.path());
        let (mut publisher, session_present) = Client::connect(daemon.address(), &connect);
        assert_eq!(session_present, version.tells_session(), "{version:?}");
        publisher.send(&message.again().encode(version));
        assert_eq!(publisher.acknowledged(Kind::Pubrec, 77), 0);
        publisher.send(&acknowledge(Kind::Pubrel, 77));
        assert_eq!(publisher.acknowledged(Kind::Pubcomp, 77), 0);
        let (mut subscriber, _) = Client::connect(daemon.address(), &reader);
        assert_eq!(subscriber.message().text(), "x");
        subscriber.assert_quiet();
    }
}

#[test]
fn a_received_qos_2_message_is_not_sent_again_across_kill9() {
    for version in VERSIONS {
        let data = data_dir();
        let daemon = Daemon::start_on(data.path());
        let connect = Connect::lasting(version, "halfway");
        let (mut subscriber, _) = Client::connect(daemon.address(), &connect);
        subscriber.subscribe("halfway", 2);
        Client::fresh(daemon.address(), version, "publisher").send(&Message::new("halfway", "x", 2).encode(version));
        let message = subscriber.message_unacknowledged();
        subscriber.send(&acknowledge(Kind::Pubrec, message.packet_id));
        // PUBREL says that the broker has given the message up, so that must have been kept.
        assert_eq!(subscriber.acknowledged(Kind::Pubrel, message.packet_id), 0);
        daemon.kill9();
        let daemon = Daemon::start_on(data.path());
        let (mut subscriber, session_present) = Client::connect(daemon.address(), &connect);
        assert_eq!(session_present, version.tells_session(), "{version:?}");
        let again = subscriber.until_ping();
        let is_release = |received: &Received| matches!(received, Received::Acknowledge { kind: Kind::Pubrel, .. });
        assert!(again.iter().all(is_release), "{version:?}: {again:?}");
    }
}
