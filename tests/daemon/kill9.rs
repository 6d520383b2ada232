//! The promise under `kill -9`: the real process is killed at seeded moments under mixed load and started again on
//! the same data, while a ledger outside notes what was confirmed and what arrived.
//!
//! `make kill9 ROUNDS=1000 SEED=…` runs it longer or repeats the moments of a run.

mod ledger;
mod publisher;
mod subscriber;
mod world;

use crate::support::client::Client;
use crate::support::daemon::{Daemon, data_dir};
use crate::support::random::Random;
use crate::support::wire::{Received, Version};
use ledger::{Reader, Stream};
use publisher::Publisher;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use subscriber::Subscriber;
use world::World;

/// Rounds of `make test`.
const ROUNDS: u64 = 100;

/// Confirmations and deliveries between a start and the kill.
const EVENTS: std::ops::Range<u64> = 1..1_500;

/// Microseconds between the last counted event and the kill, so that kills fall anywhere in a commit.
const KILL_DELAY_MICROS: std::ops::Range<u64> = 0..3_000;

/// Microseconds a process gets that is killed while it starts.
const START_MICROS: std::ops::Range<u64> = 0..40_000;

const PUBLISHERS: [Publisher; 4] = [
    Publisher { number: 0, version: Version::V311, window: 1 },
    Publisher { number: 1, version: Version::V5, window: 10 },
    Publisher { number: 2, version: Version::V311, window: 20 },
    Publisher { number: 3, version: Version::V5, window: 100 },
];

/// Who reads what is published: always, or in one round of so many. The last two share a subscription.
const SUBSCRIBERS: [Subscriber; 7] = [
    Subscriber { number: 0, version: Version::V311, qos: 2, awake_once_in: 1, receive_maximum: None, shares: false },
    Subscriber { number: 1, version: Version::V5, qos: 2, awake_once_in: 1, receive_maximum: Some(7), shares: false },
    Subscriber { number: 2, version: Version::V5, qos: 1, awake_once_in: 2, receive_maximum: None, shares: false },
    Subscriber { number: 3, version: Version::V5, qos: 2, awake_once_in: 4, receive_maximum: None, shares: false },
    Subscriber { number: 4, version: Version::V311, qos: 2, awake_once_in: 10, receive_maximum: None, shares: false },
    Subscriber { number: 5, version: Version::V5, qos: 2, awake_once_in: 2, receive_maximum: Some(20), shares: true },
    Subscriber { number: 6, version: Version::V311, qos: 2, awake_once_in: 3, receive_maximum: None, shares: true },
];

#[test]
fn no_promise_is_broken_by_kill9() {
    let rounds = setting("GATEHOUSE_KILL9_ROUNDS").unwrap_or(ROUNDS);
    let seed = setting("GATEHOUSE_KILL9_SEED").unwrap_or_else(seed_of_now);
    let replay = format!("make kill9 ROUNDS={rounds} SEED={seed}");
    println!("{replay}");
    // Kept unless all is well, for whoever has to find out what went wrong.
    let data = data_dir().keep();
    println!("data in {}", data.display());
    let alone = SUBSCRIBERS.iter().filter(|subscriber| !subscriber.shares);
    let readers = alone.map(|subscriber| Reader::new(subscriber.qos)).chain([Reader::shared(2)]);
    let world = World::new(readers.collect());
    std::thread::scope(|scope| {
        let _over = world.over_at_the_end();
        let daemon = Daemon::start_on(&data);
        for subscriber in &SUBSCRIBERS {
            subscriber.settle(daemon.address());
        }
        daemon.kill9();
        let random = Random::new(seed);
        let mut publishers = Vec::new();
        for publisher in &PUBLISHERS {
            let random = random.fork(100 + publisher.number as u64);
            publishers.push(scope.spawn(|| publisher.run(&world, random)));
        }
        for subscriber in &SUBSCRIBERS {
            let random = random.fork(200 + subscriber.number as u64);
            scope.spawn(|| subscriber.run(&world, random));
        }
        for round in 0..rounds {
            one_round(&world, &data, round, &mut random.fork(1_000 + round));
            if (round + 1) % ROUNDS == 0 {
                println!("{} rounds: {}", round + 1, world.note(|ledger| ledger.to_string()));
            }
        }
        let daemon = start(&world, &data);
        world.finish(daemon.address(), rounds);
        world.wait_for_the_end(publishers);
        world.down();
        drop(daemon);
    });
    let ledger = world.into_ledger();
    println!("{ledger}");
    let broken = ledger.broken();
    assert!(broken.is_empty(), "{} promises broken, to repeat: {replay}\n{}", broken.len(), broken.join("\n"));
    std::fs::remove_dir_all(&data).expect("our own directory");
    std::fs::remove_file(data.with_extension("log")).expect("our own file");
}

/// Starts the gateway, lets the load run, kills it.
fn one_round(world: &World, data: &Path, round: u64, random: &mut Random) {
    if random.once_in(8) {
        let starting = Daemon::spawn(data);
        std::thread::sleep(Duration::from_micros(random.within(START_MICROS)));
        starting.kill9();
    }
    let daemon = start(world, data);
    world.up(daemon.address(), round);
    world.wait_for_events(random.within(EVENTS));
    std::thread::sleep(Duration::from_micros(random.within(KILL_DELAY_MICROS)));
    world.down();
    daemon.kill9();
}

/// Starts the gateway and looks at once whether the retained messages are those confirmed last.
fn start(world: &World, data: &Path) -> Daemon {
    let daemon = Daemon::start_on(data);
    let confirmed: Vec<u32> =
        PUBLISHERS.iter().map(|publisher| world.confirmed(Stream::retained(publisher.number))).collect();
    let mut client = Client::fresh(daemon.address(), Version::V311, "witness");
    client.subscribe("state/#", 0);
    for received in client.until_ping() {
        let Received::Publish(message) = received else { panic!("unwanted: {received:?}") };
        let (stream, number) = Stream::parse(&message).expect("a topic of ours");
        world.note(|ledger| ledger.retained(stream, number, confirmed[stream.publisher]));
    }
    client.disconnect();
    daemon
}

fn setting(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok().filter(|value| !value.is_empty())?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name} is no number: {value}")))
}

fn seed_of_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}
