//! Every type of packet in every state of a connection.

use super::support::{Bench, Got, Id, properties};
use crate::access::{Access, Users};
use crate::broker::{ConnectionId, Input, Verdict};
use crate::mqtt::packet::{AckKind, Credentials};
use crate::mqtt::{Properties, Property, Version};
use std::time::Duration;

/// How a connected client's packet is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// With a packet.
    Packet,
    /// Not at all; the connection stays.
    Nothing,
    /// The connection is closed without a word.
    Close,
    /// The connection is closed with a protocol error or as malformed.
    Refuse,
}

use Answer::{Close, Nothing, Packet, Refuse};

/// Type, a packet of 3.1.1, the same of 5.0, and how both are answered.
const PACKETS: [(u8, &[u8], &[u8], Answer); 16] = [
    (0, &[0x00, 0], &[0x00, 0], Refuse),
    (1, b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x00\x00\x01c", b"\x10\x0e\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x01c", Refuse),
    (2, &[0x20, 2, 0, 0], &[0x20, 3, 0, 0, 0], Refuse),
    (3, b"\x32\x06\x00\x01a\x00\x01x", b"\x32\x07\x00\x01a\x00\x01\x00x", Packet),
    (4, &[0x40, 2, 0, 1], &[0x40, 2, 0, 1], Nothing),
    (5, &[0x50, 2, 0, 1], &[0x50, 2, 0, 1], Packet),
    (6, &[0x62, 2, 0, 1], &[0x62, 2, 0, 1], Packet),
    (7, &[0x70, 2, 0, 1], &[0x70, 2, 0, 1], Nothing),
    (8, b"\x82\x06\x00\x01\x00\x01b\x00", b"\x82\x07\x00\x01\x00\x00\x01b\x00", Packet),
    (9, &[0x90, 3, 0, 1, 0], &[0x90, 4, 0, 1, 0, 0], Refuse),
    (10, b"\xa2\x05\x00\x01\x00\x01b", b"\xa2\x06\x00\x01\x00\x00\x01b", Packet),
    (11, &[0xB0, 2, 0, 1], &[0xB0, 4, 0, 1, 0, 0], Refuse),
    (12, &[0xC0, 0], &[0xC0, 0], Packet),
    (13, &[0xD0, 0], &[0xD0, 0], Refuse),
    (14, &[0xE0, 0], &[0xE0, 0], Close),
    (15, &[0xF0, 0], &[0xF0, 0], Refuse),
];

const CONNECTION: Id = 1;

/// A broker with a client that is connected.
fn connected(version: Version) -> Bench {
    let mut bench = Bench::new();
    bench.connect_with(CONNECTION, "c", version, |connect| connect.clean_start = true);
    bench
}

fn cases() -> impl Iterator<Item = (Version, u8, &'static [u8], Answer)> {
    let both = |(kind, v311, v5, answer)| [(Version::V311, kind, v311, answer), (Version::V5, kind, v5, answer)];
    PACKETS.into_iter().flat_map(both)
}

#[test]
fn a_connected_client_is_answered_as_its_packet_asks() {
    for (version, kind, bytes, answer) in cases() {
        assert_eq!(bytes[0] >> 4, kind);
        let mut bench = connected(version);
        bench.receive(CONNECTION, bytes);
        let (got, is_closed) = (bench.got(CONNECTION), !bench.closed.is_empty());
        let is_right = match (answer, &got[..]) {
            (Packet, [Got::Disconnect(_)]) => false,
            (Packet, [_]) | (Nothing, []) => !is_closed,
            (Close, []) => is_closed,
            (Refuse, []) => is_closed && !version.is_v5(),
            (Refuse, [Got::Disconnect(0x81 | 0x82)]) => is_closed && version.is_v5(),
            _ => false,
        };
        assert!(is_right, "{version:?} type {kind}: {got:?}, closed: {is_closed}");
    }
}

#[test]
fn before_connect_only_connect_is_answered() {
    for (version, kind, bytes, _) in cases() {
        let mut bench = connected(version);
        bench.lose(CONNECTION);
        bench.open(CONNECTION);
        bench.receive(CONNECTION, bytes);
        let (got, is_closed) = (bench.got(CONNECTION), !bench.closed.is_empty());
        if kind == 1 {
            assert_eq!((got, is_closed), (vec![Got::Connack { present: false, reason: 0 }], false));
        } else {
            assert_eq!((got, is_closed), (vec![], true), "{version:?} type {kind}");
        }
    }
}

/// A broker with a user whose password is being compared.
fn authenticating(version: Version) -> Bench {
    let mut bench = Bench::new();
    let users = [("anna".into(), None)].into_iter().collect();
    bench.broker.handle(bench.now, Input::AccessChanged(Box::new(Access::new(users, vec![], false))));
    bench.connect_with(CONNECTION, "c", version, |connect| {
        connect.credentials = Credentials { user_name: Some("anna"), password: Some(b"secret") };
    });
    bench
}

#[test]
fn while_a_password_is_compared_every_packet_waits() {
    for (version, kind, bytes, answer) in cases() {
        let mut bench = authenticating(version);
        assert_eq!(bench.receive(CONNECTION, bytes), 0, "{version:?} type {kind}");
        assert_eq!((bench.got(CONNECTION), bench.closed.len()), (vec![], 0), "{version:?} type {kind}");
        bench.verdict(Verdict::Right);
        assert_eq!(bench.got(CONNECTION), [Got::Connack { present: false, reason: 0 }]);
        // The shell hands it over again, and it is answered as that of any connected client; nothing is allowed here.
        assert_eq!(bench.resumed, [ConnectionId(CONNECTION)]);
        bench.receive(CONNECTION, bytes);
        let is_refused = matches!(answer, Refuse | Close) || (kind == 3 && !version.is_v5());
        bench.pass(Duration::from_secs(2));
        assert_eq!(!bench.closed.is_empty(), is_refused, "{version:?} type {kind}");
    }
}

#[test]
fn behind_a_wrong_password_nothing_counts() {
    for (version, kind, bytes, _) in cases() {
        let mut bench = authenticating(version);
        bench.receive(CONNECTION, bytes);
        bench.verdict(Verdict::Wrong);
        let reason = if version.is_v5() { 0x86 } else { 4 };
        let expected = vec![Got::Connack { present: false, reason }];
        assert_eq!(
            (bench.got(CONNECTION), &bench.closed[..]),
            (expected, &[CONNECTION][..]),
            "{version:?} type {kind}"
        );
        assert!(bench.resumed.is_empty());
    }
}

#[test]
fn between_connect_and_connack_only_auth_and_disconnect_have_a_place() {
    for (_, kind, bytes, _) in cases().filter(|(version, ..)| version.is_v5()) {
        let mut bench = Bench::new();
        bench.broker.handle(bench.now, Input::AccessChanged(Box::new(Access::new(Users::new(), vec![], true))));
        let method = properties(Property::AuthenticationMethod("SCRAM-SHA-256"));
        bench.connect_with(CONNECTION, "c", Version::V5, |connect| {
            connect.properties = Properties::from_checked(&method);
        });
        bench.receive(CONNECTION, bytes);
        let got = bench.got(CONNECTION);
        let is_right = match kind {
            14 => got.is_empty(),
            // This AUTH says neither that it goes on nor by which method.
            _ => matches!(got[..], [Got::Connack { present: false, reason: 0x81 | 0x82 }]),
        };
        assert!(is_right && bench.closed == [CONNECTION], "type {kind}: {got:?}");
    }
}

#[test]
fn behind_the_packet_that_closed_a_connection_nothing_counts() {
    for (version, kind, bytes, _) in cases() {
        let mut bench = connected(version);
        let used = bench.receive(CONNECTION, &[&[0x00, 0x00], bytes].concat());
        assert_eq!(used, 2 + bytes.len(), "all is taken and dropped");
        let expected = if version.is_v5() { vec![Got::Disconnect(0x81)] } else { vec![] };
        assert_eq!(bench.got(CONNECTION), expected, "{version:?} type {kind}");
        assert_eq!(bench.closed, [CONNECTION]);
    }
}

#[test]
fn a_connection_that_is_gone_takes_anything_and_answers_nothing() {
    for (version, kind, bytes, _) in cases() {
        let mut bench = connected(version);
        bench.lose(CONNECTION);
        assert_eq!(bench.receive(CONNECTION, bytes), bytes.len());
        assert_eq!(bench.got(CONNECTION), [], "{version:?} type {kind}");
    }
}

#[test]
fn an_acknowledgement_is_answered_with_its_own_step() {
    let mut bench = connected(Version::V311);
    bench.receive(CONNECTION, &[0x50, 2, 0, 9, 0x62, 2, 0, 9]);
    assert_eq!(bench.got(CONNECTION), [Got::Ack(AckKind::Pubrel, 9, 0), Got::Ack(AckKind::Pubcomp, 9, 0)]);
}

#[test]
fn a_second_connect_is_a_protocol_error_whatever_is_in_it() {
    for second in [
        &b"\x10\x0e\x00\x04MQTT\x63\x02\x00\x00\x00\x00\x01c"[..],
        b"\x10\x0c\x00\x04MQTT\x04\x00\x00\x00\x00\x00",
        b"\x10\x00",
    ] {
        let mut bench = connected(Version::V5);
        bench.receive(CONNECTION, second);
        assert_eq!(bench.got(CONNECTION), [Got::Disconnect(0x82)], "{second:02x?}");
    }
}

#[test]
fn every_packet_of_a_client_keeps_its_connection_alive() {
    for (version, kind, bytes, answer) in cases() {
        if !matches!(answer, Packet | Nothing) {
            continue;
        }
        let mut bench = Bench::new();
        bench.connect_with(CONNECTION, "c", version, |connect| connect.keep_alive = 10);
        for _ in 0..3 {
            bench.pass(Duration::from_secs(14));
            bench.receive(CONNECTION, bytes);
            assert!(bench.is_open(CONNECTION), "{version:?} type {kind}");
        }
        bench.got(CONNECTION);
        bench.pass(Duration::from_secs(17));
        let expected = if version.is_v5() { vec![Got::Disconnect(0x8D)] } else { vec![] };
        assert_eq!((bench.got(CONNECTION), bench.closed), (expected, vec![CONNECTION]), "{version:?} type {kind}");
    }
}
