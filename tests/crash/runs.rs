//! The runs: power cut behind every operation, and every operation failing.

use super::files::{Action, Files, Keeps};
use super::model::{Known, Model, known, payload};
use super::vfs::{self, Fault, Watch};
use gatehouse::broker::change::Memory;
use gatehouse::broker::group::Group;
use gatehouse::broker::{MessageId, SessionKey, SessionNumber};
use gatehouse::store::{Reply, Request, Store};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

/// Groups of the workload, and how many of them come before the store is closed and opened again.
const GROUPS: usize = 15;
const GROUPS_OF_ONE: usize = 5;

/// How often a group or an opening is tried again; one operation fails.
const TRIES: usize = 4;

/// How long the store may take for an answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Directories on a file system that is in memory, where there is one: what is flushed is told by the records, not by a
/// disk, and each run writes megabytes.
fn directory() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() { memory } else { Path::new(env!("CARGO_TARGET_TMPDIR")) };
    tempfile::Builder::new().prefix("gatehouse-crash-").tempdir_in(place).expect("a writable directory")
}

/// A small seeded generator (`SplitMix64`).
fn random(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed;
    move |below| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % below
    }
}

/// The groups of the workload and what is known after each; at place 0 what is known before the first.
fn workload() -> (Vec<Group>, Vec<Known>) {
    let (mut model, mut random) = (Model::new(), random(4));
    let mut states = vec![Known::default()];
    let groups = (0..GROUPS).map(|_| {
        let group = model.group(&mut random);
        states.push(model.known.clone());
        group
    });
    (groups.collect(), states)
}

struct Opened {
    store: Store,
    replies: Receiver<Reply>,
}

impl Opened {
    fn open(directory: &Path) -> Result<(Self, Memory), String> {
        let (sender, replies) = sync_channel(100);
        let reply = move |reply| sender.send(reply).expect("the test listens");
        let (store, memory) = Store::open(directory, 10, reply).map_err(|error| error.to_string())?;
        Ok((Self { store, replies }, memory))
    }

    /// One operation may fail, so the second try must succeed.
    fn open_at_last(directory: &Path) -> (Self, Memory) {
        let mut why = String::new();
        for _ in 0..TRIES {
            match Self::open(directory) {
                Ok(opened) => return opened,
                Err(error) => why = error,
            }
        }
        panic!("it does not open: {why}");
    }

    /// Asks until it is committed.
    fn commit(&self, mut group: Box<Group>) {
        for _ in 0..TRIES {
            self.store.request(Request::Commit(group)).expect("an idle store takes a request");
            group = loop {
                match self.replies.recv_timeout(PATIENCE).expect("an answer") {
                    Reply::Committed(_) => return,
                    Reply::Failed(group, _) => break group,
                    Reply::Damaged(_) | Reply::Slept(_) | Reply::Loaded(_) => {}
                }
            };
        }
        panic!("a group failed {TRIES} times");
    }

    /// Reads the messages of a session; those that are not there are missing.
    fn load(&self, session: u32, ids: &[u64]) -> Vec<u64> {
        let messages: Vec<MessageId> = ids.iter().map(|id| MessageId(*id)).collect();
        for _ in 0..TRIES {
            let (session, number) = (SessionKey(0), SessionNumber(session));
            let request = Request::Load { session, number, messages: messages.clone() };
            self.store.request(request).expect("an idle store takes a request");
            let loaded = loop {
                match self.replies.recv_timeout(PATIENCE).expect("an answer") {
                    Reply::Loaded(loaded) => break loaded.messages,
                    Reply::Committed(_) | Reply::Failed(..) | Reply::Damaged(_) | Reply::Slept(_) => {}
                }
            };
            if let Ok(found) = loaded {
                let is_right = |id: &MessageId, payload_found: &[u8]| payload_found == payload(id.0).as_slice();
                let right = found.iter().filter_map(|(id, stored)| {
                    stored.as_ref().filter(|stored| is_right(id, stored.message.payload())).map(|_| id.0)
                });
                return right.collect();
            }
        }
        vec![]
    }
}

/// Opens a store and tells what is wrong with it: it must be as after the last group that was committed, or the one that
/// was on its way.
fn judge(directory: &Path, states: &[Known], committed: usize, may_be_damaged: bool) -> Result<(), String> {
    let (opened, memory) = Opened::open(directory)?;
    if let (Some(report), false) = (&memory.damage, may_be_damaged) {
        return Err(format!("damaged: {}", std::fs::read_to_string(&**report).unwrap_or_default()));
    }
    let found = known(&memory);
    let last = (committed + 1).min(states.len() - 1);
    if !states[committed..=last].contains(&found) {
        let before = states.iter().position(|state| *state == found);
        return Err(format!(
            "{committed} groups were committed, it is as after {before:?}:\n{found:?}\n{:?}",
            states[committed]
        ));
    }
    for (session, queue) in &found.queues {
        let ids: Vec<u64> = queue.iter().copied().collect();
        let loaded = opened.load(*session, &ids);
        if loaded != ids {
            return Err(format!("session {session} has {loaded:?} of {ids:?}"));
        }
    }
    drop(opened);
    let database = rusqlite::Connection::open(directory.join("gatehouse.db")).map_err(|error| error.to_string())?;
    let exclusive = database.pragma_update(None, "locking_mode", "EXCLUSIVE");
    let check =
        exclusive.and_then(|()| database.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0)));
    match check {
        Ok(said) if said == "ok" => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

/// What is recorded of a run: how many operations there were when each group was given and when it was committed.
struct Recorded {
    actions: Vec<(String, Action)>,
    committed: Vec<usize>,
}

/// Runs the workload on a watched directory.
fn run(directory: &Path, watch: Watch) -> (Watch, Recorded) {
    let shared = vfs::watch(directory, watch);
    let (groups, _) = workload();
    let mut committed = vec![];
    let mut groups = groups.into_iter().peekable();
    while groups.peek().is_some() {
        let (opened, memory) = Opened::open_at_last(directory);
        for (session, _, _) in memory.sessions.iter().take(1) {
            let ids: Vec<u64> = known(&memory).queues[&session.0].iter().copied().collect();
            opened.load(session.0, &ids);
        }
        for group in groups.by_ref().take(GROUPS_OF_ONE) {
            opened.commit(Box::new(group));
            committed.push(shared.lock().expect("nobody fails here").actions.len());
        }
        // Closing copies the log into the database.
        drop(opened);
    }
    vfs::forget(directory);
    let watch = std::mem::take(&mut *shared.lock().expect("nobody fails here"));
    let recorded = Recorded { actions: watch.actions.clone(), committed };
    (watch, recorded)
}

#[test]
fn the_power_may_go_after_any_operation() {
    let first = directory();
    let (watch, recorded) = run(first.path(), Watch::default());
    let (_, states) = workload();
    let mut files = Files::default();
    let (mut cuts, mut chance) = (0, random(7));
    for place in 0..=recorded.actions.len() {
        let committed = recorded.committed.iter().filter(|at| **at <= place).count();
        for keeps in [Keeps::Nothing, Keeps::All, Keeps::Some] {
            let left = directory();
            files.restore(left.path(), keeps, || chance(2) == 0).expect("a writable directory");
            if let Err(why) = judge(left.path(), &states, committed, false) {
                panic!("power cut after operation {place}, {keeps:?} of what was not flushed: {why}");
            }
            cuts += 1;
        }
        if let Some((name, action)) = recorded.actions.get(place) {
            files.apply(name, action);
        }
    }
    println!("{cuts} cuts after each of {} operations that change a file, of {}", recorded.actions.len(), watch.count);
    assert!(recorded.actions.len() > 10 * GROUPS, "the workload is that of {GROUPS} groups");
}

/// Without this the test above could be blind: flushes that do nothing must be seen.
#[test]
fn flushes_that_do_nothing_are_noticed() {
    let first = directory();
    let (_, recorded) = run(first.path(), Watch::default());
    let (_, states) = workload();
    let mut files = Files::default();
    for (name, action) in recorded.actions.iter().filter(|(_, action)| !matches!(action, Action::Flush)) {
        files.apply(name, action);
    }
    let left = directory();
    files.restore(left.path(), Keeps::Nothing, || false).expect("a writable directory");
    assert!(judge(left.path(), &states, GROUPS, false).is_err());
}

/// Runs the workload with one operation that fails; tells which, or that there are not so many.
fn fail(nth: usize, fault: Fault, states: &[Known]) -> Option<&'static str> {
    let place = directory();
    let watch = Watch { fails: Some((nth, fault)), ..Watch::default() };
    let (watch, _) = run(place.path(), watch);
    if watch.count < nth {
        return None;
    }
    let what = watch.failed.unwrap_or("nothing");
    // A page that cannot be read is taken for damage: the store may have been set aside, but nothing may be missing.
    let judged = judge(place.path(), states, GROUPS, what == "read");
    // And if the power goes at the end: what was written by a flush that failed is not on the disk.
    let was_set_aside = memory_of_damage(place.path());
    let after = || {
        let left = directory();
        watch.files.restore(left.path(), Keeps::Nothing, || false).expect("a writable directory");
        judge(left.path(), states, GROUPS, false)
    };
    let judged = judged.and_then(|()| if was_set_aside { Ok(()) } else { after() });
    judged.unwrap_or_else(|why| panic!("operation {nth} ({what}) failed with {fault:?}: {why}"));
    Some(what)
}

fn memory_of_damage(directory: &Path) -> bool {
    let entries = std::fs::read_dir(directory).expect("a directory of ours");
    let names: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    names.iter().any(|name| name.to_string_lossy().contains("damaged"))
}

#[test]
fn any_operation_may_fail() {
    let (_, states) = workload();
    let first = directory();
    let kinds = run(first.path(), Watch::default()).0.kinds;
    for fault in [Fault::Io, Fault::Full] {
        let mut counts = BTreeMap::<_, u32>::new();
        for nth in 1.. {
            // Only a write can find the disk full. What comes when does not differ much from run to run.
            if fault == Fault::Full && kinds.get(nth - 1).is_some_and(|kind| *kind != "write") {
                continue;
            }
            let Some(what) = fail(nth, fault, &states) else { break };
            *counts.entry(what).or_default() += 1;
        }
        println!("{fault:?}: {counts:?}");
        assert!(counts["write"] > 5 * GROUPS as u32, "the writes of {GROUPS} groups: {counts:?}");
    }
}
