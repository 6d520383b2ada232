//! What is asked of a broker that finds its disk as a cut of power left it.

use super::actor::Actor;
use super::peer::{Peer, Running};
use super::publisher::PUBLISHERS;
use super::record::World;
use super::rig::Rig;
use super::stream::Stream;
use super::subscriber::{Inbox, SUBSCRIBERS, Until};
use crate::support::PATIENCE;
use crate::support::client::{Client, End};
use crate::support::random::Random;
use crate::support::wire::{self, Connect, PINGREQ, Properties, Received, Version};
use nix::sys::signal::Signal;
use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a start may take, whatever it finds.
const START: Duration = Duration::from_secs(10);

/// What came of one cut.
#[derive(Debug, Default)]
pub struct Verdict {
    /// The file system had to be mended before it could be mounted, as the start of the card does.
    pub was_mended: bool,
    /// It cannot be mounted even so.
    pub is_unmountable: bool,
    /// What is wrong with the database, or the report of the broker that says so.
    pub damage: Option<String>,
    /// Messages that were confirmed before the cut and had not arrived yet: only the disk knows them.
    pub owed: u64,
    /// Of them, those that did not arrive.
    pub lost: u64,
    /// Other promises that were broken.
    pub broken: Vec<String>,
}

impl Verdict {
    pub fn is_clean(&self) -> bool {
        !self.is_unmountable && self.damage.is_none() && self.lost == 0 && self.broken.is_empty()
    }
}

/// Starts a broker on a disk and asks it for everything that was promised. `pings` tells how sure it must be that nothing
/// more comes before something counts as lost.
pub fn check(rig: &Rig, peer: Peer, disk: &[u8], world: World, pings: usize) -> Verdict {
    let mut verdict = Verdict { owed: owed(&world), ..Verdict::default() };
    let place = rig.insert(disk).or_else(|_| {
        verdict.was_mended = true;
        rig.mend()
    });
    let Ok(place) = place else {
        verdict.is_unmountable = true;
        rig.keep_image("powercut-unmountable.img");
        rig.discard();
        return verdict;
    };
    let data = place.join("data");
    let began = Instant::now();
    match peer.start(&data, rig.scratch()) {
        Ok(broker) => {
            if peer == Peer::Gatehouse && began.elapsed() > START {
                verdict.broken.push(format!("the start took {:?}", began.elapsed()));
            }
            ask(&broker, world, pings, &mut verdict);
            broker.end(Signal::SIGKILL);
            if peer == Peer::Gatehouse && verdict.damage.is_none() {
                verdict.damage = told_damage(&data).or_else(|| damage(&data));
            }
        }
        Err(why) => verdict.damage = Some(format!("it does not start: {why}")),
    }
    if !verdict.is_clean() {
        rig.keep_image("powercut-last-failure.img");
    }
    rig.eject();
    verdict
}

/// The report that the gateway wrote, if it found damage.
fn told_damage(data: &Path) -> Option<String> {
    let entries = fs::read_dir(data).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let report = entries.into_iter().find(|path| path.to_string_lossy().ends_with(".txt"))?;
    Some(format!("reported: {}", fs::read_to_string(report).unwrap_or_default()))
}

/// What SQLite itself finds wrong with the database.
fn damage(data: &Path) -> Option<String> {
    let look = || -> rusqlite::Result<String> {
        let database = rusqlite::Connection::open(data.join("gatehouse.db"))?;
        database.query_row("PRAGMA integrity_check", [], |row| row.get(0))
    };
    match look() {
        Ok(said) if said == "ok" => None,
        Ok(said) => Some(said),
        Err(error) => Some(error.to_string()),
    }
}

fn ask(broker: &Running, world: World, pings: usize, verdict: &mut Verdict) {
    let address = broker.address();
    match retained(address) {
        Ok(found) => judge_retained(&world, &found, verdict),
        Err(end) => verdict.broken.push(format!("the retained messages: {end:?}")),
    }
    let confirmed: BTreeMap<Stream, u32> =
        world.publishers.iter().flat_map(|memory| memory.confirmed.clone()).collect();
    let mut sent = BTreeMap::new();
    for (publisher, memory) in PUBLISHERS.iter().zip(world.publishers) {
        let mut actor = Actor::new(memory, None);
        if let Err(end) = publisher.visit(&mut actor, address, &mut Random::new(0), 0, true) {
            verdict.broken.push(format!("publisher {}: {end:?}", publisher.number));
        }
        sent.extend(actor.memory.sent.iter().map(|(stream, sent)| (*stream, *sent)));
        verdict.broken.append(&mut actor.memory.broken);
    }
    for (subscriber, memory) in SUBSCRIBERS.iter().zip(world.subscribers) {
        let mut actor = Actor::new(memory, None);
        let missing = |inbox: &Inbox, of: &BTreeMap<Stream, u32>| -> u64 {
            let due = of.iter().filter(|(stream, _)| subscriber.is_due(**stream));
            due.map(|(stream, last)| inbox.missing(*stream, *last).count() as u64).sum()
        };
        // With a session that was not confirmed there is nothing due to it.
        let is_due = actor.memory.is_subscribed;
        let is_complete = |inbox: &Inbox| !is_due || missing(inbox, &sent) == 0;
        let until = Until::Complete { is_complete: &is_complete, pings };
        if let Err(end) = subscriber.visit(&mut actor, address, until) {
            verdict.broken.push(format!("subscriber {}: {end:?}", subscriber.number));
        }
        let inbox = &mut actor.memory;
        if is_due {
            let lost = missing(inbox, &confirmed);
            verdict.lost += lost;
            let more = missing(inbox, &sent) - lost;
            if more > 0 {
                verdict.broken.push(format!("{more} messages that were confirmed after the cut did not arrive"));
            }
        }
        for (stream, highest) in inbox.highest() {
            if sent.get(&stream).is_none_or(|sent| highest > *sent) {
                verdict.broken.push(format!("{stream:?} number {highest} was never sent"));
            }
        }
        verdict.broken.append(&mut inbox.broken);
    }
}

/// The last retained message of each topic.
fn retained(address: SocketAddr) -> Result<BTreeMap<Stream, u32>, End> {
    let mut client = Client::try_open(address, Version::V311).map_err(|_| End::Closed)?;
    let subscribe = wire::subscribe(Version::V311, 1, &Properties::default(), &[("state/#", 0)]);
    let bytes = [Connect::clean(Version::V311, "witness").encode(), subscribe, PINGREQ.to_vec()].concat();
    client.try_send(&bytes).map_err(|_| End::Closed)?;
    let mut found = BTreeMap::new();
    loop {
        match client.receive(PATIENCE)? {
            Received::Connack { .. } | Received::Suback { .. } => {}
            Received::Pingresp => return Ok(found),
            Received::Publish(message) => match Stream::parse(&message) {
                Some((stream, number)) => drop(found.insert(stream, number)),
                None => return Err(End::Garbled(format!("a message that nobody sent: {message:?}"))),
            },
            other => return Err(End::Garbled(format!("unwanted: {other:?}"))),
        }
    }
}

/// Messages that were confirmed and have not arrived, over all subscribers.
fn owed(world: &World) -> u64 {
    let confirmed = world.publishers.iter().flat_map(|memory| &memory.confirmed);
    let owed = confirmed.map(|(stream, number)| {
        let readers = SUBSCRIBERS.iter().zip(&world.subscribers).filter(|(subscriber, _)| subscriber.is_due(*stream));
        readers.map(|(_, inbox)| inbox.missing(*stream, *number).count() as u64).sum::<u64>()
    });
    owed.sum()
}

/// What is retained was confirmed last, or sent after that.
fn judge_retained(world: &World, found: &BTreeMap<Stream, u32>, verdict: &mut Verdict) {
    for (publisher, memory) in PUBLISHERS.iter().zip(&world.publishers) {
        let stream = Stream::retained(publisher.number);
        let confirmed = memory.confirmed.get(&stream).copied().unwrap_or_default();
        let sent = memory.sent.get(&stream).copied().unwrap_or_default();
        let is_right = match found.get(&stream) {
            Some(number) => (confirmed..=sent).contains(number) && !stream.clears(*number),
            None => confirmed == 0 || (confirmed..=sent).any(|number| stream.clears(number)),
        };
        if !is_right {
            let found = found.get(&stream);
            verdict.broken.push(format!("{stream:?} retains {found:?}, confirmed was {confirmed}, sent {sent}"));
        }
    }
}
