//! Two ends on one wire: the client's machine against packets written by hand.

use super::*;
use crate::base::Moment;
use crate::mqtt::packet::{Ack, AckKind, Connack, Publish, Suback, SubscriptionOptions};
use crate::mqtt::{Packet, PacketId, Properties, QoS, TopicName, Version, decode, frame, put_properties};
use std::time::Duration;

fn connected(options: &Options) -> Machine {
    let mut machine = Machine::new(Moment::START, options).expect("options");
    sent(&mut machine);
    let connack = Connack { session_present: false, reason: ReasonCode::SUCCESS, properties: Properties::NONE };
    let mut bytes = Vec::new();
    connack.encode(options.version, &mut bytes);
    assert_eq!(machine.handle(&bytes).expect("CONNACK"), bytes.len());
    assert_eq!(machine.poll_output(), Some(Event::Connected { session_present: false }));
    machine
}

/// Everything the machine wants to send, as first bytes.
fn sent(machine: &mut Machine) -> Vec<u8> {
    let bytes = machine.to_send().to_vec();
    machine.sent(Moment::START, bytes.len());
    let mut firsts = Vec::new();
    let mut rest = &bytes[..];
    while let Some(found) = frame(rest, PACKET_SIZE_MAX).expect("a frame") {
        firsts.push(found.first);
        rest = &rest[found.end..];
    }
    firsts
}

fn ack(machine: &mut Machine, kind: AckKind, id: u16) {
    let mut bytes = Vec::new();
    Ack::success(kind, PacketId::new(id).expect("an id")).encode(Version::V5, &mut bytes);
    machine.handle(&bytes).expect("an acknowledgement");
}

fn publish(qos: QoS, id: Option<u16>, dup: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    let topic = Some(TopicName::new("a/b").expect("a topic"));
    let packet_id = id.and_then(PacketId::new);
    let packet = Publish { dup, qos, retain: false, topic, packet_id, properties: Properties::NONE, payload: b"x" };
    packet.encode(Version::V5, &mut bytes);
    bytes
}

#[test]
fn connect_carries_the_options() {
    let will = Message::new("will/topic", "gone").retained();
    let options = Options { will: Some(will), keep_alive: 7, ..Options::new("me") };
    let machine = Machine::new(Moment::START, &options).expect("options");
    let bytes = machine.to_send();
    let found = frame(bytes, PACKET_SIZE_MAX).expect("a frame").expect("whole");
    let Packet::Connect(connect) = decode(found.first, &bytes[found.body..], Version::V5).expect("a packet") else {
        panic!("no CONNECT");
    };
    assert_eq!((connect.client_id, connect.keep_alive, connect.clean_start), ("me", 7, true));
    let will = connect.will.expect("a will");
    assert_eq!((will.topic.as_str(), will.payload, will.retain), ("will/topic", &b"gone"[..], true));
}

#[test]
fn qos_1_is_published_when_acknowledged() {
    let mut machine = connected(&Options::new("me"));
    let token = machine.publish(Message::new("a", "1").qos(QoS::AtLeastOnce)).expect("room");
    assert_eq!(sent(&mut machine), [0x32]);
    assert!(!machine.is_settled());
    ack(&mut machine, AckKind::Puback, 1);
    assert_eq!(machine.poll_output(), Some(Event::Published { token, reason: ReasonCode::SUCCESS }));
    assert!(machine.is_settled());
}

#[test]
fn qos_2_goes_through_its_four_packets() {
    let mut machine = connected(&Options::new("me"));
    let token = machine.publish(Message::new("a", "1").qos(QoS::ExactlyOnce)).expect("room");
    assert_eq!(sent(&mut machine), [0x34]);
    ack(&mut machine, AckKind::Pubrec, 1);
    assert_eq!(sent(&mut machine), [0x62]);
    assert_eq!(machine.poll_output(), None);
    ack(&mut machine, AckKind::Pubcomp, 1);
    assert_eq!(machine.poll_output(), Some(Event::Published { token, reason: ReasonCode::SUCCESS }));
}

#[test]
fn a_qos_2_message_that_comes_twice_is_told_once() {
    let mut machine = connected(&Options::new("me"));
    machine.handle(&publish(QoS::ExactlyOnce, Some(9), false)).expect("a message");
    machine.handle(&publish(QoS::ExactlyOnce, Some(9), true)).expect("the same");
    assert_eq!(sent(&mut machine), [0x50, 0x50]);
    assert!(matches!(machine.poll_output(), Some(Event::Message(_))));
    assert_eq!(machine.poll_output(), None);
    ack(&mut machine, AckKind::Pubrel, 9);
    assert_eq!(sent(&mut machine), [0x70]);
    machine.handle(&publish(QoS::ExactlyOnce, Some(9), false)).expect("another message");
    assert!(matches!(machine.poll_output(), Some(Event::Message(_))));
}

#[test]
fn inflight_and_waiting_messages_are_bounded() {
    let mut machine = connected(&Options::new("me"));
    let message = || Message::new("a", "1").qos(QoS::AtLeastOnce);
    for _ in 0..usize::from(INFLIGHT_MAX) + WAITING_MAX {
        machine.publish(message()).expect("room");
    }
    assert!(matches!(machine.publish(message()), Err(ClientError::Full)));
    assert_eq!(sent(&mut machine).len(), usize::from(INFLIGHT_MAX));
    ack(&mut machine, AckKind::Puback, 1);
    assert_eq!(sent(&mut machine).len(), 1);
    machine.publish(message()).expect("room again");
}

#[test]
fn the_server_may_allow_fewer_inflight_messages() {
    let mut machine = Machine::new(Moment::START, &Options::new("me")).expect("options");
    sent(&mut machine);
    let mut body = vec![0, 0];
    put_properties(&mut body, [crate::mqtt::Property::ReceiveMaximum(2)]);
    let mut bytes = vec![0x20, body.len() as u8];
    bytes.extend_from_slice(&body);
    machine.handle(&bytes).expect("CONNACK");
    for _ in 0..5 {
        machine.publish(Message::new("a", "1").qos(QoS::AtLeastOnce)).expect("room");
    }
    assert_eq!(sent(&mut machine).len(), 2);
}

#[test]
fn messages_of_qos_0_beyond_the_limit_are_dropped() {
    let mut machine = connected(&Options::new("me"));
    for _ in 0..EVENTS_MAX + 10 {
        machine.handle(&publish(QoS::AtMostOnce, None, false)).expect("a message");
    }
    assert_eq!(std::iter::from_fn(|| machine.poll_output()).count(), EVENTS_MAX);
}

#[test]
fn subscriptions_are_answered_with_their_reasons() {
    let mut machine = connected(&Options::new("me"));
    let options = SubscriptionOptions::plain(QoS::AtLeastOnce);
    let token = machine.subscribe(&[("a/+", options)]).expect("a filter");
    assert_eq!(sent(&mut machine), [0x82]);
    let mut bytes = Vec::new();
    Suback { packet_id: PacketId::FIRST, reasons: vec![ReasonCode::GRANTED_QOS_1] }.encode(Version::V5, &mut bytes);
    machine.handle(&bytes).expect("SUBACK");
    let reasons = vec![ReasonCode::GRANTED_QOS_1];
    assert_eq!(machine.poll_output(), Some(Event::Subscribed { token, reasons }));
    assert!(matches!(machine.subscribe(&[("a/#/b", options)]), Err(ClientError::Protocol(_))));
}

#[test]
fn silence_is_broken_by_a_ping_and_a_silent_server_is_given_up() {
    let mut machine = connected(&Options { keep_alive: 30, ..Options::new("me") });
    let ping = machine.next_deadline().expect("a keep alive");
    assert_eq!(ping, Moment::START + Duration::from_secs(20));
    machine.pass(ping).expect("time to ping");
    assert_eq!(sent(&mut machine), [0xC0]);
    let end = machine.next_deadline().expect("a deadline");
    assert!(matches!(machine.pass(end), Err(ClientError::Timeout)));
    machine.handle(&[0xD0, 0]).expect("PINGRESP");
    machine.pass(end).expect("all is well again");
}

#[test]
fn what_no_server_sends_ends_the_connection() {
    let mut machine = connected(&Options::new("me"));
    assert!(matches!(machine.handle(&[0xC0, 0]), Err(ClientError::Protocol(_))));
    let mut early = Machine::new(Moment::START, &Options::new("me")).expect("options");
    assert!(matches!(early.handle(&publish(QoS::AtMostOnce, None, false)), Err(ClientError::Protocol(_))));
    let mut refused = Machine::new(Moment::START, &Options::new("me")).expect("options");
    assert!(matches!(refused.handle(&[0x20, 3, 0, 0x87, 0]), Err(ClientError::Refused(_))));
}

#[test]
fn half_a_packet_waits_for_its_other_half() {
    let mut machine = connected(&Options::new("me"));
    let bytes = publish(QoS::AtMostOnce, None, false);
    for end in 0..bytes.len() {
        assert_eq!(machine.handle(&bytes[..end]).expect("a beginning"), 0);
    }
    assert_eq!(machine.handle(&bytes).expect("a packet"), bytes.len());
}

#[test]
fn what_is_acknowledged_later_is_acknowledged_once_and_its_release_is_told() {
    let mut machine = connected(&Options { acknowledge_later: true, ..Options::new("me") });
    machine.handle(&publish(QoS::ExactlyOnce, Some(7), true)).expect("a message");
    machine.handle(&publish(QoS::AtLeastOnce, Some(8), false)).expect("a message");
    assert_eq!(sent(&mut machine), [0u8; 0]);
    let Some(Event::Message(first)) = machine.poll_output() else { panic!("no message") };
    assert!((first.packet_id, first.dup) == (7, true) && machine.poll_output().is_some());
    machine.acknowledge(7);
    machine.acknowledge(8);
    machine.acknowledge(8);
    machine.acknowledge(9);
    assert_eq!(sent(&mut machine), [0x50, 0x40]);
    let mut bytes = Vec::new();
    let id = PacketId::new(7).expect("not zero");
    Ack::success(AckKind::Pubrel, id).encode(Version::V5, &mut bytes);
    machine.handle(&bytes).expect("PUBREL");
    assert_eq!(machine.poll_output(), Some(Event::Released { packet_id: 7 }));
    assert_eq!(sent(&mut machine), [0x70]);
}
