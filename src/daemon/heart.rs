//! The one loop that owns the broker and every socket.
//!
//! A turn is explicit: take the ready connections, read each into one shared buffer, let the broker handle all of it,
//! hand what must last to the store, then write each dirty outbox once. The loop is polled as one task without tokio's
//! budget, which would cut a turn with many connections into pieces; the turn bounds itself.

use super::access::{self, Passwords};
use super::alarm::Alarm;
use crate::base::Moment;
use crate::base::limits::{ACCEPTS_PER_TURN, OUTBOX_BYTES, READ_BUFFER_BYTES, READS_PER_TURN};
use crate::broker::{Arrival, Broker, ConnectionId, Input, Origin, Output};
use crate::net::{Accepted, Linger, Listener, ReadStep, Ready, Socket, Visit, Visitors, WriteStep};
use crate::store::{Reply, Request, Store};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use tracing::{error, warn};

/// How long the store may take at the end to make safe what waits.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// Pause after the system refused a connection, for want of file descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The alarm's number on the list of what is ready; listeners have those below it, connections count from 0.
const ALARM: u32 = u32::MAX;

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
    /// Closes connections gently.
    pub linger: Linger,
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
///
/// # Errors
/// The operating system has no timer.
pub async fn run(parts: Parts) -> io::Result<bool> {
    let mut heart = Heart::new(parts)?;
    Ok(tokio::task::unconstrained(poll_fn(|context| heart.turn(context))).await)
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
    alarm: Alarm,
    armed: Option<Moment>,
    /// When the broker wants to be ticked.
    deadline: Option<Moment>,
    /// What puts each listener on the list.
    listener_wakers: Vec<Waker>,
    /// Listeners that may have a connection. One that was not asked to its end is asked last the next time, so that a
    /// rush on it does not keep others out.
    knocking: VecDeque<usize>,
    accept_again: Option<Moment>,
    stop_by: Option<Moment>,
}

impl Heart {
    fn new(parts: Parts) -> io::Result<Heart> {
        let alarm = Alarm::new(parts.ready.waker(ALARM))?;
        let listeners = 0..parts.listeners.len();
        let listener_wakers = listeners.clone().map(|index| parts.ready.waker(ALARM - 1 - index as u32)).collect();
        Ok(Heart {
            parts,
            sockets: vec![],
            open: 0,
            free: vec![],
            freed: vec![],
            buffer: vec![0; READ_BUFFER_BYTES],
            work: vec![],
            backlog: VecDeque::new(),
            alarm,
            armed: None,
            deadline: None,
            listener_wakers,
            knocking: listeners.collect(),
            accept_again: None,
            stop_by: None,
        })
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
        let mut work = std::mem::take(&mut self.work);
        if self.parts.ready.take(&mut work) {
            self.take_replies(now);
        }
        self.accept(now, context, &mut work);
        match self.parts.visitors.take_turned_away() {
            0 => {}
            count => self.parts.broker.handle(now, Input::TurnedAway(count)),
        }
        for id in work.drain(..) {
            self.read(now, id);
        }
        self.work = work;
        if self.deadline.is_some_and(|at| at <= now) {
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
                Reply::Damaged(report) => Input::StoreDamaged(report),
                Reply::Slept(length) => Input::Slept(length),
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

    /// Takes what is no connection off the list, and lets in who waits at the listeners.
    fn accept(&mut self, now: Moment, context: &mut Context<'_>, work: &mut Vec<u32>) {
        let count = self.listener_wakers.len();
        let first_source = ALARM - count as u32;
        if work.iter().any(|&id| id >= first_source) {
            for source in work.extract_if(.., |id| *id >= first_source) {
                match (ALARM - source) as usize {
                    0 => self.alarm.listen(),
                    listener if self.knocking.contains(&(listener - 1)) => {}
                    listener => self.knocking.push_back(listener - 1),
                }
            }
        }
        if self.knocking.is_empty() || self.stop_by.is_some() || self.accept_again.is_some_and(|at| at > now) {
            return;
        }
        self.accept_again = None;
        let mut accepted = 0;
        while let Some(index) = self.knocking.pop_front() {
            let origin = self.parts.listeners[index].1;
            loop {
                let mut knock = Context::from_waker(&self.listener_wakers[index]);
                match self.parts.listeners[index].0.poll_accept(&mut knock) {
                    Poll::Pending => break,
                    Poll::Ready(Ok(accepted)) => work.extend(self.open(now, origin, accepted)),
                    Poll::Ready(Err(error)) => {
                        warn!(%error, "a connection could not be accepted");
                        self.accept_again = Some(now + ACCEPT_PAUSE);
                        return self.knocking.push_back(index);
                    }
                }
                accepted += 1;
                if accepted == ACCEPTS_PER_TURN {
                    self.knocking.push_back(index);
                    return context.waker().wake_by_ref();
                }
            }
        }
    }

    /// Takes a connection in; tells its number, if there is room for it.
    fn open(&mut self, now: Moment, origin: Origin, accepted: Accepted) -> Option<u32> {
        if self.open >= self.parts.sockets_max && origin.is_network() {
            // Dropping it closes it: there is no room even for a refusal.
            self.parts.visitors.turn_away();
            return None;
        }
        let id = self.free.pop().unwrap_or_else(|| {
            self.sockets.push(None);
            self.sockets.len() as u32 - 1
        });
        let waker = self.parts.ready.waker(id);
        let refusal = accepted.visit.as_ref().and_then(|visit| visit.refusal);
        self.sockets[id as usize] = Some(Socket::new(accepted.io, waker, accepted.visit.map(Visit::into_pass)));
        self.open += 1;
        let since = accepted.since.map_or(now, |since| self.moment(since));
        let arrival = Arrival { origin, since, identity: accepted.identity, refusal };
        self.parts.broker.handle(now, Input::Opened(ConnectionId(id), arrival));
        Some(id)
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
        let mut was_full = false;
        loop {
            let bytes = self.parts.broker.outbox(connection);
            let length = bytes.len();
            was_full |= length >= OUTBOX_BYTES;
            let step = if bytes.is_empty() { socket.finish() } else { socket.write(bytes) };
            match step {
                WriteStep::Written(0) => break,
                WriteStep::Written(count) => {
                    self.parts.broker.written(connection, count);
                    if count == length && !socket.keeps_back() {
                        break;
                    }
                }
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
            socket.leave(&self.parts.linger);
        }
    }

    /// Closes a connection that the client closed, or that is lost.
    fn close(&mut self, now: Moment, id: u32) {
        if let Some(socket) = self.take(now, id) {
            socket.close(&self.parts.linger);
        }
    }

    fn take(&mut self, now: Moment, id: u32) -> Option<Socket> {
        let mut socket = self.sockets[id as usize].take()?;
        if let Some(pass) = socket.take_pass() {
            self.parts.visitors.leave(pass);
        }
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
        self.deadline = self.parts.broker.next_deadline();
        let next = Moment::earlier(self.deadline, Moment::earlier(self.accept_again, self.stop_by));
        let Some(next) = next else { return };
        if next <= now {
            return context.waker().wake_by_ref();
        }
        // An alarm that goes off too early costs one empty turn; moving it with every message would cost more.
        let is_armed = self.armed.is_some_and(|armed| armed > now && armed <= next);
        if is_armed {
            return;
        }
        self.armed = Some(next);
        if let Err(error) = self.alarm.set(next.saturating_since(now)) {
            // Without an alarm nothing that waits for a moment would happen: better a loop that does not rest.
            error!(%error, "the timer could not be set");
            self.armed = None;
            context.waker().wake_by_ref();
        }
    }
}
