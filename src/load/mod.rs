//! Load for a broker, as numbers: who publishes to whom, what arrived, how long it took.
//!
//! It opens no connection and reads no clock: `gatehouse bench` and `make bench` do that, each in its own way, and count
//! with this. Nothing is sampled or estimated but latencies, whose buckets are a hundredth wide.

mod latencies;
mod shape;
mod tally;

pub use latencies::Latencies;
pub use shape::Shape;
pub use tally::{Faults, PAYLOAD_MIN, Stamp, Tally};

use std::time::Duration;

/// How many a second that is; 0 of no time.
#[expect(clippy::cast_precision_loss, reason = "nothing counted here comes near 2^52")]
pub fn per_second(count: u64, took: Duration) -> f64 {
    if took.is_zero() { 0.0 } else { count as f64 / took.as_secs_f64() }
}
