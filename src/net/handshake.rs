//! What comes before MQTT: PROXY header, TLS, the upgrade to WebSocket.
//!
//! Handshakes take many small steps and some heavy ones, so they are made beside the heart, in a task each. The
//! finished stream goes to the heart through a bounded channel, which to the heart is just another listener. Their
//! number is bounded: when one more comes, the one that has taken longest gives way, so that those who dawdle never keep
//! out those who do not. For a second each is undisturbed: when a whole house comes back after a power cut, the others
//! wait with the operating system.

use super::listener::Accepted;
use super::plain::Plain;
use super::secure::Secure;
use super::tls::Tls;
use super::websocket::{Upgrade, WebSocket};
use super::{Io, Visit, Visitors, proxy};
use crate::base::limits::{HANDSHAKE_UNDISTURBED_SECS, HANDSHAKEN_WAITING, HANDSHAKES_AT_ONCE};
use crate::config::ListenAddress;
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout_at;
use tracing::{debug, warn};

/// Pause after the system refused a connection, for want of file descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Time between two lines in the log about handshakes that failed.
const FAILURES_TOLD_EVERY: Duration = Duration::from_secs(10);

/// What a connection goes through, in this order.
#[derive(Debug)]
pub struct Steps {
    /// The listener it came to.
    pub listener: ListenAddress,
    /// A header that names the client behind a proxy.
    pub proxy_protocol: bool,
    /// TLS.
    pub tls: Option<Arc<Tls>>,
    /// The upgrade to WebSocket.
    pub websocket: Option<Upgrade>,
    /// How long all of that may take.
    pub timeout: Duration,
    /// Who is here already.
    pub visitors: Arc<Visitors>,
}

/// Where plain connections come from.
#[derive(Debug)]
pub enum Source {
    /// TCP.
    Tcp(TcpListener),
    /// A Unix socket.
    Unix(UnixListener),
}

/// A connection whose handshakes are done; no runtime watches its socket.
#[derive(Debug)]
pub struct Arrived {
    stream: Finished,
    since: Instant,
    identity: Option<Box<str>>,
    visit: Option<Visit>,
}

#[derive(Debug)]
enum Finished {
    Bytes(Secure),
    WebSocket(Box<WebSocket>),
}

impl Finished {
    fn plain_mut(&mut self) -> &mut Plain {
        match self {
            Finished::Bytes(stream) => stream.plain_mut(),
            Finished::WebSocket(stream) => stream.plain_mut(),
        }
    }
}

/// Where connections come out whose handshakes are done.
#[derive(Debug)]
pub struct Arrivals {
    finished: mpsc::Receiver<Arrived>,
    /// Belongs to the runtime of whoever takes it, which does not know yet that it can be written to.
    attached: Option<Arrived>,
}

impl Arrivals {
    /// What [`run`] sends to, and where it comes out.
    pub fn pair() -> (mpsc::Sender<Arrived>, Arrivals) {
        let (sender, finished) = mpsc::channel(HANDSHAKEN_WAITING);
        (sender, Arrivals { finished, attached: None })
    }

    /// Gives the next connection to the runtime this is called in.
    ///
    /// Its first packet may have come with the handshake, and the answer may be followed by the end. That cannot wait
    /// until the runtime has looked at the socket, so the runtime looks first.
    pub(super) fn poll_accept(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Accepted>> {
        let mut arrived = match self.attached.take() {
            Some(arrived) => arrived,
            None => match self.finished.poll_recv(context) {
                Poll::Ready(Some(mut arrived)) => {
                    arrived.stream.plain_mut().attach()?;
                    arrived
                }
                // Nobody is left who could open a connection.
                Poll::Ready(None) | Poll::Pending => return Poll::Pending,
            },
        };
        if arrived.stream.plain_mut().poll_write_ready(context)?.is_pending() {
            self.attached = Some(arrived);
            return Poll::Pending;
        }
        let io = match arrived.stream {
            Finished::Bytes(stream) => Io::from(stream),
            Finished::WebSocket(stream) => Io::WebSocket(stream),
        };
        Poll::Ready(Ok(Accepted { io, since: Some(arrived.since), identity: arrived.identity, visit: arrived.visit }))
    }
}

/// Accepts connections and leads them through their handshakes, until nobody takes them any more.
pub async fn run(source: Source, steps: Arc<Steps>, finished: mpsc::Sender<Arrived>) {
    let mut tasks = JoinSet::new();
    let mut running = Running::default();
    let mut failures = Failures::default();
    loop {
        let full_until = running.full_until(Instant::now());
        let room = tokio::time::sleep_until(full_until.unwrap_or_else(Instant::now).into());
        tokio::select! {
            accepted = source.accept(), if full_until.is_none() => match accepted {
                Ok(come) => {
                    let now = Instant::now();
                    if let Some(come) = come.counted(now, &steps)
                        && running.begin(now, tasks.spawn(lead(come, now, steps.clone(), finished.clone())))
                    {
                        steps.visitors.turn_away();
                    }
                }
                Err(error) => {
                    warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            () = room, if full_until.is_some() => {}
            Some(ended) = tasks.join_next() => match ended {
                Ok(Ok(())) => {}
                Ok(Err(error)) => failures.tell(&steps.listener, &error),
                Err(given_up) => failures.tell(&steps.listener, &given_up),
            },
            () = finished.closed() => return,
        }
    }
}

/// Handshakes that are under way, the oldest first.
#[derive(Default)]
struct Running(VecDeque<(Instant, AbortHandle)>);

impl Running {
    /// Until when none can be added, if there are as many as may be and each of them still has its time.
    fn full_until(&mut self, now: Instant) -> Option<Instant> {
        if self.0.len() >= HANDSHAKES_AT_ONCE {
            self.0.retain(|(_, handshake)| !handshake.is_finished());
        }
        let (began, _) = self.0.front().filter(|_| self.0.len() >= HANDSHAKES_AT_ONCE)?;
        Some(*began + Duration::from_secs(HANDSHAKE_UNDISTURBED_SECS)).filter(|until| *until > now)
    }

    /// One more; the oldest gives way if there are too many. Tells whether one did.
    fn begin(&mut self, now: Instant, handshake: AbortHandle) -> bool {
        let oldest = if self.0.len() >= HANDSHAKES_AT_ONCE { self.0.pop_front() } else { None };
        if let Some((_, oldest)) = &oldest {
            oldest.abort();
        }
        self.0.push_back((now, handshake));
        oldest.is_some()
    }
}

/// Handshakes that failed, told now and then: whoever wants to fill the log shall not.
#[derive(Default)]
struct Failures {
    told: Option<Instant>,
    untold: u32,
}

impl Failures {
    fn tell(&mut self, listener: &ListenAddress, why: &dyn fmt::Display) {
        self.untold = self.untold.saturating_add(1);
        if self.told.is_none_or(|told| told.elapsed() >= FAILURES_TOLD_EVERY) {
            warn!(%listener, failed = self.untold, last = %why, "clients could not come in");
            *self = Failures { told: Some(Instant::now()), untold: 0 };
        }
    }
}

/// A connection that came, and where from.
struct Come {
    stream: Plain,
    address: Option<IpAddr>,
    visit: Option<Visit>,
}

impl Come {
    /// Counts it among those of its address, if that is its own and not a proxy's. `None` if it is too many.
    fn counted(mut self, now: Instant, steps: &Steps) -> Option<Come> {
        if let Some(address) = self.address.filter(|_| !steps.proxy_protocol) {
            self.visit = Some(steps.visitors.arrive(now, address)?);
        }
        Some(self)
    }
}

impl Source {
    async fn accept(&self) -> io::Result<Come> {
        match self {
            Source::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(Come { stream: Plain::Tcp(stream), address: Some(address.ip()), visit: None })
            }
            Source::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok(Come { stream: Plain::Unix(stream), address: None, visit: None })
            }
        }
    }
}

/// Leads one connection through its handshakes, in the time a stranger has.
async fn lead(come: Come, since: Instant, steps: Arc<Steps>, finished: mpsc::Sender<Arrived>) -> io::Result<()> {
    let end = since + steps.timeout;
    let arrived = timeout_at(end.into(), shake_hands(come, since, &steps)).await;
    // The only error of sending is that the heart has ended.
    _ = finished.send(arrived.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??).await;
    Ok(())
}

async fn shake_hands(come: Come, since: Instant, steps: &Steps) -> io::Result<Arrived> {
    let Come { mut stream, mut visit, .. } = come;
    if steps.proxy_protocol {
        let client = proxy::read_header(&mut stream).await?;
        debug!(?client, "a proxy brought a connection");
        if let proxy::Client::At(address) = client {
            let too_many = || io::Error::other("too many connections of one address behind a proxy");
            visit = Some(steps.visitors.arrive(Instant::now(), address.ip()).ok_or_else(too_many)?);
        }
    }
    let (stream, identity) = match &steps.tls {
        Some(tls) => {
            let (stream, identity) = tls.accept(stream).await?;
            (Secure::Tls(Box::new(stream)), identity)
        }
        None => (Secure::Plain(stream), None),
    };
    let mut stream = match &steps.websocket {
        Some(upgrade) => Finished::WebSocket(Box::new(upgrade.accept(stream).await?)),
        None => Finished::Bytes(stream),
    };
    stream.plain_mut().detach()?;
    Ok(Arrived { stream, since, identity, visit })
}
