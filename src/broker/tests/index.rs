//! Long queues: what the index holds of them, and that nothing is lost or repeated by it, however often the power fails.

use super::random::Random;
use super::support::{Bench, Got, Id};
use crate::base::limits::Limits;
use crate::broker::MessageId;
use crate::mqtt::packet::AckKind::Puback;
use crate::mqtt::{QoS, Version};
use std::collections::VecDeque;
use std::time::Duration;

const PUBLISHER: Id = 0;

/// Readers that may be away, each with its own topic and with what it has not acknowledged.
struct Readers {
    bench: Bench,
    waiting: Vec<VecDeque<u32>>,
    next: u32,
}

impl Readers {
    fn new(count: usize) -> Readers {
        let mut bench = Bench::with(Limits { inflight: 20, ..Limits::default() });
        for reader in 1..=count {
            bench.connect(reader as Id, &format!("reader-{reader}"), Version::V311);
            bench.subscribe(reader as Id, &format!("to/{reader}"), QoS::AtLeastOnce);
            bench.lose(reader as Id);
        }
        let mut readers = Readers { bench, waiting: vec![VecDeque::new(); count], next: 0 };
        readers.come_back();
        readers
    }

    fn come_back(&mut self) {
        self.bench.connect_with(PUBLISHER, "publisher", Version::V5, |connect| connect.clean_start = true);
    }

    /// Publishes about a kilobyte to a reader that is away.
    fn publish(&mut self, reader: usize) {
        self.next += 1;
        self.waiting[reader - 1].push_back(self.next);
        let payload = format!("{:01000}", self.next);
        let id = (self.next % 60_000) as u16 + 1;
        self.bench.publish(PUBLISHER, &format!("to/{reader}"), &payload, QoS::AtLeastOnce, id);
        assert!(matches!(self.bench.got(PUBLISHER)[..], [Got::Ack(Puback, acknowledged, 0)] if acknowledged == id));
    }

    /// A reader comes, takes up to `count` messages in their order, acknowledges some of them out of order, and leaves.
    fn read(&mut self, reader: usize, count: usize, random: &mut Random) {
        let id = reader as Id;
        let mut got: VecDeque<Got> =
            self.bench.connect(id, &format!("reader-{reader}"), Version::V311).into_iter().skip(1).collect();
        let mut taken = 0;
        while let Some(Got::Publish { payload, id: packet_id, .. }) = got.pop_front() {
            let place = taken;
            taken += 1;
            let number: u32 = payload.parse().expect("a number");
            assert_eq!(self.waiting[reader - 1].get(place), Some(&number), "reader {reader}");
            if taken > count {
                break;
            }
            if random.once_in(4) {
                continue;
            }
            self.bench.ack(id, Puback, packet_id);
            got.extend(self.bench.got(id));
            self.waiting[reader - 1].remove(place);
            taken -= 1;
            if random.once_in(20) {
                break;
            }
        }
        self.bench.lose(id);
        self.bench.got(id);
        // What it acknowledged is kept a second later.
        self.bench.pass(Duration::from_secs(2));
    }

    fn restart(&mut self) {
        let limits = Limits { inflight: 20, ..Limits::default() };
        self.bench.restart_with(limits);
        self.come_back();
    }
}

#[test]
fn a_start_finds_what_waits_in_the_index_and_the_rows_behind_it() {
    let mut readers = Readers::new(3);
    for number in 0..6_500 {
        readers.publish(number % 3 + 1);
    }
    let memory = &readers.bench.disk.memory;
    assert_eq!(memory.runs.len(), 3);
    let behind = memory.messages.iter().filter(|(id, _, _)| *id > memory.runs[2].upto).count();
    assert!(behind < 2_100, "a start would read {behind} messages");
    readers.restart();
    readers.bench.pass(Duration::from_secs(1));
    let mut random = Random(1);
    for reader in 1..=3 {
        readers.read(reader, usize::MAX, &mut random);
    }
}

#[test]
fn nothing_is_lost_or_repeated_however_often_the_power_fails() {
    for seed in 0..6 {
        let mut random = Random(seed);
        let mut readers = Readers::new(5);
        for _ in 0..60 {
            let reader = random.below(5) + 1;
            match random.below(6) {
                0 => readers.restart(),
                1 | 2 => {
                    let count = random.below(100);
                    readers.read(reader, count, &mut random);
                }
                _ => {
                    for _ in 0..random.below(400) {
                        readers.publish(reader);
                    }
                }
            }
        }
        let runs = readers.bench.disk.memory.runs.len();
        readers.restart();
        for reader in 1..=5 {
            readers.read(reader, usize::MAX, &mut random);
        }
        assert!(runs > 1, "seed {seed} wrote {runs} runs");
    }
}

#[test]
fn what_was_acknowledged_out_of_order_is_not_sent_again_after_two_power_cuts() {
    let mut readers = Readers::new(1);
    for _ in 0..5 {
        readers.publish(1);
    }
    let got = readers.bench.connect(1, "reader-1", Version::V311);
    let Got::Publish { id: third, .. } = got[3] else { panic!("{got:?}") };
    readers.bench.ack(1, Puback, third);
    readers.bench.pass(Duration::from_secs(2));
    readers.restart();
    let got = readers.bench.connect(1, "reader-1", Version::V311);
    let Got::Publish { id: fifth, .. } = got[4] else { panic!("{got:?}") };
    readers.bench.ack(1, Puback, fifth);
    readers.bench.pass(Duration::from_secs(2));
    readers.restart();
    let got = readers.bench.connect(1, "reader-1", Version::V311);
    let payloads = got.iter().filter_map(|got| match got {
        Got::Publish { payload, .. } => payload.parse().ok(),
        _ => None,
    });
    assert_eq!(payloads.collect::<Vec<u32>>(), [1, 2, 4]);
}

#[test]
fn a_long_queue_of_an_ended_session_is_let_go_in_slices() {
    let mut readers = Readers::new(2);
    for _ in 0..10_000 {
        readers.publish(1);
    }
    readers.publish(2);
    readers.bench.connect_with(1, "reader-1", Version::V311, |connect| connect.clean_start = true);
    readers.bench.pass(Duration::from_secs(10));
    let left = readers.bench.disk.memory.messages.len();
    assert!(left <= 512, "{left} rows are left");
    readers.restart();
    readers.read(2, usize::MAX, &mut Random(1));
    let first = readers.bench.disk.memory.messages.first().map_or(MessageId::NONE, |(id, _, _)| *id);
    assert!(first > MessageId(9_000), "the first row is {first:?}");
}

#[test]
fn a_reader_that_sleeps_does_not_keep_the_rows_of_others() {
    let mut readers = Readers::new(2);
    let mut random = Random(7);
    for round in 0..100 {
        readers.publish(1);
        for _ in 0..200 {
            readers.publish(2);
        }
        let got = readers.bench.connect(2, "reader-2", Version::V311);
        let mut left: VecDeque<Got> = got.into_iter().skip(1).collect();
        while let Some(Got::Publish { id, .. }) = left.pop_front() {
            readers.bench.ack(2, Puback, id);
            left.extend(readers.bench.got(2));
            readers.waiting[1].pop_front();
        }
        assert!(readers.waiting[1].is_empty(), "round {round}");
        readers.bench.lose(2);
        readers.bench.pass(Duration::from_secs(2));
    }
    readers.bench.pass(Duration::from_mins(1));
    let rows = readers.bench.disk.memory.messages.len();
    assert!(rows < 10_000, "{rows} rows are left of 20,100, of which 100 are wanted");
    readers.restart();
    readers.read(1, usize::MAX, &mut random);
    assert!(readers.waiting[0].len() < 100);
}

#[test]
fn a_run_never_takes_the_place_of_the_one_before() {
    let mut bench = Bench::new();
    bench.broker.set_index_bytes(100);
    bench.connect(1, "reader", Version::V311);
    bench.subscribe(1, "a", QoS::AtLeastOnce);
    bench.lose(1);
    bench.connect(PUBLISHER, "publisher", Version::V311);
    bench.pass(Duration::from_secs(2));
    bench.commits = false;
    for group in 0..3_u16 {
        for number in 1..=3 {
            bench.publish(PUBLISHER, "a", &format!("{}", 3 * group + number), QoS::AtLeastOnce, 3 * group + number);
        }
        bench.commit();
    }
    // A group without a message, right behind a run that came with many: there is nothing that a run could cover.
    bench.publish(PUBLISHER, "nobody reads it", "x", QoS::ExactlyOnce, 100);
    while bench.pending.is_some() {
        bench.commit();
    }
    assert!(bench.disk.memory.runs.windows(2).all(|runs| runs[0].upto == runs[1].since), "the chain has no gap");
    assert!(!bench.disk.memory.runs.is_empty());
    bench.commits = true;
    bench.restart();
    let got = bench.connect(1, "reader", Version::V311);
    let payloads: Vec<_> = got
        .iter()
        .filter_map(|got| match got {
            Got::Publish { payload, .. } => Some(payload.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(payloads, (1..=9).map(|number| number.to_string()).collect::<Vec<_>>());
}
