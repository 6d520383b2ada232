//! Files of the kernel's Industrial I/O.
//!
//! Source: the kernel's `Documentation/ABI/testing/sysfs-bus-iio`.

use crate::config::SensorMatch;
use crate::drivers::polled::Files;
use crate::drivers::sysfs;
use std::path::Path;

/// Where the kernel shows such sensors.
pub(super) const ROOT: &str = "/sys/bus/iio/devices";

/// The files of the one sensor that is meant.
pub(super) fn read(root: &Path, wanted: &SensorMatch) -> Result<Files, String> {
    let directory = sysfs::find(root, "iio:device", wanted)?;
    sysfs::read_files(&directory, |name| name.starts_with("in_"))
}
