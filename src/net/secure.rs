//! A stream with TLS around it or without.

use super::plain::Plain;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

/// A stream with TLS around it or without.
#[derive(Debug)]
pub enum Secure {
    /// Without.
    Plain(Plain),
    /// With TLS.
    Tls(Box<TlsStream<Plain>>),
}

impl Secure {
    /// The stream of the operating system.
    pub fn plain_mut(&mut self) -> &mut Plain {
        match self {
            Secure::Plain(stream) => stream,
            Secure::Tls(stream) => stream.get_mut().0,
        }
    }
}

impl AsyncRead for Secure {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            Secure::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Secure::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Secure {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut *self {
            Secure::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Secure::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Secure::Plain(stream) => Pin::new(stream).poll_flush(context),
            Secure::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Secure::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Secure::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
