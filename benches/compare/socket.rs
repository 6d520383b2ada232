//! One non-blocking connection with what is left to decode and what is left to write.
//!
//! Both the load and the floor stand on it, so both pay the same for a read and a write. All sockets of a thread read
//! into one shared buffer; a socket owns memory only for a packet that has not arrived whole.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

/// Size of the shared read buffer and so the largest packet that can arrive, in bytes.
pub const READ_BUFFER: usize = 64 * 1024;

/// A connection.
pub struct Socket {
    stream: TcpStream,
    partial: Vec<u8>,
    /// What is to be written; append, then see that [`Socket::flush`] is called in this turn.
    pub outbox: Vec<u8>,
    written: usize,
    /// Whether the socket is on its owner's list of those to flush.
    pub dirty: bool,
}

/// What one read brought.
pub struct Filled {
    /// Bytes in the shared buffer, what was left of the last read first.
    pub len: usize,
    /// The read filled the buffer, so there may be more in the kernel.
    pub more: bool,
    /// The other end has closed.
    pub closed: bool,
}

impl Socket {
    /// Starts to connect; the socket becomes writable when that is done.
    pub fn connect(address: SocketAddr) -> io::Result<Self> {
        Ok(Self::new(TcpStream::connect(address)?))
    }

    /// Around a stream that is connected or about to be.
    pub fn new(stream: TcpStream) -> Self {
        Self { stream, partial: Vec::new(), outbox: Vec::new(), written: 0, dirty: false }
    }

    /// Reports readiness to `registry` under `token` from now on.
    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.stream, token, Interest::READABLE | Interest::WRITABLE)
    }

    /// Turns off the delay of small writes, once connected.
    pub fn set_nodelay(&self) -> io::Result<()> {
        self.stream.set_nodelay(true)
    }

    /// One read into `buffer`, behind what the last one left over.
    pub fn fill(&mut self, buffer: &mut [u8]) -> io::Result<Filled> {
        let kept = self.partial.len();
        if kept == buffer.len() {
            return Err(io::Error::new(ErrorKind::InvalidData, "a packet larger than the read buffer"));
        }
        buffer[..kept].copy_from_slice(&self.partial);
        loop {
            return match self.stream.read(&mut buffer[kept..]) {
                Ok(0) => Ok(Filled { len: kept, more: false, closed: true }),
                Ok(read) => Ok(Filled { len: kept + read, more: kept + read == buffer.len(), closed: false }),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    Ok(Filled { len: kept, more: false, closed: false })
                }
                Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                    Ok(Filled { len: kept, more: false, closed: true })
                }
                Err(error) => Err(error),
            };
        }
    }

    /// Keeps the bytes of a packet that is not whole yet for the next [`Socket::fill`].
    pub fn keep(&mut self, rest: &[u8]) {
        self.partial.clear();
        self.partial.extend_from_slice(rest);
    }

    /// One write of the outbox; what does not fit goes when the socket is writable again.
    pub fn flush(&mut self) -> io::Result<()> {
        self.dirty = false;
        loop {
            match self.stream.write(&self.outbox[self.written..]) {
                Ok(len) => self.written += len,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                // Not connected yet counts as full: the writable event comes when it is.
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => {}
                Err(error) => return Err(error),
            }
            break;
        }
        if self.written == self.outbox.len() {
            self.outbox.clear();
            self.written = 0;
        }
        Ok(())
    }

    /// Whether something waits to be written.
    pub fn has_output(&self) -> bool {
        !self.outbox.is_empty()
    }
}
