//! What is confirmed is kept; what need not be kept is not written.

use super::support::{Bench, Got, message, properties, will};
use crate::base::limits::{ELISION_MICROS, Limits, QueueFull};
use crate::broker::StoreFault;
use crate::mqtt::packet::AckKind::{Puback, Pubcomp, Pubrec, Pubrel};
use crate::mqtt::{Properties, Property, QoS, Version};
use std::time::Duration;

const SUCCESS: u8 = 0;

/// A publisher (0) and a reader (1) with a stored session that subscribed to everything.
fn pair(version: Version, qos: QoS) -> Bench {
    let mut bench = Bench::new();
    bench.connect_with(0, "publisher", version, |connect| connect.clean_start = true);
    bench.connect(1, "reader", Version::V311);
    bench.subscribe(1, "#", qos);
    assert_eq!(bench.got(1), [Got::Suback(vec![qos.bits()])]);
    bench.pass(Duration::from_secs(2));
    bench.commits = false;
    bench
}

#[test]
fn puback_waits_for_the_commit_when_a_reader_is_away() {
    let mut bench = pair(Version::V5, QoS::AtLeastOnce);
    bench.lose(1);
    bench.publish(0, "a", "x", QoS::AtLeastOnce, 7);
    assert_eq!(bench.got(0), []);
    bench.commit();
    assert_eq!(bench.got(0), [Got::Ack(Puback, 7, SUCCESS)]);
}

#[test]
fn a_message_its_reader_acknowledged_is_not_written() {
    let mut bench = pair(Version::V5, QoS::AtLeastOnce);
    bench.publish(0, "a", "x", QoS::AtLeastOnce, 7);
    let id = first_id(&bench.got(1));
    assert_eq!(bench.got(0), []);
    bench.ack(1, Puback, id);
    assert_eq!(bench.got(0), [Got::Ack(Puback, 7, SUCCESS)]);
    bench.pass(Duration::from_secs(5));
    assert!(bench.pending.is_none(), "nothing is left to write");
    assert_eq!(bench.broker.counters().messages_elided, 1);
}

#[test]
fn a_message_is_written_when_its_reader_takes_too_long() {
    let mut bench = pair(Version::V5, QoS::AtLeastOnce);
    bench.publish(0, "a", "x", QoS::AtLeastOnce, 7);
    bench.pass(Duration::from_micros(ELISION_MICROS));
    bench.commit();
    assert_eq!(bench.got(0), [Got::Ack(Puback, 7, SUCCESS)]);
    assert_eq!(bench.disk.memory.messages.len(), 1);
}

#[test]
fn qos_0_and_live_delivery_do_not_wait_for_a_writer_that_hangs() {
    let mut bench = pair(Version::V5, QoS::AtLeastOnce);
    bench.publish(0, "a", "first", QoS::AtLeastOnce, 1);
    bench.pass(Duration::from_micros(ELISION_MICROS));
    assert!(bench.pending.is_some(), "the writer has a group and does not come back");
    bench.publish(0, "a", "zero", QoS::AtMostOnce, 0);
    bench.publish(0, "a", "one", QoS::AtLeastOnce, 2);
    let payloads: Vec<_> = bench.got(1).iter().map(payload).collect();
    assert_eq!(payloads, ["first", "zero", "one"]);
}

#[test]
fn what_was_acknowledged_arrives_after_a_power_cut() {
    let mut bench = pair(Version::V5, QoS::AtLeastOnce);
    bench.lose(1);
    bench.commits = true;
    for (number, payload) in ["x", "y", "z"].into_iter().enumerate() {
        bench.publish(0, "a", payload, QoS::AtLeastOnce, number as u16 + 1);
    }
    assert_eq!(bench.got(0).len(), 3);
    bench.restart();
    let got = bench.connect(1, "reader", Version::V311);
    assert_eq!(got[0], Got::Connack { present: true, reason: SUCCESS });
    let payloads: Vec<_> = got[1..].iter().map(payload).collect();
    assert_eq!(payloads, ["x", "y", "z"]);
}

#[test]
fn a_qos_2_publisher_is_answered_step_by_step_only_after_commits() {
    let mut bench = Bench::new();
    bench.connect(0, "publisher", Version::V311);
    bench.commits = false;
    bench.publish(0, "a", "x", QoS::ExactlyOnce, 7);
    assert_eq!(bench.got(0), []);
    bench.commit();
    assert_eq!(bench.got(0), [Got::Ack(Pubrec, 7, SUCCESS)]);
    bench.ack(0, Pubrel, 7);
    assert_eq!(bench.got(0), []);
    bench.commit();
    assert_eq!(bench.got(0), [Got::Ack(Pubcomp, 7, SUCCESS)]);
}

#[test]
fn a_qos_2_message_that_was_received_is_not_taken_twice_after_a_power_cut() {
    let mut bench = pair(Version::V311, QoS::ExactlyOnce);
    bench.commits = true;
    bench.connect(2, "stored", Version::V311);
    bench.publish(2, "a", "x", QoS::ExactlyOnce, 7);
    assert_eq!(bench.got(2), [Got::Ack(Pubrec, 7, SUCCESS)]);
    bench.restart();
    bench.connect(2, "stored", Version::V311);
    bench.publish(2, "a", "x", QoS::ExactlyOnce, 7);
    assert_eq!(bench.got(2), [Got::Ack(Pubrec, 7, SUCCESS)]);
    let got = bench.connect(1, "reader", Version::V311);
    assert_eq!(got.len(), 2, "CONNACK and the message once: {got:?}");
}

#[test]
fn pubrel_follows_when_pubrec_is_kept() {
    let mut bench = pair(Version::V5, QoS::ExactlyOnce);
    bench.commits = true;
    bench.publish(0, "a", "x", QoS::ExactlyOnce, 1);
    let id = first_id(&bench.got(1));
    bench.commits = false;
    bench.ack(1, Pubrec, id);
    assert_eq!(bench.got(1), []);
    bench.commit();
    assert_eq!(bench.got(1), [Got::Ack(Pubrel, id, SUCCESS)]);
    // Power fails before PUBCOMP: PUBREL is sent again, not PUBLISH.
    bench.commits = true;
    bench.restart();
    let got = bench.connect(1, "reader", Version::V311);
    assert_eq!(got[1..], [Got::Ack(Pubrel, id, SUCCESS)]);
}

#[test]
fn a_commit_that_fails_confirms_nothing_until_it_succeeds() {
    let mut bench = pair(Version::V5, QoS::AtLeastOnce);
    bench.lose(1);
    bench.publish(0, "a", "x", QoS::AtLeastOnce, 7);
    bench.fail(StoreFault::Broken);
    assert_eq!(bench.got(0), []);
    assert_eq!(bench.broker.store_fault(), Some(StoreFault::Broken));
    bench.publish(0, "a", "y", QoS::AtLeastOnce, 8);
    bench.pass(Duration::from_secs(1));
    bench.commit();
    bench.commit();
    assert_eq!(bench.got(0), [Got::Ack(Puback, 7, SUCCESS), Got::Ack(Puback, 8, SUCCESS)]);
    assert_eq!(bench.broker.store_fault(), None);
}

#[test]
fn a_full_card_refuses_what_it_cannot_keep() {
    let mut bench = pair(Version::V5, QoS::AtLeastOnce);
    bench.lose(1);
    bench.publish(0, "a", "x", QoS::AtLeastOnce, 7);
    bench.fail(StoreFault::Full);
    bench.publish(0, "a", "y", QoS::AtLeastOnce, 8);
    assert_eq!(bench.got(0), [Got::Ack(Puback, 8, 0x97)]);
    bench.publish(0, "a", "z", QoS::AtMostOnce, 0);
    assert_eq!(bench.broker.counters().publishes_refused, 1);
}

#[test]
fn a_full_queue_refuses_the_publisher() {
    let mut bench = Bench::with(Limits { queue_messages: 2, ..Limits::default() });
    bench.connect_with(0, "publisher", Version::V5, |connect| connect.clean_start = true);
    bench.connect(1, "reader", Version::V311);
    bench.subscribe(1, "#", QoS::AtLeastOnce);
    bench.lose(1);
    bench.got(0);
    for id in 1..=3 {
        bench.publish(0, "a", "x", QoS::AtLeastOnce, id);
    }
    let expected = [Got::Ack(Puback, 1, SUCCESS), Got::Ack(Puback, 2, SUCCESS), Got::Ack(Puback, 3, 0x97)];
    assert_eq!(bench.got(0), expected);
}

#[test]
fn a_will_passes_over_a_reader_whose_queue_is_full() {
    let mut bench = Bench::with(Limits { queue_messages: 1, ..Limits::default() });
    bench.connect_with(0, "mortal", Version::V311, |connect| connect.will = Some(will("a", "gone", &[])));
    for (reader, name) in [(1, "asleep"), (2, "awake")] {
        bench.connect(reader, name, Version::V311);
        bench.subscribe(reader, "a", QoS::AtLeastOnce);
        bench.got(reader);
    }
    bench.lose(1);
    bench.publish(0, "a", "fills the queue of the one that is asleep", QoS::AtLeastOnce, 1);
    let id = first_id(&bench.got(2));
    bench.ack(2, Puback, id);
    bench.lose(0);
    let got = bench.got(2);
    assert!(matches!(&got[..], [Got::Publish { payload, .. }] if payload == "gone"), "{got:?}");
    assert_eq!(bench.broker.counters().dropped_queue_full, 1);
    assert_eq!(bench.broker.counters().publishes_refused, 0);
}

/// A reader without a session of its own that is too slow is closed by the message it cannot take. Its will is another one.
#[test]
fn the_will_of_a_reader_that_is_too_slow_does_not_take_the_place_of_the_message() {
    let mut bench = Bench::with(Limits { queue_messages: 2, inflight: 1, ..Limits::default() });
    bench.connect_with(0, "publisher", Version::V5, |connect| connect.clean_start = true);
    bench.connect_with(1, "slow", Version::V5, |connect| {
        (connect.clean_start, connect.will) = (true, Some(will("a", "will", &[])));
    });
    bench.subscribe(1, "a", QoS::AtLeastOnce);
    bench.publish(0, "a", "1", QoS::AtLeastOnce, 1);
    bench.publish(0, "a", "2", QoS::AtLeastOnce, 2);
    bench.connect(2, "reader", Version::V311);
    bench.subscribe(2, "a", QoS::AtLeastOnce);
    bench.lose(2);
    bench.publish(0, "a", "3", QoS::AtLeastOnce, 3);
    assert_eq!(bench.broker.counters().slow_readers_closed, 1);
    bench.restart();
    let mut got = bench.connect(2, "reader", Version::V311);
    for packet in got.clone() {
        if let Got::Publish { id, .. } = packet {
            bench.ack(2, Puback, id);
        }
    }
    got.extend(bench.got(2));
    let payloads =
        got.iter().filter_map(|got| if let Got::Publish { payload, .. } = got { Some(payload) } else { None });
    assert_eq!(payloads.collect::<Vec<_>>(), ["3", "will"]);
}

/// A client of 3.1.1 that is subscribed to what it publishes, and sends a refused message again before anything else.
#[test]
fn a_client_whose_own_queue_is_full_takes_what_waits_before_it_is_closed() {
    let mut bench = Bench::with(Limits { queue_messages: 2, ..Limits::default() });
    bench.connect_with(0, "publisher", Version::V5, |connect| connect.clean_start = true);
    bench.connect(1, "reader", Version::V311);
    bench.subscribe(1, "#", QoS::AtLeastOnce);
    bench.lose(1);
    bench.publish(0, "a", "1", QoS::AtLeastOnce, 1);
    bench.publish(0, "a", "2", QoS::AtLeastOnce, 2);
    let waiting = bench.connect(1, "reader", Version::V311);
    bench.publish(1, "a", "own", QoS::AtLeastOnce, 9);
    bench.publish(1, "a", "after it", QoS::AtLeastOnce, 10);
    for got in waiting {
        if let Got::Publish { id, .. } = got {
            bench.ack(1, Puback, id);
        }
    }
    assert_eq!((bench.got(1), bench.is_open(1)), (vec![], true), "nothing that came after a refused message is taken");
    bench.pass(Duration::from_secs(1));
    assert!(!bench.is_open(1));
    bench.connect(1, "reader", Version::V311);
    bench.publish(1, "a", "own", QoS::AtLeastOnce, 9);
    let got = bench.got(1);
    let is_delivery = |got: &&Got| matches!(got, Got::Publish { payload, .. } if payload == "own");
    assert_eq!(got.iter().filter(is_delivery).count(), 1, "{got:?}");
}

#[test]
fn a_full_queue_drops_where_the_configuration_wants_it_and_counts() {
    for (queue_full, expected) in [(QueueFull::DropOldest, ["2", "3"]), (QueueFull::DropNewest, ["1", "2"])] {
        let mut bench = Bench::with(Limits { queue_messages: 2, queue_full, ..Limits::default() });
        bench.connect_with(0, "publisher", Version::V5, |connect| connect.clean_start = true);
        bench.connect(1, "reader", Version::V311);
        bench.subscribe(1, "#", QoS::AtLeastOnce);
        bench.lose(1);
        for id in 1..=3 {
            bench.publish(0, "a", &id.to_string(), QoS::AtLeastOnce, id);
        }
        assert_eq!(bench.got(0).len(), 3);
        assert_eq!(bench.broker.counters().dropped_queue_full, 1);
        bench.pass(Duration::from_secs(2));
        bench.restart();
        let payloads: Vec<_> = bench.connect(1, "reader", Version::V311)[1..].iter().map(payload).collect();
        assert_eq!(payloads, expected);
    }
}

#[test]
fn a_new_session_is_kept_without_waiting_for_anything_else() {
    let mut bench = Bench::new();
    bench.connect(1, "alone", Version::V311);
    bench.pass(Duration::from_secs(1));
    bench.restart();
    assert_eq!(bench.connect(1, "alone", Version::V311), [Got::Connack { present: true, reason: SUCCESS }]);
}

#[test]
fn a_changed_expiry_is_kept_without_waiting_for_anything_else() {
    let mut bench = Bench::new();
    for seconds in [100, 10] {
        let expiry = properties(Property::SessionExpiryInterval(seconds));
        bench.connect_with(1, "alone", Version::V5, |connect| connect.properties = Properties::from_checked(&expiry));
        bench.pass(Duration::from_secs(1));
        let kept: Vec<u32> = bench.disk.memory.sessions.iter().map(|(_, _, expiry)| *expiry).collect();
        assert_eq!(kept, [seconds]);
        bench.lose(1);
    }
}

#[test]
fn stored_rows_are_deleted_when_nobody_needs_them() {
    let mut bench = pair(Version::V5, QoS::AtLeastOnce);
    bench.commits = true;
    for round in 0..6 {
        bench.lose(1);
        for id in 1..=100 {
            bench.publish(0, "a", &round.to_string(), QoS::AtLeastOnce, id);
        }
        let got = bench.connect(1, "reader", Version::V311);
        for packet in &got[1..] {
            bench.ack(1, Puback, first_id(std::slice::from_ref(packet)));
        }
        bench.pass(Duration::from_secs(2));
    }
    let rows = bench.disk.memory.messages.len();
    assert!(rows <= 256, "600 messages were read, {rows} rows are left");
    bench.restart();
    assert_eq!(bench.connect(1, "reader", Version::V311).len(), 1, "nothing is delivered again");
}

#[test]
fn a_retained_message_is_confirmed_when_it_is_kept() {
    let mut bench = Bench::new();
    bench.connect_with(0, "publisher", Version::V5, |connect| connect.clean_start = true);
    bench.commits = false;
    bench.publish_with(0, "a", "x", QoS::AtLeastOnce, 7, true);
    assert_eq!(bench.got(0), []);
    bench.commit();
    assert_eq!(bench.got(0).len(), 1);
    bench.commits = true;
    bench.restart();
    bench.connect_with(1, "reader", Version::V311, |connect| connect.clean_start = true);
    bench.subscribe(1, "a", QoS::AtMostOnce);
    let mut expected = message("a", "x", 0, 0);
    if let Got::Publish { retain, .. } = &mut expected {
        *retain = true;
    }
    assert!(bench.got(1).contains(&expected));
}

fn first_id(got: &[Got]) -> u16 {
    match got.first() {
        Some(Got::Publish { id, .. }) => *id,
        other => panic!("expected a message, got {other:?}"),
    }
}

fn payload(got: &Got) -> String {
    match got {
        Got::Publish { payload, .. } => payload.clone(),
        other => panic!("expected a message, got {other:?}"),
    }
}

#[test]
fn a_clear_is_confirmed_only_when_the_store_has_nothing_retained() {
    let mut bench = pair(Version::V5, QoS::AtMostOnce);
    bench.publish_with(0, "a", "x", QoS::AtLeastOnce, 1, true);
    bench.commit();
    // The first clear waits a minute for others, so the second finds nothing in memory, but the store still has it.
    bench.publish_with(0, "a", "", QoS::AtMostOnce, 0, true);
    bench.got(0);
    bench.publish_with(0, "a", "", QoS::AtLeastOnce, 2, true);
    assert_eq!(bench.got(0), []);
    bench.commit();
    assert_eq!(bench.got(0), [Got::Ack(Puback, 2, SUCCESS)]);
    assert!(bench.disk.memory.retained.is_empty());
}

#[test]
fn that_a_session_is_absent_is_told_when_a_power_cut_cannot_bring_it_back() {
    let mut bench = pair(Version::V5, QoS::AtLeastOnce);
    bench.lose(1);
    bench.connect_with(1, "reader", Version::V5, |connect| connect.clean_start = false);
    // It goes on with an expiry of 0, so it ends with the connection.
    bench.got(1);
    bench.lose(1);
    assert_eq!(bench.connect(2, "reader", Version::V311), []);
    bench.commit();
    assert_eq!(bench.got(2), [Got::Connack { present: false, reason: SUCCESS }]);
}

#[test]
fn that_a_session_is_present_is_told_when_a_power_cut_cannot_take_it() {
    let mut bench = pair(Version::V5, QoS::AtLeastOnce);
    assert_eq!(bench.connect(2, "new", Version::V311), [Got::Connack { present: false, reason: SUCCESS }]);
    bench.lose(2);
    assert_eq!(bench.connect(2, "new", Version::V311), []);
    bench.commit();
    assert_eq!(bench.got(2), [Got::Connack { present: true, reason: SUCCESS }]);
}

#[test]
fn what_was_sent_before_a_restart_is_marked_though_fewer_may_be_in_flight_now() {
    let mut bench = pair(Version::V5, QoS::AtLeastOnce);
    bench.commits = true;
    for id in 1..=3 {
        bench.publish(0, "a", &id.to_string(), QoS::AtLeastOnce, id);
    }
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.got(1).len(), 3);
    bench.restart_with(Limits { inflight: 1, ..Limits::default() });
    let mut dups = vec![];
    let mut got = bench.connect(1, "reader", Version::V311);
    while let Some(Got::Publish { dup, id, .. }) = got.iter().find(|got| matches!(got, Got::Publish { .. })) {
        dups.push(*dup);
        bench.ack(1, Puback, *id);
        got = bench.got(1);
    }
    assert_eq!(dups, [true, true, true]);
}

#[test]
fn a_card_that_stalls_is_told_and_so_is_its_end() {
    let states = |got: Vec<Got>| -> Vec<String> {
        let payload = |got| if let Got::Publish { payload, .. } = got { Some(payload) } else { None };
        got.into_iter().filter_map(payload).collect()
    };
    let mut bench = pair(Version::V5, QoS::AtLeastOnce);
    bench.connect(2, "watcher", Version::V5);
    bench.subscribe(2, "$SYS/gatehouse/store/state", QoS::AtMostOnce);
    assert_eq!(states(bench.got(2)), ["ok"]);
    bench.lose(1);
    bench.publish(0, "a", "x", QoS::AtLeastOnce, 7);
    bench.pass(Duration::from_secs(13));
    assert_eq!((states(bench.got(2)), bench.got(0)), (vec!["slow".to_owned()], vec![]));
    bench.commit();
    assert_eq!(bench.got(0), [Got::Ack(Puback, 7, SUCCESS)]);
    assert_eq!(bench.broker.counters().commit_stalls, 1);
    bench.pass(Duration::from_secs(11));
    assert_eq!(states(bench.got(2)), ["ok"]);
    bench.publish(0, "a", "y", QoS::AtLeastOnce, 8);
    bench.fail(StoreFault::Broken);
    assert_eq!(states(bench.got(2)), ["broken"], "told at once");
    bench.pass(Duration::from_secs(1));
    bench.commit();
    assert_eq!(states(bench.got(2)), ["ok"], "and its end too");
    assert_eq!(bench.broker.counters().commit_stalls, 1);
}
