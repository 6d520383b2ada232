//! Sensors with a driver of the kernel's Industrial I/O: BME280, ADS1115 and hundreds more.
//!
//! Source: the kernel's `Documentation/ABI/testing/sysfs-bus-iio`.

mod channels;

pub(super) use channels::channels;

use super::polled::Kind;

/// Where the kernel shows them, and what counts of their files.
pub(super) const KIND: Kind =
    Kind { root: "/sys/bus/iio/devices", prefix: "iio:device", is_wanted: |name| name.starts_with("in_"), channels };
