//! Sensors with a hardware monitoring driver of the kernel's: INA219, LM75, fans, supplies.

mod channels;
mod io;

pub(super) use channels::channels;

use super::{DriverError, House, Start, polled};
use crate::config::{DeviceSettings, SensorDevice};
use std::path::Path;
use tokio::sync::watch;

/// Runs a sensor until `stop` says so.
///
/// # Errors
/// When the connection to the broker fails.
pub(super) async fn run(
    house: &House,
    device: &DeviceSettings,
    sensor: &SensorDevice,
    start: Start,
    stop: watch::Receiver<bool>,
) -> Result<(), DriverError> {
    let wanted = (sensor.every, sensor.properties.as_slice());
    let found = sensor.matching.clone();
    let read = move || io::read(Path::new(io::ROOT), &found).map(|files| channels(&files));
    polled::run(house, device, wanted, start, stop, read).await
}
