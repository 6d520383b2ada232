//! Lifetimes over restarts: sessions, wills and messages end when they should, whatever the power and the clock do.

use super::support::{Bench, Got, message, properties, will};
use crate::broker::Input;
use crate::mqtt::packet::Publish;
use crate::mqtt::{Properties, Property, QoS, TopicName, Version};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// A client of 5.0 with a session of 100 seconds and a will that waits for 50.
fn connect(bench: &mut Bench) -> bool {
    let expiry = properties(Property::SessionExpiryInterval(100));
    let delay = properties(Property::WillDelayInterval(50));
    let got = bench.connect_with(1, "mortal", Version::V5, |connect| {
        connect.properties = Properties::from_checked(&expiry);
        connect.will = Some(will("gone", "mortal", &delay));
    });
    match got.first() {
        Some(Got::Connack { present, reason: 0 }) => *present,
        other => panic!("{other:?}"),
    }
}

fn watch(bench: &mut Bench) {
    bench.connect_with(9, "watcher", Version::V311, |connect| connect.clean_start = true);
    bench.subscribe(9, "gone", QoS::AtMostOnce);
    bench.got(9);
}

#[test]
fn a_session_does_not_live_for_ever_by_power_cuts() {
    let mut bench = Bench::new();
    connect(&mut bench);
    bench.pass(2 * SECOND);
    // The power fails while the client is there: its time begins with the next start.
    for _ in 0..4 {
        bench.restart();
        bench.pass(30 * SECOND);
    }
    assert!(!connect(&mut bench), "120 seconds without a connection");
}

#[test]
fn a_session_lives_as_long_as_it_should_over_a_restart() {
    let mut bench = Bench::new();
    connect(&mut bench);
    bench.lose(1);
    bench.pass(60 * SECOND);
    bench.restart();
    bench.pass(39 * SECOND);
    assert!(connect(&mut bench));
    // Its time stands still while it is connected, over a restart too.
    bench.restart();
    bench.pass(90 * SECOND);
    assert!(connect(&mut bench));
}

#[test]
fn a_client_that_is_back_is_told_so_only_when_its_time_no_longer_runs() {
    let mut bench = Bench::new();
    connect(&mut bench);
    bench.lose(1);
    bench.pass(2 * SECOND);
    bench.commits = false;
    let expiry = properties(Property::SessionExpiryInterval(100));
    let got =
        bench.connect_with(1, "mortal", Version::V5, |connect| connect.properties = Properties::from_checked(&expiry));
    assert_eq!(got, []);
    bench.commit();
    assert_eq!(bench.got(1).len(), 1);
}

#[test]
fn a_will_that_waits_is_sent_after_a_restart_and_only_once() {
    let mut bench = Bench::new();
    connect(&mut bench);
    bench.lose(1);
    bench.pass(20 * SECOND);
    bench.restart();
    watch(&mut bench);
    bench.pass(29 * SECOND);
    assert_eq!(bench.got(9), []);
    bench.pass(2 * SECOND);
    assert_eq!(bench.got(9), [message("gone", "mortal", 0, 0)]);
    bench.pass(2 * SECOND);
    bench.restart();
    watch(&mut bench);
    bench.pass(60 * SECOND);
    assert_eq!(bench.got(9), []);
}

#[test]
fn a_will_is_not_sent_for_a_client_that_came_back() {
    let mut bench = Bench::new();
    connect(&mut bench);
    bench.lose(1);
    bench.pass(20 * SECOND);
    connect(&mut bench);
    bench.restart();
    watch(&mut bench);
    bench.pass(120 * SECOND);
    assert_eq!(bench.got(9), []);
}

#[test]
fn time_that_the_gateway_was_off_counts_once_it_is_known() {
    let mut bench = Bench::new();
    connect(&mut bench);
    bench.lose(1);
    let lives = properties(Property::MessageExpiryInterval(80));
    bench.connect_with(0, "publisher", Version::V5, |connect| connect.clean_start = true);
    let publish = Publish {
        dup: false,
        qos: QoS::AtLeastOnce,
        retain: true,
        topic: Some(TopicName::new("news").expect("valid")),
        packet_id: crate::mqtt::PacketId::new(1),
        properties: Properties::from_checked(&lives),
        payload: b"x",
    };
    let mut bytes = vec![];
    publish.encode(Version::V5, &mut bytes);
    bench.send(0, &bytes);
    bench.pass(10 * SECOND);
    bench.restart();
    watch(&mut bench);
    bench.pass(5 * SECOND);
    bench.broker.handle(bench.now, Input::Slept(70 * SECOND));
    bench.pass(SECOND);
    assert_eq!(bench.got(9), [message("gone", "mortal", 0, 0)], "the will is due");
    bench.subscribe(9, "news", QoS::AtMostOnce);
    assert_eq!(bench.got(9), [Got::Suback(vec![0])], "the message is over");
    assert!(connect(&mut bench), "86 of 100 seconds");
    bench.lose(1);
    bench.pass(99 * SECOND);
    assert!(connect(&mut bench), "what began after the start is not shortened");
}
