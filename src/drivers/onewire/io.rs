//! Thermometers of the kernel's `w1_therm` driver, through sysfs.
//!
//! Source: the kernel's `Documentation/w1/slaves/w1_therm.rst`: `temperature` holds thousandths of a degree, and is
//! empty or an error after a checksum that was wrong.

use std::io;
use std::path::Path;

/// Where the kernel shows 1-Wire sensors.
pub(super) const ROOT: &str = "/sys/bus/w1/devices";

/// Reads a thermometer, in °C. Takes as long as the conversion: up to 750 ms.
pub(super) fn read_celsius(root: &Path, rom: &str) -> io::Result<f64> {
    let text = std::fs::read_to_string(root.join(rom).join("temperature"))?;
    let wrong = || io::Error::new(io::ErrorKind::InvalidData, "the checksum of the reading was wrong");
    let thousandths: i32 = text.trim().parse().map_err(|_| wrong())?;
    Ok(f64::from(thousandths) / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_are_thousandths_of_a_degree() {
        let root = tempfile::tempdir().expect("a directory");
        let sensor = root.path().join("28-0316a2795cff");
        std::fs::create_dir(&sensor).expect("a directory");
        let read = |text: &str| {
            std::fs::write(sensor.join("temperature"), text).expect("a file");
            read_celsius(root.path(), "28-0316a2795cff")
        };
        assert_eq!(read("21437\n").expect("a reading").to_string(), "21.437");
        assert_eq!(read("-1250\n").expect("a reading").to_string(), "-1.25");
        assert!(read("").is_err());
        assert!(read("x\n").is_err());
        assert!(read_celsius(root.path(), "28-000000000000").is_err());
    }
}
