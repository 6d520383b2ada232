//! What devices have, as far as the configuration tells: the names that rules may use.

use super::driver_settings::PropertySettings;
use super::rule_names::number;
use super::settings::{DeviceSettings, DriverSettings, LineKind};
use crate::device::meter::{self, Form};
use crate::device::{HWMON, IIO, Quantity, SYSTEM};
use crate::rules::expression::Kind;
use std::collections::{BTreeMap, BTreeSet};

/// One property of a device.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PropertyName {
    pub(super) kind: Kind,
    pub(super) is_settable: bool,
    pub(super) is_event: bool,
    /// Whether it has levels from 0 to 100, and may be set on and off as well.
    pub(super) is_dimmer: bool,
    /// The texts it may be; any if there are none.
    pub(super) words: Vec<String>,
}

/// The properties of a device.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct DeviceNames {
    pub(super) properties: BTreeMap<String, PropertyName>,
    /// Those that there may be several of, which only shows when it runs: `temperature-2` beside `temperature`.
    numbered: BTreeSet<&'static str>,
}

impl DeviceNames {
    fn add_read(&mut self, property: &PropertySettings, kind: LineKind) {
        let kind = match kind {
            LineKind::Number => number(property.unit.as_deref()),
            LineKind::Boolean => Kind::Boolean,
            LineKind::Text => Kind::Any,
        };
        self.add(&property.id, kind, false, false);
    }

    /// A property by its name.
    pub(super) fn find(&self, property: &str) -> Option<&PropertyName> {
        self.properties.get(property).or_else(|| {
            let (first, number) = property.rsplit_once('-')?;
            let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
            self.properties.get(first).filter(|_| is_number && self.numbered.contains(first))
        })
    }

    /// Properties that only show when the device runs; a unit that the configuration gives takes the place of ours.
    fn add_found(&mut self, quantities: &[Quantity], own: &[PropertySettings]) {
        for quantity in quantities {
            self.add(quantity.id, number(Some(quantity.unit)), false, false);
            self.numbered.insert(quantity.id);
        }
        own.iter().filter(|property| property.unit.is_some()).for_each(|one| self.add_read(one, LineKind::Number));
    }

    /// What a meter may tell.
    fn add_meter(&mut self) {
        let electricity = meter::ELECTRICITY.iter().map(|(_, id, form, _)| (*id, *form));
        for (id, form) in electricity.chain(meter::ABSTRACT.iter().map(|(_, id, form)| (*id, *form))) {
            let kind = match form {
                Form::Number(unit) => number(Some(unit)),
                Form::Count => number(None),
                // A text may look like a number.
                Form::Time | Form::Text => Kind::Any,
            };
            self.add(id, kind, false, false);
        }
        self.add(meter::NET_POWER, number(Some("W")), false, false);
        for (id, units) in meter::CHANNELS {
            let unit = if let [unit] = units { Some(*unit) } else { None };
            self.add(id, number(unit), false, false);
            self.numbered.insert(id);
        }
    }

    fn add(&mut self, id: &str, kind: Kind, is_settable: bool, is_event: bool) {
        let name = PropertyName { kind, is_settable, is_event, is_dimmer: false, words: Vec::new() };
        self.properties.insert(id.to_owned(), name);
    }
}

/// The properties of a device.
pub(super) fn names(device: &DeviceSettings) -> DeviceNames {
    let mut names = DeviceNames::default();
    match &device.driver {
        DriverSettings::Gpio(gpio) => {
            gpio.outputs.iter().for_each(|output| names.add(&output.id, Kind::Boolean, true, false));
            gpio.inputs.iter().for_each(|input| names.add(&input.id, Kind::Boolean, false, false));
            for counter in &gpio.counters {
                names.add(&counter.id, number(counter.unit.as_deref()), true, false);
            }
            gpio.buttons.iter().for_each(|button| names.add(&button.id, Kind::Text, false, true));
        }
        DriverSettings::Line(line) => {
            line.properties.iter().for_each(|one| names.add_read(&one.property, one.kind));
            line.outputs.iter().for_each(|output| names.add(&output.id, Kind::Boolean, true, false));
        }
        DriverSettings::Pwm(pwm) => {
            for output in &pwm.outputs {
                names.add(&output.id, number(Some("%")), true, false);
                names.properties.entry(output.id.clone()).and_modify(|name| name.is_dimmer = true);
            }
        }
        DriverSettings::Dsmr(_) => names.add_meter(),
        DriverSettings::Iio(sensor) => names.add_found(IIO, &sensor.properties),
        DriverSettings::Hwmon(sensor) => names.add_found(HWMON, &sensor.properties),
        DriverSettings::System(system) => {
            for (id, unit) in SYSTEM {
                names.add(id, unit.map_or(Kind::Text, |unit| number(Some(unit))), false, false);
            }
            system.properties.iter().filter(|property| property.unit.is_some()).for_each(|property| {
                names.add_read(property, LineKind::Number);
            });
        }
        DriverSettings::Onewire(onewire) => names.add_read(&onewire.property, LineKind::Number),
        DriverSettings::Modbus(modbus) => {
            for register in &modbus.registers {
                let is_number = register.names.is_empty() && register.bits.is_none();
                names.add_read(&register.property, if is_number { LineKind::Number } else { LineKind::Text });
                let id = register.property.id.clone();
                names.properties.entry(id).and_modify(|name| name.is_settable = register.is_settable);
            }
            modbus.outputs.iter().for_each(|output| names.add(&output.id, Kind::Boolean, true, false));
        }
    }
    names
}
