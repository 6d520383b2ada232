//! Shared subscriptions.

use super::support::{Bench, Got, properties};
use crate::mqtt::packet::AckKind;
use crate::mqtt::{Properties, Property, QoS, Version};

/// A publisher (0) and members (1, 2, …) of `$share/g/a` whose window is one message.
fn members(count: u32) -> Bench {
    let mut bench = Bench::new();
    bench.connect_with(0, "p", Version::V5, |connect| connect.clean_start = true);
    let window = properties(Property::ReceiveMaximum(1));
    for member in 1..=count {
        let name = format!("m{member}");
        bench.connect_with(member, &name, Version::V5, |connect| {
            connect.properties = Properties::from_checked(&window);
        });
        bench.subscribe(member, "$share/g/a", QoS::AtLeastOnce);
        bench.got(member);
    }
    bench
}

fn payloads(got: &[Got]) -> Vec<String> {
    let payload = |got: &Got| match got {
        Got::Publish { payload, .. } => Some(payload.clone()),
        _ => None,
    };
    got.iter().filter_map(payload).collect()
}

#[test]
fn members_take_turns() {
    let mut bench = members(3);
    for number in 0..6 {
        bench.publish(0, "a", &number.to_string(), QoS::AtMostOnce, 0);
    }
    let mut all: Vec<_> = (1..=3).map(|member| payloads(&bench.got(member))).collect();
    assert!(all.iter().all(|got| got.len() == 2), "{all:?}");
    all.sort();
    assert_eq!(all, [["0", "3"], ["1", "4"], ["2", "5"]]);
}

#[test]
fn a_member_whose_window_is_full_is_passed_over() {
    let mut bench = members(2);
    for id in 1..=2 {
        bench.publish(0, "a", "x", QoS::AtLeastOnce, id);
    }
    let Got::Publish { id, .. } = bench.got(1)[0] else { panic!("each member has one") };
    bench.ack(1, AckKind::Puback, id);
    bench.publish(0, "a", "third", QoS::AtLeastOnce, 3);
    bench.publish(0, "a", "waits", QoS::AtLeastOnce, 4);
    assert_eq!(payloads(&bench.got(1)), ["third"]);
}

#[test]
fn messages_of_a_member_that_is_gone_go_to_another() {
    let mut bench = members(2);
    for id in 1..=4 {
        bench.publish(0, "a", &id.to_string(), QoS::AtLeastOnce, id);
    }
    let mut got = payloads(&bench.got(1));
    bench.lose(2);
    for _ in 0..4 {
        let last = bench.broker.counters().publishes_sent;
        for id in 1..=9 {
            bench.ack(1, AckKind::Puback, id);
        }
        got.extend(payloads(&bench.got(1)));
        assert!(bench.broker.counters().publishes_sent >= last);
    }
    got.sort();
    assert_eq!(got, ["1", "2", "3", "4"]);
}

#[test]
fn a_stored_member_that_is_away_gets_messages_only_when_nobody_is_there() {
    let mut bench = members(1);
    bench.connect(7, "stored", Version::V311);
    bench.subscribe(7, "$share/g/a", QoS::AtLeastOnce);
    bench.lose(7);
    bench.publish(0, "a", "there", QoS::AtLeastOnce, 1);
    assert_eq!(payloads(&bench.got(1)), ["there"]);
    bench.lose(1);
    bench.publish(0, "a", "away", QoS::AtLeastOnce, 2);
    bench.restart();
    let got = bench.connect(7, "stored", Version::V311);
    assert_eq!(payloads(&got), ["there", "away"], "the first was not acknowledged by the member that is gone");
}

#[test]
fn a_shared_subscription_delivers_beside_an_ordinary_one() {
    let mut bench = members(1);
    bench.subscribe(1, "a", QoS::AtMostOnce);
    bench.publish(0, "a", "x", QoS::AtMostOnce, 0);
    assert_eq!(payloads(&bench.got(1)), ["x", "x"]);
}

/// A session ends while the store reads what it had asked for: that is not the answer to what is asked for its members.
#[test]
fn what_an_ended_session_had_asked_for_goes_to_nobody_else() {
    let mut bench = Bench::new();
    bench.connect_with(0, "p", Version::V5, |connect| connect.clean_start = true);
    bench.connect(7, "away", Version::V311);
    bench.subscribe(7, "a", QoS::AtLeastOnce);
    bench.subscribe(7, "$share/g/b", QoS::AtLeastOnce);
    bench.lose(7);
    bench.publish(0, "a", "own", QoS::AtLeastOnce, 1);
    bench.publish(0, "b", "shared", QoS::AtLeastOnce, 2);
    bench.connect(1, "other", Version::V311);
    bench.subscribe(1, "$share/g/b", QoS::AtLeastOnce);
    bench.commits = false;
    bench.subscribe(1, "c", QoS::AtLeastOnce);
    bench.connect(7, "away", Version::V311);
    bench.connect_with(8, "away", Version::V311, |connect| connect.clean_start = true);
    bench.commits = true;
    bench.commit();
    assert_eq!(payloads(&bench.got(1)), ["shared"]);
}
