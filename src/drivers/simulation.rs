//! Everything that is simulated in this gateway, and how it is moved from outside.
//!
//! A device takes part only if the configuration says so: the GPIO backend, `simulate` of a bus or a sensor.

use super::clock::Clock;
use super::gpio::simulated::SimulatedChip;
use crate::base::parse_duration;
use crate::config::{DriverSettings, PortSource, Settings};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// How long `press` presses.
const PRESS: Duration = Duration::from_millis(100);

/// The longest press.
const PRESS_MAX: Duration = Duration::from_mins(1);

/// A serial port with a simulated far end.
#[derive(Clone, Debug)]
pub(super) struct SimulatedPort {
    /// Where the port is; none while it is unplugged.
    path: Arc<watch::Sender<Option<PathBuf>>>,
    /// Whether it is to be plugged in.
    plugged: Arc<watch::Sender<bool>>,
}

impl SimulatedPort {
    fn new() -> Self {
        Self { path: Arc::new(watch::Sender::new(None)), plugged: Arc::new(watch::Sender::new(true)) }
    }

    pub(super) fn path(&self) -> Option<PathBuf> {
        self.path.borrow().clone()
    }

    pub(super) fn set_path(&self, path: Option<PathBuf>) {
        self.path.send_replace(path);
    }

    pub(super) fn plugged(&self) -> watch::Receiver<bool> {
        self.plugged.subscribe()
    }
}

/// What is simulated. Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub(super) struct Simulation {
    pub(super) chip: SimulatedChip,
    ports: BTreeMap<String, SimulatedPort>,
    /// Temperatures in °C by serial number.
    thermometers: Arc<Mutex<BTreeMap<String, f64>>>,
}

/// What remains to be done for an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Done {
    /// Nothing.
    Now,
    /// A line is to be let go.
    Release {
        /// After this time.
        after: Duration,
        /// To this voltage.
        high: bool,
    },
}

impl Simulation {
    pub(super) fn new(settings: &Settings) -> Self {
        let mut simulation = Self::default();
        for bus in &settings.buses {
            if matches!(bus.port, PortSource::Simulated(_)) {
                simulation.ports.insert(bus.id.clone(), SimulatedPort::new());
            }
        }
        let mut thermometers = BTreeMap::new();
        for device in &settings.devices {
            if let DriverSettings::Onewire(onewire) = &device.driver
                && let Some(celsius) = onewire.simulate
            {
                thermometers.insert(onewire.rom.clone(), celsius);
            }
        }
        simulation.thermometers = Arc::new(Mutex::new(thermometers));
        simulation
    }

    /// The same for another configuration: what was there before stays as it is.
    pub(super) fn again(before: &Self, settings: &Settings) -> Self {
        let mut simulation = Self::new(settings);
        simulation.chip = before.chip.clone();
        for (bus, port) in &mut simulation.ports {
            if let Some(known) = before.ports.get(bus) {
                *port = known.clone();
            }
        }
        let lock = |thermometers: &Arc<Mutex<BTreeMap<String, f64>>>| {
            thermometers.lock().unwrap_or_else(PoisonError::into_inner).clone()
        };
        let new = lock(&simulation.thermometers);
        simulation.thermometers = before.thermometers.clone();
        let mut all = simulation.thermometers.lock().unwrap_or_else(PoisonError::into_inner);
        for (rom, celsius) in new {
            all.entry(rom).or_insert(celsius);
        }
        drop(all);
        simulation
    }

    pub(super) fn port(&self, bus: &str) -> Option<&SimulatedPort> {
        self.ports.get(bus)
    }

    /// The temperature of a simulated thermometer.
    pub(super) fn temperature(&self, rom: &str) -> Option<f64> {
        self.thermometers.lock().unwrap_or_else(PoisonError::into_inner).get(rom).copied()
    }

    /// Moves something: a line by `1`, `0`, `press`, `press 800ms`; a thermometer by a number; a port by `unplug`
    /// and `plug`. The error is a sentence for the person who asked.
    pub(super) fn act(&self, clock: Clock, name: &str, action: &str) -> Result<Done, String> {
        let action = action.trim();
        if let Some(port) = self.ports.get(name) {
            let plugged = match action {
                "plug" => true,
                "unplug" => false,
                _ => return Err("expected plug or unplug".to_owned()),
            };
            port.plugged.send_replace(plugged);
            return Ok(Done::Now);
        }
        if let Some(celsius) = self.thermometers.lock().unwrap_or_else(PoisonError::into_inner).get_mut(name) {
            let number = action.parse().ok().filter(|number: &f64| number.is_finite());
            *celsius = number.ok_or("expected a temperature such as 21.5")?;
            return Ok(Done::Now);
        }
        self.act_on_line(clock, name, action)
    }

    fn act_on_line(&self, clock: Clock, name: &str, action: &str) -> Result<Done, String> {
        let active = self.chip.active_level(name).ok_or("nothing of this name is simulated")?;
        let (high, done) = match action.split_once(' ').unwrap_or((action, "")) {
            ("1", "") => (true, Done::Now),
            ("0", "") => (false, Done::Now),
            ("press", length) => {
                let after = if length.is_empty() { Ok(PRESS) } else { parse_duration(length) };
                let after = after.ok().filter(|after| *after <= PRESS_MAX);
                let after = after.ok_or("expected a length of at most 60s, such as press 800ms")?;
                (active, Done::Release { after, high: !active })
            }
            _ => return Err("expected 1, 0, press or press 800ms".to_owned()),
        };
        self.chip.set(clock, name, high);
        Ok(done)
    }
}
