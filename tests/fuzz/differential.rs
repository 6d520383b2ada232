//! Our codec beside an independent one: the same bytes are accepted or refused, and the same packets come out.
//!
//! Where the two differ, either the difference is in the lists below, with what the specification says, or the test
//! fails. The other codec leaves several rules to the layer above it.

use crate::mutate::Mutator;
use crate::random::Random;
use crate::run::Run;
use gatehouse::mqtt::{DecodeError, Packet, Version, decode};
use mqtt_protocol_core::mqtt::packet::{v3_1_1, v5_0};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What we refuse and the other codec lets pass, by our reason, and why we are right.
const REFUSED_BY_US: &[(&str, &str)] = &[
    (
        "malformed packet: a name contains a control character or a non-character",
        "5.0 section 1.5.4: they may be refused, and we do in names",
    ),
    ("malformed packet: a reserved flag of CONNACK is set", "[MQTT-3.2.2-1]"),
    ("protocol error: the packet identifier is 0", "[MQTT-2.2.1-3], [MQTT-2.2.1-4]"),
    ("topic name is not valid", "[MQTT-3.3.2-2], [MQTT-4.7.3-1]; 128 levels at most are our limit"),
    ("malformed packet: PUBLISH has DUP and QoS 0", "[MQTT-3.3.1-2]"),
    ("protocol error: PUBLISH has neither topic name nor topic alias", "5.0 section 3.3.2.1"),
    ("malformed packet: an acknowledgement is longer than two bytes", "3.1.1 sections 3.4.1 to 3.7.1"),
    ("topic filter is not valid", "[MQTT-4.7.1-1], [MQTT-4.7.1-2], [MQTT-4.7.3-1], [MQTT-4.8.2-1], [MQTT-4.8.2-2]"),
    ("malformed packet: a string contains U+0000", "[MQTT-1.5.4-2]"),
    ("malformed packet: the reserved flag of CONNECT is set", "[MQTT-3.1.2-3]"),
    ("malformed packet: a variable byte integer is longer than it needs to be", "[MQTT-1.5.5-1]"),
    ("malformed packet: reserved bits of subscription options are set", "[MQTT-3.8.3-5], 3.1.1 [MQTT-3.8.3-4]"),
    ("malformed packet: will flags are set without a will", "[MQTT-3.1.2-11], [MQTT-3.1.2-13]"),
    ("malformed packet: the will has QoS 3", "[MQTT-3.1.2-12]"),
    ("protocol error: a shared subscription asks for no local", "[MQTT-3.8.3-4]"),
    ("client identifier is not valid", "3.1.1 [MQTT-3.1.3-7]"),
    (
        "protocol error: AUTH has no authentication method",
        "5.0 section 3.15.2.2.2; only an empty AUTH may leave it out",
    ),
];

/// Whether bytes end where the length of the properties of a PUBLISH or AUTH belongs, which the other codec takes for
/// none. 5.0 sections 3.3.2.3.1 and 3.15.2.2.1 leave it out in an AUTH without reason code only.
fn lacks_property_length(first: u8, body: &[u8], version: Version) -> bool {
    if first == 0xF0 && body.len() == 1 {
        return true;
    }
    let Some(&[high, low]) = body.first_chunk::<2>() else { return false };
    let packet_id = if first & 0x06 == 0 { 0 } else { 2 };
    let is_publish = first & 0xF0 == 0x30 && version == Version::V5;
    is_publish && body.len() == 2 + usize::from(u16::from_be_bytes([high, low])) + packet_id
}

/// Packets for one run of the tests.
const PACKETS: u64 = 400_000;

/// What the other codec makes of a body: the packet it would send, or nothing.
fn other(first: u8, body: &[u8], version: Version) -> Option<Vec<u8>> {
    /// Parses, and wants everything used.
    macro_rules! parse {
        ($packet:ty) => {
            <$packet>::parse(body).ok().filter(|(_, used)| *used == body.len()).map(|(p, _)| p.to_continuous_buffer())
        };
    }
    macro_rules! packets {
        ($module:ident) => {
            match first {
                0x10 => parse!($module::Connect),
                0x20 => parse!($module::Connack),
                0x30..=0x3F => {
                    $module::Publish::parse(first & 0x0F, Arc::from(body)).ok().map(|(p, _)| p.to_continuous_buffer())
                }
                0x40 => parse!($module::Puback),
                0x50 => parse!($module::Pubrec),
                0x62 => parse!($module::Pubrel),
                0x70 => parse!($module::Pubcomp),
                0x82 => parse!($module::Subscribe),
                0x90 => parse!($module::Suback),
                0xA2 => parse!($module::Unsubscribe),
                0xB0 => parse!($module::Unsuback),
                0xC0 => parse!($module::Pingreq),
                0xD0 => parse!($module::Pingresp),
                0xE0 => parse!($module::Disconnect),
                _ => None,
            }
        };
    }
    if version == Version::V5 {
        if first == 0xF0 { parse!(v5_0::Auth) } else { packets!(v5_0) }
    } else {
        packets!(v3_1_1)
    }
}

/// Why we may accept what the other codec refuses.
fn is_right_to_accept(packet: &Packet<'_>, version: Version) -> Option<&'static str> {
    match packet {
        Packet::Connect(connect) if connect.is_bridge => Some("mosquitto's bridges set bit 7 of the level"),
        Packet::Connect(connect)
            if version == Version::V5
                && connect.credentials.user_name.is_none()
                && connect.credentials.password.is_some() =>
        {
            Some("5.0 section 3.1.2.9: a password needs no user name")
        }
        _ => None,
    }
}

/// The body of a whole packet.
fn body_of(packet: &[u8]) -> &[u8] {
    let frame = gatehouse::mqtt::frame(packet, usize::MAX).expect("a frame").expect("a whole one");
    &packet[frame.body..]
}

fn reason(error: DecodeError) -> String {
    error.to_string()
}

#[test]
fn both_codecs_agree() {
    let mut run = Run::begin("differential", PACKETS);
    let mut mutator = Mutator::new(Random::new(run.seed));
    let mut differences: BTreeMap<String, (u64, String)> = BTreeMap::new();
    let (mut accepted, mut refused) = (0u64, 0u64);
    while run.goes_on() {
        let version = if mutator.random.once_in(3) { Version::V311 } else { Version::V5 };
        mutator.next(version == Version::V5);
        let (first, body) = (mutator.first, &mutator.body[..]);
        if first == 0x10 && body.get(6).is_some_and(|level| (*level == 5) != (version == Version::V5)) {
            // A CONNECT tells its version itself; the other codec is to be asked about that one.
            continue;
        }
        let (ours, theirs) = (decode(first, body, version), other(first, body, version));
        let difference = match (&ours, &theirs) {
            (Err(_), None) => {
                refused += 1;
                continue;
            }
            (Ok(ours), Some(theirs)) => match decode(theirs[0], body_of(theirs), version) {
                Ok(again) if again == *ours => {
                    accepted += 1;
                    continue;
                }
                again => format!("{again:?} instead of {ours:?}"),
            },
            (Err(error), Some(_)) => {
                let reason = reason(*error);
                if lacks_property_length(first, body, version) {
                    continue;
                }
                if REFUSED_BY_US.iter().any(|(known, _)| *known == reason) {
                    continue;
                }
                format!("we refuse: {reason}")
            }
            (Ok(packet), None) => match is_right_to_accept(packet, version) {
                Some(_) => continue,
                None => format!("the other refuses, type {:#04x} of {version:?}", first & 0xF0),
            },
        };
        let example = format!("{version:?} {first:#04x} {body:02x?}");
        differences.entry(difference).or_insert((0, example)).0 += 1;
    }
    assert!(accepted > run.count / 10 && refused > run.count / 10, "{accepted} accepted, {refused} refused");
    assert!(differences.is_empty(), "{differences:#?}");
}
