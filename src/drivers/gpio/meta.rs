//! What a GPIO device tells about itself.

use crate::config::{DeviceSettings, GpioDevice};
use crate::device::{Click, Meta, PropertyMeta};
use crate::drivers::{House, output_meta};

pub(super) fn describe(house: &House, device: &DeviceSettings, gpio: &GpioDevice) -> Meta {
    let mut meta = house.describe(device);
    let ids: Vec<&str> = gpio.outputs.iter().map(|output| output.id.as_str()).collect();
    for (index, output) in gpio.outputs.iter().enumerate() {
        let property = output_meta(&output.output, index, &ids, gpio.interlock.as_ref());
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
    meta
}
