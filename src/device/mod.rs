//! What a device is: properties, commands, availability, clicks, pulses, interlocks.
//!
//! Pure machines with three verbs: they are handed levels, commands and moments, and return what to write and what
//! to publish. They know no line, no port, no clock and no broker.

mod button;
mod command;
mod counter;
mod debounce;
mod dimmer;
mod discovery;
mod homie;
mod interlocks;
mod meta;
pub mod meter;
mod outputs;
mod quantities;
mod reading;
mod report;
mod settings;
mod topics;
mod trouble;
mod value;

pub use button::{Button, Click};
pub use command::{Action, COMMAND_LENGTH_MAX, Command, CommandError, CommandResult, Status};
pub use counter::{Counter, Total, rising_among};
pub use debounce::Debounce;
pub use dimmer::{Dimmer, DimmerEvent, LEVEL_MAX, STEP};
pub use discovery::{BIRTH_TOPIC, discovery, discovery_topic};
pub use homie::{EMPTY_TEXT, HomieState, HomieTopics, homie_description};
pub use interlocks::{Interlock, Interlocks, Standing};
pub use meta::{Meta, PropertyMeta};
pub use outputs::{OutputEvent, OutputInput, OutputSpec, Outputs, RETRY, Ticket};
pub use quantities::{HWMON, IIO, Quantity, SYSTEM};
pub use reading::{Judgement, Readings};
pub use report::{Due, MEDIAN_MAX, ReportSettings, Reported, Verdict};
pub use settings::{
    ButtonSettings, CounterSettings, DimmerSettings, Failsafe, Heartbeat, OutputSettings, PowerOn, RejectSettings,
};
pub use topics::{DeviceTopics, Request};
pub use trouble::{Trouble, Troubles};
pub use value::Value;
