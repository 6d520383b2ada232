//! One device's GPIO lines, whichever backend they come from.

use super::{gpiochip, simulated};
use crate::base::Moment;
use crate::config::GpioLine;
use crate::drivers::House;
use std::time::Duration;

/// A line as a device wants it. Levels are logical: active is `true`, whatever the voltage.
#[derive(Clone, Debug)]
pub(super) struct LineSpec<'d> {
    pub(super) line: &'d GpioLine,
    pub(super) role: Role,
}

/// What a line is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It is driven; to this level from the first moment on, or as it is found.
    Output { initial: Option<bool> },
    /// It is read, and its edges are reported.
    Input { debounce: Duration },
}

/// A change of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::drivers) struct Edge {
    /// Index of the line.
    pub(in crate::drivers) line: usize,
    /// The level since then.
    pub(in crate::drivers) level: bool,
    /// When it changed.
    pub(in crate::drivers) at: Moment,
    /// Edges of this line before this one that were lost, because they came faster than they were read.
    pub(in crate::drivers) lost: u32,
}

/// Why a line cannot be had, read or written; the operator must act.
#[derive(Debug, thiserror::Error)]
pub(in crate::drivers) enum LineError {
    /// The machine has no GPIO chip at all.
    #[error(
        "line {0}: this machine has no GPIO chip (/dev/gpiochip*); without one, try with [gpio] backend = \"simulated\""
    )]
    NoChip(String),
    /// There is no such line.
    #[error("there is no line {0}")]
    Unknown(String),
    /// Several lines have this name.
    #[error("line name {0} is not unique; write LABEL:OFFSET")]
    Ambiguous(String),
    /// The simulated line belongs to someone already.
    #[error("line {0} is in use")]
    InUse(String),
    /// The kernel refuses.
    #[error("line {line}: {error}")]
    Kernel { line: String, error: gpiocdev::Error },
    /// The system refuses.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A Pi's registers cannot be used.
    #[cfg(target_arch = "aarch64")]
    #[error("line {line}: {error}")]
    Rppal { line: String, error: rppal::gpio::Error },
    /// The backend was not built for this machine.
    #[error("the backend `rppal` needs a 64-bit Raspberry Pi")]
    #[cfg(not(target_arch = "aarch64"))]
    NoRppal,
}

/// Where GPIO lines come from, decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::drivers) enum Backend {
    Gpiochip,
    Rppal,
    Simulated,
}

/// Open lines. Dropped, whatever the reason, they go to their failsafe levels and are released.
#[derive(Debug)]
pub(super) struct Lines {
    backend: OpenLines,
    failsafe: Vec<Option<bool>>,
}

#[derive(Debug)]
enum OpenLines {
    Gpiochip(gpiochip::Lines),
    #[cfg(target_arch = "aarch64")]
    Rppal(super::rppal::Lines),
    Simulated(simulated::Lines),
}

impl Lines {
    /// Opens all lines, or none. `failsafe` are the levels to leave the first lines at.
    pub(super) fn open(
        house: &House,
        owner: &str,
        specs: &[LineSpec<'_>],
        failsafe: Vec<Option<bool>>,
    ) -> Result<Self, LineError> {
        let backend = match house.gpio {
            Backend::Gpiochip => OpenLines::Gpiochip(gpiochip::Lines::open(house.clock, owner, specs)?),
            #[cfg(target_arch = "aarch64")]
            Backend::Rppal => OpenLines::Rppal(super::rppal::Lines::open(house.clock, specs)?),
            #[cfg(not(target_arch = "aarch64"))]
            Backend::Rppal => return Err(LineError::NoRppal),
            Backend::Simulated => OpenLines::Simulated(simulated::Lines::open(&house.simulation.chip, specs)?),
        };
        Ok(Self { backend, failsafe })
    }

    /// Whether edges are debounced by the time they are reported.
    pub(super) fn debounces(&self) -> bool {
        match &self.backend {
            OpenLines::Gpiochip(_) => true,
            #[cfg(target_arch = "aarch64")]
            OpenLines::Rppal(_) => false,
            OpenLines::Simulated(_) => false,
        }
    }

    /// Drives an output.
    pub(super) fn write(&mut self, line: usize, on: bool) -> Result<(), LineError> {
        match &mut self.backend {
            OpenLines::Gpiochip(lines) => lines.write(line, on),
            #[cfg(target_arch = "aarch64")]
            OpenLines::Rppal(lines) => {
                lines.write(line, on);
                Ok(())
            }
            OpenLines::Simulated(lines) => {
                lines.write(line, on);
                Ok(())
            }
        }
    }

    /// Reads the level of a line, of an output too.
    pub(super) fn read(&self, line: usize) -> Result<bool, LineError> {
        match &self.backend {
            OpenLines::Gpiochip(lines) => lines.read(line),
            #[cfg(target_arch = "aarch64")]
            OpenLines::Rppal(lines) => Ok(lines.read(line)),
            OpenLines::Simulated(lines) => Ok(lines.read(line)),
        }
    }

    /// Waits for the next change of an input. May be dropped without losing one.
    pub(super) async fn edge(&mut self) -> Result<Edge, LineError> {
        match &mut self.backend {
            OpenLines::Gpiochip(lines) => lines.edge().await,
            #[cfg(target_arch = "aarch64")]
            OpenLines::Rppal(lines) => Ok(lines.edge().await),
            OpenLines::Simulated(lines) => Ok(lines.edge().await),
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        for line in 0..self.failsafe.len() {
            if let Some(on) = self.failsafe[line]
                && let Err(error) = self.write(line, on)
            {
                tracing::error!(%error, line, on, "the failsafe level could not be written");
            }
        }
    }
}
