//! GPIO lines of a Raspberry Pi through its registers.
//!
//! The crate behind it is no longer developed; the kernel's character device is the better choice wherever it
//! works. Lines are `GPIO0` to `GPIO27`, whatever they do at the moment.

use super::lines::{Edge, LineError, LineSpec, Role};
use crate::config::{Bias, GpioLine, LineAddress};
use crate::drivers::clock::Clock;
use rppal::gpio::{Gpio, InputPin, Level, OutputPin, Pin, Trigger};
use std::future::pending;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::mpsc;

/// Edges of one device that wait to be handled.
const EDGES_MAX: usize = 256;

/// The lines of one device.
#[derive(Debug)]
pub(super) struct Lines {
    pins: Vec<OnePin>,
    edges: mpsc::Receiver<Edge>,
}

#[derive(Debug)]
enum OnePin {
    Output { pin: OutputPin, active_low: bool },
    Input { pin: InputPin, active_low: bool },
}

impl Lines {
    pub(super) fn open(clock: Clock, specs: &[LineSpec<'_>]) -> Result<Self, LineError> {
        let (sender, edges) = mpsc::channel(EDGES_MAX);
        let gpio = Gpio::new().map_err(|error| LineError::Rppal { line: "GPIO".to_owned(), error })?;
        let mut pins = Vec::new();
        for (index, spec) in specs.iter().enumerate() {
            let number = number(spec.line)?;
            let pin = gpio.get(number).map_err(|error| wrong(spec.line, error))?;
            pins.push(match spec.role {
                Role::Output { initial } => output(pin, spec.line, initial),
                Role::Input { .. } => input(pin, spec.line, index, clock, sender.clone())?,
            });
        }
        Ok(Self { pins, edges })
    }

    pub(super) fn write(&mut self, line: usize, on: bool) {
        if let OnePin::Output { pin, active_low } = &mut self.pins[line] {
            pin.write(level(on != *active_low));
        }
    }

    pub(super) fn read(&self, line: usize) -> bool {
        match &self.pins[line] {
            OnePin::Output { pin, active_low } => pin.is_set_high() != *active_low,
            OnePin::Input { pin, active_low } => pin.is_high() != *active_low,
        }
    }

    pub(super) async fn edge(&mut self) -> Edge {
        match self.edges.recv().await {
            Some(edge) => edge,
            // Without inputs there is no sender left, and never an edge.
            None => pending().await,
        }
    }
}

fn output(pin: Pin, line: &GpioLine, initial: Option<bool>) -> OnePin {
    let high = initial.map_or(pin.read() == Level::High, |on| on != line.active_low);
    let mut pin = if high { pin.into_output_high() } else { pin.into_output_low() };
    // At the end the line stays as the failsafe left it.
    pin.set_reset_on_drop(false);
    OnePin::Output { pin, active_low: line.active_low }
}

fn input(
    pin: Pin,
    line: &GpioLine,
    index: usize,
    clock: Clock,
    sender: mpsc::Sender<Edge>,
) -> Result<OnePin, LineError> {
    let mut pin = match line.bias {
        Bias::PullUp => pin.into_input_pullup(),
        Bias::PullDown => pin.into_input_pulldown(),
        Bias::Unchanged | Bias::Disabled => pin.into_input(),
    };
    let active_low = line.active_low;
    let unsent = AtomicU32::new(0);
    let report = move |event: rppal::gpio::Event| {
        let high = event.trigger == Trigger::RisingEdge;
        // Edges beyond the limit are lost, as in the kernel, and counted.
        let lost = unsent.load(Ordering::Relaxed);
        let edge = Edge { line: index, level: high != active_low, at: clock.now(), lost };
        // The only thread that counts is this one.
        match sender.try_send(edge) {
            Ok(()) => unsent.store(0, Ordering::Relaxed),
            Err(_) => unsent.store(lost.saturating_add(1), Ordering::Relaxed),
        }
    };
    pin.set_async_interrupt(Trigger::Both, None, report).map_err(|error| wrong(line, error))?;
    Ok(OnePin::Input { pin, active_low })
}

fn number(line: &GpioLine) -> Result<u8, LineError> {
    match &line.address {
        LineAddress::Name(name) => name.strip_prefix("GPIO").and_then(|number| number.parse().ok()),
        LineAddress::Offset { .. } => None,
    }
    .ok_or_else(|| LineError::Unknown(line.address.to_string()))
}

fn wrong(line: &GpioLine, error: rppal::gpio::Error) -> LineError {
    LineError::Rppal { line: line.address.to_string(), error }
}

fn level(high: bool) -> Level {
    if high { Level::High } else { Level::Low }
}
