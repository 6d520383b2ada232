//! Limits, met: what happens at each, and that others are not touched.

use super::support::{Bench, Got, Id, message, properties, will};
use crate::base::limits::{Limits, OUTBOX_BYTES, RECEIVE_MAXIMUM};
use crate::broker::{Arrival, ListenerId, Origin};
use crate::mqtt::{Properties, Property, QoS, ReasonCode, Version};
use std::time::Duration;

#[test]
fn a_client_over_the_receive_maximum_is_disconnected() {
    let mut bench = Bench::new();
    bench.connect_with(1, "c", Version::V5, |connect| connect.clean_start = true);
    for id in 1..=RECEIVE_MAXIMUM {
        bench.publish(1, "a", "x", QoS::ExactlyOnce, id);
    }
    assert_eq!(bench.got(1).len(), usize::from(RECEIVE_MAXIMUM));
    bench.publish(1, "a", "x", QoS::ExactlyOnce, RECEIVE_MAXIMUM + 1);
    assert_eq!(bench.got(1), [Got::Disconnect(0x93)]);
    assert_eq!(bench.closed, [1]);
}

#[test]
fn a_client_that_takes_aliases_gets_the_name_once() {
    let mut bench = Bench::new();
    let takes = properties(Property::TopicAliasMaximum(1));
    bench.connect_with(1, "c", Version::V5, |connect| connect.properties = Properties::from_checked(&takes));
    bench.subscribe(1, "#", QoS::AtMostOnce);
    bench.connect_with(0, "p", Version::V311, |connect| connect.clean_start = true);
    bench.got(1);
    for topic in ["a", "a", "b", "a", "b"] {
        bench.publish(0, topic, "x", QoS::AtMostOnce, 0);
    }
    let expected = ["a", "", "b", "", "b"].map(|name| message(name, "x", 0, 0));
    assert_eq!(bench.got(1), expected);
}

#[test]
fn connections_over_the_limit_are_refused() {
    let mut bench = Bench::with(Limits { connections: 1, ..Limits::default() });
    bench.connect_with(1, "first", Version::V311, |connect| connect.clean_start = true);
    assert_eq!(bench.connect(2, "second", Version::V5), [Got::Connack { present: false, reason: 0x89 }]);
    assert_eq!(bench.connect(3, "third", Version::V311), [Got::Connack { present: false, reason: 3 }]);
    bench.send(1, &[0xC0, 0]);
    assert_eq!(bench.got(1).last(), Some(&Got::Pingresp));
}

#[test]
fn the_gateways_own_clients_are_neither_counted_nor_refused() {
    let mut bench = Bench::with(Limits { connections: 1, sessions: 1, ..Limits::default() });
    bench.origin = Origin::BuiltIn;
    assert_eq!(bench.connect(0, "$first", Version::V5).len(), 1);
    bench.origin = Origin::Network(ListenerId(0));
    assert!(matches!(bench.connect(1, "client", Version::V5)[..], [Got::Connack { reason: 0, .. }]));
    assert_eq!(bench.connect(2, "next", Version::V5), [Got::Connack { present: false, reason: 0x89 }]);
    bench.origin = Origin::BuiltIn;
    assert!(matches!(bench.connect(3, "$second", Version::V5)[..], [Got::Connack { reason: 0, .. }]));
    // What one of them leaves behind is no place that anybody waits for.
    bench.lose(3);
    bench.lose(1);
    bench.origin = Origin::Network(ListenerId(0));
    assert!(matches!(bench.connect(4, "client", Version::V5)[..], [Got::Connack { reason: 0, .. }]));
}

#[test]
fn a_keep_alive_over_the_limit_is_shortened_for_clients_that_can_be_told() {
    for (version, asked, is_shortened) in [
        (Version::V5, 61, true),
        (Version::V5, 0, true),
        (Version::V5, 60, false),
        (Version::V311, 61, false),
        (Version::V311, 0, false),
    ] {
        let mut bench = Bench::with(Limits { keep_alive: 60, ..Limits::default() });
        bench.connect_with(1, "c", version, |connect| connect.keep_alive = asked);
        // One and a half times 60 s, and a second in the client's favour.
        bench.pass(Duration::from_secs(92));
        let is_gone = is_shortened || asked == 60;
        assert_eq!(!bench.closed.is_empty(), is_gone, "{version:?} {asked}");
    }
}

#[test]
fn subscriptions_over_the_limit_are_refused_one_by_one() {
    let mut bench = Bench::with(Limits { subscriptions: 1, ..Limits::default() });
    bench.connect_with(1, "c", Version::V5, |connect| connect.clean_start = true);
    bench.subscribe(1, "a", QoS::AtMostOnce);
    bench.subscribe(1, "b", QoS::AtMostOnce);
    bench.subscribe(1, "a", QoS::AtLeastOnce);
    assert_eq!(bench.got(1), [Got::Suback(vec![0]), Got::Suback(vec![0x97]), Got::Suback(vec![1])]);
    assert_eq!(bench.broker.counters().subscriptions_refused, 1);
}

#[test]
fn retained_messages_over_the_limit_are_refused_and_known_topics_still_change() {
    let mut bench = Bench::with(Limits { retained_messages: 1, ..Limits::default() });
    bench.connect_with(1, "c", Version::V5, |connect| connect.clean_start = true);
    bench.got(1);
    // $SYS has no messages in this test: time has not passed.
    bench.publish_with(1, "a", "x", QoS::AtLeastOnce, 1, true);
    bench.publish_with(1, "b", "x", QoS::AtLeastOnce, 2, true);
    bench.publish_with(1, "a", "y", QoS::AtLeastOnce, 3, true);
    let reasons: Vec<u8> =
        bench.got(1).iter().map(|got| if let Got::Ack(_, _, reason) = got { *reason } else { 1 }).collect();
    assert_eq!(reasons, [0, 0x97, 0]);
}

#[test]
fn a_reader_too_slow_for_a_session_of_its_connection_is_closed_and_told() {
    let mut bench = Bench::with(Limits { queue_messages: 3, inflight: 1, ..Limits::default() });
    bench.connect_with(1, "slow", Version::V5, |connect| connect.clean_start = true);
    bench.subscribe(1, "#", QoS::AtLeastOnce);
    bench.connect_with(0, "p", Version::V311, |connect| connect.clean_start = true);
    bench.got(1);
    for id in 1..=4 {
        bench.publish(0, "a", "x", QoS::AtLeastOnce, id);
    }
    assert_eq!(bench.got(1).last(), Some(&Got::Disconnect(0x97)));
    assert_eq!(bench.broker.counters().slow_readers_closed, 1);
    assert_eq!(bench.got(0).len(), 4, "every PUBACK: the reader is gone, not the message lost in silence");
}

#[test]
fn qos_0_is_dropped_and_counted_when_the_outbox_is_full() {
    let mut bench = Bench::new();
    bench.connect_with(1, "stuck", Version::V311, |connect| connect.clean_start = true);
    bench.subscribe(1, "#", QoS::AtMostOnce);
    bench.connect_with(0, "p", Version::V311, |connect| connect.clean_start = true);
    let payload = "x".repeat(500_000);
    let mut packet = vec![];
    let publish = crate::mqtt::packet::Publish {
        dup: false,
        qos: QoS::AtMostOnce,
        retain: false,
        topic: crate::mqtt::TopicName::new("a").ok(),
        packet_id: None,
        properties: Properties::NONE,
        payload: payload.as_bytes(),
    };
    publish.encode(Version::V311, &mut packet);
    let sent = OUTBOX_BYTES / payload.len() + 3;
    for _ in 0..sent {
        // No turn ends in between: nothing is written.
        bench.broker.receive(bench.now, crate::broker::ConnectionId(0), &packet);
    }
    assert!(bench.broker.counters().dropped_outbox_full >= 1);
    assert!(bench.broker.outbox(crate::broker::ConnectionId(1)).len() < OUTBOX_BYTES + packet.len());
}

#[test]
fn retained_bytes_over_the_limit_are_refused_and_smaller_ones_take_their_place() {
    let mut bench = Bench::with(Limits { retained_bytes: 20, ..Limits::default() });
    bench.connect_with(1, "c", Version::V5, |connect| connect.clean_start = true);
    bench.got(1);
    let sent = [("a", "123456789"), ("b", "123456789"), ("c", "1"), ("a", "1234567890"), ("a", "1"), ("c", "1")];
    for (id, (topic, payload)) in (1..).zip(sent) {
        bench.publish_with(1, topic, payload, QoS::AtLeastOnce, id, true);
    }
    let reasons: Vec<bool> = bench.got(1).iter().map(|got| matches!(got, Got::Ack(_, _, 0x97))).collect();
    assert_eq!(reasons, [false, false, true, true, false, false]);
    bench.publish_with(1, "b", "", QoS::AtLeastOnce, 9, true);
    bench.publish_with(1, "d", "123456789", QoS::AtLeastOnce, 10, true);
    assert!(bench.got(1).iter().all(|got| !matches!(got, Got::Ack(_, _, 0x97))), "what was cleared made room");
}

#[test]
fn a_will_over_the_limit_is_refused() {
    for version in [Version::V311, Version::V5] {
        for (payload, is_refused) in [("123456789", false), ("1234567890", true)] {
            let mut bench = Bench::with(Limits { will_size: 10, ..Limits::default() });
            let got = bench.connect_with(1, "c", version, |connect| connect.will = Some(will("w", payload, &[])));
            let refusal = if version.is_v5() { 0x97 } else { 3 };
            assert_eq!(got, [Got::Connack { present: false, reason: if is_refused { refusal } else { 0 } }]);
        }
    }
}

#[test]
fn topics_deeper_than_the_limit_are_refused() {
    let mut bench = Bench::with(Limits { topic_levels: 3, ..Limits::default() });
    bench.connect_with(1, "c", Version::V5, |connect| connect.clean_start = true);
    bench.got(1);
    for (filter, code) in [("a/b/c", 0), ("a/b/c/d", 0x97), ("$share/g/a/b/c", 0), ("$share/g/a/b/c/d", 0x97)] {
        bench.subscribe(1, filter, QoS::AtMostOnce);
        assert_eq!(bench.got(1), [Got::Suback(vec![code])], "{filter}");
    }
    let got = bench.connect_with(2, "d", Version::V5, |connect| connect.will = Some(will("a/b/c/d", "x", &[])));
    assert_eq!(got, [Got::Connack { present: false, reason: 0x90 }]);
    bench.publish(1, "a/b/c/d", "x", QoS::AtMostOnce, 0);
    assert_eq!(bench.got(1), [Got::Disconnect(0x90)]);
}

#[test]
fn a_connection_that_is_too_many_is_told_so_when_its_connect_comes() {
    for (reason, in_5, before) in
        [(ReasonCode::QUOTA_EXCEEDED, 0x97, 3), (ReasonCode::CONNECTION_RATE_EXCEEDED, 0x9F, 3)]
    {
        let mut bench = Bench::new();
        for (id, version, code) in [(1, Version::V5, in_5), (2, Version::V311, before)] {
            let arrival = Arrival { refusal: Some(reason), ..Arrival::new(bench.origin, bench.now) };
            assert_eq!(bench.connect_from(arrival, id, "c", version), [Got::Connack { present: false, reason: code }]);
        }
        let counters = bench.broker.counters();
        assert_eq!(counters.refused_per_address + counters.refused_rate, 2);
        assert_eq!(bench.closed, [1, 2]);
    }
}

#[test]
fn of_too_many_strangers_the_oldest_gives_way() {
    let mut bench = Bench::with(Limits { unauthenticated: 3, ..Limits::default() });
    for id in 1..=5 {
        bench.open(id);
    }
    bench.turn();
    assert!(bench.closed.is_empty(), "each is undisturbed for a second");
    bench.connect(6, "quick", Version::V5);
    bench.pass(Duration::from_secs(2));
    bench.open(7);
    bench.turn();
    assert_eq!(bench.closed, [1, 2, 3]);
    bench.connect(8, "late", Version::V5);
    assert_eq!(bench.closed, [1, 2, 3, 4], "whoever is opening counts");
    assert_eq!(bench.broker.counters().turned_away, 4);
    bench.pass(Duration::from_secs(2));
    bench.open(9);
    bench.turn();
    assert_eq!(bench.closed, [1, 2, 3, 4], "those who are let in count no more");
    assert!(bench.is_open(6) && bench.is_open(8));
}

#[test]
fn a_refused_publisher_without_a_word_for_it_is_closed_after_a_pause() {
    let mut bench = Bench::with(Limits { retained_messages: 1, ..Limits::default() });
    bench.connect_with(1, "c", Version::V311, |connect| connect.clean_start = true);
    bench.got(1);
    bench.publish_with(1, "a", "x", QoS::AtLeastOnce, 1, true);
    assert_eq!(bench.got(1).len(), 1);
    bench.publish_with(1, "b", "x", QoS::AtLeastOnce, 2, true);
    bench.publish_with(1, "a", "y", QoS::AtLeastOnce, 3, true);
    assert!(bench.got(1).is_empty() && bench.closed.is_empty(), "no word, and not closed at once");
    bench.pass(Duration::from_millis(1_100));
    assert_eq!(bench.closed, [1]);
    // What it sent meanwhile was dropped: it was never confirmed.
    bench.connect_with(2, "r", Version::V311, |connect| connect.clean_start = true);
    bench.subscribe(2, "a", QoS::AtMostOnce);
    let expected = Got::Publish { topic: "a".into(), payload: "x".into(), qos: 0, dup: false, retain: true, id: 0 };
    assert_eq!(bench.got(2).last(), Some(&expected));
}

/// A client of 5.0 that takes packets of so many bytes.
fn narrow(bench: &mut Bench, id: Id, size: u32, client: &str) -> Vec<Got> {
    let takes = properties(Property::MaximumPacketSize(size));
    bench.connect_with(id, client, Version::V5, |connect| {
        (connect.properties, connect.clean_start) = (Properties::from_checked(&takes), true);
    })
}

#[test]
fn every_packet_keeps_to_the_size_that_the_client_takes() {
    // CONNACK has 16 bytes, and 12 more for an identifier such as `auto-0-1`.
    for (size, client, answer) in [
        (16, "c", Some(0)),
        (15, "c", Some(0x95)),
        (27, "", Some(0)),
        (26, "", Some(0x95)),
        (5, "$own", Some(0x85)),
        (4, "c", None),
    ] {
        let mut bench = Bench::new();
        let expected: Vec<Got> = answer.map(|reason| Got::Connack { present: false, reason }).into_iter().collect();
        assert_eq!(narrow(&mut bench, 1, size, client), expected, "{size} {client:?}");
        assert_eq!(bench.is_open(1), answer == Some(0));
    }
}

#[test]
fn an_answer_that_is_too_large_for_its_client_ends_the_connection_and_tells_why() {
    let mut bench = Bench::new();
    narrow(&mut bench, 1, 16, "c");
    // SUBACK has 5 bytes and one for each filter.
    let filters = |count: usize| {
        let mut body = vec![0, 1, 0];
        body.extend(b"\x00\x01a\x00".repeat(count));
        [&[0x82, body.len() as u8][..], &body].concat()
    };
    bench.send(1, &filters(11));
    assert_eq!(bench.got(1), [Got::Suback(vec![0; 11])]);
    bench.send(1, &filters(12));
    assert_eq!(bench.got(1), [Got::Disconnect(0x95)]);
    assert_eq!(bench.closed, [1]);
    bench.connect(2, "fresh", Version::V5);
    bench.publish(2, "a", "x", QoS::AtLeastOnce, 1);
    assert_eq!(bench.got(2), [Got::Ack(crate::mqtt::packet::AckKind::Puback, 1, 0x10)], "its session is gone");
}
