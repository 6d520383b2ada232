//! SIGHUP: certificates, users and rules are read again. Connections that run go on with the certificates they began
//! with; rules count for them at once.

use super::DaemonError;
use super::access::{self, Inlet, UsersFile};
use crate::config::ListenAddress;
use crate::net::tls::Tls;
use std::sync::Arc;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info};

/// Waits, beside the heart, for every SIGHUP.
pub(super) fn begin(
    side: &Runtime,
    certificates: Vec<(ListenAddress, Arc<Tls>)>,
    users: Option<UsersFile>,
    inlet: Inlet,
) -> Result<(), DaemonError> {
    let guard = side.enter();
    let mut hangup = signal(SignalKind::hangup()).map_err(DaemonError::Runtime)?;
    drop(guard);
    let files = Arc::new((certificates, users));
    side.spawn(async move {
        while hangup.recv().await.is_some() {
            let (files, inlet) = (files.clone(), inlet.clone());
            // Files may lie on a slow card.
            let reading = tokio::task::spawn_blocking(move || {
                let (certificates, users) = &*files;
                reload(certificates);
                if let Some(users) = users {
                    access::reload(users, &inlet);
                }
            });
            if let Err(failure) = reading.await {
                error!(%failure, "the files could not be read again");
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
