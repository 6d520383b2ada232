//! Where connections come from.

use super::Io;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::task::{Context, Poll};
use tokio::io::DuplexStream;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// A source of connections.
#[derive(Debug)]
pub enum Listener {
    /// TCP.
    Tcp(TcpListener),
    /// The door for parts of the gateway itself.
    Door(mpsc::Receiver<DuplexStream>),
}

/// Listens on a TCP address.
///
/// # Errors
/// The address is in use, not this machine's, or not allowed.
pub async fn bind(address: SocketAddr) -> io::Result<Listener> {
    TcpListener::bind(address).await.map(Listener::Tcp)
}

impl Listener {
    /// The address it listens on; with port 0 the system chose one.
    pub fn local_address(&self) -> SocketAddr {
        match self {
            Listener::Tcp(listener) => listener.local_addr().unwrap_or((Ipv4Addr::UNSPECIFIED, 0).into()),
            Listener::Door(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        }
    }

    /// The next connection.
    pub fn poll_accept(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Io>> {
        match self {
            Listener::Tcp(listener) => listener.poll_accept(context).map(|accepted| {
                let (stream, _) = accepted?;
                // What is written at the end of a turn is to leave at once.
                stream.set_nodelay(true)?;
                Ok(Io::Tcp(stream))
            }),
            Listener::Door(door) => match door.poll_recv(context) {
                Poll::Ready(Some(stream)) => Poll::Ready(Ok(Io::Memory(stream))),
                // Nobody is left who could open a connection.
                Poll::Ready(None) | Poll::Pending => Poll::Pending,
            },
        }
    }
}
