//! Why the gateway cannot run, said to the person who runs it.

use crate::config::ListenAddress;
use crate::net::tls::TlsError;
use crate::store::StoreError;
use std::io;

/// Why the gateway cannot start, or did not end well.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {source}{}", hint(source))]
    Listen {
        /// Which.
        address: ListenAddress,
        /// What the operating system says.
        source: io::Error,
    },
    /// The certificates of a listener cannot be used.
    #[error("cannot listen on {address}: {source}")]
    Certificates {
        /// Of which listener.
        address: ListenAddress,
        /// What is wrong with them.
        source: TlsError,
    },
    /// The operating system gives no threads, timers or signals.
    #[error("cannot start: {0}")]
    Runtime(io::Error),
    /// The store could not make everything safe before the gateway stopped.
    #[error("stopped, but the store could not take everything that waited; nothing that was confirmed is lost")]
    Unsettled,
}

fn hint(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::AddrInUse => "; is another broker running there? Choose another with --listen or in the file",
        _ => "",
    }
}
