//! The end of a connection that the broker closes.
//!
//! A socket that is closed while the client still sends answers with a reset, which makes the client's next write
//! fail and may overtake the DISCONNECT that tells it why. So only the sending half is closed at first; what comes
//! is read and dropped until the client has closed too, for a bounded time.

use super::Io;
use crate::base::limits::{LINGER_BYTES, LINGER_SECS, LINGERING};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::Semaphore;

/// How many more may linger.
static ROOM: Semaphore = Semaphore::const_new(LINGERING);

/// Closes a stream to which everything was written. TLS and WebSocket have said good-bye in their own way.
pub(super) fn linger(io: Io) {
    match io {
        Io::Tcp(stream) => keep(stream),
        Io::Tls(stream) => keep(*stream),
        Io::WebSocket(stream) => keep(stream.into_stream()),
        // A local socket is not reset.
        Io::Unix(_) | Io::Memory(_) => {}
    }
}

fn keep(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
    if let Ok(permit) = ROOM.try_acquire() {
        tokio::spawn(async move {
            // Whether the client closed, reset or kept on sending, there is nothing left to do for it.
            _ = tokio::time::timeout(Duration::from_secs(LINGER_SECS), drain(stream)).await;
            drop(permit);
        });
    }
}

async fn drain(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> std::io::Result<u64> {
    stream.shutdown().await?;
    tokio::io::copy(&mut stream.take(LINGER_BYTES), &mut tokio::io::sink()).await
}
