//! Connections and sessions over time: takeover, keep alive, wills, expiry.

use super::support::{Bench, Got, message, properties, will};
use crate::base::limits::Limits;
use crate::broker::{Arrival, ConnectionId, Input};
use crate::mqtt::packet::AckKind;
use crate::mqtt::{Properties, Property, QoS, Version};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn watcher(bench: &mut Bench) {
    bench.connect_with(9, "watcher", Version::V311, |connect| connect.clean_start = true);
    bench.subscribe(9, "#", QoS::AtMostOnce);
    bench.got(9);
}

#[test]
fn a_connection_without_connect_is_closed_in_time() {
    let mut bench = Bench::new();
    let arrival = Arrival::new(bench.origin, bench.now);
    bench.broker.handle(bench.now, Input::Opened(ConnectionId(3), arrival));
    bench.pass(Duration::from_secs(u64::from(Limits::default().connect_timeout) - 1));
    assert!(bench.closed.is_empty());
    bench.pass(SECOND);
    assert_eq!(bench.closed, [3]);
}

#[test]
fn what_a_handshake_took_is_taken_from_the_time_for_connect() {
    let mut bench = Bench::new();
    bench.pass(Duration::from_secs(4));
    let since = bench.now;
    bench.pass(Duration::from_secs(u64::from(Limits::default().connect_timeout) - 1));
    bench.broker.handle(bench.now, Input::Opened(ConnectionId(3), Arrival::new(bench.origin, since)));
    bench.pass(SECOND / 2);
    assert!(bench.closed.is_empty());
    bench.pass(SECOND / 2);
    assert_eq!(bench.closed, [3]);
}

#[test]
fn a_silent_client_is_closed_after_one_and_a_half_times_its_keep_alive() {
    let mut bench = Bench::new();
    watcher(&mut bench);
    bench.connect_with(1, "silent", Version::V5, |connect| {
        connect.keep_alive = 10;
        connect.will = Some(will("gone", "silent", &[]));
    });
    bench.pass(14 * SECOND);
    bench.send(1, &[0xC0, 0]);
    assert_eq!(bench.got(1), [Got::Pingresp]);
    bench.pass(14 * SECOND);
    assert!(bench.closed.is_empty());
    bench.pass(3 * SECOND);
    assert_eq!(bench.got(1), [Got::Disconnect(0x8D)]);
    assert_eq!(bench.closed, [1]);
    assert_eq!(bench.got(9), [message("gone", "silent", 0, 0)]);
}

#[test]
fn a_second_connection_takes_the_session_over() {
    let mut bench = Bench::new();
    let expiry = properties(Property::SessionExpiryInterval(100));
    bench.connect_with(1, "same", Version::V5, |connect| connect.properties = Properties::from_checked(&expiry));
    bench.subscribe(1, "a", QoS::AtLeastOnce);
    bench.got(1);
    let got = bench.connect(2, "same", Version::V5);
    assert_eq!(bench.got(1), [Got::Disconnect(0x8E)]);
    assert_eq!(got, [Got::Connack { present: true, reason: 0 }]);
    bench.publish(2, "a", "x", QoS::AtLeastOnce, 1);
    assert!(matches!(bench.got(2)[..], [Got::Publish { .. }]));
}

#[test]
fn a_will_waits_for_its_delay_and_not_longer_than_the_session() {
    for (delay, expiry, after) in [(5, 100, 5), (50, 20, 20)] {
        let mut bench = Bench::new();
        watcher(&mut bench);
        let (delayed, expiring) =
            (properties(Property::WillDelayInterval(delay)), properties(Property::SessionExpiryInterval(expiry)));
        bench.connect_with(1, "c", Version::V5, |connect| {
            connect.properties = Properties::from_checked(&expiring);
            connect.will = Some(will("w", "lost", &delayed));
        });
        bench.lose(1);
        bench.pass(Duration::from_millis(after * 1000 - 1));
        assert_eq!(bench.got(9), []);
        bench.pass(Duration::from_millis(1));
        assert_eq!(bench.got(9), [message("w", "lost", 0, 0)]);
    }
}

#[test]
fn a_client_that_returns_in_time_keeps_its_will_back() {
    let mut bench = Bench::new();
    watcher(&mut bench);
    let (delayed, expiring) =
        (properties(Property::WillDelayInterval(5)), properties(Property::SessionExpiryInterval(100)));
    bench.connect_with(1, "c", Version::V5, |connect| {
        connect.properties = Properties::from_checked(&expiring);
        connect.will = Some(will("w", "lost", &delayed));
    });
    bench.lose(1);
    bench.pass(3 * SECOND);
    bench.connect(1, "c", Version::V5);
    bench.pass(60 * SECOND);
    assert_eq!(bench.got(9), []);
}

#[test]
fn a_session_expires_and_leaves_nothing_behind() {
    let mut bench = Bench::new();
    let expiring = properties(Property::SessionExpiryInterval(10));
    bench.connect_with(1, "c", Version::V5, |connect| connect.properties = Properties::from_checked(&expiring));
    bench.subscribe(1, "a", QoS::AtLeastOnce);
    bench.lose(1);
    bench.connect_with(0, "p", Version::V311, |connect| connect.clean_start = true);
    bench.publish(0, "a", "x", QoS::AtLeastOnce, 1);
    assert_eq!(bench.disk.memory.sessions.len(), 1);
    bench.pass(11 * SECOND);
    assert!(bench.disk.memory.sessions.is_empty() && bench.disk.memory.subscriptions.is_empty());
    let got = bench.connect(1, "c", Version::V5);
    assert_eq!(got, [Got::Connack { present: false, reason: 0 }]);
}

#[test]
fn connack_of_a_clean_start_waits_until_the_old_session_is_gone_for_good() {
    let mut bench = Bench::new();
    bench.connect(1, "c", Version::V311);
    bench.subscribe(1, "a", QoS::AtLeastOnce);
    bench.lose(1);
    bench.commits = false;
    let got = bench.connect_with(1, "c", Version::V311, |connect| connect.clean_start = true);
    assert_eq!(got, []);
    bench.commit();
    assert_eq!(bench.got(1), [Got::Connack { present: false, reason: 0 }]);
}

#[test]
fn a_message_that_was_not_acknowledged_is_sent_again_with_dup() {
    let mut bench = Bench::new();
    bench.connect(1, "c", Version::V311);
    bench.subscribe(1, "a", QoS::AtLeastOnce);
    bench.connect_with(0, "p", Version::V311, |connect| connect.clean_start = true);
    bench.got(1);
    bench.publish(0, "a", "x", QoS::AtLeastOnce, 1);
    let Got::Publish { id, dup: false, .. } = bench.got(1)[0].clone() else { panic!("first delivery") };
    bench.pass(SECOND);
    bench.lose(1);
    let got = bench.connect(1, "c", Version::V311);
    let again = Got::Publish { topic: "a".into(), payload: "x".into(), qos: 1, dup: true, retain: false, id };
    assert_eq!(got[1..], [again]);
    bench.ack(1, AckKind::Puback, id);
    bench.lose(1);
    assert_eq!(bench.connect(1, "c", Version::V311).len(), 1);
}
