//! The gateway itself as a device: temperature, throttling, load, memory, disk, wear of the card, uptime.

mod channels;
mod io;

pub(super) use channels::channels;

use super::{DriverError, House, Start, polled};
use crate::config::{DeviceSettings, SystemDevice};
use std::path::Path;
use tokio::sync::watch;

/// Runs the device until `stop` says so.
///
/// # Errors
/// When the connection to the broker fails.
pub(super) async fn run(
    house: &House,
    device: &DeviceSettings,
    system: &SystemDevice,
    start: Start,
    stop: watch::Receiver<bool>,
) -> Result<(), DriverError> {
    let wanted = (system.every, system.properties.as_slice());
    let disk = system.disk.clone();
    let read = move || Ok(channels(&io::read(Path::new("/"), &disk)));
    polled::run(house, device, wanted, start, stop, read).await
}
