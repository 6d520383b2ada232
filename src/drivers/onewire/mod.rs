//! 1-Wire thermometers.

mod io;
mod machine;

pub(super) use machine::Thermometer;

use super::door::{Asked, Door};
use super::polled::Files;
use super::{DriverError, House, Start, stopped};
use crate::config::{DeviceSettings, OnewireDevice};
use crate::device::{CommandResult, Status};
use machine::TEMPERATURE;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, MissedTickBehavior};

/// For how long a measurement of all thermometers serves those that are read next.
const MEASUREMENT_FRESH: Duration = Duration::from_secs(1);

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
    Thermometer::describe(&mut meta, onewire);
    let mut door = Door::open(house, device, &meta, Start::Fresh, &[]).await?;
    let mut thermometer = Thermometer::new(onewire);
    let mut every = tokio::time::interval(onewire.every);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        while let Some(say) = thermometer.poll_output() {
            say.tell(&mut door)?;
        }
        let again = tokio::select! {
            () = stopped(&mut stop) => return door.close().await,
            _ = every.tick() => false,
            () = house.clock.sleep_until(thermometer.next_deadline()) => {
                thermometer.pass(house.clock.now());
                continue;
            }
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
        match read(house, onewire).await {
            Ok(Reading::Simulated(celsius)) => thermometer.take(house.clock.now(), Ok(celsius)),
            Ok(Reading::Files(files)) => thermometer.take_files(house.clock.now(), &files),
            Err(error) => thermometer.take(house.clock.now(), Err(error.to_string())),
        }
        if again {
            thermometer.again();
        }
    }
}

/// What is read of a thermometer.
enum Reading {
    /// The temperature that is simulated, in °C.
    Simulated(f64),
    /// What the kernel shows.
    Files(Files),
}

/// One reading; the kernel takes its time, so another thread waits for it.
async fn read(house: &House, onewire: &OnewireDevice) -> std::io::Result<Reading> {
    if let Some(celsius) = house.simulation.temperature(&onewire.rom) {
        return Ok(Reading::Simulated(celsius));
    }
    house.measurements.make().await;
    let rom = onewire.rom.clone();
    let read = tokio::task::spawn_blocking(move || io::read(Path::new(io::ROOT), &rom)).await;
    read.unwrap_or_else(|error| Err(std::io::Error::other(error))).map(Reading::Files)
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
