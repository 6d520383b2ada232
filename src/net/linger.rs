//! The end of a connection that the broker closes.
//!
//! A socket that is closed while the client still sends answers with a reset, which makes the client's next write
//! fail and may overtake the DISCONNECT that tells it why. So only the sending half is closed at first; what comes
//! is read and dropped until the client has closed too, for a bounded time.

use super::Io;
use super::plain::Plain;
use super::secure::Secure;
use crate::base::limits::{LINGER_BYTES, LINGER_SECS, LINGERING};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

/// How many more may linger.
static ROOM: Semaphore = Semaphore::const_new(LINGERING);

/// Closes streams gently, beside the heart, whose runtime has no timers.
#[derive(Debug)]
pub struct Linger {
    side: Handle,
}

impl Linger {
    /// On this runtime.
    pub fn new(side: Handle) -> Linger {
        Linger { side }
    }

    /// Closes a stream to which everything was written. TLS and WebSocket have said good-bye in their own way.
    pub(super) fn close(&self, io: Io) {
        match io {
            Io::Tcp(stream) => self.keep(Secure::Plain(Plain::Tcp(stream))),
            Io::Tls(stream) => self.keep(Secure::Tls(stream)),
            Io::WebSocket(stream) => self.keep(stream.into_stream()),
            // A local socket is not reset.
            Io::Unix(_) | Io::Memory(_) => {}
        }
    }

    fn keep(&self, mut stream: Secure) {
        let Ok(permit) = ROOM.try_acquire() else { return };
        if stream.plain_mut().detach().is_err() {
            return;
        }
        self.side.spawn(async move {
            // Whether the client closed, reset or kept on sending, there is nothing left to do for it.
            _ = tokio::time::timeout(Duration::from_secs(LINGER_SECS), drain(stream)).await;
            drop(permit);
        });
    }
}

async fn drain(mut stream: Secure) -> std::io::Result<u64> {
    stream.plain_mut().attach()?;
    stream.shutdown().await?;
    tokio::io::copy(&mut stream.take(LINGER_BYTES), &mut tokio::io::sink()).await
}
