//! QoS 0, 1 and 2 both ways, order, and what a PUBLISH carries along.

use crate::support::client::Client;
use crate::support::daemon::Daemon;
use crate::support::wire::{Connect, Kind, Message, Properties, VERSIONS, Version, acknowledge, id};

#[test]
fn every_qos_meets_every_subscription() {
    let daemon = Daemon::start();
    let pairs = VERSIONS.iter().flat_map(|from| VERSIONS.map(|to| (*from, to)));
    for (from, to) in pairs {
        for granted in 0..=2 {
            let mut subscriber = Client::fresh(daemon.address(), to, "subscriber");
            assert_eq!(subscriber.subscribe("level/+", granted), granted);
            let mut publisher = Client::fresh(daemon.address(), from, "publisher");
            for sent in 0..=2 {
                assert_eq!(publisher.publish(&Message::new("level/x", "payload", sent)), 0);
                let message = subscriber.message();
                let seen = (message.topic.as_str(), message.payload.as_slice(), message.qos);
                // [MQTT-3.8.4-6] the lower of what was published and what was granted.
                assert_eq!(seen, ("level/x", &b"payload"[..], sent.min(granted)), "{from:?} to {to:?}");
                assert!(!message.dup && !message.retain);
            }
            subscriber.assert_quiet();
            subscriber.disconnect();
            publisher.disconnect();
        }
    }
}

#[test]
fn order_is_kept_for_each_topic_and_qos() {
    let daemon = Daemon::start();
    for version in VERSIONS {
        for qos in 0..=2 {
            let mut subscriber = Client::fresh(daemon.address(), version, "subscriber");
            subscriber.subscribe("row", qos);
            let mut publisher = Client::fresh(daemon.address(), version, "publisher");
            let mut burst = Vec::new();
            for number in 1..=300_u16 {
                burst.extend(Message::new("row", number.to_string(), qos).id(number).encode(version));
            }
            for packet_id in (1..=300).filter(|_| qos == 2) {
                burst.extend(acknowledge(Kind::Pubrel, packet_id));
            }
            publisher.send(&burst);
            for number in 1..=300_u16 {
                assert_eq!(subscriber.message().text(), number.to_string(), "{version:?} QoS {qos}");
            }
            subscriber.disconnect();
        }
    }
}

#[test]
fn payloads_of_every_size_arrive_whole() {
    let daemon = Daemon::start();
    for version in VERSIONS {
        let mut subscriber = Client::fresh(daemon.address(), version, "subscriber");
        subscriber.subscribe("size", 1);
        let mut publisher = Client::fresh(daemon.address(), version, "publisher");
        for size in [0, 1, 100, 120, 127, 128, 16_000, 16_383, 16_384, 65_535, 65_536, 500_000] {
            let payload: Vec<u8> = (0..size).map(|index: usize| index.to_le_bytes()[0]).collect();
            publisher.publish(&Message::new("size", &payload, 1));
            assert!(subscriber.message().payload == payload, "{version:?}: {size} bytes");
        }
    }
}

#[test]
fn a_packet_may_come_byte_by_byte_and_many_at_once() {
    let daemon = Daemon::start();
    for version in VERSIONS {
        let mut subscriber = Client::fresh(daemon.address(), version, "subscriber");
        subscriber.subscribe("pieces", 0);
        let mut publisher = Client::fresh(daemon.address(), version, "publisher");
        for byte in Message::new("pieces", "slow", 0).encode(version) {
            publisher.send(&[byte]);
        }
        assert_eq!(subscriber.message().text(), "slow");
        publisher.send(&Message::new("pieces", "fast", 0).encode(version).repeat(1_000));
        for _ in 0..1_000 {
            assert_eq!(subscriber.message().text(), "fast");
        }
    }
}

#[test]
fn a_publisher_receives_its_own_message() {
    let daemon = Daemon::start();
    for version in VERSIONS {
        let mut client = Client::fresh(daemon.address(), version, "echo");
        client.subscribe("echo", 1);
        client.publish(&Message::new("echo", "x", 1));
        assert_eq!(client.message().text(), "x");
    }
}

#[test]
fn messages_beyond_the_inflight_limit_wait_for_acknowledgements() {
    let daemon = Daemon::start();
    let maximum = Properties::default().number(id::RECEIVE_MAXIMUM, 3);
    let connect = Connect::clean(Version::V5, "narrow").with(maximum);
    let (mut subscriber, _) = Client::connect(daemon.address(), &connect);
    subscriber.subscribe("narrow", 2);
    let mut publisher = Client::fresh(daemon.address(), Version::V5, "publisher");
    for number in 0..10 {
        publisher.publish(&Message::new("narrow", number.to_string(), 1 + number % 2));
    }
    // [MQTT-3.3.4-9] never more than the client asked for.
    assert_eq!(subscriber.until_ping().len(), 3);
    subscriber.disconnect();
    let (mut subscriber, _) = Client::connect(daemon.address(), &connect);
    subscriber.subscribe("narrow", 1);
    for number in 0..10 {
        publisher.publish(&Message::new("narrow", number.to_string(), 1));
    }
    let first = subscriber.message_unacknowledged();
    let others = [subscriber.message_unacknowledged(), subscriber.message_unacknowledged()];
    subscriber.assert_quiet();
    subscriber.accept(&first);
    assert_eq!(subscriber.message_unacknowledged().text(), "3");
    subscriber.assert_quiet();
    for message in &others {
        subscriber.accept(message);
    }
    assert_eq!([subscriber.message().text(), subscriber.message().text()], ["4", "5"]);
}

#[test]
fn a_release_of_nothing_is_answered() {
    let daemon = Daemon::start();
    for version in VERSIONS {
        let mut client = Client::fresh(daemon.address(), version, "client");
        client.send(&acknowledge(Kind::Pubrel, 99));
        let reason = client.acknowledged(Kind::Pubcomp, 99);
        // 5.0 may say that it knew nothing of it.
        assert!(reason == 0 || (version == Version::V5 && reason == 0x92), "{reason:#04x}");
    }
}

#[test]
fn acknowledgements_of_nothing_harm_nobody() {
    let daemon = Daemon::start();
    for version in VERSIONS {
        let mut client = Client::fresh(daemon.address(), version, "client");
        for kind in [Kind::Puback, Kind::Pubcomp] {
            client.send(&acknowledge(kind, 99));
        }
        client.assert_quiet();
        client.send(&acknowledge(Kind::Pubrec, 99));
        if version == Version::V5 {
            let reason = client.acknowledged(Kind::Pubrel, 99);
            assert!([0, 0x92].contains(&reason), "{reason:#04x}");
        }
        client.until_ping();
    }
}
