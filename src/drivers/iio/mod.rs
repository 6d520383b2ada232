//! Sensors with a driver of the kernel's Industrial I/O: BME280, ADS1115 and hundreds more.

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
