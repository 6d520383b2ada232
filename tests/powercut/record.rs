//! A recording: the broker under load on a disk that keeps a diary.

use super::actor::Actor;
use super::medium::Operation;
use super::peer::Peer;
use super::publisher::{PUBLISHERS, Published, Publisher};
use super::rig::Rig;
use super::subscriber::{Inbox, SUBSCRIBERS, Subscriber, Until};
use crate::support::client::End;
use crate::support::random::Random;
use nix::sys::signal::Signal;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What everyone outside of the broker remembers.
#[derive(Clone, Default)]
pub struct World {
    pub publishers: Vec<Published>,
    pub subscribers: Vec<Inbox>,
}

impl World {
    /// Before anything happened.
    pub fn new() -> Self {
        Self {
            publishers: PUBLISHERS.iter().map(|_| Published::default()).collect(),
            subscribers: SUBSCRIBERS.iter().map(|_| Inbox::default()).collect(),
        }
    }
}

/// What happened to a disk, and what everyone remembers.
pub struct Recording {
    /// The disk before.
    pub before: Vec<u8>,
    pub diary: Vec<Operation>,
    publishers: Vec<Actor<Published>>,
    subscribers: Vec<Actor<Inbox>>,
}

/// Messages that one publisher sends in one recording.
const MESSAGES: std::ops::Range<u64> = 10..180;

/// Messages of one connection of a publisher.
const VISIT: std::ops::Range<u64> = 5..120;

/// Listening of a subscriber between looks at whether it leaves, in one connection.
const LOOKS: std::ops::Range<u64> = 1..400;

/// How long the broker is left alone where it is: it tidies up.
const REST: Duration = Duration::from_millis(1_400);

impl Recording {
    /// Starts a broker on a disk, lets everyone work with it, and ends it in order or not.
    pub fn make(rig: &Rig, peer: Peer, before: Vec<u8>, world: World, random: &mut Random) -> Result<Self, String> {
        let disk = rig.watch(before.clone())?;
        let medium = || Some(disk.medium.clone());
        let mut publishers: Vec<_> = world.publishers.into_iter().map(|memory| Actor::new(memory, medium())).collect();
        let mut subscribers: Vec<_> =
            world.subscribers.into_iter().map(|memory| Actor::new(memory, medium())).collect();
        let broker = peer.start(&disk.place.join("data"), rig.scratch())?;
        let address = broker.address();
        for (subscriber, actor) in SUBSCRIBERS.iter().zip(&mut subscribers) {
            subscriber.settle(actor, address).map_err(|end| format!("a subscriber: {end:?}"))?;
        }
        let done = work(peer, address, &mut publishers, &mut subscribers, random);
        if random.once_in(4) {
            std::thread::sleep(REST);
        }
        broker.end(if random.once_in(2) { Signal::SIGTERM } else { Signal::SIGKILL });
        let diary = disk.take_out();
        done.map_err(|end| format!("a publisher: {end:?}"))?;
        let told = publishers.iter().flat_map(|actor| &actor.memory.broken);
        let told: Vec<_> = told.chain(subscribers.iter().flat_map(|actor| &actor.memory.broken)).collect();
        if peer == Peer::Gatehouse && !told.is_empty() {
            return Err(format!("broken while the power was on: {told:?}"));
        }
        Ok(Self { before, diary, publishers, subscribers })
    }

    /// How many operations had reached the disk when something happened to a publisher: it
    /// was about to send, or something was confirmed.
    pub fn moments(&self) -> Vec<usize> {
        self.publishers.iter().flat_map(Actor::places).collect()
    }

    /// What everyone remembered when so many operations had reached the disk.
    pub fn world_at(&self, position: usize) -> World {
        World {
            publishers: self.publishers.iter().map(|actor| actor.at(position)).collect(),
            subscribers: self.subscribers.iter().map(|actor| actor.at(position)).collect(),
        }
    }
}

/// Lets everyone work until the publishers are done.
fn work(
    peer: Peer,
    address: SocketAddr,
    publishers: &mut [Actor<Published>],
    subscribers: &mut [Actor<Inbox>],
    random: &Random,
) -> Result<(), End> {
    let is_over = &AtomicBool::new(false);
    std::thread::scope(|scope| {
        for (subscriber, actor) in SUBSCRIBERS.iter().zip(subscribers) {
            let mut random = random.fork(200 + subscriber.number as u64);
            if random.once_in(subscriber.awake_once_in) {
                scope.spawn(move || read(peer, address, subscriber, actor, &mut random, is_over));
            }
        }
        let publishing: Vec<_> = PUBLISHERS
            .iter()
            .zip(publishers)
            .map(|(publisher, actor)| {
                let mut random = random.fork(100 + publisher.number as u64);
                scope.spawn(move || publish(peer, address, publisher, actor, &mut random))
            })
            .collect();
        let done: Vec<_> = publishing.into_iter().map(|one| one.join().expect("a publisher does not fail")).collect();
        is_over.store(true, Ordering::SeqCst);
        done.into_iter().collect()
    })
}

/// Comes and goes without a word until all is over.
fn read(
    peer: Peer,
    address: SocketAddr,
    subscriber: &Subscriber,
    actor: &mut Actor<Inbox>,
    random: &mut Random,
    is_over: &AtomicBool,
) {
    while !is_over.load(Ordering::SeqCst) {
        let mut looks = random.within(LOOKS);
        let mut leaves = || {
            looks -= 1;
            looks == 0 || is_over.load(Ordering::SeqCst)
        };
        let end = subscriber.visit(actor, address, Until::Left(&mut leaves));
        if let Err(end) = end
            && peer == Peer::Gatehouse
        {
            return actor.memory.broken.push(format!("the connection of a subscriber: {end:?}"));
        }
        std::thread::sleep(Duration::from_millis(random.within(0..30)));
    }
}

/// Publishes in several connections, some of which it drops before everything is confirmed.
fn publish(
    peer: Peer,
    address: SocketAddr,
    publisher: &Publisher,
    actor: &mut Actor<Published>,
    random: &mut Random,
) -> Result<(), End> {
    let mut left = random.within(MESSAGES);
    while left > 0 {
        let count = random.within(VISIT).min(left);
        left -= count;
        let is_patient = random.once_in(3);
        match publisher.visit(actor, address, random, count, is_patient) {
            // Mosquitto closes some connections of clients that were there a moment ago.
            Err(End::Closed) if peer != Peer::Gatehouse => {}
            end => end?,
        }
    }
    Ok(())
}
