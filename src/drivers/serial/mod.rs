//! Ports: serial lines by their stable path, and TCP connections to far ones.

mod io;
mod machine;
mod run;

pub(super) use io::Port;
pub(super) use machine::{Machine, PORT, PortInput, PortOutput};
pub(super) use run::run;

use super::simulation::{SimulatedPort, Simulation};
use crate::config::{BusSettings, PortSource};
use std::time::Duration;

/// The first wait before a port is opened again.
pub(super) const REOPEN_MIN: Duration = Duration::from_millis(500);

/// The longest wait before a port is opened again: what is plugged in again is back within it.
pub(super) const REOPEN_MAX: Duration = Duration::from_secs(10);

/// Bytes that are handed on in one piece at most.
const PIECE_MAX: usize = 4096;

/// Opens the port of a bus. The error says which port it was.
pub(super) async fn open(bus: &BusSettings, simulation: &Simulation) -> std::io::Result<Port> {
    let opened = match &bus.port {
        PortSource::Path(path) => Port::open(path, bus.mode).map_err(|error| (path.display().to_string(), error)),
        PortSource::Tcp(address) => Port::connect(address).await.map_err(|error| (address.clone(), error)),
        PortSource::Simulated(_) => {
            let path = simulation.port(&bus.id).and_then(SimulatedPort::path);
            let unplugged = || std::io::Error::new(std::io::ErrorKind::NotFound, "unplugged");
            let opened = path.ok_or_else(unplugged).and_then(|path| Port::open(&path, bus.mode));
            opened.map_err(|error| ("the simulated port".to_owned(), error))
        }
    };
    let port = opened.map_err(|(name, error)| std::io::Error::new(error.kind(), format!("{name}: {error}")))?;
    tracing::info!(bus = bus.id, "port opened");
    Ok(port)
}

/// Bytes from the port; never any while there is none.
pub(super) async fn read(port: &mut Option<Port>) -> std::io::Result<Vec<u8>> {
    match port {
        Some(port) => port.read().await,
        None => std::future::pending().await,
    }
}

/// Hands on what comes in at a port until it fails; bytes that come closer than `together` in one piece.
///
/// # Errors
/// When the port cannot be opened, or is lost.
pub async fn listen(bus: &BusSettings, together: Duration, mut heard: impl FnMut(Vec<u8>)) -> std::io::Result<()> {
    let mut port = open(bus, &Simulation::default()).await?;
    loop {
        let mut bytes = port.read().await?;
        while bytes.len() < PIECE_MAX
            && let Ok(more) = tokio::time::timeout(together, port.read()).await
        {
            bytes.extend(more?);
        }
        heard(bytes);
    }
}
