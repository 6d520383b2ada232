//! GPIO outputs into their failsafe states without a running gateway.

use super::gpiochip;
use super::lines::{Backend, LineSpec, Role};
use crate::config::{DriverSettings, Settings};
use crate::drivers::backend;
use crate::drivers::clock::Clock;
use crate::drivers::failsafe::{Driven, wanted, word};

/// Drives every GPIO output of a house into its failsafe state and lets go of it.
pub(in crate::drivers) fn failsafe(settings: &Settings) -> Vec<Driven> {
    let backend = backend(settings.gpio);
    let mut all = Vec::new();
    for device in &settings.devices {
        let DriverSettings::Gpio(gpio) = &device.driver else { continue };
        let outputs = gpio.outputs.iter().map(|output| (output.id.as_str(), &output.output, &output.line));
        for wanted in wanted(settings, device, outputs) {
            let role = Role::Output { initial: wanted.on };
            let driven = match wanted.on {
                Some(_) => drive(backend, &LineSpec { line: wanted.output, role }),
                None => Ok(()),
            };
            all.push((wanted.name, driven.map(|()| word(wanted.on))));
        }
    }
    all
}

/// Drives one line; others are not kept from their states by one that cannot be had.
fn drive(backend: Backend, line: &LineSpec<'_>) -> Result<(), String> {
    let owner = "gatehouse:failsafe";
    match backend {
        Backend::Gpiochip => {
            let opened = gpiochip::Lines::open(Clock::start(), owner, std::slice::from_ref(line));
            opened.map(drop).map_err(|error| error.to_string())
        }
        #[cfg(target_arch = "aarch64")]
        Backend::Rppal => {
            let opened = super::rppal::Lines::open(Clock::start(), std::slice::from_ref(line));
            opened.map(drop).map_err(|error| error.to_string())
        }
        #[cfg(not(target_arch = "aarch64"))]
        Backend::Rppal => Err(super::lines::LineError::NoRppal.to_string()),
        // What was simulated has gone with the process.
        Backend::Simulated => Ok(()),
    }
}
