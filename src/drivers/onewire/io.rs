//! Thermometers of the kernel's `w1_therm` driver, through sysfs.
//!
//! Source: the kernel's `Documentation/w1/slaves/w1_therm.rst`: `therm_bulk_read` of a bus has all its sensors measure at
//! once.

use crate::drivers::polled::Files;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

/// Where the kernel shows 1-Wire sensors.
pub(super) const ROOT: &str = "/sys/bus/w1/devices";

/// How long all sensors of a bus may take to measure; at 12 bits they need 750 ms.
const MEASURE_TIMEOUT: Duration = Duration::from_secs(2);

/// Pause between two looks at whether they have.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Has all sensors of all buses measure at once, where the kernel can; then each is read without waiting.
pub(super) fn measure_all(root: &Path) {
    let Ok(entries) = std::fs::read_dir(root) else { return };
    let buses = entries.filter_map(|entry| Some(entry.ok()?.path().join("therm_bulk_read")));
    let buses: Vec<_> = buses.filter(|bus| trigger(bus).is_ok()).collect();
    let until = Instant::now() + MEASURE_TIMEOUT;
    for bus in buses {
        // -1: some still measure.
        while std::fs::read_to_string(&bus).is_ok_and(|state| state.trim() == "-1") && Instant::now() < until {
            std::thread::sleep(LOOK_AGAIN);
        }
    }
}

/// Starts a measurement; never makes a file that is not there.
fn trigger(bus: &Path) -> io::Result<()> {
    std::fs::OpenOptions::new().write(true).open(bus)?.write_all(b"trigger\n")
}

/// The files of a thermometer, `temperature` and on older kernels `w1_slave`, or neither. Takes as long as the
/// conversion, up to 750 ms, unless all were measured before.
pub(super) fn read(root: &Path, rom: &str) -> io::Result<Files> {
    let sensor = root.join(rom);
    let one =
        |name: &str| std::fs::read_to_string(sensor.join(name)).map(|text| Files::from([(name.to_owned(), text)]));
    match one("temperature") {
        // A sensor that is gone has neither.
        Err(error) if error.kind() == io::ErrorKind::NotFound => match one("w1_slave") {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Files::new()),
            read => read,
        },
        read => read,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sensor's directory with these files.
    fn sensor(files: &[(&str, &str)]) -> Files {
        let root = tempfile::tempdir().expect("a directory");
        let sensor = root.path().join("28-0316a2795cff");
        std::fs::create_dir(&sensor).expect("a directory");
        for (file, text) in files {
            std::fs::write(sensor.join(file), text).expect("a file");
        }
        read(root.path(), "28-0316a2795cff").expect("readable files")
    }

    #[test]
    fn newer_kernels_have_one_file_and_older_ones_another() {
        let both = sensor(&[("temperature", "21437\n"), ("w1_slave", "x")]);
        assert_eq!(both, Files::from([("temperature".to_owned(), "21437\n".to_owned())]));
        assert_eq!(sensor(&[("w1_slave", "x")]), Files::from([("w1_slave".to_owned(), "x".to_owned())]));
        assert_eq!(sensor(&[("name", "x")]), Files::new());
    }

    #[test]
    fn buses_are_told_to_measure() {
        let root = tempfile::tempdir().expect("a directory");
        let bus = root.path().join("w1_bus_master1");
        std::fs::create_dir(&bus).expect("a directory");
        std::fs::write(bus.join("therm_bulk_read"), "0\n").expect("a file");
        std::fs::create_dir(root.path().join("28-0316a2795cff")).expect("a directory");
        measure_all(root.path());
        assert_eq!(std::fs::read_to_string(bus.join("therm_bulk_read")).expect("a file"), "trigger\n");
        assert!(!root.path().join("28-0316a2795cff/therm_bulk_read").exists(), "a sensor is no bus");
    }
}
