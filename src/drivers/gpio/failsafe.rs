//! Outputs into their failsafe states without a running gateway: what a supervisor does when the gateway has died.

use super::lines::{Backend, LineSpec, Role};
use super::{gpiochip, spec};
use crate::config::{DriverSettings, Settings};
use crate::device::{Interlocks, Outputs};
use crate::drivers::backend;
use crate::drivers::clock::Clock;

/// Drives every GPIO output of a house into its failsafe state and lets go of it. For each of them, `DEVICE/OUTPUT` and
/// the state, or why it could not be driven.
pub fn failsafe(settings: &Settings) -> Vec<(String, Result<&'static str, String>)> {
    let interlocks = Interlocks::new(settings.interlocks.clone());
    let backend = backend(settings.gpio);
    let mut all = Vec::new();
    for device in &settings.devices {
        let DriverSettings::Gpio(gpio) = &device.driver else { continue };
        let outputs = Outputs::new(&device.id, gpio.outputs.iter().map(spec).collect());
        for (output, state) in gpio.outputs.iter().zip(outputs.failsafe_states(&interlocks)) {
            let name = format!("{}/{}", device.id, output.id);
            let Some(on) = state else {
                all.push((name, Ok("keep")));
                continue;
            };
            let line = LineSpec { line: &output.line, role: Role::Output { initial: Some(on) } };
            let word = if on { "on" } else { "off" };
            all.push((name, drive(backend, &line).map(|()| word)));
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
