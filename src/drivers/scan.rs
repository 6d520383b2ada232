//! What this machine has that a device could be on.

use gpiocdev::chip::{self, Chip};
use std::fs;
use std::path::{Path, PathBuf};

/// Something that was found, and how a configuration would name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// `gpio`, `serial`, `w1`, `iio`, `hwmon` or `pwm`.
    pub kind: &'static str,
    /// The name for a configuration.
    pub name: String,
    /// What it is.
    pub about: String,
}

/// Everything that is found; `root` is `/` but in tests.
pub fn scan(root: &Path) -> Vec<Found> {
    let mut found = gpio();
    found.extend(entries(root, "dev/serial/by-id").into_iter().map(|path| {
        let target = fs::canonicalize(&path).map_or_else(|_| "gone".to_owned(), |path| path.display().to_string());
        Found { kind: "serial", name: path.display().to_string(), about: target }
    }));
    let w1 = entries(root, "sys/bus/w1/devices").into_iter().filter_map(|path| {
        let name = file_name(&path);
        let is_sensor = name.as_bytes().get(2) == Some(&b'-');
        is_sensor.then(|| Found { kind: "w1", about: text(&path, "temperature").unwrap_or_default(), name })
    });
    found.extend(w1);
    for (kind, directory) in [("iio", "sys/bus/iio/devices"), ("hwmon", "sys/class/hwmon"), ("pwm", "sys/class/pwm")] {
        found.extend(entries(root, directory).into_iter().map(|path| {
            let device = fs::canonicalize(path.join("device")).ok().map(|path| file_name(&path)).unwrap_or_default();
            let name = text(&path, "name").unwrap_or_else(|| file_name(&path));
            Found { kind, name, about: device }
        }));
    }
    found
}

fn gpio() -> Vec<Found> {
    let mut found = Vec::new();
    for path in chip::chips().unwrap_or_default() {
        let Ok(chip) = Chip::from_path(&path) else { continue };
        let Ok(info) = chip.info() else { continue };
        for offset in 0..info.num_lines {
            let Ok(line) = chip.line_info(offset) else { continue };
            let name = if line.name.is_empty() { format!("{}:{offset}", info.label) } else { line.name.clone() };
            let about =
                if line.used { format!("used by {}", line.consumer) } else { format!("{}:{offset}", info.label) };
            found.push(Found { kind: "gpio", name, about });
        }
    }
    found
}

fn entries(root: &Path, directory: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(root.join(directory)) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn text(path: &Path, file: &str) -> Option<String> {
    Some(fs::read_to_string(path.join(file)).ok()?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sensors_and_ports_are_found_by_the_names_of_a_configuration() {
        let root = tempfile::tempdir().expect("a directory");
        let put = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            fs::write(path, text).expect("a file");
        };
        put("sys/bus/w1/devices/28-0316a2795cff/temperature", "48500\n");
        put("sys/bus/w1/devices/w1_bus_master1/w1_master_name", "w1\n");
        put("sys/class/hwmon/hwmon0/name", "cpu_thermal\n");
        put("dev/serial/by-id/usb-FTDI", "");
        let found: Vec<Found> = scan(root.path()).into_iter().filter(|found| found.kind != "gpio").collect();
        let names: Vec<&str> = found.iter().map(|found| found.name.rsplit('/').next().unwrap_or_default()).collect();
        assert_eq!(names, ["usb-FTDI", "28-0316a2795cff", "cpu_thermal"]);
        assert_eq!(found[1].about, "48500");
    }
}
