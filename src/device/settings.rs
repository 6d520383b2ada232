//! What a device's machines need to know from the configuration.

use std::time::Duration;

/// The behaviour of one output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputSettings {
    /// What it becomes when the driver starts.
    pub power_on: PowerOn,
    /// What it becomes when the driver stops or fails, or the heartbeat is lost.
    pub failsafe: Failsafe,
    /// The longest time it may be on; enforced whatever commands come.
    pub max_on: Option<Duration>,
    /// The shortest time it is off before it goes on again, as a compressor needs.
    pub min_off: Option<Duration>,
    /// Whose signs of life it needs.
    pub heartbeat: Option<Heartbeat>,
}

/// A controller whose silence brings an output into its failsafe state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// The topic on which any message is a sign of life; a retained one is none.
    pub topic: String,
    /// How long it may be silent.
    pub lost_after: Duration,
}

/// What an output becomes when its driver starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerOn {
    /// Off.
    Off,
    /// On.
    On,
    /// As it last was; as it is found if that is not known.
    Last,
    /// As it last was; off if that is not known.
    LastElseOff,
    /// As it is found.
    Keep,
}

impl PowerOn {
    /// The word in the configuration and in `$meta`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::On => "on",
            Self::Last => "last",
            Self::LastElseOff => "last-else-off",
            Self::Keep => "keep",
        }
    }

    /// Whether the last state must be known after a restart.
    pub fn remembers(self) -> bool {
        match self {
            Self::Last | Self::LastElseOff => true,
            Self::Off | Self::On | Self::Keep => false,
        }
    }

    /// The state to write, given the last known one; none if it is left as it is found.
    pub fn state(self, last: Option<bool>) -> Option<bool> {
        match self {
            Self::Off => Some(false),
            Self::On => Some(true),
            Self::Last => last,
            Self::LastElseOff => Some(last.unwrap_or(false)),
            Self::Keep => None,
        }
    }
}

/// What an output becomes when its driver stops or fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failsafe {
    /// Off.
    Off,
    /// On.
    On,
    /// As it is.
    Keep,
}

impl Failsafe {
    /// The word in the configuration and in `$meta`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::On => "on",
            Self::Keep => "keep",
        }
    }

    /// The state to write, if any.
    pub fn state(self) -> Option<bool> {
        match self {
            Self::Off => Some(false),
            Self::On => Some(true),
            Self::Keep => None,
        }
    }
}

/// How the presses of a button become clicks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ButtonSettings {
    /// The most clicks that are counted together, 1 to 3.
    pub clicks: u8,
    /// The longest time between two clicks that belong together.
    pub multi_gap: Duration,
    /// From when a press is long.
    pub long: Duration,
    /// Time between two repeats of a long press; none if absent.
    pub repeat: Option<Duration>,
}

/// How pulses become a total.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CounterSettings {
    /// What one pulse adds, in the counter's unit.
    pub multiplier: f64,
    /// The shortest time between two pulses; a sooner one is a disturbance.
    pub min_gap: Option<Duration>,
    /// The shortest time between two totals that are told.
    pub report: Duration,
    /// The shortest time between two totals that are kept: what a power cut can lose, and how often the card is
    /// written.
    pub save: Duration,
}

/// The behaviour of a dimmer.
#[derive(Clone, Debug, PartialEq)]
pub struct DimmerSettings {
    /// The duty cycle of the lowest level that is not off, 0 to 1.
    pub minimum: f64,
    /// The exponent of the curve from level to duty cycle; 1 is a line.
    pub gamma: f64,
    /// How long it takes from one level to another when a command does not say so.
    pub transition: Duration,
    /// What it becomes when the driver starts.
    pub power_on: PowerOn,
    /// What it becomes when the driver stops or fails, or the heartbeat is lost.
    pub failsafe: Failsafe,
    /// Whose signs of life it needs.
    pub heartbeat: Option<Heartbeat>,
}

/// Which readings of a sensor are not believed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RejectSettings {
    /// Refuse 85 °C, which a DS18B20 reports before its first conversion, unless the last reading was near it.
    pub power_on_85: bool,
    /// The largest step from one reading to the next; a larger one must be seen `tries` times in a row.
    pub max_step: Option<f64>,
    /// How many readings in a row make an unlikely one true, and how many failed ones make the sensor offline.
    pub tries: u8,
}
