//! What comes before MQTT: PROXY header, TLS, the upgrade to WebSocket.
//!
//! Handshakes take many small steps and some heavy ones, so they are made beside the heart, in a task each. The
//! finished stream goes to the heart through a bounded channel, which to the heart is just another listener. Their
//! number is bounded: when one more comes, the one that has taken longest is given up, so that those who dawdle never
//! keep out those who do not.

use super::listener::Accepted;
use super::plain::Plain;
use super::secure::Secure;
use super::tls::Tls;
use super::websocket::{Upgrade, WebSocket};
use super::{Io, proxy};
use crate::base::limits::{CONNECT_TIMEOUT_SECS, HANDSHAKES_AT_ONCE};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout_at;
use tracing::{debug, warn};

/// Pause after the system refused a connection, for want of file descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a connection goes through, in this order.
#[derive(Debug)]
pub struct Steps {
    /// A header that names the client behind a proxy.
    pub proxy_protocol: bool,
    /// TLS.
    pub tls: Option<Arc<Tls>>,
    /// The upgrade to WebSocket.
    pub websocket: Option<Upgrade>,
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
}

#[derive(Debug)]
enum Finished {
    Bytes(Secure),
    WebSocket(Box<WebSocket>),
}

impl Arrived {
    /// Gives the connection to the runtime this is called in.
    pub(super) fn accept(self) -> io::Result<Accepted> {
        let Arrived { stream, since, identity } = self;
        let io = match stream {
            Finished::Bytes(mut stream) => {
                stream.plain_mut().attach()?;
                Io::from(stream)
            }
            Finished::WebSocket(mut stream) => {
                stream.plain_mut().attach()?;
                Io::WebSocket(stream)
            }
        };
        Ok(Accepted { io, since: Some(since), identity })
    }
}

/// Accepts connections and leads them through their handshakes, until nobody takes them any more.
pub async fn run(source: Source, steps: Arc<Steps>, finished: mpsc::Sender<Arrived>) {
    let mut tasks = JoinSet::new();
    let mut running = VecDeque::new();
    loop {
        let accepted = tokio::select! {
            accepted = source.accept() => accepted,
            Some(_) = tasks.join_next() => continue,
            () = finished.closed() => return,
        };
        match accepted {
            Ok(stream) => {
                make_room(&mut running);
                let task = lead(stream, Instant::now(), steps.clone(), finished.clone());
                running.push_back(tasks.spawn(task));
            }
            Err(error) => {
                warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Gives up the oldest handshake if there are as many as may be.
fn make_room(running: &mut VecDeque<AbortHandle>) {
    if running.len() >= HANDSHAKES_AT_ONCE {
        running.retain(|handshake| !handshake.is_finished());
    }
    if running.len() >= HANDSHAKES_AT_ONCE
        && let Some(oldest) = running.pop_front()
    {
        oldest.abort();
    }
}

impl Source {
    async fn accept(&self) -> io::Result<Plain> {
        match self {
            Source::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(Plain::Tcp(stream))
            }
            Source::Unix(listener) => Ok(Plain::Unix(listener.accept().await?.0)),
        }
    }
}

/// Leads one connection through its handshakes, in the time a stranger has.
async fn lead(stream: Plain, since: Instant, steps: Arc<Steps>, finished: mpsc::Sender<Arrived>) {
    let end = since + Duration::from_secs(CONNECT_TIMEOUT_SECS);
    match timeout_at(end.into(), shake_hands(stream, since, &steps)).await {
        // The only error is that the heart has ended.
        Ok(Ok(arrived)) => _ = finished.send(arrived).await,
        Ok(Err(error)) => debug!(%error, "a handshake failed"),
        Err(_) => debug!("a handshake took too long"),
    }
}

async fn shake_hands(mut stream: Plain, since: Instant, steps: &Steps) -> io::Result<Arrived> {
    if steps.proxy_protocol {
        let client = proxy::read_header(&mut stream).await?;
        debug!(?client, "a proxy brought a connection");
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
    match &mut stream {
        Finished::Bytes(stream) => stream.plain_mut().detach()?,
        Finished::WebSocket(stream) => stream.plain_mut().detach()?,
    }
    Ok(Arrived { stream, since, identity })
}
