//! What a GPIO device tells about itself.

use crate::config::{DeviceSettings, GpioDevice};
use crate::device::{Click, Meta, PropertyMeta};
use crate::drivers::{House, output_meta};

pub(super) fn describe(house: &House, device: &DeviceSettings, gpio: &GpioDevice) -> Meta {
    let mut meta = house.describe(device);
    for output in &gpio.outputs {
        let property = output_meta(house, &device.id, &output.id, &output.output);
        meta.properties.insert(output.id.clone(), property);
    }
    for input in &gpio.inputs {
        let mut property = PropertyMeta::new("boolean");
        property.class.clone_from(&input.class);
        meta.properties.insert(input.id.clone(), property);
    }
    for button in &gpio.buttons {
        let names: Vec<&str> = Click::possible(&button.button).into_iter().map(Click::name).collect();
        let mut property = PropertyMeta::new("enum");
        property.format = Some(names.join(","));
        property.retained = false;
        meta.properties.insert(button.id.clone(), property);
    }
    for counter in &gpio.counters {
        let mut property = PropertyMeta::new("float");
        property.settable = true;
        property.is_kept = true;
        property.unit.clone_from(&counter.unit);
        property.class.clone_from(&counter.class);
        meta.properties.insert(counter.id.clone(), property);
    }
    meta
}
