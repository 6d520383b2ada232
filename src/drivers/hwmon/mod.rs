//! Sensors with a hardware monitoring driver of the kernel's: INA219, LM75, fans, supplies.
//!
//! Source: the kernel's `Documentation/hwmon/sysfs-interface.rst`.

mod channels;

pub(super) use channels::channels;

use super::polled::Kind;

/// Where the kernel shows them, and what counts of their files.
pub(super) const KIND: Kind = Kind {
    root: "/sys/class/hwmon",
    prefix: "hwmon",
    is_wanted: |name| name.ends_with("_input") || name.ends_with("_fault"),
    channels,
};
