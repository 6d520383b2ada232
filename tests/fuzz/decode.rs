//! The codec alone, in all versions: nothing panics, and what is accepted is written so that it is read again.

use crate::mutate::Mutator;
use crate::random::Random;
use crate::run::Run;
use gatehouse::mqtt::{Packet, Version, decode, frame};

/// Packets for one run of the tests.
const PACKETS: u64 = 400_000;

/// The limit of a packet, as a gateway has one.
const LIMIT: usize = 1 << 20;

/// Writes a packet, if it is one that this crate sends.
fn encode(packet: &Packet<'_>, version: Version, out: &mut Vec<u8>) {
    match packet {
        Packet::Connect(packet) => packet.encode(out),
        Packet::Connack(packet) => packet.encode(version, out),
        Packet::Publish(packet) => packet.encode(version, out),
        Packet::Ack(packet) => packet.encode(version, out),
        Packet::Subscribe(packet) => packet.encode(version, out),
        Packet::Suback(packet) => packet.encode(version, out),
        Packet::Unsubscribe(packet) => packet.encode(version, out),
        Packet::Unsuback(packet) => packet.encode(version, out),
        Packet::Pingreq => out.extend_from_slice(&[0xC0, 0]),
        Packet::Pingresp => out.extend_from_slice(&[0xD0, 0]),
        Packet::Disconnect(packet) => packet.encode(version, out),
        Packet::Auth(packet) => packet.encode(out),
    }
}

/// The version that a packet is written in: CONNECT brings its own.
fn version_of(packet: &Packet<'_>, version: Version) -> Version {
    if let Packet::Connect(connect) = packet { connect.version } else { version }
}

#[test]
fn what_is_accepted_is_written_as_it_was_read() {
    let mut run = Run::begin("decode", PACKETS);
    let mut mutator = Mutator::new(Random::new(run.seed));
    let (mut bytes, mut again, mut accepted) = (vec![], vec![], 0u64);
    while run.goes_on() {
        let version = [Version::V31, Version::V311, Version::V5, Version::V5][mutator.random.within(0..4) as usize];
        mutator.next(version == Version::V5);
        bytes.clear();
        mutator.whole(&mut bytes);
        let Ok(Some(whole)) = frame(&bytes, LIMIT) else { continue };
        let Ok(packet) = decode(whole.first, &bytes[whole.body..whole.end], version) else { continue };
        accepted += 1;
        again.clear();
        encode(&packet, version_of(&packet, version), &mut again);
        let Ok(Some(second)) = frame(&again, usize::MAX) else {
            // 3.1.1 has no DISCONNECT of a server and no word for some codes; then nothing is written.
            assert!(again.is_empty() && version != Version::V5, "{packet:?} was written as {again:02x?}");
            continue;
        };
        assert_eq!(second.end, again.len(), "{packet:?}");
        let read = decode(second.first, &again[second.body..second.end], version_of(&packet, version));
        assert_eq!(read.as_ref(), Ok(&packet), "{version:?} {bytes:02x?}");
    }
    assert!(accepted > run.count / 20, "{accepted} accepted");
}

#[test]
fn a_length_is_read_as_the_specification_says_or_refused() {
    let mut run = Run::begin("lengths", PACKETS);
    let mut random = Random::new(run.seed);
    while run.goes_on() {
        let bytes: Vec<u8> = (0..random.within(0..7)).map(|_| random.number() as u8).collect();
        let expected = bytes.iter().skip(1).take(4).position(|byte| byte & 0x80 == 0);
        match (frame(&bytes, usize::MAX), expected) {
            (Err(_), None) => assert!(bytes.len() >= 5),
            (Ok(None), None) => assert!(bytes.len() < 5),
            (Ok(None), Some(_)) => {}
            (Ok(Some(found)), Some(at)) => assert_eq!(found.body, at + 2),
            (other, expected) => panic!("{bytes:02x?}: {other:?}, {expected:?}"),
        }
    }
}
