//! Sensors in sysfs are found by what they are and where they are connected, never by their number. Beside the `io.rs`
//! of each driver this is the only file that reads sysfs.

use super::polled::Files;
use crate::config::SensorMatch;
use std::path::{Path, PathBuf};

/// Files of one sensor that are read.
const FILES_MAX: usize = 256;

/// The longest text of a file, in bytes.
const TEXT_MAX: usize = 4096;

/// The directory of the one sensor that is meant.
pub(super) fn find(root: &Path, prefix: &str, wanted: &SensorMatch) -> Result<PathBuf, String> {
    let entries = std::fs::read_dir(root).map_err(|error| format!("{}: {error}", root.display()))?;
    let mut found: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix)))
        .filter(|path| is_wanted(path, wanted))
        .collect();
    found.sort();
    let place = wanted.on.as_ref().map_or(String::new(), |on| format!(" on {on}"));
    match found.as_slice() {
        [directory] => Ok(directory.clone()),
        [] => Err(format!("there is no sensor `{}`{place}", wanted.name)),
        several => {
            let count = several.len();
            Err(format!("there are {count} sensors `{}`{place}: add `on` to `match`, such as \"1-0076\"", wanted.name))
        }
    }
}

fn is_wanted(directory: &Path, wanted: &SensorMatch) -> bool {
    let name = std::fs::read_to_string(directory.join("name")).unwrap_or_default();
    if name.trim() != wanted.name {
        return false;
    }
    let Some(on) = &wanted.on else { return true };
    // The device behind the class entry, such as …/i2c-1/1-0076/iio:device0.
    let real = std::fs::canonicalize(directory.join("device")).or_else(|_| std::fs::canonicalize(directory));
    real.is_ok_and(|real| real.components().any(|part| part.as_os_str() == on.as_str()))
}

/// The texts of those files of a directory that are wanted. One that cannot be read holds nothing.
pub(super) fn read_files(directory: &Path, is_wanted: impl Fn(&str) -> bool) -> Result<Files, String> {
    let entries = std::fs::read_dir(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let mut files = Files::new();
    for entry in entries.filter_map(Result::ok) {
        let name = entry.file_name().to_string_lossy().into_owned();
        if is_wanted(&name) && files.len() < FILES_MAX {
            let mut text = std::fs::read_to_string(entry.path()).unwrap_or_default();
            text.truncate(text.floor_char_boundary(TEXT_MAX));
            files.insert(name, text);
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// Two sensors of one kind on two addresses, as sysfs shows them.
    fn tree() -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a directory");
        for (number, address) in [(0, "1-0076"), (1, "1-0077")] {
            let real = root.path().join(format!("devices/i2c-1/{address}/iio:device{number}"));
            std::fs::create_dir_all(&real).expect("a directory");
            std::fs::write(real.join("name"), "bme280\n").expect("a file");
            std::fs::write(real.join("in_temp_input"), format!("{number}000\n")).expect("a file");
            let class = root.path().join("bus");
            std::fs::create_dir_all(&class).expect("a directory");
            symlink(&real, class.join(format!("iio:device{number}"))).expect("a link");
        }
        root
    }

    fn wanted(name: &str, on: Option<&str>) -> SensorMatch {
        SensorMatch { name: name.to_owned(), on: on.map(str::to_owned) }
    }

    #[test]
    fn a_sensor_is_found_by_name_and_place() {
        let tree = tree();
        let bus = tree.path().join("bus");
        let found = find(&bus, "iio:device", &wanted("bme280", Some("1-0077"))).expect("a sensor");
        let files = read_files(&found, |name| name.starts_with("in_")).expect("files");
        assert_eq!(files.into_iter().collect::<Vec<_>>(), [("in_temp_input".to_owned(), "1000\n".to_owned())]);
        let both = find(&bus, "iio:device", &wanted("bme280", None)).expect_err("two");
        assert!(both.contains("there are 2 sensors") && both.contains("add `on`"), "{both}");
        let none = find(&bus, "iio:device", &wanted("sht3x", Some("1-0044"))).expect_err("none");
        assert_eq!(none, "there is no sensor `sht3x` on 1-0044");
        assert!(find(&tree.path().join("none"), "iio:device", &wanted("x", None)).is_err());
    }
}
