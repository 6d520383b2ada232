//! The ring by itself.

use super::*;
use crate::broker::change::SessionState;
use crate::broker::ids::SessionNumber;
use crate::broker::message::Parts;
use crate::mqtt::Properties;

fn entry(ring: &Outgoing, message: u64, progress: Progress) -> Entry {
    Entry {
        message: MessageId(message),
        body: None,
        size: 10,
        packet_id: ring.next_packet_id(),
        qos: QoS::AtLeastOnce,
        retain: false,
        progress,
        share: ShareId::NONE,
    }
}

fn waiting(id: u64) -> Waiting {
    Waiting { id: MessageId(id), size: 10, share: ShareId::NONE }
}

/// A message as the store has it; its packet identifier is its number.
fn stored(id: u64) -> (MessageId, Option<Stored>) {
    let parts = Parts {
        topic: "a",
        properties: Properties::NONE,
        payload: b"x",
        qos: QoS::AtLeastOnce,
        retain: false,
        expires: None,
    };
    let packet_id = PacketId::FIRST.advance(((id - 1) % 65_535) as u16);
    let receiver = Receiver { session: SessionNumber(1), packet_id, qos: QoS::AtLeastOnce, retain: false };
    (MessageId(id), Some(Stored { message: Arc::new(Message::new(&parts)), receiver }))
}

#[test]
fn acknowledgements_out_of_order_free_the_window_and_keep_the_order() {
    let mut ring = Outgoing::new(PacketId::new(65_534).expect("not zero"));
    for message in 1..=3 {
        let entry = entry(&ring, message, Progress::Sent);
        ring.push(entry);
    }
    let entry = entry(&ring, 4, Progress::Waiting);
    ring.push(entry);
    assert!(ring.next_to_send(3).is_none());
    let second = ring.find_sent(PacketId::new(65_535).expect("not zero")).expect("sent");
    assert_eq!(ring.complete(second), MessageId(2));
    assert_eq!(ring.next_to_send(3).map(|e| e.message), Some(MessageId(4)));
    ring.note_sent();
    let third = ring.find_sent(PacketId::FIRST).expect("sent");
    assert_eq!(ring.complete(third), MessageId(3));
    assert_eq!(ring.len(), 2);
    ring.rewind();
    assert_eq!(ring.next_to_send(9).map(|e| (e.message, e.progress)), Some((MessageId(1), Progress::Sent)));
}

#[test]
fn a_packet_identifier_that_is_not_in_flight_is_not_found() {
    let mut ring = Outgoing::new(PacketId::FIRST);
    assert_eq!(ring.find_sent(PacketId::FIRST), None);
    let waiting = entry(&ring, 1, Progress::Waiting);
    ring.push(waiting);
    assert_eq!(ring.find_sent(PacketId::FIRST), None);
}

#[test]
fn identifiers_with_gaps_are_found_after_a_restart() {
    let mut ring = Outgoing::new(PacketId::FIRST);
    for id in [5, 9, 11] {
        ring.remember(MessageId(id), 10, 9, PacketId::new(id as u16 + 1));
    }
    assert_eq!(ring.supply(&[5, 9, 11].map(stored), |_| true), []);
    while ring.next_to_send(9).is_some() {
        ring.note_sent();
    }
    let index = ring.find_sent(PacketId::new(11).expect("not zero")).expect("sent");
    assert_eq!(ring.complete(index), MessageId(11));
    assert_eq!(ring.next_packet_id().get(), 12);
}

#[test]
fn messages_from_the_store_reach_the_window() {
    let mut ring = Outgoing::new(PacketId::FIRST);
    for id in [3, 5, 8] {
        ring.push_waiting(waiting(id));
    }
    assert!(ring.wants_queue(9) && ring.next_to_send(9).is_none());
    assert_eq!(ring.wanted(2, MessageId(9)), [MessageId(3), MessageId(5)]);
    assert_eq!(ring.wanted(3, MessageId(5)), [MessageId(3)]);
    let missing = [(MessageId(3), None), (MessageId(5), None)];
    let lost = ring.supply(&missing, |id| id < MessageId(5));
    assert_eq!(lost, [MessageId(3)], "what is not committed is not lost");
    assert_eq!(ring.supply(&[stored(5)], |_| true), []);
    assert_eq!(ring.next_to_send(1).map(|e| e.message), Some(MessageId(5)));
    assert_eq!(ring.len(), 2);
}

#[test]
fn what_a_restart_knows_decides_how_a_delivery_goes_on() {
    let mut ring = Outgoing::new(PacketId::FIRST);
    let state = SessionState { received: vec![MessageId(4)], ..SessionState::default() };
    ring.resume(&state);
    for id in [4, 5, 6] {
        ring.remember(MessageId(id), 10, 2, None);
    }
    ring.supply(&[4, 5, 6].map(stored), |_| true);
    let progress: Vec<_> = ring.entries.iter().map(|entry| entry.progress).collect();
    assert_eq!(progress, [Progress::Received, Progress::Sent, Progress::Waiting]);
}

#[test]
fn what_was_dropped_is_told_in_few_ranges() {
    let mut ring = Outgoing::new(PacketId::FIRST);
    let sent = entry(&ring, 1, Progress::Sent);
    ring.push(sent);
    for id in 2..=50 {
        ring.push_waiting(waiting(id));
    }
    for id in 2..=40 {
        assert_eq!(ring.drop_oldest_waiting(), Some(MessageId(id)));
    }
    ring.supply(&[stored(41)], |_| true);
    ring.next_to_send(9).expect("room");
    ring.note_sent();
    assert_eq!(ring.drop_oldest_waiting(), Some(MessageId(42)));
    let mut state = SessionState::default();
    ring.tell(&mut state);
    assert_eq!(state.first, MessageId(1));
    assert_eq!(state.done, [(MessageId(2), MessageId(40)), (MessageId(42), MessageId(42))]);
    assert!(state.is_done(MessageId(7)) && !state.is_done(MessageId(41)));
    let first = ring.find_sent(PacketId::FIRST).expect("sent");
    ring.complete(first);
    let mut state = SessionState::default();
    ring.tell(&mut state);
    assert_eq!((state.first, state.done), (MessageId(41), vec![(MessageId(42), MessageId(42))]));
}

#[test]
fn a_packet_identifier_in_flight_is_not_given_to_another_message() {
    let mut ring = Outgoing::new(PacketId::FIRST);
    let sent = entry(&ring, 1, Progress::Sent);
    ring.push(sent);
    for id in 2..=65_536 {
        ring.push_waiting(waiting(id));
    }
    for _ in 2..65_536 {
        ring.drop_oldest_waiting();
    }
    let mut same = stored(65_536);
    same.1.as_mut().expect("there").receiver.packet_id = PacketId::FIRST;
    ring.supply(&[same], |_| true);
    assert!(ring.next_to_send(9).is_none());
    let first = ring.find_sent(PacketId::FIRST).expect("sent");
    ring.complete(first);
    assert!(ring.next_to_send(9).is_some());
}

#[test]
fn a_lost_connection_leaves_nothing_in_memory_that_the_store_has() {
    let mut ring = Outgoing::new(PacketId::FIRST);
    ring.push_waiting(waiting(1));
    ring.supply(&[stored(1)], |_| true);
    ring.rewind();
    assert!(ring.entries.iter().all(|entry| entry.body.is_none()));
    assert_eq!(ring.wanted(9, MessageId(9)), [MessageId(1)]);
}
