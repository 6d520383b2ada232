//! Runs of the rig: recordings, one on the disk that a cut of the one before left, and many cuts of each.

use super::check::{Verdict, check};
use super::cut::{Cutter, HONEST, Model};
use super::peer::Peer;
use super::record::{Recording, World};
use super::rig::Rig;
use crate::support::not_run;
use crate::support::random::Random;
use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Cuts of `make test`.
const CUTS: u64 = 80;

/// Cuts of one recording.
const CUTS_OF_ONE: u64 = 40;

/// Recordings after which a new disk is put in.
const GENERATIONS: u64 = 6;

/// Pings that must be answered with nothing else between before something counts as lost: on disks that are honest, and
/// on others.
pub const PINGS: usize = 80;
pub const PINGS_EXPECTED: usize = 3;

/// Failures that are told one by one.
const TOLD_MAX: usize = 20;

/// How often a long run says how far it is.
const SAY_INTERVAL: Duration = Duration::from_mins(1);

/// What came of many cuts.
#[derive(Debug, Default, Clone)]
pub struct Tally {
    pub cuts: u64,
    /// Messages that were owed at the cuts: confirmed and not yet delivered.
    pub owed: u64,
    /// Cuts after which the file system had to be mended, and could not be.
    pub mended: u64,
    pub unmountable: u64,
    /// Cuts with damage that was found.
    pub damaged: u64,
    /// Cuts after which something confirmed was missing, and how much.
    pub losing: u64,
    pub lost: u64,
    /// Cuts after which another promise was broken.
    pub breaking: u64,
    /// Cuts after which anything was not as it must be.
    pub failing: u64,
    pub told: Vec<String>,
}

impl Tally {
    pub fn add(&mut self, verdict: &Verdict, what: &str) {
        self.cuts += 1;
        self.owed += verdict.owed;
        self.mended += u64::from(verdict.was_mended);
        self.unmountable += u64::from(verdict.is_unmountable);
        self.damaged += u64::from(verdict.damage.is_some());
        self.losing += u64::from(verdict.lost > 0);
        self.lost += verdict.lost;
        self.breaking += u64::from(!verdict.broken.is_empty());
        self.failing += u64::from(!verdict.is_clean());
        if !verdict.is_clean() && self.told.len() < TOLD_MAX {
            let told = format!("{what}: {verdict:?}");
            self.told.push(told);
        }
    }
}

impl Tally {
    /// Adds another.
    pub fn merge(&mut self, other: Tally) {
        self.cuts += other.cuts;
        self.owed += other.owed;
        self.mended += other.mended;
        self.unmountable += other.unmountable;
        self.damaged += other.damaged;
        self.losing += other.losing;
        self.lost += other.lost;
        self.breaking += other.breaking;
        self.failing += other.failing;
        self.told.extend(other.told);
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { cuts, owed, mended, unmountable, damaged, losing, lost, breaking, .. } = self;
        write!(
            f,
            "{cuts} cuts: {unmountable} unmountable ({mended} mended by e2fsck at the start), {damaged} damaged, {losing} with loss ({lost} messages of {owed} that \
             were confirmed and not delivered yet), {breaking} with another promise broken"
        )
    }
}

/// Places in the diary, ascending: every write and every flush is as likely as another.
fn positions(recording: &Recording, count: u64, random: &mut Random) -> Vec<usize> {
    let operations = recording.diary.len() as u64 + 1;
    let mut positions: Vec<usize> = (0..count).map(|_| random.within(0..operations) as usize).collect();
    positions.sort_unstable();
    positions
}

/// Places in the diary while publishers were at work, ascending.
pub fn positions_under_load(recording: &Recording, count: u64, random: &mut Random) -> Vec<usize> {
    let moments = recording.moments();
    let one = |random: &mut Random| moments[random.within(0..moments.len() as u64) as usize];
    let mut positions: Vec<usize> = (0..count).map(|_| one(random)).collect();
    positions.sort_unstable();
    positions
}

/// Cuts a recording at these places, with each model in turn.
#[expect(clippy::too_many_arguments, reason = "what a run consists of")]
pub fn cut(
    rig: &Rig,
    peer: Peer,
    recording: &Recording,
    models: &[Model],
    positions: Vec<usize>,
    pings: usize,
    random: &mut Random,
    tallies: &mut BTreeMap<Model, Tally>,
) {
    let mut cutter = Cutter::new(recording.before.clone(), &recording.diary);
    for (index, position) in positions.into_iter().enumerate() {
        let model = models[index % models.len()];
        let disk = cutter.cut(position, model, random);
        let verdict = check(rig, peer, &disk, recording.world_at(position), pings);
        let what = format!("{model:?} at {position} of {}", recording.diary.len());
        if peer == Peer::Gatehouse && HONEST.contains(&model) && !verdict.is_clean() {
            println!("{what}: {verdict:?}");
        }
        tallies.entry(model).or_default().add(&verdict, &what);
    }
}

/// Runs something on a bench of its own.
pub fn on_a_rig(what: &str, run: impl FnOnce(&Rig) + Send) {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| match Rig::set_up() {
            Ok(rig) => run(&rig),
            Err(why) => not_run(what, &why),
        });
        if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
    });
}

/// So many recordings, each on the disk that a cut of the one before left. Tells of each, with its number.
pub fn recordings(rig: &Rig, seed: u64, mut each: impl FnMut(u64, &Recording, &mut Random) -> bool) {
    let (mut disk, mut world) = (Vec::new(), World::new());
    for number in 0.. {
        let mut random = Random::new(seed).fork(number);
        if number % GENERATIONS == 0 {
            (disk, world) = (rig.format().expect("a disk"), World::new());
        }
        let recording = Recording::make(rig, Peer::Gatehouse, disk, world, &mut random);
        let recording = recording.unwrap_or_else(|why| panic!("recording {number} of seed {seed}: {why}"));
        if !each(number, &recording, &mut random) {
            return;
        }
        let position = random.within(0..recording.diary.len() as u64 + 1) as usize;
        let model = HONEST[random.within(0..HONEST.len() as u64) as usize];
        let mut cutter = Cutter::new(recording.before.clone(), &recording.diary);
        let left = cutter.cut(position, model, &mut random);
        disk = rig.usable(left).unwrap_or_else(|why| panic!("behind recording {number} of seed {seed}: {why}"));
        world = recording.world_at(position);
    }
}

#[test]
fn no_confirmation_is_lost_in_a_cut_of_power() {
    let cuts = setting("GATEHOUSE_POWERCUT_CUTS").unwrap_or(CUTS);
    let seed = setting("GATEHOUSE_POWERCUT_SEED").unwrap_or_else(seed_of_now);
    println!("make powercut CUTS={cuts} SEED={seed}");
    on_a_rig("cuts of power", |rig| {
        let (mut tallies, began, mut said) = (BTreeMap::new(), Instant::now(), Instant::now());
        let mut done = 0;
        recordings(rig, seed, |number, recording, random| {
            let count = CUTS_OF_ONE.min(cuts - done);
            let positions = positions(recording, count, random);
            cut(rig, Peer::Gatehouse, recording, &HONEST, positions, PINGS, random, &mut tallies);
            done += count;
            if said.elapsed() > SAY_INTERVAL || done == cuts {
                let failures: u64 = tallies.values().map(|tally: &Tally| tally.failing).sum();
                println!("{done} cuts of {} recordings in {:?}, {failures} failures", number + 1, began.elapsed());
                said = Instant::now();
            }
            done < cuts
        });
        for (model, tally) in &tallies {
            println!("{model:?}: {tally}");
        }
        let told: Vec<String> = tallies.into_values().flat_map(|tally| tally.told).collect();
        assert!(told.is_empty(), "seed {seed}:\n{}", told.join("\n"));
    });
}

#[test]
fn a_disk_that_lies_is_noticed() {
    let cuts = setting("GATEHOUSE_POWERCUT_LIES").unwrap_or(24);
    let seed = setting("GATEHOUSE_POWERCUT_SEED").unwrap_or_else(seed_of_now);
    on_a_rig("disks that lie", |rig| {
        let (mut late, mut lying) = (BTreeMap::new(), BTreeMap::new());
        let mut done = 0;
        recordings(rig, seed, |_, recording, random| {
            let count = CUTS_OF_ONE.min(cuts - done).div_ceil(2);
            for (model, tallies) in [(Model::Late, &mut late), (Model::Lying, &mut lying)] {
                let positions = positions_under_load(recording, count, random);
                cut(rig, Peer::Gatehouse, recording, &[model], positions, PINGS_EXPECTED, random, tallies);
            }
            done += 2 * count;
            done < cuts
        });
        let (late, lying) = (&late[&Model::Late], &lying[&Model::Lying]);
        println!("Late: {late}\nLying: {lying}");
        // The ledger sees what such a disk loses: if it did not, it would see nothing in the other test either.
        // Mostly more than half of these cuts lose something, but how many depends on the moments that were drawn.
        assert!(late.losing > 0, "some of these cuts lose something: {late}");
        let quiet = |told: &&String| told.contains("it does not start") || told.contains("nobody sent");
        let told: Vec<_> = late.told.iter().chain(&lying.told).filter(quiet).collect();
        assert!(told.is_empty(), "whatever the disk lost, the gateway is up and says nothing that is not so: {told:?}");
    });
}

pub fn setting(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok().filter(|value| !value.is_empty())?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name} is no number: {value}")))
}

fn seed_of_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}
