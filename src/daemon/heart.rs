//! The one loop that owns the broker and every socket.
//!
//! A turn is explicit: take the ready connections, read each into one shared buffer, let the broker handle all of it,
//! hand what must last to the store, then write each dirty outbox once. The loop is polled as one task without tokio's
//! budget, which would cut a turn with many connections into pieces; the turn bounds itself.

use super::access::{self, Passwords};
use crate::base::Moment;
use crate::base::limits::{ACCEPTS_PER_TURN, OUTBOX_BYTES, READ_BUFFER_BYTES, READS_PER_TURN};
use crate::broker::{Arrival, Broker, ConnectionId, Input, Origin, Output};
use crate::net::{Accepted, Listener, ReadStep, Ready, Socket, Visitors, WriteStep};
use crate::store::{Reply, Request, Store};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::time::Sleep;
use tracing::warn;

/// How long the store may take at the end to make safe what waits.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// Pause after the system refused a connection, for want of file descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What the loop is given.
pub struct Parts {
    /// The broker.
    pub broker: Broker,
    /// The store.
    pub store: Store,
    /// What the store's thread answers.
    pub replies: Receiver<Reply>,
    /// What comes from beside the heart.
    pub inputs: Receiver<Input>,
    /// Compares passwords.
    pub passwords: Passwords,
    /// Sources of connections, and what the broker is to think of them.
    pub listeners: Vec<(Listener, Origin)>,
    /// Who is here, by address.
    pub visitors: Arc<Visitors>,
    /// The list of ready connections.
    pub ready: Arc<Ready>,
    /// Becomes true when the gateway is to stop.
    pub stop: Arc<AtomicBool>,
    /// Connections that may be open at once, those before CONNECT included.
    pub sockets_max: usize,
    /// The start of the broker's clock.
    pub started: Instant,
}

/// Runs until it is told to stop and everything that waited is safe. Tells whether it is.
pub async fn run(parts: Parts) -> bool {
    let mut heart = Heart::new(parts);
    tokio::task::unconstrained(poll_fn(|context| heart.turn(context))).await
}

struct Heart {
    parts: Parts,
    sockets: Vec<Option<Socket>>,
    open: usize,
    free: Vec<u32>,
    /// Numbers given back in this turn; used again in the next, when nothing of the old connection is under way.
    freed: Vec<u32>,
    buffer: Vec<u8>,
    work: Vec<u32>,
    /// Requests the store had no room for.
    backlog: VecDeque<Request>,
    sleep: Pin<Box<Sleep>>,
    armed: Option<Moment>,
    /// The listener that was asked last.
    next_listener: usize,
    accept_again: Option<Moment>,
    stop_by: Option<Moment>,
}

impl Heart {
    fn new(parts: Parts) -> Heart {
        Heart {
            parts,
            sockets: vec![],
            open: 0,
            free: vec![],
            freed: vec![],
            buffer: vec![0; READ_BUFFER_BYTES],
            work: vec![],
            backlog: VecDeque::new(),
            sleep: Box::pin(tokio::time::sleep(Duration::ZERO)),
            armed: None,
            next_listener: 0,
            accept_again: None,
            stop_by: None,
        }
    }

    fn now(&self) -> Moment {
        Moment::START + self.parts.started.elapsed()
    }

    fn moment(&self, instant: Instant) -> Moment {
        Moment::START + instant.saturating_duration_since(self.parts.started)
    }

    /// One turn.
    fn turn(&mut self, context: &mut Context<'_>) -> Poll<bool> {
        let now = self.now();
        self.parts.ready.set_task(context.waker());
        self.free.append(&mut self.freed);
        self.take_replies(now);
        self.accept(now, context);
        match self.parts.visitors.take_turned_away() {
            0 => {}
            count => self.parts.broker.handle(now, Input::TurnedAway(count)),
        }
        let mut work = std::mem::take(&mut self.work);
        self.parts.ready.take(&mut work);
        for id in work.drain(..) {
            self.read(now, id);
        }
        self.work = work;
        if self.parts.broker.next_deadline().is_some_and(|at| at <= now) {
            self.parts.broker.handle(now, Input::Tick);
        }
        self.parts.broker.handle(now, Input::TurnEnd);
        self.carry_out(now);
        self.stop_if_told(now, context)
    }

    fn take_replies(&mut self, now: Moment) {
        while let Ok(reply) = self.parts.replies.try_recv() {
            let input = match reply {
                Reply::Committed(group) => Input::Committed(group),
                Reply::Failed(group, fault) => Input::CommitFailed(group, fault),
                Reply::Loaded(loaded) => Input::Loaded(loaded),
            };
            self.parts.broker.handle(now, input);
        }
        while let Ok(input) = self.parts.inputs.try_recv() {
            self.parts.broker.handle(now, input);
        }
        while let Some(request) = self.backlog.pop_front() {
            if let Err(request) = self.parts.store.request(request) {
                self.backlog.push_front(request);
                break;
            }
        }
    }

    fn accept(&mut self, now: Moment, context: &mut Context<'_>) {
        if self.stop_by.is_some() || self.accept_again.is_some_and(|at| at > now) {
            return;
        }
        self.accept_again = None;
        let mut accepted = 0;
        for _ in 0..self.parts.listeners.len() {
            // A turn that is cut short goes on with the next listener, so that a rush on one does not keep others out.
            self.next_listener = (self.next_listener + 1) % self.parts.listeners.len();
            let index = self.next_listener;
            let origin = self.parts.listeners[index].1;
            while let Poll::Ready(result) = self.parts.listeners[index].0.poll_accept(context) {
                match result {
                    Ok(accepted) => self.open(now, origin, accepted),
                    Err(error) => {
                        warn!(%error, "a connection could not be accepted");
                        self.accept_again = Some(now + ACCEPT_PAUSE);
                        return;
                    }
                }
                accepted += 1;
                if accepted == ACCEPTS_PER_TURN {
                    return context.waker().wake_by_ref();
                }
            }
        }
    }

    fn open(&mut self, now: Moment, origin: Origin, accepted: Accepted) {
        if self.open >= self.parts.sockets_max && origin.is_network() {
            // Dropping it closes it: there is no room even for a refusal.
            return self.parts.visitors.turn_away();
        }
        let id = self.free.pop().unwrap_or_else(|| {
            self.sockets.push(None);
            self.sockets.len() as u32 - 1
        });
        let waker = self.parts.ready.waker(id);
        let refusal = accepted.visit.as_ref().and_then(|visit| visit.refusal);
        self.sockets[id as usize] = Some(Socket::new(accepted.io, waker, accepted.visit));
        self.open += 1;
        let since = accepted.since.map_or(now, |since| self.moment(since));
        let arrival = Arrival { origin, since, identity: accepted.identity, refusal };
        self.parts.broker.handle(now, Input::Opened(ConnectionId(id), arrival));
        self.parts.ready.push(id);
    }

    fn read(&mut self, now: Moment, id: u32) {
        let connection = ConnectionId(id);
        for _ in 0..READS_PER_TURN {
            let Some(socket) = &mut self.sockets[id as usize] else { return };
            if socket.is_blocked() {
                self.flush(now, id);
            }
            let Some(socket) = &mut self.sockets[id as usize] else { return };
            let broker = &mut self.parts.broker;
            match socket.read(&mut self.buffer, |bytes| broker.receive(now, connection, bytes)) {
                ReadStep::Bytes => {}
                ReadStep::More => return socket.wake(),
                ReadStep::Wait => return,
                ReadStep::Closed => return self.close(now, id),
            }
        }
        if let Some(socket) = &self.sockets[id as usize] {
            socket.wake();
        }
    }

    /// Does what the broker wants done, until it wants nothing more.
    fn carry_out(&mut self, now: Moment) {
        while let Some(output) = self.parts.broker.poll_output() {
            match output {
                Output::Flush(connection) => self.flush(now, connection.0),
                Output::Close(connection) => {
                    self.flush(now, connection.0);
                    self.leave(now, connection.0);
                }
                Output::Authenticate(asked) => self.parts.passwords.check(asked),
                Output::Exchange(asked) => {
                    let (connection, generation) = (asked.connection, asked.generation);
                    let step = access::exchange(&asked);
                    self.parts.broker.handle(now, Input::Exchanged { connection, generation, step });
                }
                Output::Resume(connection) => self.resume(now, connection.0),
                Output::Commit(group) => self.request(Request::Commit(group)),
                Output::Load { session, number, messages } => {
                    self.request(Request::Load { session, number, messages });
                }
            }
        }
    }

    /// Hands the broker what came behind a CONNECT whose password is right by now, and ends that turn too.
    fn resume(&mut self, now: Moment, id: u32) {
        let Some(socket) = &mut self.sockets[id as usize] else { return };
        let broker = &mut self.parts.broker;
        socket.offer(|bytes| broker.receive(now, ConnectionId(id), bytes));
        socket.wake();
    }

    fn request(&mut self, request: Request) {
        if let Err(request) = self.parts.store.request(request) {
            self.backlog.push_back(request);
        }
    }

    fn flush(&mut self, now: Moment, id: u32) {
        let connection = ConnectionId(id);
        let Some(socket) = &mut self.sockets[id as usize] else { return };
        let was_full = self.parts.broker.outbox(connection).len() >= OUTBOX_BYTES;
        loop {
            let bytes = self.parts.broker.outbox(connection);
            let step = if bytes.is_empty() { socket.finish() } else { socket.write(bytes) };
            match step {
                WriteStep::Written(0) => break,
                WriteStep::Written(count) => self.parts.broker.written(connection, count),
                WriteStep::Wait => return,
                WriteStep::Closed => return self.close(now, id),
            }
        }
        if socket.unblock() || was_full {
            self.parts.broker.handle(now, Input::Flushed(connection));
        }
    }

    /// Closes a connection of which the broker wants no more.
    fn leave(&mut self, now: Moment, id: u32) {
        if let Some(socket) = self.take(now, id) {
            socket.leave();
        }
    }

    /// Closes a connection that the client closed, or that is lost.
    fn close(&mut self, now: Moment, id: u32) {
        if let Some(socket) = self.take(now, id) {
            socket.close();
        }
    }

    fn take(&mut self, now: Moment, id: u32) -> Option<Socket> {
        let socket = self.sockets[id as usize].take()?;
        self.open -= 1;
        self.freed.push(id);
        self.parts.broker.handle(now, Input::Closed(ConnectionId(id)));
        Some(socket)
    }

    /// Sleeps until the broker wants to be ticked, or ends when all is safe after a stop.
    fn stop_if_told(&mut self, now: Moment, context: &mut Context<'_>) -> Poll<bool> {
        if self.stop_by.is_none() && self.parts.stop.load(Ordering::Acquire) {
            self.stop_by = Some(now + STOP_TIMEOUT);
            self.parts.broker.handle(now, Input::Stop);
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if let Some(stop_by) = self.stop_by {
            let is_settled = self.parts.broker.is_settled();
            if is_settled || now >= stop_by {
                return Poll::Ready(is_settled);
            }
        }
        self.arm(now, context);
        Poll::Pending
    }

    fn arm(&mut self, now: Moment, context: &mut Context<'_>) {
        let deadlines = [self.parts.broker.next_deadline(), self.accept_again, self.stop_by];
        let Some(next) = deadlines.into_iter().flatten().min() else { return };
        if next <= now {
            return context.waker().wake_by_ref();
        }
        // A timer that fires too early costs one empty turn; moving it with every message would cost more.
        let is_armed = self.armed.is_some_and(|armed| armed > now && armed <= next);
        if !is_armed {
            let at = self.parts.started + next.saturating_since(Moment::START);
            self.sleep.as_mut().reset(at.into());
            self.armed = Some(next);
        }
        if self.sleep.as_mut().poll(context).is_ready() {
            self.armed = None;
            context.waker().wake_by_ref();
        }
    }
}
