//! What a device is: properties, commands, availability, clicks, pulses, interlocks; pure machines.
mod settings;
pub use settings::{ButtonSettings, Failsafe, Interlock, OutputSettings, PowerOn, RejectSettings};
