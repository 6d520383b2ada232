//! Packets that break the rules end their own connection, with the right reason, and nobody else's.

mod notation;
mod v311;
mod v5;

use crate::support::client::{Client, End};
use crate::support::daemon::Daemon;
use crate::support::random::Random;
use crate::support::wire::{Connect, Message, Properties, Received, VERSIONS, Version, subscribe, unsubscribe};
use notation::bytes;
use std::time::Duration;

/// How long a broken packet may stay unanswered.
const PATIENCE: Duration = Duration::from_secs(3);

/// A first packet that is no proper CONNECT: what it is, its bytes, how it is answered.
type First = (&'static str, &'static str, Answer);

/// How a broken CONNECT is answered before the connection is closed.
#[derive(Debug, Clone, Copy)]
pub enum Answer {
    /// Not at all: what came is no MQTT of a known version.
    Silence,
    /// With CONNACK and one of these codes.
    Connack(&'static [u8]),
    /// Either of the two.
    SilenceOrConnack(&'static [u8]),
}

impl Answer {
    fn suits(self, (received, end): &(Vec<Received>, End)) -> bool {
        let code = match &received[..] {
            _ if *end != End::Closed => return false,
            [] => None,
            [Received::Connack { session_present: false, code, .. }] => Some(code),
            _ => return false,
        };
        match (self, code) {
            (Self::Silence | Self::SilenceOrConnack(_), None) => true,
            (Self::Connack(codes) | Self::SilenceOrConnack(codes), Some(code)) => codes.contains(code),
            (Self::Silence, Some(_)) | (Self::Connack(_), None) => false,
        }
    }
}

/// A gateway with clients of both versions who must not notice anything.
struct Scene {
    daemon: Daemon,
    bystanders: Vec<Client>,
}

impl Scene {
    fn new() -> Self {
        let daemon = Daemon::start();
        let bystander = |version| {
            let mut client = Client::fresh(daemon.address(), version, &format!("bystander-{version:?}"));
            client.subscribe("bystander", 1);
            client
        };
        let bystanders = VERSIONS.map(bystander).into();
        Self { daemon, bystanders }
    }

    /// Everything the broker answers, and how it ends.
    fn answers(&self, version: Version, is_connected: bool, bytes: &[u8]) -> (Vec<Received>, End) {
        let mut client = if is_connected {
            Client::fresh(self.daemon.address(), version, "offender")
        } else {
            Client::open(self.daemon.address(), version)
        };
        // The broker may close before it has read all.
        _ = client.try_send(bytes);
        client.until_end(PATIENCE)
    }

    /// Those who were connected still are, a new client is welcome, and messages flow between them.
    fn assert_unharmed(&mut self) {
        for version in VERSIONS {
            let mut fresh = Client::fresh(self.daemon.address(), version, "fresh");
            fresh.publish(&Message::new("bystander", "x", 1));
            for bystander in &mut self.bystanders {
                assert_eq!(bystander.message().text(), "x");
                bystander.assert_quiet();
            }
            fresh.disconnect();
        }
    }
}

#[test]
fn a_broken_connect_is_refused() {
    let mut scene = Scene::new();
    let mut wrong = Vec::new();
    for (version, cases) in [(Version::V311, v311::CONNECTS), (Version::V5, v5::CONNECTS)] {
        for (name, notation, answer) in cases {
            let answers = scene.answers(version, false, &bytes(notation));
            if !answer.suits(&answers) {
                wrong.push(format!("{version:?}: {name}: {answers:?} instead of {answer:?}"));
            }
        }
    }
    assert_none(&wrong);
    scene.assert_unharmed();
}

#[test]
fn every_packet_but_connect_ends_a_connection_that_is_not_connected() {
    let mut scene = Scene::new();
    let mut wrong = Vec::new();
    for version in VERSIONS {
        for (name, packet) in packets(version) {
            let answers = scene.answers(version, false, &packet);
            if !Answer::Silence.suits(&answers) {
                wrong.push(format!("{version:?}: {name}: {answers:?}"));
            }
        }
    }
    for first in (0x00..=0xff).filter(|first| first & 0xf0 != 0x10) {
        let answers = scene.answers(Version::V311, false, &[first, 0]);
        if !Answer::Silence.suits(&answers) {
            wrong.push(format!("{first:#04x}: {answers:?}"));
        }
    }
    assert_none(&wrong);
    scene.assert_unharmed();
}

#[test]
fn a_broken_packet_of_3_1_1_closes_its_connection() {
    let mut scene = Scene::new();
    let mut wrong = Vec::new();
    for (name, notation) in v311::PACKETS {
        let answers = scene.answers(Version::V311, true, &bytes(notation));
        if !Answer::Silence.suits(&answers) {
            wrong.push(format!("{name}: {answers:?}"));
        }
        scene.bystanders.iter_mut().for_each(Client::assert_quiet);
    }
    assert_none(&wrong);
    scene.assert_unharmed();
}

#[test]
fn a_broken_packet_of_5_0_closes_its_connection_with_a_reason() {
    let mut scene = Scene::new();
    let mut wrong = Vec::new();
    for (name, notation, reasons) in v5::PACKETS {
        let (received, end) = scene.answers(Version::V5, true, &bytes(notation));
        let is_right = matches!(received[..], [Received::Disconnect { reason }] if reasons.contains(&reason));
        if !is_right || end != End::Closed {
            wrong.push(format!("{name}: {received:02x?} {end:?} instead of one of {reasons:02x?}"));
        }
        scene.bystanders.iter_mut().for_each(Client::assert_quiet);
    }
    assert_none(&wrong);
    scene.assert_unharmed();
}

/// Fails with every case that went wrong, one a line.
fn assert_none(wrong: &[String]) {
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn there_are_enough_broken_packets() {
    let v311 = v311::CONNECTS.len() + v311::PACKETS.len();
    let v5 = v5::CONNECTS.len() + v5::PACKETS.len();
    assert!(v311 >= 80 && v5 >= 120, "{v311} and {v5}");
}

#[test]
fn a_broken_packet_after_good_ones_lets_them_count() {
    let mut scene = Scene::new();
    for version in VERSIONS {
        let mut packets = Message::new("bystander", "before", 1).encode(version);
        packets.extend([0x00, 0x00]);
        packets.extend(Message::new("bystander", "after", 1).encode(version));
        scene.answers(version, true, &packets);
        for bystander in &mut scene.bystanders {
            assert_eq!(bystander.message().text(), "before");
            bystander.assert_quiet();
        }
    }
}

#[test]
fn unusual_but_proper_packets_are_taken() {
    let daemon = Daemon::start();
    for (version, cases) in [(Version::V311, v311::PROPER), (Version::V5, v5::PROPER)] {
        for (name, notation) in cases {
            let mut client = Client::fresh(daemon.address(), version, "unusual");
            client.send(&bytes(notation));
            let received = client.until_ping();
            let is_end = |received: &Received| matches!(received, Received::Disconnect { .. });
            assert!(!received.iter().any(is_end), "{version:?}: {name}: {received:?}");
            client.disconnect();
        }
    }
}

#[test]
fn packets_with_random_damage_harm_nobody_else() {
    /// Damaged packets sent for each version.
    const DAMAGED: u64 = 300;
    const SEED: u64 = 2;
    let mut scene = Scene::new();
    let mut random = Random::new(SEED);
    for version in VERSIONS {
        let packets = packets(version);
        for _ in 0..DAMAGED {
            let index = usize::try_from(random.within(0..packets.len() as u64)).unwrap();
            let (name, mut packet) = packets[index].clone();
            damage(&mut packet, &mut random);
            let is_connected = !random.once_in(4);
            let mut client = if is_connected {
                Client::fresh(scene.daemon.address(), version, "offender")
            } else {
                Client::open(scene.daemon.address(), version)
            };
            println!("{version:?}: {name}: {packet:02x?}");
            _ = client.try_send(&packet);
            client.shut_down();
            client.until_closed();
        }
    }
    // What got through may have been a proper message to the bystanders.
    scene.bystanders.iter_mut().for_each(|bystander| _ = bystander.until_ping());
    scene.assert_unharmed();
}

/// One proper packet of every kind, of both directions.
fn packets(version: Version) -> Vec<(&'static str, Vec<u8>)> {
    let none = Properties::default();
    let mut packets = vec![
        ("PUBLISH QoS 0", Message::new("a/b", "payload", 0).encode(version)),
        ("PUBLISH QoS 1", Message::new("a/b", "payload", 1).encode(version)),
        ("PUBLISH QoS 2", Message::new("a/b", "payload", 2).encode(version)),
        ("SUBSCRIBE", subscribe(version, 1, &none, &[("a/+", 1), ("#", 0)])),
        ("UNSUBSCRIBE", unsubscribe(version, 1, &["a/+", "#"])),
        ("CONNACK", bytes(if version == Version::V5 { "20| 00 00 00" } else { "20| 00 00" })),
    ];
    let notations = [
        ("PUBACK", "40| 0001"),
        ("PUBREC", "50| 0001"),
        ("PUBREL", "62| 0001"),
        ("PUBCOMP", "70| 0001"),
        ("SUBACK", "90| 0001 00"),
        ("UNSUBACK", "b0| 0001"),
        ("PINGREQ", "c0|"),
        ("PINGRESP", "d0|"),
        ("DISCONNECT", "e0|"),
    ];
    packets.extend(notations.map(|(name, notation)| (name, bytes(notation))));
    if version == Version::V5 {
        let properties = Properties::default().number(0x02, 60).bytes(0x03, "t").user("k", "v");
        packets.push(("PUBLISH with properties", Message::new("a", "p", 1).with(properties).encode(version)));
        packets.push(("AUTH", bytes("f0| 18 03 15 0000")));
        packets.push(("DISCONNECT with reason", bytes("e0| 04 05 11 00000000")));
    }
    packets
}

/// Changes, cuts or lengthens a packet.
fn damage(packet: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.within(0..3) {
        let at = usize::try_from(random.within(0..packet.len().max(1) as u64)).expect("an index");
        let byte = random.number().to_le_bytes()[0];
        match random.within(0..4) {
            0 => packet.truncate(at),
            1 => packet.insert(at, byte),
            _ if packet.is_empty() => {}
            2 => packet[at] ^= 1 << (byte % 8),
            _ => packet[at] = byte,
        }
    }
}

#[test]
fn a_client_that_is_refused_may_try_again() {
    let daemon = Daemon::start();
    for version in VERSIONS {
        for _ in 0..50 {
            let mut client = Client::open(daemon.address(), Version::V5);
            client.send(&bytes("10| s:MQTT 63 02 0000 s:c"));
            client.until_closed();
        }
        Client::connect(daemon.address(), &Connect::clean(version, "c")).0.disconnect();
    }
}
