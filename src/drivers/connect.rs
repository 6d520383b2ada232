//! The bounded door to the broker.

use std::io;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;

/// Bytes under way in each direction between a built-in client and the broker.
pub const DOOR_BYTES: usize = 64 << 10;

/// Opens in-memory connections to the broker. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Connect {
    door: mpsc::Sender<DuplexStream>,
}

impl Connect {
    /// A door whose other side takes the far ends of the streams that are opened.
    pub fn new(door: mpsc::Sender<DuplexStream>) -> Self {
        Self { door }
    }

    /// Opens a stream of bytes to the broker; waits while the door is full.
    ///
    /// # Errors
    /// [`io::ErrorKind::ConnectionRefused`] once the broker has gone.
    pub async fn open(&self) -> io::Result<DuplexStream> {
        let (near, far) = tokio::io::duplex(DOOR_BYTES);
        match self.door.send(far).await {
            Ok(()) => Ok(near),
            Err(_) => Err(io::ErrorKind::ConnectionRefused.into()),
        }
    }
}
