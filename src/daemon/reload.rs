//! SIGHUP: devices, certificates, users and rules are read again. Connections that run go on with the certificates
//! they began with; rules count for them at once. A device that the new configuration does not change goes on.

use super::DaemonError;
use super::access::{self, Inlet, UsersFile};
use super::files::ConfigurationFiles;
use crate::config::{ListenAddress, Settings};
use crate::drivers::Plan;
use crate::net::tls::Tls;
use std::sync::Arc;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing::{error, info, warn};

/// Everything that can be read again.
pub(super) struct Reloaded {
    pub(super) certificates: Vec<(ListenAddress, Arc<Tls>)>,
    pub(super) users: Option<UsersFile>,
    pub(super) house: Option<House>,
}

/// The description of the house, and who follows it.
pub(super) struct House {
    pub(super) files: ConfigurationFiles,
    pub(super) plans: watch::Sender<Plan>,
}

/// Waits, beside the heart, for every SIGHUP.
pub(super) fn begin(side: &Runtime, reloaded: Reloaded, inlet: Inlet) -> Result<(), DaemonError> {
    let guard = side.enter();
    let mut hangup = signal(SignalKind::hangup()).map_err(DaemonError::Runtime)?;
    drop(guard);
    let reloaded = Arc::new(reloaded);
    side.spawn(async move {
        while hangup.recv().await.is_some() {
            let (reloaded, inlet) = (reloaded.clone(), inlet.clone());
            // Files may lie on a slow card.
            let reading = tokio::task::spawn_blocking(move || {
                certificates(&reloaded.certificates);
                if let Some(users) = &reloaded.users {
                    access::reload(users, &inlet);
                }
                if let Some(house) = &reloaded.house {
                    house.reload();
                }
            });
            if let Err(failure) = reading.await {
                error!(%failure, "the files could not be read again");
            }
        }
    });
    Ok(())
}

fn certificates(certificates: &[(ListenAddress, Arc<Tls>)]) {
    for (address, tls) in certificates {
        match tls.reload() {
            Ok(()) => info!(%address, "certificates read again"),
            Err(error) => error!(%address, %error, "the certificates that were read before stay in use"),
        }
    }
}

impl House {
    /// Reads the files; if they are good, the devices follow, else the ones that run stay and the problems are shown.
    fn reload(&self) {
        let running = self.plans.borrow().settings.clone();
        match self.files.read() {
            Ok(settings) => {
                let settings = Arc::new(taken_over(&running, settings));
                self.plans.send_replace(Plan { settings, problems: Vec::new() });
            }
            Err(wrong) => {
                let problems = wrong.lines();
                for problem in &problems {
                    error!("{problem}");
                }
                error!("the configuration that runs stays in force");
                self.plans.send_replace(Plan { settings: running, problems });
            }
        }
    }
}

/// The new configuration as far as it can be taken over while the gateway runs.
fn taken_over(running: &Settings, new: Settings) -> Settings {
    let sections = [
        ("[gateway]", running.gateway != new.gateway),
        ("[broker]", running.broker != new.broker),
        ("[gpio]", running.gpio != new.gpio),
    ];
    for (section, _) in sections.into_iter().filter(|(_, is_other)| *is_other) {
        warn!(section, "what changed there counts from the next start on");
    }
    Settings { gateway: running.gateway.clone(), broker: running.broker.clone(), gpio: running.gpio, ..new }
}
