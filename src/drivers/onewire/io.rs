//! Thermometers of the kernel's `w1_therm` driver, through sysfs.
//!
//! Source: the kernel's `Documentation/w1/slaves/w1_therm.rst`: `temperature` holds thousandths of a degree, and is
//! empty or an error after a checksum that was wrong; older kernels have `w1_slave` alone, with the checksum's verdict
//! `YES` or `NO` at the end of the first line; `therm_bulk_read` of a bus has all its sensors measure at once.

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

/// Reads a thermometer, in °C. Takes as long as the conversion, up to 750 ms, unless all were measured before.
pub(super) fn read_celsius(root: &Path, rom: &str) -> io::Result<f64> {
    let sensor = root.join(rom);
    match std::fs::read_to_string(sensor.join("temperature")) {
        Ok(text) => thousandths(&text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // A sensor that is gone has neither; the first error says so.
            let text = std::fs::read_to_string(sensor.join("w1_slave")).map_err(|_| error)?;
            of_w1_slave(&text)
        }
        Err(error) => Err(error),
    }
}

fn wrong() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the checksum of the reading was wrong")
}

fn thousandths(text: &str) -> io::Result<f64> {
    let thousandths: i32 = text.trim().parse().map_err(|_| wrong())?;
    Ok(f64::from(thousandths) / 1000.0)
}

/// `72 01 4b 46 7f ff 0e 10 57 : crc=57 YES` and, in the second line, `… t=23125`.
fn of_w1_slave(text: &str) -> io::Result<f64> {
    let mut lines = text.lines();
    let (verdict, data) = (lines.next().unwrap_or(""), lines.next().unwrap_or(""));
    // A sensor that answers with zeros only has a right checksum and says nothing.
    let is_silent = verdict.starts_with("00 00 00 00 00 00 00 00 00");
    match data.split_once("t=") {
        Some((_, text)) if verdict.trim_end().ends_with("YES") && !is_silent => thousandths(text),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sensor's directory with one file.
    fn sensor(file: &str, text: &str) -> io::Result<f64> {
        let root = tempfile::tempdir().expect("a directory");
        let sensor = root.path().join("28-0316a2795cff");
        std::fs::create_dir(&sensor).expect("a directory");
        std::fs::write(sensor.join(file), text).expect("a file");
        read_celsius(root.path(), "28-0316a2795cff")
    }

    #[test]
    fn readings_are_thousandths_of_a_degree() {
        assert_eq!(sensor("temperature", "21437\n").expect("a reading").to_string(), "21.437");
        assert_eq!(sensor("temperature", "-1250\n").expect("a reading").to_string(), "-1.25");
        assert!(sensor("temperature", "").is_err());
        assert!(sensor("temperature", "x\n").is_err());
        assert_eq!(sensor("name", "x").expect_err("no sensor").kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn older_kernels_say_whether_the_checksum_was_right() {
        let good = "72 01 4b 46 7f ff 0e 10 57 : crc=57 YES\n72 01 4b 46 7f ff 0e 10 57 t=23125\n";
        assert_eq!(sensor("w1_slave", good).expect("a reading").to_string(), "23.125");
        assert!(sensor("w1_slave", &good.replace("YES", "NO")).is_err());
        let silent = "00 00 00 00 00 00 00 00 00 : crc=00 YES\n00 00 00 00 00 00 00 00 00 t=0\n";
        assert!(sensor("w1_slave", silent).is_err());
        assert!(sensor("w1_slave", "").is_err());
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
