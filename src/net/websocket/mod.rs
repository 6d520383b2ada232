//! WebSocket (RFC 6455): the payloads of binary messages are a stream of bytes, whatever the borders between them
//! ([MQTT-6.0.0-2]). A library does the framing; here it is brought to the turn.

mod upgrade;

pub use upgrade::Upgrade;

use super::plain::Plain;
use super::secure::Secure;
use crate::base::limits::{CONTROL_FRAMES_PER_TURN, WEBSOCKET_MESSAGE_BYTES};
use std::io::{self, ErrorKind, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tungstenite::{Bytes, Error, Message};

/// Bytes the library reads at once; a buffer of that size is there for every connection.
const READ_AHEAD_BYTES: usize = 4 << 10;

/// Bytes of frames that may wait to be written: one message and answers to pings.
const UNWRITTEN_BYTES: usize = WEBSOCKET_MESSAGE_BYTES + (8 << 10);

/// A connection over WebSocket.
#[derive(Debug)]
pub struct WebSocket {
    frames: tungstenite::WebSocket<Polled>,
    /// What is left of the last message.
    rest: Bytes,
    /// The largest message from now on is that of a client whose CONNECT was taken.
    is_admitted: bool,
    packet_size: usize,
    /// The far end closed, or did what it must not.
    is_ended: bool,
    /// The last message written did not leave whole.
    is_unflushed: bool,
}

impl WebSocket {
    /// A connection whose upgrade is done; `read` are bytes that came behind the request.
    fn new(stream: Secure, read: Vec<u8>, upgrade: &Upgrade) -> WebSocket {
        let Upgrade { packet_size, packet_size_before_connect, .. } = *upgrade;
        let stream = Polled { stream, waker: Waker::noop().clone() };
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_AHEAD_BYTES)
            .write_buffer_size(0)
            .max_write_buffer_size(UNWRITTEN_BYTES)
            .max_frame_size(Some(packet_size_before_connect))
            .max_message_size(Some(packet_size_before_connect));
        let frames = tungstenite::WebSocket::from_partially_read(stream, read, Role::Server, Some(config));
        let rest = Bytes::new();
        WebSocket { frames, rest, is_admitted: false, packet_size, is_ended: false, is_unflushed: false }
    }

    /// The stream of the operating system.
    pub(super) fn plain_mut(&mut self) -> &mut Plain {
        self.frames.get_mut().stream.plain_mut()
    }

    /// The stream without its frames, for one who has said good-bye.
    pub(super) fn into_stream(self) -> Secure {
        self.frames.into_inner().stream
    }

    /// Takes note that CONNECT was taken: a stranger's messages are small.
    pub(super) fn admit(&mut self) {
        if !self.is_admitted {
            self.is_admitted = true;
            let size = Some(self.packet_size);
            self.frames.set_config(|config| (config.max_frame_size, config.max_message_size) = (size, size));
        }
    }

    /// Reads the payloads of messages into `buffer`, as many as are there and fit.
    pub(super) fn poll_read(&mut self, context: &Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.wake_later(context);
        let start = buffer.filled().len();
        let mut controls = 0;
        while buffer.remaining() > 0 {
            if !self.rest.is_empty() {
                let count = self.rest.len().min(buffer.remaining());
                buffer.put_slice(&self.rest.split_to(count));
                if self.is_admitted {
                    continue;
                }
                // The broker decides about CONNECT before more is read.
                break;
            }
            if self.is_ended {
                break;
            }
            match self.frames.read() {
                Ok(Message::Binary(payload)) if !payload.is_empty() => self.rest = payload,
                // [MQTT-6.0.0-1]
                Ok(Message::Text(_)) => self.end(CloseCode::Unsupported, "MQTT is binary"),
                // The library answers pings, and a close at the next reading.
                Ok(
                    Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_),
                ) => {
                    controls += 1;
                    if controls == CONTROL_FRAMES_PER_TURN {
                        context.waker().wake_by_ref();
                        break;
                    }
                }
                Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => self.end_because(&error),
            }
        }
        if buffer.filled().len() > start || self.is_ended { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    /// Writes one binary message.
    pub(super) fn poll_write(&mut self, context: &Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.wake_later(context);
        if self.is_ended {
            return Poll::Ready(Err(ErrorKind::BrokenPipe.into()));
        }
        if self.is_unflushed && self.flush()?.is_pending() {
            return Poll::Pending;
        }
        let count = bytes.len().min(WEBSOCKET_MESSAGE_BYTES);
        match self.frames.write(Message::Binary(Bytes::copy_from_slice(&bytes[..count]))) {
            Ok(()) => {}
            // The library has the message and goes on with it at the next flush.
            Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => self.is_unflushed = true,
            Err(error) => return Poll::Ready(Err(io::Error::other(error))),
        }
        Poll::Ready(Ok(count))
    }

    /// Brings what was written on its way.
    pub(super) fn poll_flush(&mut self, context: &Context<'_>) -> Poll<io::Result<()>> {
        self.wake_later(context);
        if self.is_ended { Poll::Ready(Err(ErrorKind::BrokenPipe.into())) } else { self.flush()?.map(Ok) }
    }

    /// Says good-bye without waiting for an answer.
    pub(super) fn farewell(&mut self, context: &mut Context<'_>) {
        self.wake_later(context);
        if !self.is_ended {
            self.end(CloseCode::Normal, "");
        }
        // The far end may be gone, and nobody is left to care.
        _ = Pin::new(&mut self.frames.get_mut().stream).poll_shutdown(context);
    }

    fn flush(&mut self) -> io::Result<Poll<()>> {
        match self.frames.flush() {
            Ok(()) => {
                self.is_unflushed = false;
                Ok(Poll::Ready(()))
            }
            Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {
                self.is_unflushed = true;
                Ok(Poll::Pending)
            }
            Err(error) => Err(io::Error::other(error)),
        }
    }

    fn end_because(&mut self, error: &Error) {
        match error {
            Error::Capacity(_) => self.end(CloseCode::Size, "the message is too large"),
            Error::Protocol(_) => self.end(CloseCode::Protocol, ""),
            Error::Utf8(_) => self.end(CloseCode::Invalid, ""),
            // Closed in order, or lost: nobody is left to be told.
            _ => self.is_ended = true,
        }
    }

    /// Nothing more is read or written; the far end is told why, if that goes without waiting.
    fn end(&mut self, code: CloseCode, reason: &'static str) {
        self.is_ended = true;
        // The far end may be gone, and then the reason does not matter.
        _ = self.frames.close(Some(CloseFrame { code, reason: reason.into() }));
    }

    fn wake_later(&mut self, context: &Context<'_>) {
        let waker = &mut self.frames.get_mut().waker;
        if !waker.will_wake(context.waker()) {
            waker.clone_from(context.waker());
        }
    }
}

/// The stream as the library knows streams: what would have to wait is an error, and the waker tells when to try again.
#[derive(Debug)]
struct Polled {
    stream: Secure,
    waker: Waker,
}

impl Read for Polled {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut buffer = ReadBuf::new(buffer);
        let context = &mut Context::from_waker(&self.waker);
        match Pin::new(&mut self.stream).poll_read(context, &mut buffer) {
            Poll::Ready(result) => result.map(|()| buffer.filled().len()),
            Poll::Pending => Err(ErrorKind::WouldBlock.into()),
        }
    }
}

impl Write for Polled {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let context = &mut Context::from_waker(&self.waker);
        match Pin::new(&mut self.stream).poll_write(context, bytes) {
            Poll::Ready(result) => result,
            Poll::Pending => Err(ErrorKind::WouldBlock.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        let context = &mut Context::from_waker(&self.waker);
        match Pin::new(&mut self.stream).poll_flush(context) {
            Poll::Ready(result) => result,
            Poll::Pending => Err(ErrorKind::WouldBlock.into()),
        }
    }
}
