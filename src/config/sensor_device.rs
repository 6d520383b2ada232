//! Sensors that the kernel shows as files: `driver = "iio"`, `"hwmon"` and `"system"`.

use super::driver_settings::{PropertySettings, SensorDevice, SensorMatch, SystemDevice};
use super::problem::Mistake;
use super::property;
use super::reader::Table;
use super::text;
use std::path::PathBuf;
use std::time::Duration;

/// Time between two readings.
const EVERY: Duration = Duration::from_secs(30);

pub(super) fn sensor(table: &mut Table) -> Option<SensorDevice> {
    let matching = table.table("match");
    let matching = table.require("match", matching, "{ name = \"bme280\", on = \"1-0076\" }").and_then(matching_of);
    let every = every(table);
    let properties = properties(table);
    Some(SensorDevice { matching: matching?, every, properties })
}

fn matching_of(mut table: Table) -> Option<SensorMatch> {
    let name = table.text("name", one_name);
    let name = table.require("name", name, "\"bme280\"");
    let on = table.text("on", one_name).map(|placed| placed.value);
    table.close(&[]);
    Some(SensorMatch { name: name?.value, on })
}

/// A name of one directory or device.
fn one_name(text: &str) -> Result<String, Mistake> {
    if text.is_empty() || text.contains(['/', '\0']) || text.contains(char::is_whitespace) {
        let hint = "write it as the kernel does, such as \"bme280\" or \"1-0076\"";
        return Err(Mistake::new(format!("`{}` is not a name of the kernel's", text.escape_debug()), hint));
    }
    Ok(text.to_owned())
}

pub(super) fn system(table: &mut Table) -> SystemDevice {
    let disk = table.text("disk", text::absolute_path).map_or_else(|| PathBuf::from("/"), |placed| placed.value);
    SystemDevice { disk, every: every(table), properties: properties(table) }
}

fn every(table: &mut Table) -> Duration {
    table.text("every", text::positive_duration).map_or(EVERY, |placed| placed.value)
}

/// What is said about single channels; which there are only the sensor knows.
fn properties(table: &mut Table) -> Vec<PropertySettings> {
    let mut properties = Vec::new();
    for (id, mut table) in table.named_tables("prop") {
        properties.push(property::property(id, &mut table));
        table.close(&[]);
    }
    properties
}
