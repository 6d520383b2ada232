//! Every kind of stream a client can come over.

use super::plain::Plain;
use super::secure::Secure;
use super::websocket::WebSocket;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::server::TlsStream;

/// A stream of bytes to a client. Those that need much are boxed, so that a plain one stays small.
#[derive(Debug)]
pub enum Io {
    /// TCP.
    Tcp(TcpStream),
    /// A Unix socket.
    Unix(UnixStream),
    /// A part of the gateway itself.
    Memory(DuplexStream),
    /// TLS.
    Tls(Box<TlsStream<Plain>>),
    /// WebSocket, with TLS or without.
    WebSocket(Box<WebSocket>),
}

impl Io {
    /// Reads what is there into `buffer`.
    #[inline]
    pub fn poll_read(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Io::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
            Io::Unix(stream) => Pin::new(stream).poll_read(context, buffer),
            Io::Memory(stream) => Pin::new(stream).poll_read(context, buffer),
            Io::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
            Io::WebSocket(stream) => stream.poll_read(context, buffer),
        }
    }

    /// Writes as much as fits.
    #[inline]
    pub fn poll_write(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Io::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            Io::Unix(stream) => Pin::new(stream).poll_write(context, bytes),
            Io::Memory(stream) => Pin::new(stream).poll_write(context, bytes),
            Io::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
            Io::WebSocket(stream) => stream.poll_write(context, bytes),
        }
    }

    /// Brings on its way what was written and is kept back: records of TLS, frames of WebSocket.
    #[inline]
    pub fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Io::Tcp(_) | Io::Unix(_) | Io::Memory(_) => Poll::Ready(Ok(())),
            Io::Tls(stream) => Pin::new(stream).poll_flush(context),
            Io::WebSocket(stream) => stream.poll_flush(context),
        }
    }

    /// Takes note that the broker took a whole packet: what comes next may be larger.
    #[inline]
    pub fn admit(&mut self) {
        if let Io::WebSocket(stream) = self {
            stream.admit();
        }
    }

    /// Tells the far end that nothing more comes, as far as that goes without waiting.
    pub fn farewell(&mut self, context: &mut Context<'_>) {
        match self {
            // The operating system does that when the socket is closed.
            Io::Tcp(_) | Io::Unix(_) | Io::Memory(_) => {}
            // The far end may be gone, and nobody is left to care.
            Io::Tls(stream) => _ = Pin::new(stream).poll_shutdown(context),
            Io::WebSocket(stream) => stream.farewell(context),
        }
    }
}

impl From<Secure> for Io {
    fn from(stream: Secure) -> Io {
        match stream {
            Secure::Plain(Plain::Tcp(stream)) => Io::Tcp(stream),
            Secure::Plain(Plain::Unix(stream)) => Io::Unix(stream),
            Secure::Plain(Plain::Detached(_)) => unreachable!("a stream is attached before it is used"),
            Secure::Tls(stream) => Io::Tls(stream),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rare_streams_do_not_make_a_plain_one_larger() {
        assert!(size_of::<Io>() <= size_of::<TcpStream>() + size_of::<usize>());
    }
}
