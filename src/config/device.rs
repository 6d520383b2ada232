//! `[device.ID]`: what all devices have in common, and which driver reads the rest.

use super::house::House;
use super::problem::Mistake;
use super::reader::{Placed, Table, one_of};
use super::settings::{DeviceSettings, DriverSettings};
use super::suggest::nearest;
use super::text;
use super::{dsmr_device, gpio_device, line_device, modbus, onewire_device, pwm_device, sensor_device};
use crate::device::{Failsafe, Heartbeat, Interlock, OutputSettings, PowerOn};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a command may wait when neither it nor its device says so.
const COMMAND_TTL: Duration = Duration::from_secs(5);

/// Keys of devices that a later version will know.
const LATER: &[&str] = &["json"];

#[derive(Clone, Copy)]
enum DriverName {
    Gpio,
    Line,
    Onewire,
    Modbus,
    Pwm,
    Dsmr,
    Iio,
    Hwmon,
    System,
}

pub(super) fn device(house: &mut House, id: String, mut table: Table) -> Option<DeviceSettings> {
    let name = table.text("name", text::words).map(|placed| placed.value);
    let area = table.text("area", text::words).map(|placed| placed.value);
    let command_ttl = table.text("command_ttl", text::positive_duration);
    let driver = match driver_name(&mut table)? {
        DriverName::Gpio => gpio_device::device(house, &id, &mut table).map(DriverSettings::Gpio),
        DriverName::Line => line_device::device(house, &id, &mut table).map(DriverSettings::Line),
        DriverName::Onewire => onewire_device::device(house, &id, &mut table).map(DriverSettings::Onewire),
        DriverName::Pwm => pwm_device::device(house, &id, &mut table).map(DriverSettings::Pwm),
        DriverName::Modbus => modbus::device(house, &id, &mut table).map(DriverSettings::Modbus),
        DriverName::Dsmr => dsmr_device::device(house, &id, &mut table).map(DriverSettings::Dsmr),
        DriverName::Iio => sensor_device::sensor(&mut table).map(DriverSettings::Iio),
        DriverName::Hwmon => sensor_device::sensor(&mut table).map(DriverSettings::Hwmon),
        DriverName::System => Some(DriverSettings::System(sensor_device::system(&mut table))),
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
        ("pwm", DriverName::Pwm),
        ("dsmr", DriverName::Dsmr),
        ("iio", DriverName::Iio),
        ("hwmon", DriverName::Hwmon),
        ("system", DriverName::System),
    ];
    let written = table.text("driver", |name| one_of(name, &words));
    if written.is_some() || table.has("driver") {
        return written.map(|placed| placed.value);
    }
    if gpio_device::KINDS.iter().any(|kind| table.has(kind)) {
        return Some(DriverName::Gpio);
    }
    if pwm_device::KINDS.iter().any(|kind| table.has(kind)) {
        return Some(DriverName::Pwm);
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

/// The keys that all outputs share. `house` gets to know the output for interlocks that reach over devices.
pub(super) fn output(
    house: &mut House,
    device: &str,
    id: &str,
    table: &mut Table,
    (power_on, failsafe): (PowerOn, Failsafe),
) -> OutputSettings {
    let output = output_settings(table, power_on, failsafe);
    house.claim_output(format!("{device}/{id}"), &output);
    output
}

/// The same, without a house.
pub(super) fn output_settings(table: &mut Table, power_on: PowerOn, failsafe: Failsafe) -> OutputSettings {
    let power_on_words = [PowerOn::Off, PowerOn::On, PowerOn::Last, PowerOn::LastElseOff, PowerOn::Keep];
    let failsafe_words = [Failsafe::Off, Failsafe::On, Failsafe::Keep];
    OutputSettings {
        power_on: table.word("power_on", &power_on_words.map(|word| (word.name(), word))).unwrap_or(power_on),
        failsafe: table.word("failsafe", &failsafe_words.map(|word| (word.name(), word))).unwrap_or(failsafe),
        max_on: table.text("max_on", text::positive_duration).map(|placed| placed.value),
        min_off: table.text("min_off", text::positive_duration).map(|placed| placed.value),
        heartbeat: heartbeat(table),
    }
}

/// `heartbeat = { topic = "garden/controller/alive", lost_after = "10m" }`
pub(super) fn heartbeat(output: &mut Table) -> Option<Heartbeat> {
    let mut table = output.table("heartbeat")?;
    let topic = table.text("topic", text::topic_name);
    let topic = table.require("topic", topic, "\"garden/controller/alive\"");
    let lost_after = table.text("lost_after", text::positive_duration);
    let lost_after = table.require("lost_after", lost_after, "\"10m\"");
    table.close(&[]);
    Some(Heartbeat { topic: topic?.value, lost_after: lost_after?.value })
}

/// `interlock = { outputs = ["up", "down"], dead_time = "500ms" }`; `outputs` are ids of the device.
pub(super) fn interlock(house: &mut House, id: &str, device: &mut Table, outputs: &[String]) {
    let Some(table) = device.table("interlock") else { return };
    let group = interlock_group(table, |named| {
        if outputs.contains(&named.value) {
            return Ok(format!("{id}/{}", named.value));
        }
        let hint = match nearest(&named.value, outputs.iter().map(String::as_str)) {
            Some(meant) => format!("did you mean \"{meant}\"?"),
            None => format!("outputs of this device: {}", outputs.join(", ")),
        };
        Err(Mistake::new(format!("there is no output `{}`", named.value), hint))
    });
    house.settings.interlocks.push(group);
}

/// `[interlock.NAME]`: outputs of any devices, as `DEVICE/OUTPUT`. Whether they exist is known at the end.
pub(super) fn house_interlock(house: &mut House, table: Table) {
    let mut named = Vec::new();
    let group = interlock_group(table, |output| {
        named.push((output.value.clone(), output.place.clone()));
        Ok(output.value.clone())
    });
    house.use_outputs(named);
    house.settings.interlocks.push(group);
}

fn interlock_group(mut table: Table, mut name: impl FnMut(&Placed<String>) -> Result<String, Mistake>) -> Interlock {
    let named = table.texts("outputs", |id| Ok(id.to_owned()));
    let named = table.require("outputs", named, "[\"up\", \"down\"]");
    let dead_time = table.text("dead_time", text::duration).map_or(Duration::ZERO, |placed| placed.value);
    let mut outputs = Vec::new();
    if let Some(named) = named {
        for output in &named.value {
            match name(output) {
                Err(mistake) => table.problem_at(&output.place, mistake.what, mistake.hint),
                Ok(name) if outputs.contains(&name) => {
                    let what = format!("output `{}` is named twice", output.value);
                    table.problem_at(&output.place, what, "name it once");
                }
                Ok(name) => outputs.push(name),
            }
        }
        if named.value.len() < 2 {
            table.problem_at(&named.place, "an interlock needs two outputs", "name at least two outputs");
        }
    }
    table.close(&[]);
    Interlock { outputs, dead_time }
}
