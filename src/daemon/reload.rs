//! SIGHUP: certificates are read again. Connections that run go on with what they began with.

use super::DaemonError;
use crate::config::ListenAddress;
use crate::net::tls::Tls;
use std::sync::Arc;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info};

/// Waits, beside the heart, for every SIGHUP.
pub(super) fn begin(side: &Runtime, certificates: Vec<(ListenAddress, Arc<Tls>)>) -> Result<(), DaemonError> {
    let guard = side.enter();
    let mut hangup = signal(SignalKind::hangup()).map_err(DaemonError::Runtime)?;
    drop(guard);
    let certificates = Arc::new(certificates);
    side.spawn(async move {
        while hangup.recv().await.is_some() {
            let certificates = certificates.clone();
            // Files may lie on a slow card.
            let reading = tokio::task::spawn_blocking(move || reload(&certificates));
            if let Err(failure) = reading.await {
                error!(%failure, "the certificates could not be read again");
            }
        }
    });
    Ok(())
}

fn reload(certificates: &[(ListenAddress, Arc<Tls>)]) {
    for (address, tls) in certificates {
        match tls.reload() {
            Ok(()) => info!(%address, "certificates read again"),
            Err(error) => error!(%address, %error, "the certificates that were read before stay in use"),
        }
    }
}
