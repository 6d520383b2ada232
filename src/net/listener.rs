//! Where connections come from.

use super::handshake::Arrivals;
use super::{Io, Visit, Visitors};
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::io::DuplexStream;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::mpsc;

/// A source of connections.
#[derive(Debug)]
pub enum Listener {
    /// TCP, and who is here already.
    Tcp(TcpListener, Arc<Visitors>),
    /// A Unix socket.
    Unix(UnixListener),
    /// Streams whose handshakes were made elsewhere, see [`handshake`](super::handshake).
    Handshaken(Arrivals),
    /// The door for parts of the gateway itself.
    Door(mpsc::Receiver<DuplexStream>),
}

/// A connection that came in.
#[derive(Debug)]
pub struct Accepted {
    /// The stream.
    pub io: Io,
    /// When it was accepted, if that was before now.
    pub since: Option<Instant>,
    /// Who the client is, if its certificate tells.
    pub identity: Option<Box<str>>,
    /// What counts it among those of its address, if it has one.
    pub visit: Option<Visit>,
}

impl Accepted {
    fn now(io: Io) -> Accepted {
        Accepted { io, since: None, identity: None, visit: None }
    }
}

impl Listener {
    /// The next connection.
    ///
    /// # Errors
    /// The operating system has no room for one more.
    pub fn poll_accept(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Accepted>> {
        match self {
            Listener::Tcp(listener, visitors) => loop {
                let Poll::Ready((stream, address)) = listener.poll_accept(context)? else { return Poll::Pending };
                let Some(visit) = visitors.arrive(Instant::now(), address.ip()) else { continue };
                // What is written at the end of a turn is to leave at once.
                stream.set_nodelay(true)?;
                return Poll::Ready(Ok(Accepted { visit: Some(visit), ..Accepted::now(Io::Tcp(stream)) }));
            },
            Listener::Unix(listener) => {
                listener.poll_accept(context).map(|accepted| Ok(Accepted::now(Io::Unix(accepted?.0))))
            }
            Listener::Handshaken(arrivals) => arrivals.poll_accept(context),
            Listener::Door(door) => match door.poll_recv(context) {
                Poll::Ready(Some(stream)) => Poll::Ready(Ok(Accepted::now(Io::Memory(stream)))),
                // Nobody is left who could open a connection.
                Poll::Ready(None) | Poll::Pending => Poll::Pending,
            },
        }
    }
}
