//! Why the gateway cannot run, said to the person who runs it.

use crate::store::StoreError;
use std::io;
use std::net::SocketAddr;

/// Why the gateway cannot start, or did not end well.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {source}; is another broker running there? Choose another with --listen")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// What the operating system says.
        source: io::Error,
    },
    /// The operating system gives no threads, timers or signals.
    #[error("cannot start: {0}")]
    Runtime(io::Error),
    /// The store could not make everything safe before the gateway stopped.
    #[error("stopped, but the store could not take everything that waited; nothing that was confirmed is lost")]
    Unsettled,
}
