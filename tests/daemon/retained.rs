//! Retained messages: kept, replaced, cleared, and still there after a restart.

use crate::support::client::Client;
use crate::support::daemon::{Daemon, data_dir};
use crate::support::wire::{Message, VERSIONS, Version};

#[test]
fn the_last_retained_message_meets_a_new_subscription() {
    let daemon = Daemon::start();
    for version in VERSIONS {
        let topic = format!("kept/{version:?}");
        let mut publisher = Client::fresh(daemon.address(), version, "publisher");
        for qos in 0..=2 {
            publisher.publish(&Message::new(&topic, format!("old {qos}"), qos).retained());
            publisher.publish(&Message::new(&topic, format!("new {qos}"), qos).retained());
            publisher.publish(&Message::new(&topic, "not retained", qos));
            publisher.until_ping();
            let mut subscriber = Client::fresh(daemon.address(), version, "subscriber");
            subscriber.subscribe(&topic, 2);
            let message = subscriber.message();
            // [MQTT-3.3.1-8] RETAIN is set for what was kept.
            assert_eq!((message.text(), message.qos, message.retain), (format!("new {qos}"), qos, true), "{version:?}");
            subscriber.assert_quiet();
            subscriber.disconnect();
        }
    }
}

#[test]
fn a_live_message_is_not_marked_as_retained() {
    let daemon = Daemon::start();
    for version in VERSIONS {
        let topic = format!("live/{version:?}");
        let mut subscriber = Client::fresh(daemon.address(), version, "subscriber");
        subscriber.subscribe(&topic, 1);
        let mut publisher = Client::fresh(daemon.address(), version, "publisher");
        publisher.publish(&Message::new(&topic, "x", 1).retained());
        // [MQTT-3.3.1-9]
        assert!(!subscriber.message().retain, "{version:?}");
        subscriber.subscribe(&topic, 1);
        assert!(subscriber.message().retain, "a repeated subscription gets it again");
    }
}

#[test]
fn an_empty_payload_clears_it() {
    let daemon = Daemon::start();
    for version in VERSIONS {
        for qos in 0..=2 {
            let mut publisher = Client::fresh(daemon.address(), version, "publisher");
            let mut live = Client::fresh(daemon.address(), version, "live");
            publisher.publish(&Message::new("cleared", "x", 1).retained());
            live.subscribe("cleared", 2);
            live.message();
            publisher.publish(&Message::new("cleared", "", qos).retained());
            publisher.until_ping();
            // [MQTT-3.3.1-6] whoever listens is told as usual.
            assert_eq!(live.message().payload, b"");
            let mut subscriber = Client::fresh(daemon.address(), version, "subscriber");
            subscriber.subscribe("cleared", 2);
            subscriber.assert_quiet();
            live.disconnect();
            subscriber.disconnect();
        }
    }
}

#[test]
fn retained_messages_are_found_by_wildcards() {
    let daemon = Daemon::start();
    let mut publisher = Client::fresh(daemon.address(), Version::V5, "publisher");
    for topic in ["a", "a/b", "a/b/c", "a//c", "/a", "$own/a"] {
        publisher.publish(&Message::new(topic, topic, 1).retained());
    }
    let cases = [
        ("#", vec!["/a", "a", "a//c", "a/b", "a/b/c"]),
        ("a/#", vec!["a", "a//c", "a/b", "a/b/c"]),
        ("+", vec!["a"]),
        ("+/+", vec!["/a", "a/b"]),
        ("a/+/c", vec!["a//c", "a/b/c"]),
        ("$own/#", vec!["$own/a"]),
        ("b/#", vec![]),
    ];
    for version in VERSIONS {
        for (filter, expected) in &cases {
            let mut subscriber = Client::fresh(daemon.address(), version, "subscriber");
            subscriber.subscribe(filter, 0);
            let messages = subscriber.messages_until_ping().into_iter();
            let mut topics: Vec<String> = messages.map(|message| message.topic).collect();
            topics.sort();
            assert_eq!(&topics, expected, "{filter}");
            subscriber.disconnect();
        }
    }
}

#[test]
fn retained_messages_survive_kill9_and_so_does_their_clearing() {
    let data = data_dir();
    let daemon = Daemon::start_on(data.path());
    let mut publisher = Client::fresh(daemon.address(), Version::V5, "publisher");
    for number in 0..20 {
        publisher.publish(&Message::new(&format!("r/{number:02}"), "old", 1).retained());
        publisher.publish(&Message::new(&format!("r/{number:02}"), number.to_string(), 1 + number % 2).retained());
    }
    for number in (0..20).step_by(2) {
        publisher.publish(&Message::new(&format!("r/{number:02}"), "", 1).retained());
    }
    daemon.kill9();
    let daemon = Daemon::start_on(data.path());
    let mut subscriber = Client::fresh(daemon.address(), Version::V311, "subscriber");
    subscriber.subscribe("r/#", 0);
    let messages = subscriber.messages_until_ping();
    let mut received: Vec<(String, String)> =
        messages.iter().map(|message| (message.topic.clone(), message.text())).collect();
    received.sort();
    let expected: Vec<_> = (1..20).step_by(2).map(|number| (format!("r/{number:02}"), number.to_string())).collect();
    assert_eq!(received, expected);
}

#[test]
fn options_of_5_0_say_whether_retained_messages_are_wanted() {
    let daemon = Daemon::start();
    let mut publisher = Client::fresh(daemon.address(), Version::V5, "publisher");
    publisher.publish(&Message::new("wanted", "x", 1).retained());
    let mut subscriber = Client::fresh(daemon.address(), Version::V5, "subscriber");
    // Retain Handling 2: never.
    subscriber.subscribe("wanted", 0x20 | 1);
    subscriber.assert_quiet();
    // Retain Handling 1: only when the subscription is new.
    subscriber.subscribe("wanted", 0x10 | 1);
    subscriber.assert_quiet();
    subscriber.unsubscribe("wanted");
    subscriber.subscribe("wanted", 0x10 | 1);
    assert!(subscriber.message().retain);
    // Retain As Published.
    subscriber.subscribe("wanted", 0x20 | 0x08 | 1);
    publisher.publish(&Message::new("wanted", "y", 1).retained());
    assert!(subscriber.message().retain);
    publisher.publish(&Message::new("wanted", "z", 1));
    assert!(!subscriber.message().retain);
}
