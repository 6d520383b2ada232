//! Streams of the operating system: TCP and Unix sockets, and how one moves from one runtime to another.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// A stream of the operating system.
///
/// A socket is watched by the runtime it was made in. To go to another one it is [detached](Plain::detach) here and
/// [attached](Plain::attach) there, without leaving the TLS or WebSocket stream that may lie around it.
#[derive(Debug)]
pub enum Plain {
    /// TCP.
    Tcp(TcpStream),
    /// A Unix socket.
    Unix(UnixStream),
    /// On its way; neither readable nor writable.
    Detached(Detached),
}

/// A socket that no runtime watches.
#[derive(Debug)]
pub enum Detached {
    /// TCP.
    Tcp(std::net::TcpStream),
    /// A Unix socket.
    Unix(std::os::unix::net::UnixStream),
    /// It was lost on the way.
    Nothing,
}

impl Plain {
    /// Takes the socket from the runtime that watches it.
    pub fn detach(&mut self) -> io::Result<()> {
        let detached = match std::mem::replace(self, Plain::Detached(Detached::Nothing)) {
            Plain::Tcp(stream) => Detached::Tcp(stream.into_std()?),
            Plain::Unix(stream) => Detached::Unix(stream.into_std()?),
            Plain::Detached(detached) => detached,
        };
        *self = Plain::Detached(detached);
        Ok(())
    }

    /// Gives the socket to the runtime this is called in.
    pub fn attach(&mut self) -> io::Result<()> {
        *self = match std::mem::replace(self, Plain::Detached(Detached::Nothing)) {
            Plain::Detached(Detached::Tcp(stream)) => Plain::Tcp(TcpStream::from_std(stream)?),
            Plain::Detached(Detached::Unix(stream)) => Plain::Unix(UnixStream::from_std(stream)?),
            Plain::Detached(Detached::Nothing) => return Err(io::ErrorKind::NotConnected.into()),
            attached @ (Plain::Tcp(_) | Plain::Unix(_)) => attached,
        };
        Ok(())
    }
}

impl Plain {
    /// Whether it can be written to, as far as its runtime knows.
    pub fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Plain::Tcp(stream) => stream.poll_write_ready(context),
            Plain::Unix(stream) => stream.poll_write_ready(context),
            Plain::Detached(_) => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl AsyncRead for Plain {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            Plain::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
            Plain::Unix(stream) => Pin::new(stream).poll_read(context, buffer),
            Plain::Detached(_) => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl AsyncWrite for Plain {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut *self {
            Plain::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            Plain::Unix(stream) => Pin::new(stream).poll_write(context, bytes),
            Plain::Detached(_) => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The operating system keeps nothing back.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Plain::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Plain::Unix(stream) => Pin::new(stream).poll_shutdown(context),
            Plain::Detached(_) => Poll::Ready(Ok(())),
        }
    }
}
