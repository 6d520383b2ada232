//! Every kind of stream a client can come over.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::net::TcpStream;

/// A stream of bytes to a client.
#[derive(Debug)]
pub enum Io {
    /// TCP.
    Tcp(TcpStream),
    /// A part of the gateway itself.
    Memory(DuplexStream),
}

impl Io {
    /// Reads what is there into `buffer`.
    #[inline]
    pub fn poll_read(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Io::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
            Io::Memory(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }

    /// Writes as much as fits.
    #[inline]
    pub fn poll_write(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Io::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            Io::Memory(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }
}
