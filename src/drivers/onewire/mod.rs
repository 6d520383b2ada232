//! 1-Wire thermometers.

mod io;

use super::door::{Asked, Door};
use super::{DriverError, House, Start, stopped};
use crate::config::{DeviceSettings, OnewireDevice};
use crate::device::{CommandResult, Judgement, PropertyMeta, Readings, Status, Value};
use std::path::Path;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

/// The one property of a thermometer.
const TEMPERATURE: &str = "temperature";

/// Runs a thermometer until `stop` says so.
///
/// # Errors
/// When the connection to the broker fails. A sensor that fails is offline until it can be read again.
pub(super) async fn run(
    house: &House,
    device: &DeviceSettings,
    onewire: &OnewireDevice,
    mut stop: watch::Receiver<bool>,
) -> Result<(), DriverError> {
    let mut meta = house.describe(device);
    let mut property = PropertyMeta::new("float");
    property.unit = Some("°C".to_owned());
    property.class = Some("temperature".to_owned());
    meta.properties.insert(TEMPERATURE.to_owned(), property);
    let mut door = Door::open(house, device, &meta, Start::Fresh, &[]).await?;
    let mut thermometer = Thermometer { readings: Readings::new(onewire.reject), value: None };
    let mut every = tokio::time::interval(onewire.every);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let again = tokio::select! {
            () = stopped(&mut stop) => return door.close().await,
            _ = every.tick() => false,
            asked = door.next() => match asked? {
                Asked::Get { property } if property == TEMPERATURE => true,
                Asked::Get { .. } | Asked::Alive { .. } => continue,
                Asked::Set { property, ticket, command } => {
                    let result = CommandResult::because(command.id, Status::Rejected, "not-settable");
                    door.result(&property, ticket, &result)?;
                    continue;
                }
            },
        };
        let reading = read(house, onewire).await;
        thermometer.judge(reading, again, &mut door)?;
    }
}

/// One reading; the kernel takes its time, so another thread waits for it.
async fn read(house: &House, onewire: &OnewireDevice) -> std::io::Result<f64> {
    if let Some(celsius) = house.simulation.temperature(&onewire.rom) {
        return Ok(celsius);
    }
    let rom = onewire.rom.clone();
    let reading = tokio::task::spawn_blocking(move || io::read_celsius(Path::new(io::ROOT), &rom)).await;
    reading.unwrap_or_else(|error| Err(std::io::Error::other(error)))
}

struct Thermometer {
    readings: Readings,
    /// The value that was published last.
    value: Option<f64>,
}

impl Thermometer {
    /// Publishes a reading that is believed; one that is not believed is a trouble, several are the end of trust.
    fn judge(&mut self, reading: std::io::Result<f64>, again: bool, door: &mut Door) -> Result<(), DriverError> {
        let judgement = match reading {
            Ok(celsius) => self.readings.handle(celsius),
            Err(error) => self.readings.handle_failure(error.to_string()),
        };
        match judgement {
            Judgement::Believed(celsius) => {
                door.well(TEMPERATURE)?;
                if self.value.replace(celsius) != Some(celsius) || again {
                    door.state(TEMPERATURE, &Value::Number(celsius))?;
                }
                door.online()
            }
            Judgement::Doubted(reason) => door.trouble(TEMPERATURE, "read", &reason),
            Judgement::Lost(reason) => {
                self.value = None;
                door.trouble(TEMPERATURE, "read", &reason)?;
                door.offline()
            }
        }
    }
}
