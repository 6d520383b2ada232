//! Smart meters with a P1 port: a telegram every second or every ten.

mod machine;
mod objects;
mod parse;
mod telegram;

pub(super) use machine::DsmrMachine;

use super::door::Door;
use super::{DriverError, House, Start, serial};
use crate::config::{DeviceSettings, DsmrDevice};
use tokio::sync::watch;

/// Runs a meter until `stop` says so.
///
/// # Errors
/// When the connection to the broker fails. A port that fails is opened again.
pub(super) async fn run(
    house: &House,
    device: &DeviceSettings,
    dsmr: &DsmrDevice,
    start: Start,
    stop: watch::Receiver<bool>,
) -> Result<(), DriverError> {
    let meta = house.describe(device);
    let door = Door::open(house, device, &meta, start, &[]).await?;
    serial::run(house, &dsmr.bus, door, DsmrMachine::new(dsmr, meta), stop).await
}
