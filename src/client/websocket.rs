//! MQTT over WebSocket for a client (MQTT section 6): a stream of bytes in binary messages.

use std::io::{self, ErrorKind, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tungstenite::handshake::client::generate_key;
use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::Role;
use tungstenite::{Bytes, Error, Message};

/// Bytes of the head of an answer.
const HEAD_MAX: usize = 8 << 10;

/// Bytes of one message to the server.
const MESSAGE_MAX: usize = 64 << 10;

/// A connection over WebSocket.
#[derive(Debug)]
pub struct WebSocket<S> {
    frames: tungstenite::WebSocket<Polled<S>>,
    /// What is left of the last message.
    rest: Bytes,
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// Asks a host for WebSocket, under the path `/mqtt`.
    ///
    /// # Errors
    /// The host does not speak WebSocket there, or not with MQTT in it.
    pub async fn connect(mut stream: S, host: &str) -> io::Result<Self> {
        let key = generate_key();
        let request = format!(
            "GET /mqtt HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        stream.flush().await?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if head.len() == HEAD_MAX {
                return Err(io::Error::other("the server's answer is no end of HTTP"));
            }
            head.push(stream.read_u8().await?);
        }
        check(&String::from_utf8_lossy(&head), &derive_accept_key(key.as_bytes()))?;
        let stream = Polled { stream, waker: Waker::noop().clone() };
        let frames = tungstenite::WebSocket::from_raw_socket(stream, Role::Client, None);
        Ok(WebSocket { frames, rest: Bytes::new() })
    }
}

/// Whether the head of an answer takes the upgrade (RFC 6455 section 4.1) and the subprotocol ([MQTT-6.0.0-3]).
fn check(head: &str, accept: &str) -> io::Result<()> {
    let status = head.lines().next().unwrap_or_default();
    let header = |wanted: &str| {
        let named = head.lines().skip(1).filter_map(|line| line.split_once(':'));
        named.filter(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim()).last()
    };
    if status.split(' ').nth(1) != Some("101") {
        return Err(io::Error::other(format!("the server refused WebSocket: {status}")));
    }
    let is_mqtt = header("sec-websocket-protocol").is_some_and(|name| name.eq_ignore_ascii_case("mqtt"));
    if header("sec-websocket-accept") != Some(accept) || !is_mqtt {
        return Err(io::Error::other("the server speaks WebSocket, but not with MQTT in it"));
    }
    Ok(())
}

/// What the library says, as the stream says it.
fn result<T>(result: Result<T, Error>) -> Poll<io::Result<Option<T>>> {
    match result {
        Ok(value) => Poll::Ready(Ok(Some(value))),
        Err(Error::ConnectionClosed | Error::AlreadyClosed) => Poll::Ready(Ok(None)),
        Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => Poll::Pending,
        Err(Error::Io(error)) => Poll::Ready(Err(error)),
        Err(error) => Poll::Ready(Err(io::Error::other(error))),
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for WebSocket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.frames.get_mut().waker.clone_from(context.waker());
        if let Poll::Ready(Err(error)) = result(self.frames.flush()) {
            return Poll::Ready(Err(error));
        }
        while self.rest.is_empty() {
            match result(self.frames.read()) {
                Poll::Ready(Ok(Some(Message::Binary(payload)))) => self.rest = payload,
                Poll::Ready(Ok(Some(Message::Close(_)) | None)) => return Poll::Ready(Ok(())),
                // The library answers pings.
                Poll::Ready(Ok(Some(_))) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        let count = self.rest.len().min(buffer.remaining());
        buffer.put_slice(&self.rest.split_to(count));
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for WebSocket<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.frames.get_mut().waker.clone_from(context.waker());
        // What the library still has goes first, so that it never has more than one message.
        match result(self.frames.flush()) {
            Poll::Ready(Ok(Some(()))) => {}
            Poll::Ready(Ok(None)) => return Poll::Ready(Err(ErrorKind::BrokenPipe.into())),
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending => return Poll::Pending,
        }
        let count = bytes.len().min(MESSAGE_MAX);
        match result(self.frames.send(Message::Binary(Bytes::copy_from_slice(&bytes[..count])))) {
            // What does not fit now is with the library, and goes with the next reading or writing.
            Poll::Ready(Ok(Some(()))) | Poll::Pending => Poll::Ready(Ok(count)),
            Poll::Ready(Ok(None)) => Poll::Ready(Err(ErrorKind::BrokenPipe.into())),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.frames.get_mut().waker.clone_from(context.waker());
        result(self.frames.flush()).map_ok(|_| ())
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.frames.get_mut().waker.clone_from(context.waker());
        // The far end may have closed already.
        _ = self.frames.close(None);
        result(self.frames.flush()).map_ok(|_| ())
    }
}

/// The stream as the library knows streams: what would have to wait is an error, and the waker tells when to try again.
#[derive(Debug)]
struct Polled<S> {
    stream: S,
    waker: Waker,
}

fn would_block<T>(poll: Poll<io::Result<T>>) -> io::Result<T> {
    match poll {
        Poll::Ready(result) => result,
        Poll::Pending => Err(ErrorKind::WouldBlock.into()),
    }
}

impl<S: AsyncRead + Unpin> Read for Polled<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut buffer = ReadBuf::new(buffer);
        let poll = Pin::new(&mut self.stream).poll_read(&mut Context::from_waker(&self.waker), &mut buffer);
        would_block(poll).map(|()| buffer.filled().len())
    }
}

impl<S: AsyncWrite + Unpin> Write for Polled<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        would_block(Pin::new(&mut self.stream).poll_write(&mut Context::from_waker(&self.waker), bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        would_block(Pin::new(&mut self.stream).poll_flush(&mut Context::from_waker(&self.waker)))
    }
}
