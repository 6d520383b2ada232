//! The same judges on other brokers: what is left of what they confirmed.

use super::check::Verdict;
use super::cut::HONEST;
use super::peer::Peer;
use super::record::{Recording, World};
use super::rig::Rig;
use super::runs::{PINGS_EXPECTED, Tally, on_a_rig, positions_under_load, setting};
use super::subscriber::LISTEN;
use crate::support::client::{Client, End};
use crate::support::daemon::data_dir;
use crate::support::not_run;
use crate::support::random::Random;
use crate::support::wire::{Connect, Message, PINGREQ, Received, Version::V311};
use nix::sys::signal::Signal;
use std::collections::BTreeMap;

/// Messages before a `kill -9`.
const MESSAGES: u16 = 1_000;

/// Of them, those on their way at once.
const WINDOW: u16 = 100;

/// Cuts of power of one broker in `make test`, and in `make truth`.
const CUTS: u64 = 3;

/// What is left of messages that were confirmed right before a `kill -9`.
struct Killed {
    lost: u64,
    session_present: bool,
}

/// Fills the queue of an absent subscriber, kills the broker right after the last PUBACK, starts it again and looks.
fn kill9(peer: Peer) -> Result<Killed, String> {
    let directory = data_dir();
    let data = directory.path().join("data");
    let broker = peer.start(&data, directory.path())?;
    let reader = Connect::lasting(V311, "reader");
    let (mut client, _) = Client::connect(broker.address(), &reader);
    client.subscribe("queue", 1);
    client.disconnect();
    let mut publisher = Client::fresh(broker.address(), V311, "publisher");
    let (mut sent, mut confirmed) = (0, 0);
    while confirmed < MESSAGES {
        while sent < MESSAGES && sent - confirmed < WINDOW {
            sent += 1;
            publisher.send(&Message::new("queue", sent.to_string(), 1).id(sent).encode(V311));
        }
        if let Received::Acknowledge { reason: 0, .. } = publisher.next() {
            confirmed += 1;
        }
    }
    broker.end(Signal::SIGKILL);
    let broker = peer.start(&data, directory.path())?;
    let (mut client, session_present) = Client::connect(broker.address(), &reader);
    let arrived = take_all(&mut client);
    broker.end(Signal::SIGKILL);
    Ok(Killed { lost: u64::from(MESSAGES) - arrived, session_present })
}

/// Takes messages until nothing more comes though the broker answers.
fn take_all(client: &mut Client) -> u64 {
    let (mut arrived, mut answers) = (0, 0);
    while answers < PINGS_EXPECTED && arrived < u64::from(MESSAGES) {
        match client.receive(LISTEN) {
            Ok(Received::Publish(message)) => {
                client.accept(&message);
                (arrived, answers) = (arrived + 1, 0);
            }
            Err(End::Silent) => {
                client.send(&PINGREQ);
                client.pick("PINGRESP", |received| (*received == Received::Pingresp).then_some(()));
                answers += 1;
            }
            Ok(_) => {}
            Err(End::Closed | End::Garbled(_)) => break,
        }
    }
    arrived
}

/// Cuts the power of a broker under load so often, each time on a disk that is honest.
fn cut(rig: &Rig, peer: Peer, count: u64, random: &mut Random) -> Result<Tally, String> {
    /// Cuts of one recording.
    const OF_ONE: u64 = 20;
    let mut tallies = BTreeMap::new();
    let mut left = count;
    while left > 0 {
        let recording = Recording::make(rig, peer, rig.format()?, World::new(), random)?;
        let positions = positions_under_load(&recording, left.min(OF_ONE), random);
        left -= positions.len() as u64;
        super::runs::cut(rig, peer, &recording, &HONEST, positions, PINGS_EXPECTED, random, &mut tallies);
    }
    let mut all = Tally::default();
    for tally in tallies.into_values() {
        all.merge(tally);
    }
    Ok(all)
}

#[test]
fn what_others_confirm_and_what_is_left_of_it() {
    let cuts = setting("GATEHOUSE_TRUTH_CUTS").unwrap_or(CUTS);
    let seed = setting("GATEHOUSE_POWERCUT_SEED").unwrap_or(1);
    on_a_rig("the truth about other brokers", |rig| {
        println!(
            "| broker and setting | `kill -9` after {MESSAGES} confirmed messages: lost | its session \
             | cuts of power that lost something | messages lost of those owed |\n|---|---|---|---|---|"
        );
        for peer in [Peer::Gatehouse, Peer::Mosquitto, Peer::MosquittoAutosave] {
            let killed = match kill9(peer) {
                Ok(killed) => killed,
                Err(why) => return not_run("other brokers", &why),
            };
            let tally =
                cut(rig, peer, cuts, &mut Random::new(seed)).unwrap_or_else(|why| panic!("{}: {why}", peer.name()));
            let Killed { lost, session_present } = killed;
            let session = if session_present { "there" } else { "gone" };
            println!(
                "| {} | {lost} | {session} | {} of {} | {} of {} |",
                peer.name(),
                tally.failing,
                tally.cuts,
                tally.lost,
                tally.owed
            );
            match peer {
                Peer::Gatehouse => assert!(lost == 0 && session_present && tally.told.is_empty(), "{:?}", tally.told),
                // Were this not seen, the judges would see nothing at all.
                Peer::Mosquitto => assert!(lost > 0 && tally.lost > 0, "it keeps nothing by default: {tally}"),
                Peer::MosquittoAutosave => {}
            }
        }
    });
}

/// A cut that found nothing wrong.
#[test]
fn a_tally_counts_each_cut_once() {
    let mut tally = Tally::default();
    tally.add(&Verdict { owed: 3, ..Verdict::default() }, "clean");
    tally.add(&Verdict { owed: 2, lost: 2, broken: vec!["session".into()], ..Verdict::default() }, "not");
    assert_eq!((tally.cuts, tally.failing, tally.losing, tally.lost, tally.owed, tally.told.len()), (2, 1, 1, 2, 5, 1));
}
