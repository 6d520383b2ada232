//! Serial devices that speak in lines of text, such as an Arduino that prints `T:21.5;H:412;P:1`.

mod failsafe;
mod format;
mod machine;
pub(super) mod peer;

pub(super) use failsafe::failsafe;
pub(super) use machine::LineMachine;

use super::door::Door;
use super::{DriverError, House, Start, output_meta, serial, values};
use crate::config::{DeviceSettings, LineDevice, LineKind};
use crate::device::Meta;
use tokio::sync::watch;

/// Runs a device until `stop` says so.
///
/// # Errors
/// When the connection to the broker fails. A port that fails is opened again.
pub(super) async fn run(
    house: &House,
    device: &DeviceSettings,
    line: &LineDevice,
    start: Start,
    stop: watch::Receiver<bool>,
) -> Result<(), DriverError> {
    let mut meta = house.describe(device);
    for output in &line.outputs {
        let about = output_meta(house, &device.id, &output.id, &output.output);
        meta.properties.insert(output.id.clone(), about);
    }
    describe(&mut meta, line);
    let outputs = line.outputs.iter();
    let outputs: Vec<_> = outputs.map(|output| (output.id.as_str(), output.output.heartbeat.as_ref())).collect();
    let door = Door::open(house, device, &meta, start, &outputs).await?;
    let last: Vec<Option<bool>> = line.outputs.iter().map(|output| door.last_switch(&output.id)).collect();
    let machine = LineMachine::new(&house.interlocks, &device.id, line, &last, start);
    serial::run(house, &line.bus, door, machine, stop).await
}

fn describe(meta: &mut Meta, line: &LineDevice) {
    for reported in &line.properties {
        let datatype = match reported.kind {
            LineKind::Number => "float",
            LineKind::Boolean => "boolean",
            LineKind::Text => "string",
        };
        values::describe(meta, &reported.property, datatype);
    }
}
