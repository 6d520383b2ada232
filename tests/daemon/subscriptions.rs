//! Topic filters: what they match, how they overlap, how they end.

use crate::support::client::Client;
use crate::support::daemon::Daemon;
use crate::support::wire::{Message, Properties, VERSIONS, Version, id};

/// Filter, topic names it matches, topic names it does not.
const MATCHES: [(&str, &[&str], &[&str]); 16] = [
    ("a", &["a"], &["a/b", "b", "A", "/a", "a/"]),
    ("a/b", &["a/b"], &["a", "a/b/c", "a/c"]),
    ("+", &["a", "b"], &["a/b", "/a", "$a"]),
    ("#", &["a", "a/b", "/", "/a/b"], &["$a", "$a/b"]),
    ("+/b", &["a/b", "/b"], &["a/c", "b", "$a/b", "a/b/c"]),
    ("a/+", &["a/b", "a/"], &["a", "a/b/c"]),
    ("a/#", &["a", "a/", "a/b", "a/b/c"], &["b", "ab"]),
    ("+/+", &["a/b", "/b", "/"], &["a", "a/b/c"]),
    ("/+", &["/a", "/"], &["a", "a/b"]),
    ("a/+/c", &["a/b/c", "a//c"], &["a/c", "a/b/d"]),
    ("+/b/#", &["a/b", "a/b/c/d"], &["a", "a/c"]),
    ("a//b", &["a//b"], &["a/b", "a/x/b"]),
    ("$a/#", &["$a", "$a/b"], &["a", "a/b"]),
    ("$a/+", &["$a/b"], &["$a", "$a/b/c"]),
    ("a b/ü/+", &["a b/ü/日本"], &["a b/u/x"]),
    ("/", &["/"], &["a", "//", "a/"]),
];

#[test]
fn filters_match_as_specified() {
    let daemon = Daemon::start();
    for version in VERSIONS {
        let mut publisher = Client::fresh(daemon.address(), version, "publisher");
        for (filter, matching, other) in MATCHES {
            let mut subscriber = Client::fresh(daemon.address(), version, "subscriber");
            subscriber.subscribe(filter, 0);
            for topic in matching.iter().chain(other) {
                publisher.publish(&Message::new(topic, "x", 1));
            }
            let messages = subscriber.messages_until_ping().into_iter();
            let topics: Vec<String> = messages.map(|message| message.topic).collect();
            assert_eq!(topics, matching, "{filter} in {version:?}");
            subscriber.disconnect();
        }
    }
}

#[test]
fn overlapping_filters_deliver_at_the_highest_qos() {
    let daemon = Daemon::start();
    for version in VERSIONS {
        let mut subscriber = Client::fresh(daemon.address(), version, "subscriber");
        subscriber.subscribe("over/#", 0);
        subscriber.subscribe("over/+", 2);
        subscriber.subscribe("over/lap", 1);
        let mut publisher = Client::fresh(daemon.address(), version, "publisher");
        publisher.publish(&Message::new("over/lap", "x", 2));
        // [MQTT-3.3.5-1] one copy or one for each filter, but the highest QoS is among them.
        let qos = subscriber.messages_until_ping().into_iter().map(|message| message.qos);
        assert_eq!(qos.max(), Some(2), "{version:?}");
    }
}

#[test]
fn one_subscribe_may_hold_many_filters_and_is_answered_in_their_order() {
    let daemon = Daemon::start();
    for version in VERSIONS {
        let mut client = Client::fresh(daemon.address(), version, "client");
        let codes = client.subscribe_with(&[("m/a", 2), ("m/b", 0), ("m/c", 1)], &Properties::default());
        assert_eq!(codes, [2, 0, 1], "{version:?}");
    }
}

#[test]
fn a_repeated_subscription_replaces_the_first() {
    let daemon = Daemon::start();
    for version in VERSIONS {
        let mut client = Client::fresh(daemon.address(), version, "client");
        client.subscribe("twice", 2);
        assert_eq!(client.subscribe("twice", 0), 0);
        Client::fresh(daemon.address(), version, "publisher").publish(&Message::new("twice", "x", 2));
        // [MQTT-3.8.4-3]
        assert_eq!(client.message().qos, 0);
        client.assert_quiet();
    }
}

#[test]
fn an_unsubscribed_filter_is_silent() {
    let daemon = Daemon::start();
    for version in VERSIONS {
        let mut client = Client::fresh(daemon.address(), version, "client");
        client.subscribe("quiet/a", 1);
        client.subscribe("quiet/b", 1);
        let v5 = version == Version::V5;
        assert_eq!(client.unsubscribe("quiet/a"), if v5 { vec![0x00] } else { vec![] });
        // [MQTT-3.10.4-5] also answered when there was none; 5.0 says so.
        assert_eq!(client.unsubscribe("quiet/+"), if v5 { vec![0x11] } else { vec![] });
        let mut publisher = Client::fresh(daemon.address(), version, "publisher");
        publisher.publish(&Message::new("quiet/a", "a", 1));
        publisher.publish(&Message::new("quiet/b", "b", 1));
        assert_eq!(client.message().text(), "b", "{version:?}");
        client.assert_quiet();
    }
}

#[test]
fn no_local_spares_a_client_its_own_messages() {
    let daemon = Daemon::start();
    let mut client = Client::fresh(daemon.address(), Version::V5, "client");
    client.subscribe("local", 0x04 | 1);
    client.publish(&Message::new("local", "own", 1));
    Client::fresh(daemon.address(), Version::V5, "other").publish(&Message::new("local", "other", 1));
    assert_eq!(client.message().text(), "other");
    client.assert_quiet();
}

#[test]
fn a_subscription_identifier_comes_back_with_its_messages() {
    let daemon = Daemon::start();
    let mut client = Client::fresh(daemon.address(), Version::V5, "client");
    for (filter, number) in [("number/#", 1), ("number/x", 268_435_455)] {
        let properties = Properties::default().number(id::SUBSCRIPTION_ID, number);
        client.subscribe_with(&[(filter, 1)], &properties);
    }
    let mut publisher = Client::fresh(daemon.address(), Version::V5, "publisher");
    publisher.publish(&Message::new("number/x", "x", 1));
    publisher.publish(&Message::new("number/y", "y", 1));
    let mut received = Vec::new();
    loop {
        let message = client.message();
        for (found, value) in &message.properties.0 {
            assert_eq!(*found, id::SUBSCRIPTION_ID);
            received.push((message.text(), value.clone()));
        }
        if message.text() == "y" {
            break;
        }
    }
    let number = |text: &str, number| (text.to_owned(), crate::support::wire::Value::Number(number));
    assert_eq!(received.len(), 3, "{received:?}");
    for wanted in [number("x", 1), number("x", 268_435_455), number("y", 1)] {
        assert!(received.contains(&wanted), "{wanted:?} is missing in {received:?}");
    }
}

#[test]
fn a_share_gives_each_message_to_one_of_its_members() {
    const MESSAGES: usize = 60;
    let daemon = Daemon::start();
    let member = |name: &str| {
        let mut member = Client::fresh(daemon.address(), Version::V5, name);
        assert_eq!(member.subscribe("$share/group/work/+", 1), 1);
        member
    };
    let mut members = ["one", "two", "three"].map(member);
    let mut outsider = Client::fresh(daemon.address(), Version::V5, "outsider");
    outsider.subscribe("work/+", 1);
    let mut publisher = Client::fresh(daemon.address(), Version::V5, "publisher");
    for number in 0..MESSAGES {
        publisher.publish(&Message::new("work/x", format!("{number:02}"), 1));
    }
    let texts = |client: &mut Client| {
        let messages = client.messages_until_ping().into_iter();
        messages.map(|message| message.text()).collect::<Vec<_>>()
    };
    let all: Vec<String> = (0..MESSAGES).map(|number| format!("{number:02}")).collect();
    assert_eq!(texts(&mut outsider), all);
    let shares = members.each_mut().map(texts);
    assert!(shares.iter().all(|share| !share.is_empty()), "{shares:?}");
    let mut together = shares.concat();
    together.sort();
    assert_eq!(together, all);
}
