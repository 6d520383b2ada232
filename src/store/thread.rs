//! The thread that owns the connection.

use super::backup::{Asked, BackupDoor, Copying};
use super::clock::Clock;
use super::files::DataDirectory;
use super::runs::Runs;
use super::trash::Trash;
use super::{StoreError, clock, read, salvage, schema, write};
use crate::base::limits::TRASH_ROWS_MAX;
use crate::broker::change::Memory;
use crate::broker::group::Group;
use crate::broker::{Found, Loaded, MessageId, SessionKey, SessionNumber, StoreFault};
use rusqlite::hooks::Wal;
use rusqlite::{Connection, TransactionBehavior};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tracing::{error, info, warn};

/// Requests that may wait for the thread: one group, and messages for as many sessions.
const REQUESTS: usize = 1024;

/// Frames of the log at which it is copied into the database though there is work to do.
const CHECKPOINT_FRAMES: i32 = 4000;

/// Frames of the log at which it is copied when there is nothing else to do.
const CHECKPOINT_FRAMES_IDLE: i32 = 500;

/// How long nothing must have come for the thread to be idle.
const IDLE: Duration = Duration::from_secs(1);

/// How long nothing must have come before rows are deleted.
const TRASH_PAUSE: Duration = Duration::from_millis(20);

/// How often rows are deleted though there is work to do, if there are many.
const TRASH_INTERVAL: Duration = Duration::from_millis(10);

/// Ranges of dead rows that are many.
const TRASH_RANGES: usize = 16;

/// How often it is tried to read messages before those that cannot be read are given up.
const READS: u32 = 10;

/// How long nothing must have come before the next piece of a backup is copied.
const COPY_PAUSE: Duration = Duration::from_millis(1);

/// How often the store's clock is kept, along with something else.
const CLOCK_INTERVAL: Duration = Duration::from_mins(1);

/// How often it is kept when nothing else is.
const CLOCK_INTERVAL_IDLE: Duration = Duration::from_hours(1);

/// Something for the thread to do.
#[derive(Debug)]
pub enum Request {
    /// Make a group safe.
    Commit(Box<Group>),
    /// Read messages for a session.
    Load {
        /// The session's place.
        session: SessionKey,
        /// Its number.
        number: SessionNumber,
        /// Which, in this order.
        messages: Vec<MessageId>,
    },
}

/// What came of it.
#[derive(Debug)]
pub enum Reply {
    /// The group is safe.
    Committed(Box<Group>),
    /// The group is not safe.
    Failed(Box<Group>, StoreFault),
    /// Messages were read, or could not be.
    Loaded(Loaded),
    /// The store was damaged and what could be read of it goes on; this is the report.
    Damaged(Box<str>),
    /// It became known how long the gateway was off.
    Slept(Duration),
}

/// The store, as the rest of the gateway sees it.
#[derive(Debug)]
pub struct Store {
    backups: BackupDoor,
    requests: Option<SyncSender<Request>>,
    thread: Option<JoinHandle<()>>,
}

impl Store {
    /// Opens the store in a directory and starts its thread. `inflight` messages may be in flight to one client: the
    /// next run has to know. `reply` is called on that thread; it must not wait.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn open(
        directory: &Path,
        inflight: u16,
        reply: impl Fn(Reply) + Send + 'static,
    ) -> Result<(Store, Memory), StoreError> {
        let directory = DataDirectory::open(directory)?;
        if let Err(error) = directory.settle_log() {
            // What of it cannot be read is found below.
            warn!(%error, "the log could not be written anew; what the last process could not flush may be lost");
        }
        salvage::finish_interrupted(&directory)?;
        let frames = Arc::new(AtomicI32::new(0));
        let (connection, mut memory, clock) = open_or_salvage(&directory, inflight, &frames)?;
        memory.damage = directory.damage_report().map(|report| report.display().to_string().into());
        let identity = directory.identity();
        let (requests, inbox) = sync_channel(REQUESTS);
        let (backups, asked) = BackupDoor::new();
        let worker = Worker {
            asked,
            copying: None,
            directory,
            frames,
            connection: Some(connection),
            identity,
            failed_reads: 0,
            trash: Trash::default(),
            trash_taken: Instant::now(),
            runs: Runs::of(&memory),
            clock,
            clock_kept: Instant::now(),
            checkpoint_fails: false,
        };
        let thread = std::thread::Builder::new()
            .name("store".into())
            .spawn(move || worker.run(&inbox, &reply))
            .map_err(|source| StoreError::Io { path: "thread".into(), source })?;
        Ok((Store { backups, requests: Some(requests), thread: Some(thread) }, memory))
    }

    /// Where copies of the store are asked for.
    pub fn backups(&self) -> BackupDoor {
        self.backups.clone()
    }

    /// Gives the thread something to do; gives it back if too much waits already.
    ///
    /// # Errors
    /// The request, to be offered again after the next reply.
    pub fn request(&self, request: Request) -> Result<(), Request> {
        let Some(requests) = &self.requests else { return Err(request) };
        requests.try_send(request).map_err(|error| match error {
            TrySendError::Full(request) | TrySendError::Disconnected(request) => request,
        })
    }
}

impl Drop for Store {
    /// Waits until everything that was asked for is done.
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            warn!("the store's thread panicked");
        }
    }
}

/// Opens the database and reads what the broker needs; what is damaged is set aside first.
fn open_or_salvage(
    directory: &DataDirectory,
    inflight: u16,
    frames: &Arc<AtomicI32>,
) -> Result<(Connection, Memory, Clock), StoreError> {
    if let Some(damage) = salvage::report_missing(directory)? {
        error!(summary = damage.summary, "the store is gone, see {}", damage.report.display());
    }
    let read = || -> Result<_, StoreError> {
        let connection = open(directory, frames)?;
        let (memory, clock) = read::memory(&connection, inflight)?;
        Ok((connection, memory, clock))
    };
    match read() {
        Err(why) if why.is_damage() => {
            error!(%why, "the store is damaged; what can be read of it is saved");
            let damage = salvage::salvage(directory, &why, None)?;
            let report = damage.report.display();
            error!(summary = damage.summary, "the damaged store was set aside, see {report}");
            read()
        }
        read => read,
    }
}

/// Opens the database. `frames` tells from then on how many frames the log holds after each commit.
fn open(directory: &DataDirectory, frames: &Arc<AtomicI32>) -> Result<Connection, StoreError> {
    let mut connection = schema::open(&directory.database())?;
    connection.set_prepared_statement_cache_capacity(32);
    let frames = frames.clone();
    connection.wal_hook(Some(move |_: &mut Wal, count| {
        frames.store(count, Ordering::Relaxed);
        Ok(())
    }))?;
    directory.extend_log()?;
    Ok(connection)
}

struct Worker {
    /// Wishes for copies.
    asked: Receiver<Asked>,
    /// A copy that is being made.
    copying: Option<Copying>,
    directory: DataDirectory,
    /// Frames in the log after the last commit.
    frames: Arc<AtomicI32>,
    /// `None` after a failure: nothing is tried twice on a connection that failed.
    connection: Option<Connection>,
    /// The files it is open on.
    identity: [Option<(u64, u64)>; 2],
    /// Reads that failed in a row.
    failed_reads: u32,
    trash: Trash,
    /// When rows were last deleted.
    trash_taken: Instant,
    runs: Runs,
    clock: Clock,
    clock_kept: Instant,
    /// The log could not be copied last time; said once.
    checkpoint_fails: bool,
}

impl Worker {
    fn run(mut self, inbox: &Receiver<Request>, reply: &impl Fn(Reply)) {
        loop {
            match inbox.recv_timeout(self.patience()) {
                Ok(Request::Commit(group)) => {
                    self.clock.note(group.taken);
                    self.commit(group, reply);
                    self.checkpoint(CHECKPOINT_FRAMES);
                }
                Ok(Request::Load { session, number, messages }) => {
                    let messages = self.load(number, &messages);
                    reply(Reply::Loaded(Loaded { session, number, messages }));
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.tidy();
                    self.keep_time(reply);
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if self.trash.len() > TRASH_RANGES && self.trash_taken.elapsed() >= TRASH_INTERVAL {
                self.delete_slice();
            }
            self.copy_piece();
        }
        self.finish();
    }

    /// How long nothing must have come before something else is done.
    fn patience(&self) -> Duration {
        match (&self.copying, self.trash.is_empty()) {
            (Some(_), _) => COPY_PAUSE,
            (None, false) => TRASH_PAUSE,
            (None, true) => IDLE,
        }
    }

    /// Goes on with a copy, or begins one.
    fn copy_piece(&mut self) {
        if self.copying.is_none()
            && let Ok(asked) = self.asked.try_recv()
        {
            self.copying = Copying::begin(&self.directory, asked);
        }
        if self.copying.as_mut().is_some_and(|copying| !copying.step()) {
            self.copying = None;
        }
    }

    fn commit(&mut self, mut group: Box<Group>, reply: &impl Fn(Reply)) {
        match self.try_commit(&group) {
            Ok(()) => {
                self.runs.committed(&group);
                self.trash.add(std::mem::take(&mut group.trash));
                reply(Reply::Committed(group));
            }
            Err(error) => {
                let fault = error.fault();
                warn!(%error, ?fault, "a commit failed; nothing of it is confirmed until it succeeds");
                self.give_up_connection();
                if error.is_damage() {
                    self.mend(&error, reply);
                }
                reply(Reply::Failed(group, fault));
            }
        }
    }

    /// The store turned out to be damaged while it is in use. Rows that nobody needs are left alone first; if that was
    /// not it, the store is set aside and what can be read of it goes on.
    fn mend(&mut self, why: &StoreError, reply: &impl Fn(Reply)) {
        if !self.trash.is_empty() {
            return self.trash.give_up_first();
        }
        match salvage::salvage(&self.directory, why, Some(self.runs.upto())) {
            Ok(damage) => {
                let report = damage.report.display().to_string();
                error!(summary = damage.summary, "the damaged store was set aside, see {report}");
                reply(Reply::Damaged(report.into()));
            }
            Err(error) => warn!(%error, "the damaged store could not be set aside; it is tried again"),
        }
    }

    fn try_commit(&mut self, group: &Group) -> Result<(), StoreError> {
        if write::is_void(group) {
            return Ok(());
        }
        let keeps_clock = self.clock_kept.elapsed() >= CLOCK_INTERVAL;
        self.open_again()?;
        self.keep_in_place()?;
        let Some(connection) = &mut self.connection else { return Ok(()) };
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if keeps_clock {
            self.clock.keep(&transaction, clock::trusted_wall())?;
        }
        write::group(&transaction, group, &self.clock)?;
        let rows = group.messages.len() + group.completed as usize;
        let deleted = self.trash.delete(&transaction, Trash::budget(rows))?;
        transaction.commit()?;
        self.trash.commit(&deleted);
        if keeps_clock {
            self.clock_kept = Instant::now();
        }
        Ok(())
    }

    fn load(&mut self, reader: SessionNumber, ids: &[MessageId]) -> Result<Found, StoreFault> {
        let read = self.open_again().and_then(|()| {
            let Some(connection) = &mut self.connection else { return Ok(vec![]) };
            read::messages(connection, reader, ids, &self.clock, self.failed_reads >= READS)
        });
        self.failed_reads = if read.is_ok() { 0 } else { self.failed_reads + 1 };
        read.map_err(|error| {
            warn!(%error, "messages could not be read");
            self.give_up_connection();
            error.fault()
        })
    }

    /// Nothing else is to be done: what makes the store small and the next start quick.
    fn tidy(&mut self) {
        if !self.trash.is_empty() {
            self.delete_slice();
        } else if self.runs.are_many() {
            self.merge_runs();
        } else {
            self.checkpoint(CHECKPOINT_FRAMES_IDLE);
        }
    }

    fn delete_slice(&mut self) {
        let Some(connection) = &mut self.connection else { return };
        let mut slice = || {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let deleted = self.trash.delete(&transaction, TRASH_ROWS_MAX)?;
            transaction.commit()?;
            Ok::<_, rusqlite::Error>(deleted)
        };
        match slice() {
            Ok(deleted) => self.trash.commit(&deleted),
            Err(error) => {
                warn!(%error, "rows that nobody needs could not be deleted; it is tried again");
                if StoreError::from(error).is_damage() {
                    self.trash.give_up_first();
                }
                self.give_up_connection();
            }
        }
        self.trash_taken = Instant::now();
        self.checkpoint(CHECKPOINT_FRAMES);
    }

    fn merge_runs(&mut self) {
        let Some(connection) = &mut self.connection else { return };
        if let Err(error) = self.runs.merge(connection) {
            warn!(%error, "the index could not be made shorter; it is tried again");
            self.give_up_connection();
        }
    }

    /// Opens the store again after a failure.
    fn open_again(&mut self) -> Result<(), StoreError> {
        if self.connection.is_none() {
            self.directory.rewrite_log()?;
            self.connection = Some(open(&self.directory, &self.frames)?);
            self.identity = self.directory.identity();
            info!("the store was opened again");
        }
        Ok(())
    }

    /// Someone removed or replaced the database or its log under the gateway: what is written would be gone with the
    /// process. The open files still have everything; a new database is written from them.
    fn keep_in_place(&mut self) -> Result<(), StoreError> {
        let Some(connection) = &self.connection else { return Ok(()) };
        if self.directory.identity() == self.identity {
            return Ok(());
        }
        error!("the database was removed or replaced while the gateway runs; it is written anew");
        let fresh = self.directory.salvaged();
        DataDirectory::remove(&fresh)?;
        connection.execute("VACUUM INTO ?1", [fresh.to_string_lossy()])?;
        self.directory.flush(&fresh)?;
        self.give_up_connection();
        self.directory.set_aside()?;
        self.directory.adopt_salvaged()?;
        self.open_again()
    }

    fn give_up_connection(&mut self) {
        self.connection = None;
        if let Some(copying) = self.copying.take() {
            copying.give_up();
        }
    }

    /// Copies the log into the database, so that it can be written from its start again. The answers of the
    /// last commit are out by now.
    fn checkpoint(&mut self, frames: i32) {
        // While the database is copied it must not change.
        if self.copying.is_some() || self.frames.load(Ordering::Relaxed) < frames {
            return;
        }
        let Some(connection) = &self.connection else { return };
        match connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
            Ok(()) => self.checkpoint_fails = false,
            Err(error) => {
                if !std::mem::replace(&mut self.checkpoint_fails, true) {
                    warn!(%error, "the log could not be copied into the database; it is tried again");
                }
            }
        }
        self.frames.store(0, Ordering::Relaxed);
    }

    /// Keeps the clock and, when civil time can be trusted, finds out how long the gateway was off before this start.
    fn keep_time(&mut self, reply: &impl Fn(Reply)) {
        let Some(connection) = &self.connection else { return };
        if !self.clock.waits_for_wall() && self.clock_kept.elapsed() < CLOCK_INTERVAL_IDLE {
            return;
        }
        let mut keep = |clock: &mut Clock| -> rusqlite::Result<Option<Duration>> {
            let wall = clock::trusted_wall();
            let off = wall.filter(|_| clock.waits_for_wall()).and_then(|wall| clock.time_off(wall));
            if let Some(off) = off {
                clock.sleep(connection, off)?;
            }
            if off.is_some() || self.clock_kept.elapsed() >= CLOCK_INTERVAL_IDLE {
                clock.keep(connection, wall)?;
                self.clock_kept = Instant::now();
            }
            Ok(off)
        };
        match keep(&mut self.clock) {
            Ok(Some(off)) => {
                info!(?off, "the gateway was off: lifetimes from before ran on");
                reply(Reply::Slept(off));
            }
            Ok(None) => {}
            Err(error) => warn!(%error, "the store's clock could not be kept"),
        }
    }

    /// Keeps the clock and leaves. Closing leaves the log as it is, which the next start uses again.
    fn finish(mut self) {
        self.checkpoint(1);
        let Some(connection) = &self.connection else { return };
        match self.clock.keep(connection, clock::trusted_wall()) {
            Ok(()) => self.directory.all_is_flushed(),
            Err(error) => warn!(%error, "the store's clock could not be kept"),
        }
    }
}
