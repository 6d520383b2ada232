//! What happens in a run, drawn from its seed: who the clients are, what they want, and which limits the broker has.

use super::model::Will;
use crate::support::random::Random;
use crate::support::wire::{Connect, Message, Properties, Version, id};
use gatehouse::base::limits::{Limits, QueueFull};

/// What everybody may publish to. No filter of a client covers `s` and another tree, so that a message that came by a
/// shared subscription is not mistaken for one that came by another.
const TOPICS: [&str; 9] = ["a/0", "a/1", "a/2", "b/x", "s/0", "s/1", "r/0", "r/1", "r/2"];

const FILTERS: [&str; 9] = ["a/#", "a/+", "a/0", "a/1", "b/x", "r/#", "r/0", "r/+", "w/#"];

#[derive(Debug)]
pub struct Plan {
    pub limits: Limits,
    /// Bytes behind the index at which its next part is due.
    pub index_bytes: usize,
    pub clients: Vec<(String, Version)>,
    /// Steps until everything is healed.
    pub steps: u64,
    /// Once in so many steps.
    pub power_cuts: u64,
    pub card_troubles: u64,
    /// Whether links break and packets are late.
    pub is_rough: bool,
}

impl Plan {
    pub fn new(random: &mut Random) -> Self {
        let one_of = |random: &mut Random, of: &[u64]| of[random.within(0..of.len() as u64) as usize];
        let limits = Limits {
            inflight: inflight(random),
            queue_messages: one_of(random, &[4, 12, 100_000, 100_000]) as u32,
            queue_full: match random.within(0..3) {
                0 => QueueFull::Refuse,
                1 => QueueFull::DropOldest,
                _ => QueueFull::DropNewest,
            },
            ..Limits::default()
        };
        let versions = [Version::V311, Version::V5, Version::V5];
        let count = random.within(2..7);
        let clients = (0..count).map(|number| (format!("client-{number}"), versions[random.within(0..3) as usize]));
        Self {
            limits,
            clients: clients.collect(),
            index_bytes: one_of(random, &[500, 5_000, 1 << 20]) as usize,
            steps: random.within(50..400),
            power_cuts: one_of(random, &[25, 60, 1_000]),
            card_troubles: one_of(random, &[20, 80, 1_000]),
            is_rough: !random.once_in(4),
        }
    }
}

/// Messages that may be in flight to a client.
pub fn inflight(random: &mut Random) -> u16 {
    [1, 3, 1_000][random.within(0..3) as usize]
}

/// A CONNECT, and its will with the number of its message.
pub fn connect(
    random: &mut Random,
    name: &str,
    version: Version,
    number: impl FnOnce() -> u32,
) -> (Connect, Option<Will>) {
    let mut connect = if random.once_in(8) { Connect::clean(version, name) } else { Connect::lasting(version, name) };
    if version == Version::V5 {
        let expiry = [0, 2, 8, 30, u32::MAX, u32::MAX][random.within(0..6) as usize];
        connect.properties = Properties::default().number(id::SESSION_EXPIRY, expiry);
        if random.once_in(3) {
            let most = random.within(1..6) as u32;
            connect.properties = connect.properties.number(id::RECEIVE_MAXIMUM, most);
        }
    }
    if random.once_in(5) {
        connect.keep_alive = 5;
    }
    let will = random.once_in(3).then(|| will(random, name, version, number()));
    connect.will = will.as_ref().map(|will| will.message.clone());
    (connect, will)
}

fn will(random: &mut Random, name: &str, version: Version, number: u32) -> Will {
    let topic = if random.once_in(4) { "r/0".to_owned() } else { format!("w/{name}") };
    let mut message = Message::new(&topic, number.to_string(), random.within(0..3) as u8);
    message.retain = random.once_in(3);
    let mut delay = 0;
    if version == Version::V5 && random.once_in(2) {
        delay = random.within(1..12) as u32;
        message.properties = message.properties.number(id::WILL_DELAY, delay);
    }
    Will { number, message, delay }
}

pub fn message(random: &mut Random, version: Version, number: u32) -> Message {
    let topic = TOPICS[random.within(0..TOPICS.len() as u64) as usize];
    let is_retained = topic.starts_with("r/");
    let payload = if is_retained && random.once_in(4) { String::new() } else { number.to_string() };
    let mut message = Message::new(topic, payload, [0, 1, 1, 2, 2][random.within(0..5) as usize]);
    message.retain = is_retained;
    if version == Version::V5 && random.once_in(6) {
        let seconds = random.within(1..15) as u32;
        message.properties = message.properties.number(id::MESSAGE_EXPIRY, seconds);
    }
    message
}

/// A filter with its options. Even clients share one subscription, odd ones another.
pub fn subscription(random: &mut Random, client: usize, version: Version) -> (String, u8) {
    let mut options = random.within(0..3) as u8;
    if version == Version::V5 {
        if random.once_in(4) {
            return (shared(client), options.max(1));
        }
        options |= u8::from(random.once_in(4)) << 2 | u8::from(random.once_in(3)) << 3;
        options |= (random.within(0..3) as u8) << 4;
    }
    (filter(random), options)
}

pub fn filter(random: &mut Random) -> String {
    FILTERS[random.within(0..FILTERS.len() as u64) as usize].to_owned()
}

pub fn shared(client: usize) -> String {
    if client.is_multiple_of(2) { "$share/even/s/#".to_owned() } else { "$share/odd/s/0".to_owned() }
}
