//! Single works of the library, done over and over so that their instructions can be counted.

use std::fmt;
use std::hint::black_box;

use clap::ValueEnum;
use gatehouse::base::Moment;
use gatehouse::base::limits::Limits;
use gatehouse::broker::{Arrival, Broker, ConnectionId, Input, ListenerId, Origin, Output};
use gatehouse::mqtt::packet::Publish;
use gatehouse::mqtt::{
    Packet, PacketId, Properties, Property, QoS, TopicFilter, TopicName, Version, decode, frame, matches,
};

use crate::wire;

const PAYLOAD: [u8; 64] = [b'.'; 64];
const TOPIC: &str = "house/kitchen/temperature";
const NOW: Moment = Moment::START;
/// Filters with wildcards beside the one that matches.
const FILTERS: usize = 10_000;
/// Topics with a retained message.
const RETAINED: u64 = 10_000;
/// Readers of a fan-out.
const READERS: u32 = 100;

/// Something the library does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Work {
    /// A PUBLISH of 3.1.1, QoS 1, 64 bytes, found and decoded.
    Decode,
    /// The same of 5.0 with three properties.
    DecodeV5,
    /// A PUBLISH of 3.1.1, QoS 1, 64 bytes, encoded.
    Encode,
    /// The same of 5.0 with three properties.
    EncodeV5,
    /// One topic name held against one filter with both wildcards.
    Match,
    /// A PUBLISH, QoS 0, through the broker to one reader.
    Route,
    /// The same among 10,000 filters with wildcards.
    RouteWildcard,
    /// A PUBLISH, QoS 1, through the broker to one reader, with both acknowledgements.
    RouteQos1,
    /// A PUBLISH, QoS 0, through the broker to 100 readers.
    RouteFanOut,
    /// A PUBLISH, QoS 0, that is retained beside 10,000 others.
    Retain,
    /// A retained message sent to a new subscriber, QoS 0.
    Replay,
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Decode => "decode of a PUBLISH, 3.1.1, QoS 1",
            Self::DecodeV5 => "decode of a PUBLISH, 5.0, 3 properties",
            Self::Encode => "encode of a PUBLISH, 3.1.1, QoS 1",
            Self::EncodeV5 => "encode of a PUBLISH, 5.0, 3 properties",
            Self::Match => "match of a topic with a filter",
            Self::Route => "PUBLISH routed to 1 reader, QoS 0",
            Self::RouteWildcard => "PUBLISH routed to 1 reader among 10,000 wildcards",
            Self::RouteQos1 => "PUBLISH routed to 1 reader and acknowledged, QoS 1",
            Self::RouteFanOut => "PUBLISH routed to 100 readers, QoS 0",
            Self::Retain => "PUBLISH retained among 10,000",
            Self::Replay => "retained message sent to a new subscriber, QoS 0",
        })
    }
}

impl Work {
    /// All.
    pub const ALL: [Self; 11] = [
        Self::Decode,
        Self::DecodeV5,
        Self::Encode,
        Self::EncodeV5,
        Self::Match,
        Self::Route,
        Self::RouteWildcard,
        Self::RouteQos1,
        Self::RouteFanOut,
        Self::Retain,
        Self::Replay,
    ];

    /// How often a short count does it.
    pub fn times(self) -> u64 {
        if self == Self::RouteFanOut { 100 } else { 10_000 }
    }

    /// As on the command line.
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// Does it so many times.
    pub fn run(self, times: u64) {
        match self {
            Self::Decode => decode_again(times, Version::V311),
            Self::DecodeV5 => decode_again(times, Version::V5),
            Self::Encode => encode_again(times, Version::V311),
            Self::EncodeV5 => encode_again(times, Version::V5),
            Self::Match => match_again(times),
            Self::Route => Scene::new(&[TOPIC], 1).publish(times, false),
            Self::RouteWildcard => {
                let filters: Vec<_> = (0..FILTERS).map(|room| format!("house/room-{room}/+")).collect();
                let filters: Vec<_> = filters.iter().map(String::as_str).chain(["house/kitchen/+"]).collect();
                Scene::new(&filters, 1).publish(times, false);
            }
            Self::RouteQos1 => Scene::new(&[TOPIC], 1).publish(times, true),
            Self::RouteFanOut => Scene::new(&[TOPIC], READERS).publish(times, false),
            Self::Retain => {
                let mut scene = Scene::new(&[], 0);
                scene.retain(RETAINED);
                scene.retain(times);
            }
            Self::Replay => {
                let mut scene = Scene::new(&[], 1);
                scene.retain(RETAINED);
                scene.replay(times);
            }
        }
    }
}

fn publish<'a>(topic: TopicName<'a>, properties: Properties<'a>) -> Publish<'a> {
    Publish {
        dup: false,
        qos: QoS::AtLeastOnce,
        retain: false,
        topic: Some(topic),
        packet_id: PacketId::new(7),
        properties,
        payload: &PAYLOAD,
    }
}

fn properties(version: Version) -> Vec<u8> {
    let mut bytes = Vec::new();
    if version.is_v5() {
        Property::MessageExpiryInterval(60).encode(&mut bytes);
        Property::ContentType("text/plain").encode(&mut bytes);
        Property::ResponseTopic("answers/here").encode(&mut bytes);
    }
    bytes
}

fn encode_again(times: u64, version: Version) {
    let properties = properties(version);
    let topic = TopicName::new(TOPIC).expect("a topic name");
    let publish = publish(topic, Properties::from_checked(&properties));
    let mut out = Vec::new();
    for _ in 0..times {
        out.clear();
        black_box(&publish).encode(version, &mut out);
        black_box(&out);
    }
}

fn decode_again(times: u64, version: Version) {
    let properties = properties(version);
    let topic = TopicName::new(TOPIC).expect("a topic name");
    let mut bytes = Vec::new();
    publish(topic, Properties::from_checked(&properties)).encode(version, &mut bytes);
    for _ in 0..times {
        let bytes = black_box(&bytes[..]);
        let frame = frame(bytes, usize::MAX).expect("well formed").expect("whole");
        let packet = decode(frame.first, &bytes[frame.body..frame.end], version);
        assert!(matches!(black_box(packet), Ok(Packet::Publish(_))));
    }
}

fn match_again(times: u64) {
    let filter = TopicFilter::new("house/+/temperature/#").expect("a filter");
    let topic = TopicName::new(TOPIC).expect("a topic name");
    for _ in 0..times {
        assert!(black_box(matches(black_box(filter), black_box(topic))));
    }
}

/// A broker with one publisher, connection 0, and readers.
struct Scene {
    broker: Broker,
    readers: u32,
}

impl Scene {
    fn new(filters: &[&str], readers: u32) -> Self {
        let mut scene = Self { broker: Broker::new(Limits::default()), readers };
        for client in 0..=readers {
            let arrival = Arrival::new(Origin::Network(ListenerId(0)), NOW);
            scene.broker.handle(NOW, Input::Opened(ConnectionId(client), arrival));
            let mut bytes = Vec::new();
            wire::encode_connect(&mut bytes, &format!("client-{client}"), true);
            if client > 0 {
                for (index, filter) in filters.iter().enumerate() {
                    wire::encode_subscribe(&mut bytes, index as u16 % u16::MAX + 1, filter, wire::QoS::AtLeastOnce);
                }
            }
            assert_eq!(scene.broker.receive(NOW, ConnectionId(client), &bytes), bytes.len());
            scene.end_turn();
        }
        scene
    }

    /// Publishes so many times; each reader must get each message.
    fn publish(&mut self, times: u64, is_acknowledged: bool) {
        let mut bytes = Vec::new();
        let qos = if is_acknowledged { wire::QoS::AtLeastOnce } else { wire::QoS::AtMostOnce };
        wire::encode_publish(&mut bytes, qos, 9, TOPIC.as_bytes(), &PAYLOAD);
        let (mut ack, mut written) = (Vec::new(), 0);
        for time in 0..times {
            self.broker.receive(NOW, ConnectionId(0), &bytes);
            written += self.end_turn();
            if is_acknowledged {
                let id = (time % 65_535 + 1) as u16;
                ack.clear();
                wire::encode_ack(&mut ack, wire::Ack::PubAck, id);
                self.broker.receive(NOW, ConnectionId(1), &ack);
                written += self.end_turn();
            }
        }
        let answers = if is_acknowledged { 4 } else { 0 };
        assert_eq!(written as u64, times * (bytes.len() as u64 * u64::from(self.readers) + answers));
    }

    /// Retains so many messages, on [`RETAINED`] topics in no order that a cache would like.
    fn retain(&mut self, times: u64) {
        let mut bytes = Vec::new();
        for time in 0..times {
            let topic = format!("retained/{}/state", time * 7919 % RETAINED);
            bytes.clear();
            wire::encode_retained(&mut bytes, wire::QoS::AtMostOnce, 0, topic.as_bytes(), &PAYLOAD);
            self.broker.receive(NOW, ConnectionId(0), &bytes);
            self.end_turn();
        }
    }

    /// Subscribes to all retained messages until so many came.
    fn replay(&mut self, times: u64) {
        let mut bytes = Vec::new();
        wire::encode_subscribe(&mut bytes, 1, "retained/#", wire::QoS::AtMostOnce);
        let mut written = 0;
        for _ in 0..times / RETAINED {
            self.broker.receive(NOW, ConnectionId(1), &bytes);
            written += self.end_turn();
            while self.broker.next_deadline() == Some(NOW) {
                self.broker.handle(NOW, Input::Tick);
                written += self.end_turn();
            }
        }
        assert!(written as u64 > times * PAYLOAD.len() as u64, "{written} bytes are not {times} messages");
    }

    /// Ends the turn and writes everything; gives the bytes written.
    fn end_turn(&mut self) -> usize {
        self.broker.handle(NOW, Input::TurnEnd);
        let mut written = 0;
        while let Some(output) = self.broker.poll_output() {
            let Output::Flush(connection) = output else { continue };
            let count = black_box(self.broker.outbox(connection)).len();
            self.broker.written(connection, count);
            written += count;
        }
        written
    }
}
