//! One connection's stream, its waker, and the beginning of a packet whose rest has not come.

use super::linger::Linger;
use super::{Io, Pass};
use std::task::{Context, Poll, Waker};
use tokio::io::ReadBuf;

/// A connection as the turn sees it.
#[derive(Debug)]
pub struct Socket {
    io: Io,
    waker: Waker,
    /// The beginning of a packet; none between packets.
    #[expect(clippy::box_collection, reason = "every connection has this place, and few have something in it")]
    partial: Option<Box<Vec<u8>>>,
    /// Counts it among those of its address.
    pass: Option<Pass>,
    /// The last write did not take everything.
    is_blocked: bool,
}

/// What one read came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReadStep {
    /// Bytes came.
    Bytes,
    /// Bytes came and filled the buffer: there is more, for the next turn, so that others get theirs.
    More,
    /// Nothing is there now.
    Wait,
    /// The far end closed, or the connection is lost.
    Closed,
}

/// What one write came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WriteStep {
    /// So many bytes were taken.
    Written(usize),
    /// Nothing is taken now; the waker tells when.
    Wait,
    /// The connection is lost.
    Closed,
}

impl Socket {
    /// A new connection; `waker` puts it on the ready list.
    pub fn new(io: Io, waker: Waker, pass: Option<Pass>) -> Socket {
        Socket { io, waker, partial: None, pass, is_blocked: false }
    }

    /// What is to be given back to the [`Visitors`](super::Visitors) when it is gone.
    pub fn take_pass(&mut self) -> Option<Pass> {
        self.pass.take()
    }

    /// Reads once into `buffer` and hands the bytes to `receive`, which tells how many of them it used.
    /// The unused rest is kept and handed over again with what follows.
    #[inline]
    pub fn read(&mut self, buffer: &mut [u8], receive: impl FnOnce(&[u8]) -> usize) -> ReadStep {
        let mut context = Context::from_waker(&self.waker);
        let length = buffer.len();
        let mut read = ReadBuf::new(buffer);
        match self.io.poll_read(&mut context, &mut read) {
            Poll::Pending => return ReadStep::Wait,
            Poll::Ready(Ok(())) if !read.filled().is_empty() => {}
            Poll::Ready(_) => return ReadStep::Closed,
        }
        let bytes = read.filled();
        let used = if let Some(partial) = &mut self.partial {
            partial.extend_from_slice(bytes);
            let used = receive(partial);
            self.drop_partial(used);
            used
        } else {
            let used = receive(bytes);
            if used < bytes.len() {
                self.partial = Some(Box::new(bytes[used..].to_vec()));
            }
            used
        };
        if used > 0 {
            self.io.admit();
        }
        if bytes.len() == length { ReadStep::More } else { ReadStep::Bytes }
    }

    /// Hands over again what was kept.
    pub fn offer(&mut self, receive: impl FnOnce(&[u8]) -> usize) {
        if let Some(partial) = &self.partial {
            let used = receive(partial);
            self.drop_partial(used);
        }
    }

    /// The first bytes of what was kept are used.
    fn drop_partial(&mut self, used: usize) {
        match &mut self.partial {
            Some(partial) if used < partial.len() => drop(partial.drain(..used)),
            _ => self.partial = None,
        }
    }

    /// Writes once.
    #[inline]
    pub fn write(&mut self, bytes: &[u8]) -> WriteStep {
        let mut context = Context::from_waker(&self.waker);
        match self.io.poll_write(&mut context, bytes) {
            Poll::Ready(Ok(count)) if count > 0 => WriteStep::Written(count),
            Poll::Ready(_) => WriteStep::Closed,
            Poll::Pending => {
                self.is_blocked = true;
                WriteStep::Wait
            }
        }
    }

    /// Whether the stream may keep back what was written, so that [`Socket::finish`] has something to do.
    #[inline]
    pub fn keeps_back(&self) -> bool {
        matches!(self.io, Io::Tls(_) | Io::WebSocket(_))
    }

    /// Brings on its way what was written and the stream keeps back; `Written(0)` when nothing is left.
    #[inline]
    pub fn finish(&mut self) -> WriteStep {
        let mut context = Context::from_waker(&self.waker);
        match self.io.poll_flush(&mut context) {
            Poll::Ready(Ok(())) => WriteStep::Written(0),
            Poll::Ready(Err(_)) => WriteStep::Closed,
            Poll::Pending => {
                self.is_blocked = true;
                WriteStep::Wait
            }
        }
    }

    /// Closes it, after a good-bye where the stream knows one. A WebSocket may have been closed from this side, for what
    /// came over it: then the client has to be able to read why.
    pub fn close(mut self, linger: &Linger) {
        self.io.farewell(&mut Context::from_waker(&self.waker));
        if matches!(self.io, Io::WebSocket(_)) {
            linger.close(self.io);
        }
    }

    /// Closes it like [`Socket::close`], gently enough for a client that is still sending to read what was written.
    pub fn leave(mut self, linger: &Linger) {
        self.io.farewell(&mut Context::from_waker(&self.waker));
        linger.close(self.io);
    }

    /// Whether the last write did not take everything.
    #[inline]
    pub fn is_blocked(&self) -> bool {
        self.is_blocked
    }

    /// Takes note that everything was written; tells whether that had been blocked.
    #[inline]
    pub fn unblock(&mut self) -> bool {
        std::mem::take(&mut self.is_blocked)
    }

    /// Puts the connection on the ready list again.
    pub fn wake(&self) {
        self.waker.wake_by_ref();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_connection_stays_small() {
        let beside = size_of::<Option<Socket>>() - size_of::<Io>();
        assert!(beside <= 32, "{beside} bytes for each connection beside its stream");
    }
}
