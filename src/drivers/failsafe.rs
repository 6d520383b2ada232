//! Every output of a house into its failsafe state without a running gateway: what a supervisor does when the gateway
//! has died. Outputs on buses are reached over the bus, which nobody uses any more.

use super::{gpio, line, modbus, pwm};
use crate::config::{DeviceSettings, DriverSettings, PortSource, Settings};
use crate::device::{Interlocks, OutputSettings, OutputSpec, Outputs};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// How long one bus may take for all its outputs, after its far end is awake.
const BUS_TIMEOUT: Duration = Duration::from_secs(5);

/// An output as `DEVICE/OUTPUT`, and its state, or why it could not be brought there.
pub type Driven = (String, Result<&'static str, String>);

/// An output that is to be brought into a state.
#[derive(Debug)]
pub(super) struct Wanted<O> {
    /// Its name in the house.
    pub(super) name: String,
    /// What its driver knows of it.
    pub(super) output: O,
    /// The state; as it is if absent.
    pub(super) on: Option<bool>,
}

/// Drives every output of a house into its failsafe state and lets go of it: lines and channels first, then all buses
/// at the same time.
pub async fn failsafe(settings: Arc<Settings>) -> Vec<Driven> {
    let mut all = gpio::failsafe(&settings);
    all.extend(pwm::failsafe(&settings));
    let mut buses = JoinSet::new();
    for index in 0..settings.buses.len() {
        let settings = settings.clone();
        buses.spawn(async move { bus(&settings, index).await });
    }
    while let Some(driven) = buses.join_next().await {
        match driven {
            Ok(driven) => all.extend(driven),
            Err(error) => all.push(("a bus".to_owned(), Err(error.to_string()))),
        }
    }
    all
}

/// The outputs on one bus.
async fn bus(settings: &Settings, index: usize) -> Vec<Driven> {
    let bus = &settings.buses[index];
    let mut driven = Vec::new();
    // What was simulated has gone with the process.
    let is_simulated = matches!(bus.port, PortSource::Simulated(_));
    let timeout = bus.settle + BUS_TIMEOUT;
    let units = modbus::failsafe_outputs(settings, &bus.id);
    if units.iter().any(|wanted| wanted.on.is_some()) && !is_simulated {
        modbus::failsafe(bus, units, timeout, &mut driven).await;
    } else {
        driven.extend(units.into_iter().map(|wanted| (wanted.name, Ok(word(wanted.on)))));
    }
    for device in &settings.devices {
        let DriverSettings::Line(on_bus) = &device.driver else { continue };
        if on_bus.bus != bus.id {
            continue;
        }
        let outputs = wanted(settings, device, on_bus.outputs.iter().map(|one| (one.id.as_str(), &one.output, one)));
        if outputs.iter().any(|wanted| wanted.on.is_some()) && !is_simulated {
            line::failsafe(bus, outputs, timeout, &mut driven).await;
        } else {
            driven.extend(outputs.into_iter().map(|wanted| (wanted.name, Ok(word(wanted.on)))));
        }
    }
    driven
}

/// The states of a device's outputs; never two of an interlock are on.
pub(super) fn wanted<'s, O>(
    settings: &Settings,
    device: &DeviceSettings,
    outputs: impl Iterator<Item = (&'s str, &'s OutputSettings, O)>,
) -> Vec<Wanted<O>> {
    let (specs, outputs): (Vec<OutputSpec>, Vec<(String, O)>) = outputs
        .map(|(id, settings, output)| {
            let spec = OutputSpec { id: id.to_owned(), settings: settings.clone(), confirm: None };
            (spec, (format!("{}/{id}", device.id), output))
        })
        .unzip();
    let interlocks = Interlocks::new(settings.interlocks.clone());
    let states = Outputs::new(&device.id, specs).failsafe_states(&interlocks);
    outputs.into_iter().zip(states).map(|((name, output), on)| Wanted { name, output, on }).collect()
}

/// The word for a state.
pub(super) fn word(on: Option<bool>) -> &'static str {
    match on {
        Some(true) => "on",
        Some(false) => "off",
        None => "keep",
    }
}
