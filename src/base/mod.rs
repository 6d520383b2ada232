//! Layer 0: time as an argument, bounds-checked bytes, and every limit by name.
//!
//! Knows nothing of MQTT, devices or the machine it runs on.

pub mod bytes;
pub mod limits;
mod moment;

pub use moment::Moment;
