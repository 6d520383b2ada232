//! Clients that do anything at any time: proper and damaged packets, lost connections, a store that fails.
//! Whatever they do, what leaves the broker is well-formed, and a fresh client is served afterwards.

use super::random::Random;
use super::support::{Bench, Got, Id, message, properties, will};
use crate::broker::StoreFault;
use crate::mqtt::packet::{
    Ack, AckKind, FilterList, Publish, Subscribe, SubscriptionList, SubscriptionOptions, Unsubscribe,
};
use crate::mqtt::{PacketId, Properties, Property, QoS, ReasonCode, TopicFilter, TopicName, Version};
use std::time::Duration;

/// Runs, each from its own seed.
const SEEDS: u64 = 60;
/// Events of one run.
const STEPS: usize = 400;
const CLIENTS: Id = 5;
/// The number of the client that comes afterwards.
const FRESH: Id = 50;

const VERSIONS: [Version; 3] = [Version::V31, Version::V311, Version::V5];
const QOS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];
const TOPICS: [&str; 5] = ["a", "a/b", "a/b/c", "b", "$x/a"];
const FILTERS: [&str; 9] = ["a", "a/b", "#", "a/#", "+", "+/b", "$share/g/a", "$share/g/#", "$share/h/a/+"];
const NAMES: [&str; 5] = ["c0", "c1", "c2", "c3", "c4"];
const KINDS: [AckKind; 4] = [AckKind::Puback, AckKind::Pubrec, AckKind::Pubrel, AckKind::Pubcomp];

struct Storm {
    bench: Bench,
    random: Random,
    versions: [Version; CLIENTS as usize],
    /// Beginnings of packets whose rest has not come.
    rests: [Vec<u8>; CLIENTS as usize],
}

impl Storm {
    fn new(seed: u64) -> Storm {
        let versions = [Version::V311; CLIENTS as usize];
        let mut storm = Storm { bench: Bench::new(), random: Random(seed), versions, rests: Default::default() };
        (0..CLIENTS).for_each(|client| storm.connect(client));
        storm.bench.commits = false;
        storm
    }

    fn step(&mut self) {
        let client = self.random.below(CLIENTS as usize) as Id;
        match self.random.below(20) {
            0 => {
                self.lose(client);
                self.connect(client);
            }
            1 => self.lose(client),
            2 => self.bench.pass(Duration::from_millis(self.random.number() % 5_000)),
            3 | 4 => self.store(),
            _ => self.send(client),
        }
        self.check();
    }

    /// A client connects in one of many ways, perhaps under the name of another.
    fn connect(&mut self, client: Id) {
        let random = &mut self.random;
        let version = random.choose(&VERSIONS);
        let name = if random.once_in(5) { random.choose(&NAMES) } else { NAMES[client as usize] };
        let mut wishes = vec![];
        if version.is_v5() {
            Property::SessionExpiryInterval(random.choose(&[0, 1, 3, 1_000, u32::MAX])).encode(&mut wishes);
            Property::ReceiveMaximum(random.choose(&[1, 2, 100])).encode(&mut wishes);
            Property::TopicAliasMaximum(random.choose(&[0, 1, 10])).encode(&mut wishes);
            Property::MaximumPacketSize(random.choose(&[40, 1_000])).encode(&mut wishes);
        }
        let delay = properties(Property::WillDelayInterval(random.choose(&[0, 1, 2])));
        let last = will("a/b", "will", if version.is_v5() { &delay } else { &[] });
        let (has_will, clean, keep_alive) = (random.once_in(2), random.once_in(3), random.choose(&[0, 1, 60]));
        self.versions[client as usize] = version;
        self.rests[client as usize].clear();
        self.bench.connect_with(client, name, version, |connect| {
            connect.properties = Properties::from_checked(&wishes);
            connect.will = has_will.then_some(last);
            connect.clean_start = clean;
            connect.keep_alive = keep_alive;
        });
    }

    fn lose(&mut self, client: Id) {
        self.rests[client as usize].clear();
        self.bench.lose(client);
    }

    /// The store has written the group it was given, or could not.
    fn store(&mut self) {
        if self.bench.pending.is_none() {
            return;
        }
        match self.random.below(5) {
            0 => self.bench.fail(self.random.choose(&[StoreFault::Full, StoreFault::Broken])),
            _ => self.bench.commit(),
        }
    }

    /// A client sends some packets, some of them damaged, and maybe only a part of the last.
    fn send(&mut self, client: Id) {
        let version = self.versions[client as usize];
        let mut bytes = std::mem::take(&mut self.rests[client as usize]);
        for _ in 0..=self.random.below(4) {
            let mut packet = self.packet(version);
            if self.random.once_in(40) {
                self.random.damage(&mut packet);
            }
            bytes.extend(packet);
        }
        let end = if self.random.once_in(4) { self.random.below(bytes.len() + 1) } else { bytes.len() };
        if end > 0 {
            let used = self.bench.receive(client, &bytes[..end]);
            self.rests[client as usize] = bytes[used..end].to_vec();
        }
    }

    fn packet(&mut self, version: Version) -> Vec<u8> {
        let random = &mut self.random;
        let packet_id = PacketId::new(1 + random.below(8) as u16).expect("not zero");
        let mut out = vec![];
        match random.below(40) {
            0 => out.extend_from_slice(&[0xE0, 0]),
            1 => out.extend_from_slice(&[0xC0, 0]),
            2..=4 => {
                let mut list = vec![];
                FilterList::put(TopicFilter::new(random.choose(&FILTERS)).expect("valid"), &mut list);
                let filters = FilterList::from_checked(&list);
                Unsubscribe { packet_id, properties: Properties::NONE, filters }.encode(version, &mut out);
            }
            5..=11 => {
                let filter = TopicFilter::new(random.choose(&FILTERS)).expect("valid");
                let options = SubscriptionOptions::plain(random.choose(&QOS));
                let identifier = properties(Property::SubscriptionIdentifier(1 + random.below(300) as u32));
                let properties = if version.is_v5() { Properties::from_checked(&identifier) } else { Properties::NONE };
                let mut list = vec![];
                SubscriptionList::put(filter, options, version, &mut list);
                let filters = SubscriptionList::from_checked(&list);
                Subscribe { packet_id, properties, filters }.encode(version, &mut out);
            }
            12..=25 => {
                let reason = if version.is_v5() && random.once_in(20) { 0x92 } else { 0 };
                Ack { kind: random.choose(&KINDS), packet_id, reason: ReasonCode(reason) }.encode(version, &mut out);
            }
            _ => publish(random, version, packet_id, &mut out),
        }
        out
    }

    /// What left the broker is well-formed: looking at it decodes it.
    fn check(&mut self) {
        (0..CLIENTS).for_each(|client| drop(self.bench.got(client)));
        for closed in std::mem::take(&mut self.bench.closed) {
            self.rests[closed as usize].clear();
        }
    }

    /// Everyone is gone and the store works again; then a fresh client is served, also after a restart.
    fn end(mut self) {
        (0..CLIENTS).for_each(|client| self.lose(client));
        self.bench.commits = true;
        if self.bench.pending.is_some() {
            self.bench.commit();
        }
        self.bench.pass(Duration::from_mins(2));
        assert_eq!(self.bench.broker.connected, 0, "nobody is connected");
        assert!(self.bench.broker.is_settled(), "nothing waits for the store");
        serve_a_fresh_client(&mut self.bench);
        let counters = *self.bench.broker.counters();
        assert!(counters.commits > 0 && counters.connects > u64::from(CLIENTS), "{counters:?}");
        self.bench.restart();
        serve_a_fresh_client(&mut self.bench);
    }
}

fn publish(random: &mut Random, version: Version, packet_id: PacketId, out: &mut Vec<u8>) {
    let (qos, payload) = (random.choose(&QOS), vec![b'x'; random.choose(&[0, 1, 10, 50])]);
    let mut extra = vec![];
    if version.is_v5() && random.once_in(3) {
        Property::MessageExpiryInterval(random.choose(&[0, 1, 100])).encode(&mut extra);
    }
    let has_alias = version.is_v5() && random.once_in(4);
    if has_alias {
        Property::TopicAlias(random.choose(&[1, 2])).encode(&mut extra);
    }
    let topic = if has_alias && random.once_in(8) { None } else { TopicName::new(random.choose(&TOPICS)).ok() };
    let publish = Publish {
        dup: qos != QoS::AtMostOnce && random.once_in(5),
        qos,
        retain: random.once_in(4),
        topic,
        packet_id: (qos != QoS::AtMostOnce).then_some(packet_id),
        properties: Properties::from_checked(&extra),
        payload: &payload,
    };
    publish.encode(version, out);
}

fn serve_a_fresh_client(bench: &mut Bench) {
    let answer = bench.connect_with(FRESH, "fresh", Version::V5, |connect| connect.clean_start = true);
    assert_eq!(answer, [Got::Connack { present: false, reason: 0 }]);
    bench.subscribe(FRESH, "fresh", QoS::AtLeastOnce);
    bench.publish(FRESH, "fresh", "x", QoS::AtLeastOnce, 1);
    let got = bench.got(FRESH);
    assert!(got.contains(&message("fresh", "x", 1, 1)), "{got:?}");
    assert!(got.contains(&Got::Ack(AckKind::Puback, 1, 0)), "{got:?}");
    bench.lose(FRESH);
}

#[test]
fn whatever_clients_do_the_broker_serves_the_next_one() {
    for seed in 0..SEEDS {
        // Shown if the run fails.
        println!("seed {seed}");
        let mut storm = Storm::new(seed);
        (0..STEPS).for_each(|_| storm.step());
        storm.end();
    }
}
