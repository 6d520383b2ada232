//! Retained messages for new subscriptions.

use super::support::{Bench, Got, properties};
use crate::base::limits::REPLAY_MESSAGES;
use crate::mqtt::packet::AckKind;
use crate::mqtt::{Properties, Property, QoS, Version};
use std::time::Duration;

const COUNT: usize = 3 * REPLAY_MESSAGES + 7;

/// A broker with many retained messages of QoS 1.
fn full() -> Bench {
    let mut bench = Bench::new();
    bench.connect_with(0, "p", Version::V311, |connect| connect.clean_start = true);
    for number in 0..COUNT {
        bench.publish_with(0, &format!("r/{number}"), "x", QoS::AtLeastOnce, 1, true);
    }
    bench
}

fn topics(got: &[Got]) -> Vec<String> {
    let topic = |got: &Got| match got {
        Got::Publish { topic, retain: true, .. } => Some(topic.clone()),
        _ => None,
    };
    got.iter().filter_map(topic).collect()
}

#[test]
fn a_long_replay_takes_several_turns_and_loses_nothing() {
    let mut bench = full();
    bench.connect_with(1, "c", Version::V311, |connect| connect.clean_start = true);
    bench.subscribe(1, "r/#", QoS::AtMostOnce);
    let first = topics(&bench.got(1));
    assert!(first.len() <= 2 * REPLAY_MESSAGES, "{} in the first turn", first.len());
    bench.pass(Duration::from_millis(1));
    let mut all = [first, topics(&bench.got(1))].concat();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), COUNT);
}

#[test]
fn a_replay_of_qos_1_goes_on_as_the_client_acknowledges() {
    let mut bench = full();
    let window = properties(Property::ReceiveMaximum(10));
    bench.connect_with(1, "c", Version::V5, |connect| connect.properties = Properties::from_checked(&window));
    bench.subscribe(1, "+/+", QoS::AtLeastOnce);
    let mut count = 0;
    loop {
        bench.pass(Duration::from_millis(1));
        let got: Vec<_> = bench.got(1).into_iter().filter(|got| matches!(got, Got::Publish { .. })).collect();
        if got.is_empty() {
            break;
        }
        assert!(got.len() <= 10);
        count += got.len();
        for packet in got {
            let Got::Publish { id, .. } = packet else { continue };
            bench.ack(1, AckKind::Puback, id);
        }
    }
    assert_eq!(count, COUNT);
}

#[test]
fn unsubscribing_ends_a_replay() {
    let mut bench = full();
    bench.connect_with(1, "c", Version::V311, |connect| connect.clean_start = true);
    bench.broker.receive(
        bench.now,
        crate::broker::ConnectionId(1),
        b"\x82\x08\x00\x01\x00\x03r/#\x00\xA2\x07\x00\x02\x00\x03r/#",
    );
    bench.turn();
    bench.pass(Duration::from_secs(1));
    assert!(topics(&bench.got(1)).len() <= 2 * REPLAY_MESSAGES);
}
