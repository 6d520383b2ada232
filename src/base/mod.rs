//! Layer 0: time as an argument, bounds-checked bytes, and every limit by name.
//!
//! Knows nothing of MQTT, devices or the machine it runs on.

pub mod bytes;
mod duration;
pub mod limits;
mod moment;

pub use duration::{DURATION_MAX, DurationError, duration_text, parse_duration};
pub use moment::Moment;
