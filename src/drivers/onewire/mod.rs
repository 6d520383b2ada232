//! 1-Wire thermometers.

mod io;

use super::door::{Asked, Door};
use super::{DriverError, House, Start, stopped};
use crate::config::{DeviceSettings, OnewireDevice};
use crate::device::{CommandResult, Judgement, PropertyMeta, Readings, Status, Value};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, MissedTickBehavior};

/// For how long a measurement of all thermometers serves those that are read next.
const MEASUREMENT_FRESH: Duration = Duration::from_secs(1);

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
    house.measurements.make().await;
    let rom = onewire.rom.clone();
    let reading = tokio::task::spawn_blocking(move || io::read_celsius(Path::new(io::ROOT), &rom)).await;
    reading.unwrap_or_else(|error| Err(std::io::Error::other(error)))
}

/// Measurements of all thermometers at once, which their devices share: each would wait for its own otherwise, one after
/// the other, since a bus does one thing at a time. Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub(super) struct Measurements(Arc<Mutex<Option<Instant>>>);

impl Measurements {
    /// Has all thermometers measure, unless they just did.
    async fn make(&self) {
        let mut last = self.0.lock().await;
        if last.is_some_and(|last| last.elapsed() < MEASUREMENT_FRESH) {
            return;
        }
        if tokio::task::spawn_blocking(|| io::measure_all(Path::new(io::ROOT))).await.is_ok() {
            *last = Some(Instant::now());
        }
    }
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
