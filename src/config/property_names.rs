//! What devices have, as far as the configuration tells: the names that rules may use.

use super::driver_settings::PropertySettings;
use super::rule_names::number;
use super::settings::{DeviceSettings, DriverSettings, LineKind};
use crate::rules::expression::Kind;
use std::collections::BTreeMap;

/// One property of a device.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PropertyName {
    pub(super) kind: Kind,
    pub(super) is_settable: bool,
    pub(super) is_event: bool,
}

/// The properties of a device.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct DeviceNames {
    pub(super) properties: BTreeMap<String, PropertyName>,
    /// Whether it may have others, which only show when it runs.
    pub(super) is_open: bool,
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

    fn add(&mut self, id: &str, kind: Kind, is_settable: bool, is_event: bool) {
        self.properties.insert(id.to_owned(), PropertyName { kind, is_settable, is_event });
    }
}

/// The properties of a device.
pub(super) fn names(device: &DeviceSettings) -> DeviceNames {
    let mut names = DeviceNames::default();
    match &device.driver {
        DriverSettings::Gpio(gpio) => {
            gpio.outputs.iter().for_each(|output| names.add(&output.id, Kind::Boolean, true, false));
            gpio.inputs.iter().for_each(|input| names.add(&input.id, Kind::Boolean, false, false));
            gpio.buttons.iter().for_each(|button| names.add(&button.id, Kind::Text, false, true));
        }
        DriverSettings::Line(line) => {
            line.properties.iter().for_each(|one| names.add_read(&one.property, one.kind));
            line.outputs.iter().for_each(|output| names.add(&output.id, Kind::Boolean, true, false));
        }
        // Which values a meter, a chip or a board has shows only when it is there.
        DriverSettings::Pwm(_)
        | DriverSettings::Dsmr(_)
        | DriverSettings::Iio(_)
        | DriverSettings::Hwmon(_)
        | DriverSettings::System(_) => names.is_open = true,
        DriverSettings::Onewire(_) => names.add("temperature", number(Some("°C")), false, false),
        DriverSettings::Modbus(modbus) => {
            for register in &modbus.registers {
                let is_number = register.names.is_empty() && register.bits.is_none();
                names.add_read(&register.property, if is_number { LineKind::Number } else { LineKind::Text });
            }
            modbus.outputs.iter().for_each(|output| names.add(&output.id, Kind::Boolean, true, false));
        }
    }
    names
}
