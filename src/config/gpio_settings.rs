//! What `[device.ID]` means for lines of GPIO chips and channels of PWM chips.

use crate::device::{ButtonSettings, CounterSettings, DimmerSettings, OutputSettings};
use std::time::Duration;

/// The lines of a GPIO device.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct GpioDevice {
    /// Outputs, such as relays.
    pub outputs: Vec<GpioOutput>,
    /// Inputs, such as contacts.
    pub inputs: Vec<GpioInput>,
    /// Buttons.
    pub buttons: Vec<GpioButton>,
    /// Counters of pulses.
    pub counters: Vec<GpioCounter>,
}

/// How a GPIO line is found and read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GpioLine {
    /// Which line.
    pub address: LineAddress,
    /// Whether the low level means "on".
    pub active_low: bool,
    /// Built-in resistor.
    pub bias: Bias,
}

/// How a GPIO line is addressed: never by chip number, which moves between boards and kernels.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LineAddress {
    /// The name the kernel gives the line.
    Name(String),
    /// The label of a chip and the offset of the line on it.
    Offset {
        /// The chip's label.
        label: String,
        /// The line's offset.
        offset: u32,
    },
}

impl std::fmt::Display for LineAddress {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name(name) => formatter.write_str(name),
            Self::Offset { label, offset } => write!(formatter, "{label}:{offset}"),
        }
    }
}

/// The built-in resistor of a GPIO line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Bias {
    /// As the board or device tree left it.
    #[default]
    Unchanged,
    /// None.
    Disabled,
    /// To the supply.
    PullUp,
    /// To ground.
    PullDown,
}

/// `[device.ID.out.ID]` of a GPIO device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GpioOutput {
    /// The property.
    pub id: String,
    /// The line.
    pub line: GpioLine,
    /// States at start and fault, and limits.
    pub output: OutputSettings,
}

/// `[device.ID.in.ID]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GpioInput {
    /// The property.
    pub id: String,
    /// The line.
    pub line: GpioLine,
    /// How long a level must last before it counts.
    pub debounce: Duration,
    /// What it is, for dashboards: `door`, `window`, `motion` …
    pub class: Option<String>,
}

/// `[device.ID.button.ID]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GpioButton {
    /// The property.
    pub id: String,
    /// The line.
    pub line: GpioLine,
    /// How long a level must last before it counts.
    pub debounce: Duration,
    /// How presses become clicks.
    pub button: ButtonSettings,
}

/// `[device.ID.counter.ID]`.
#[derive(Clone, Debug, PartialEq)]
pub struct GpioCounter {
    /// The property.
    pub id: String,
    /// The line.
    pub line: GpioLine,
    /// How long a level must last before it counts.
    pub debounce: Duration,
    /// How pulses become a total.
    pub counter: CounterSettings,
    /// Unit of the total, for `$meta`.
    pub unit: Option<String>,
    /// What is counted, for dashboards: `energy`, `water`, `gas` …
    pub class: Option<String>,
}

/// Dimmers and fans on the channels of a PWM chip.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct PwmDevice {
    /// The outputs.
    pub outputs: Vec<PwmOutput>,
}

/// `[device.ID.light.ID]` or `[device.ID.fan.ID]`.
#[derive(Clone, Debug, PartialEq)]
pub struct PwmOutput {
    /// The property.
    pub id: String,
    /// `light` or `fan`.
    pub kind: &'static str,
    /// Where it is.
    pub channel: PwmChannel,
    /// Cycles in a second.
    pub frequency: f64,
    /// Curve, transitions, states at start and fault.
    pub dimmer: DimmerSettings,
}

/// A channel of a PWM chip.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PwmChannel {
    /// The name of the chip's device, which does not change; the only chip if absent.
    pub chip: Option<String>,
    /// The channel's number on it.
    pub number: u32,
}

impl std::fmt::Display for PwmChannel {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.chip {
            Some(chip) => write!(formatter, "{chip}:{}", self.number),
            None => write!(formatter, "pwm{}", self.number),
        }
    }
}
