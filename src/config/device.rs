//! `[device.ID]`: what all devices have in common, and which driver reads the rest.

use super::house::House;
use super::problem::Mistake;
use super::reader::{Placed, Table, one_of};
use super::settings::{DeviceSettings, DriverSettings};
use super::suggest::nearest;
use super::text;
use super::{gpio_device, line_device, modbus, onewire_device};
use crate::device::{Failsafe, Interlock, OutputSettings, PowerOn};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a command may wait when neither it nor its device says so.
const COMMAND_TTL: Duration = Duration::from_secs(5);

/// Drivers of later versions, and the tables and keys of their devices.
const LATER: &[&str] = &["homie", "json", "light", "match", "report", "heartbeat", "counter", "convert"];

/// Drivers of later versions.
const LATER_DRIVERS: &[&str] = &["iio", "dsmr", "pwm"];

#[derive(Clone, Copy)]
enum DriverName {
    Gpio,
    Line,
    Onewire,
    Modbus,
}

pub(super) fn device(house: &mut House, id: String, mut table: Table) -> Option<DeviceSettings> {
    let name = table.text("name", text::words).map(|placed| placed.value);
    let area = table.text("area", text::words).map(|placed| placed.value);
    let command_ttl = table.text("command_ttl", text::positive_duration);
    let driver = match driver_name(&mut table)? {
        DriverName::Gpio => gpio_device::device(house, &id, &mut table).map(DriverSettings::Gpio),
        DriverName::Line => line_device::device(house, &id, &mut table).map(DriverSettings::Line),
        DriverName::Onewire => onewire_device::device(house, &id, &mut table).map(DriverSettings::Onewire),
        DriverName::Modbus => modbus::device(house, &id, &mut table).map(DriverSettings::Modbus),
    };
    table.close(LATER);
    let command_ttl = command_ttl.map_or(COMMAND_TTL, |placed| placed.value);
    Some(DeviceSettings { id, name, area, command_ttl, driver: driver? })
}

/// The driver that is written, or `gpio` where an output, input or button implies it.
fn driver_name(table: &mut Table) -> Option<DriverName> {
    let words = [
        ("gpio", DriverName::Gpio),
        ("line", DriverName::Line),
        ("w1", DriverName::Onewire),
        ("modbus", DriverName::Modbus),
    ];
    let written = table.text("driver", |name| {
        if LATER_DRIVERS.contains(&name) {
            let hint = "this version has `gpio`, `line`, `modbus` and `w1`";
            return Err(Mistake::new(format!("driver `{name}` is not supported by this version"), hint));
        }
        one_of(name, &words)
    });
    if written.is_some() || table.has("driver") {
        return written.map(|placed| placed.value);
    }
    if ["out", "in", "button"].iter().any(|kind| table.has(kind)) {
        return Some(DriverName::Gpio);
    }
    table.require::<()>("driver", None, "\"gpio\"");
    None
}

/// The ids of one device's properties: an id is one topic, so it may be used once whatever its kind.
#[derive(Default)]
pub(super) struct PropertyIds(BTreeMap<String, &'static str>);

impl PropertyIds {
    pub(super) fn claim(&mut self, id: &str, kind: &'static str, table: &Table) {
        if let Some(first) = self.0.insert(id.to_owned(), kind) {
            let hint = format!("it is `{first}.{id}` already; each property has its own topic");
            table.problem(format!("second property `{id}`"), hint);
        }
    }
}

/// The keys that all outputs share.
pub(super) fn output(table: &mut Table, power_on: PowerOn, failsafe: Failsafe) -> OutputSettings {
    let power_on_words = [PowerOn::Off, PowerOn::On, PowerOn::Last, PowerOn::LastElseOff, PowerOn::Keep];
    let failsafe_words = [Failsafe::Off, Failsafe::On, Failsafe::Keep];
    OutputSettings {
        power_on: table.word("power_on", &power_on_words.map(|word| (word.name(), word))).unwrap_or(power_on),
        failsafe: table.word("failsafe", &failsafe_words.map(|word| (word.name(), word))).unwrap_or(failsafe),
        max_on: table.text("max_on", text::positive_duration).map(|placed| placed.value),
    }
}

/// `interlock = { outputs = ["up", "down"], dead_time = "500ms" }`; `outputs` are the ids of the device.
pub(super) fn interlock(device: &mut Table, outputs: &[String]) -> Option<Interlock> {
    let mut table = device.table("interlock")?;
    let named = table.texts("outputs", |id| Ok(id.to_owned()));
    let named = table.require("outputs", named, "[\"up\", \"down\"]");
    let dead_time = table.text("dead_time", text::duration).map_or(Duration::ZERO, |placed| placed.value);
    let mut indices = Vec::new();
    if let Some(named) = named {
        for output in &named.value {
            indices.extend(interlocked(&table, outputs, &indices, output));
        }
        if named.value.len() < 2 {
            table.problem_at(&named.place, "an interlock needs two outputs", "name at least two outputs");
        }
    }
    table.close(&[]);
    Some(Interlock { outputs: indices, dead_time })
}

fn interlocked(table: &Table, outputs: &[String], before: &[usize], named: &Placed<String>) -> Option<usize> {
    let index = outputs.iter().position(|id| *id == named.value);
    match index {
        None => {
            let hint = match nearest(&named.value, outputs.iter().map(String::as_str)) {
                Some(meant) => format!("did you mean \"{meant}\"?"),
                None => format!("outputs of this device: {}", outputs.join(", ")),
            };
            table.problem_at(&named.place, format!("there is no output `{}`", named.value), hint);
        }
        Some(index) if before.contains(&index) => {
            table.problem_at(&named.place, format!("output `{}` is named twice", named.value), "name it once");
        }
        Some(_) => {}
    }
    index
}
