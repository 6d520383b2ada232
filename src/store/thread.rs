//! The thread that owns the connection.

use super::files::DataDirectory;
use super::runs::Runs;
use super::trash::Trash;
use super::{StoreError, read, schema, write};
use crate::base::Moment;
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
use tracing::{info, warn};

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

/// How often the store's clock is kept, at most.
const CLOCK_INTERVAL: Duration = Duration::from_mins(1);

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
}

/// The store, as the rest of the gateway sees it.
#[derive(Debug)]
pub struct Store {
    requests: Option<SyncSender<Request>>,
    thread: Option<JoinHandle<()>>,
}

impl Store {
    /// Opens the store in a directory and starts its thread. `reply` is called on that thread; it must not wait.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn open(directory: &Path, reply: impl Fn(Reply) + Send + 'static) -> Result<(Store, Memory), StoreError> {
        let directory = DataDirectory::open(directory)?;
        let frames = Arc::new(AtomicI32::new(0));
        let connection = open(&directory, &frames)?;
        let (memory, base) = read::memory(&connection)?;
        let (requests, inbox) = sync_channel(REQUESTS);
        let worker = Worker {
            directory,
            frames,
            connection: Some(connection),
            trash: Trash::default(),
            trash_taken: Instant::now(),
            runs: Runs::of(&memory),
            base,
            clock_kept: Instant::now(),
            checkpoint_fails: false,
        };
        let thread = std::thread::Builder::new()
            .name("store".into())
            .spawn(move || worker.run(&inbox, &reply))
            .map_err(|source| StoreError::Io { path: "thread".into(), source })?;
        Ok((Store { requests: Some(requests), thread: Some(thread) }, memory))
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
    directory: DataDirectory,
    /// Frames in the log after the last commit.
    frames: Arc<AtomicI32>,
    /// `None` after a failure: nothing is tried twice on a connection that failed.
    connection: Option<Connection>,
    trash: Trash,
    /// When rows were last deleted.
    trash_taken: Instant,
    runs: Runs,
    /// The store's clock at the start of this run, in microseconds.
    base: u64,
    clock_kept: Instant,
    /// The log could not be copied last time; said once.
    checkpoint_fails: bool,
}

impl Worker {
    fn run(mut self, inbox: &Receiver<Request>, reply: &impl Fn(Reply)) {
        let mut now = Moment::START;
        loop {
            match inbox.recv_timeout(if self.trash.is_empty() { IDLE } else { TRASH_PAUSE }) {
                Ok(Request::Commit(group)) => {
                    now = group.taken;
                    self.commit(group, reply);
                    self.checkpoint(CHECKPOINT_FRAMES);
                }
                Ok(Request::Load { session, number, messages }) => {
                    let messages = self.load(number, &messages);
                    reply(Reply::Loaded(Loaded { session, number, messages }));
                }
                Err(RecvTimeoutError::Timeout) => self.tidy(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if self.trash.len() > TRASH_RANGES && self.trash_taken.elapsed() >= TRASH_INTERVAL {
                self.delete_slice();
            }
        }
        self.finish(now);
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
                reply(Reply::Failed(group, fault));
            }
        }
    }

    fn try_commit(&mut self, group: &Group) -> Result<(), StoreError> {
        if write::is_void(group) {
            return Ok(());
        }
        let keeps_clock = self.clock_kept.elapsed() >= CLOCK_INTERVAL;
        let base = self.base;
        self.open_again()?;
        let Some(connection) = &mut self.connection else { return Ok(()) };
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if keeps_clock {
            write::clock(&transaction, base.saturating_add(group.taken.as_micros()))?;
        }
        write::group(&transaction, group, base)?;
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
        let base = self.base;
        let read = self.connection().and_then(|connection| read::messages(connection, reader, ids, base));
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

    fn connection(&mut self) -> Result<&mut Connection, StoreError> {
        self.open_again()?;
        Ok(self.connection.as_mut().expect("it was just opened"))
    }

    /// Opens the store again after a failure.
    fn open_again(&mut self) -> Result<(), StoreError> {
        if self.connection.is_none() {
            self.directory.rewrite_log()?;
            self.connection = Some(open(&self.directory, &self.frames)?);
            info!("the store was opened again");
        }
        Ok(())
    }

    fn give_up_connection(&mut self) {
        self.connection = None;
    }

    /// Copies the log into the database, so that it can be written from its start again. The answers of the
    /// last commit are out by now.
    fn checkpoint(&mut self, frames: i32) {
        if self.frames.load(Ordering::Relaxed) < frames {
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

    /// Keeps the clock and leaves. Closing leaves the log as it is, which the next start uses again.
    fn finish(mut self, now: Moment) {
        self.checkpoint(1);
        let clock = self.base.saturating_add(now.as_micros());
        if let Some(connection) = &self.connection
            && let Err(error) = write::clock(connection, clock)
        {
            warn!(%error, "the store's clock could not be kept");
        }
    }
}
