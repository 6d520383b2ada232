//! Files of the kernel's hardware monitoring.

use crate::config::SensorMatch;
use crate::drivers::polled::Files;
use crate::drivers::sysfs;
use std::path::Path;

/// Where the kernel shows such sensors.
pub(super) const ROOT: &str = "/sys/class/hwmon";

/// The files of the one sensor that is meant.
pub(super) fn read(root: &Path, wanted: &SensorMatch) -> Result<Files, String> {
    let directory = sysfs::find(root, "hwmon", wanted)?;
    sysfs::read_files(&directory, |name| name.ends_with("_input") || name.ends_with("_fault"))
}
