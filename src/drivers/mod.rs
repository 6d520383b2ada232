//! Drivers: each device a built-in MQTT client with its own connection, its own task and its own fate.
//!
//! A driver owns lines or a port and speaks to the house only through topics. One that fails or panics is started
//! again, with longer and longer waits, and nothing else is touched. In each folder one file alone touches the
//! operating system; what a device decides is in [`crate::device`].

mod backoff;
mod clock;
mod connect;
mod door;
mod dsmr;
mod failpoint;
mod failsafe;
mod fleet;
mod forget;
mod gateway;
mod gpio;
mod hwmon;
mod iio;
mod journal;
mod line;
mod modbus;
mod onewire;
mod polled;
mod pwm;
mod replay;
mod rules;
mod say;
mod scan;
mod serial;
mod simulation;
mod supervise;
mod switches;
mod sysfs;
mod system;
mod values;

pub use connect::{Connect, DOOR_BYTES};
pub use door::{DEVICE_CLIENTS, device_client};
pub use failsafe::{Driven, failsafe};
pub use replay::{ReplayError, bytes_text, replay, replay_file};
pub use scan::{Found, scan};
pub use serial::listen;

use crate::client::ClientError;
use crate::config::{DeviceSettings, GpioBackend, Settings};
use crate::device::{Meta, OutputSettings, PropertyMeta};
use clock::Clock;
use fleet::Fleet;
use gpio::lines::{Backend, LineError};
use modbus::BusDoor;
use simulation::Simulation;
use std::collections::BTreeMap;
use std::sync::Arc;
use switches::SharedInterlocks;
use tokio::sync::watch;

/// Why a driver stopped before it was told to.
#[derive(Debug, thiserror::Error)]
enum DriverError {
    /// The broker cannot be reached, or ended the connection.
    #[error("broker: {0}")]
    Client(#[from] ClientError),
    /// The lines cannot be had or used.
    #[error(transparent)]
    Line(#[from] LineError),
    /// The system refused something.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The bus of the device is not there.
    #[error("{0}")]
    Bus(&'static str),
}

/// Why a driver starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    /// The gateway starts: outputs become what `power_on` says.
    Fresh,
    /// The driver failed before: outputs become what `failsafe` says.
    AfterFault,
}

/// What all drivers share.
#[derive(Clone, Debug)]
struct House {
    settings: Arc<Settings>,
    connect: Connect,
    clock: Clock,
    gpio: Backend,
    simulation: Simulation,
    /// The ways to those buses that several devices share.
    buses: Arc<BTreeMap<String, BusDoor>>,
    interlocks: SharedInterlocks,
    measurements: onewire::Measurements,
}

impl House {
    /// What a device's `$meta` says before its driver adds the properties.
    fn describe(&self, device: &DeviceSettings) -> Meta {
        Meta {
            id: device.id.clone(),
            name: device.name.clone(),
            area: device.area.clone(),
            driver: device.driver.name().to_owned(),
            via: self.settings.gateway.id.clone(),
            ..Meta::default()
        }
    }
}

/// The configuration that the drivers follow, and what is wrong with a newer one, if that could not be taken.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The configuration.
    pub settings: Arc<Settings>,
    /// Lines for people.
    pub problems: Vec<String>,
}

/// Runs the drivers of all devices until `stop` becomes true; returns when all outputs are in their failsafe states
/// and all devices offline. When the plan changes, the devices that it changes stop and start; no other notices.
pub async fn run(mut plan: watch::Receiver<Plan>, connect: Connect, mut stop: watch::Receiver<bool>) {
    let settings = plan.borrow_and_update().settings.clone();
    let simulation = Simulation::new(&settings);
    let gpio = backend(settings.gpio);
    let buses = Arc::new(settings.shared_buses().map(|bus| (bus.id.clone(), BusDoor::new())).collect());
    let interlocks = SharedInterlocks::new(settings.interlocks.clone());
    let clock = Clock::start();
    let house = House {
        settings,
        connect,
        clock,
        gpio,
        simulation,
        buses,
        interlocks,
        measurements: onewire::Measurements::default(),
    };
    let (houses, current) = watch::channel(house.clone());
    // What the devices need until their outputs are in their failsafe states stops after them.
    let (devices_stopped, stop_last) = watch::channel(false);
    let gateway = tokio::spawn(supervise::gateway(current, plan.clone(), stop_last));
    let mut fleet = Fleet::start(house);
    loop {
        tokio::select! {
            () = stopped(&mut stop) => break,
            Ok(()) = plan.changed() => {
                let settings = plan.borrow_and_update().settings.clone();
                if settings != fleet.house().settings {
                    fleet.change(settings).await;
                    houses.send_replace(fleet.house().clone());
                }
            }
        }
    }
    fleet.end_devices().await;
    devices_stopped.send_replace(true);
    gateway.await.expect("supervisors do not panic");
    fleet.end_buses().await;
}

/// Ends when the gateway stops, or when nobody is left who could stop it.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // The only error says that the other side is gone.
    let _ = stop.wait_for(|stop| *stop).await;
}

fn backend(setting: GpioBackend) -> Backend {
    match setting {
        GpioBackend::Gpiochip => Backend::Gpiochip,
        GpioBackend::Rppal => Backend::Rppal,
        GpioBackend::Simulated => Backend::Simulated,
    }
}

/// What an output of a device tells about itself.
fn output_meta(house: &House, device: &str, id: &str, settings: &OutputSettings) -> PropertyMeta {
    let mut meta = PropertyMeta::new("boolean");
    meta.settable = true;
    meta.is_kept = settings.power_on.remembers();
    meta.class = Some("switch".to_owned());
    meta.power_on = Some(settings.power_on.name());
    meta.failsafe = Some(settings.failsafe.name());
    meta.max_on = settings.max_on.map(crate::base::duration_text);
    meta.min_off = settings.min_off.map(crate::base::duration_text);
    meta.heartbeat = settings.heartbeat.as_ref().map(|heartbeat| heartbeat.topic.clone());
    let others = house.interlocks.excluded_by(&format!("{device}/{id}"));
    let own = format!("{device}/");
    meta.interlock = others.into_iter().map(|other| other.strip_prefix(&own).unwrap_or(&other).to_owned()).collect();
    meta
}
