//! Modbus devices: registers and coils of one unit on a bus, written out or taken from a profile.

mod profile;
mod register;

pub use profile::{PROFILES, Profile};

use super::device::{PropertyIds, interlock};
use super::driver_settings::ModbusDevice;
use super::house::House;
use super::problem::Mistake;
use super::reader::Table;
use super::suggest::nearest;
use super::text;
use register::Common;
use std::time::Duration;

/// Time between two readings when neither the register, the device nor its profile says so.
const EVERY: Duration = Duration::from_secs(10);

/// The largest request that the specification allows, in registers.
const READ_MAX: u16 = 125;

/// Registers between two wanted ones that are read along rather than asked past: a request of its own costs more.
const GAP: u16 = 8;

pub(super) fn device(house: &mut House, id: &str, table: &mut Table) -> Option<ModbusDevice> {
    let bus = table.text("bus", text::id);
    let bus = table.require("bus", bus, "\"rs485\"");
    let unit_place = table.place().clone();
    let unit = table.integer("unit", 1..=247);
    let unit = table.require("unit", unit, "1").map(|unit| unit as u8);
    if let (Some(bus), Some(unit)) = (&bus, unit) {
        house.share_bus(&bus.value, id, &bus.place);
        house.claim_unit(&bus.value, unit, id, &unit_place);
    }
    let profile = table.text("profile", |name| {
        profile::named(name).ok_or_else(|| {
            let names = PROFILES.iter().map(|(name, _)| *name);
            let hint = match nearest(name, names.clone()) {
                Some(meant) => format!("did you mean \"{meant}\"?"),
                None => format!("profiles: {}", names.collect::<Vec<_>>().join(", ")),
            };
            Mistake::new(format!("there is no profile `{name}`"), hint)
        })
    });
    let profile = profile.map(|placed| placed.value);
    let every = table.text("every", text::positive_duration).map(|placed| placed.value);
    let gap = table.integer("gap", 0..=100).map(|gap| gap as u16);
    let read_max = table.integer("read_max", 1..=READ_MAX.into()).map(|max| max as u16);
    let known = profile.as_ref();
    let base = Common { every: every.or(known.and_then(|known| known.every)).unwrap_or(EVERY) };
    let mut device = ModbusDevice {
        bus: String::new(),
        unit: 0,
        gap: gap.or(known.and_then(|known| known.gap)).unwrap_or(GAP),
        read_max: read_max.or(known.and_then(|known| known.read_max)).unwrap_or(READ_MAX),
        registers: Vec::new(),
        outputs: Vec::new(),
    };
    if let Some(profile) = profile {
        (device.registers, device.outputs) = profile.with_every(every.unwrap_or(base.every));
    }
    own_properties(table, base, &mut device);
    let ids: Vec<String> = device.outputs.iter().map(|output| output.id.clone()).collect();
    for output in &device.outputs {
        house.claim_output(format!("{id}/{}", output.id), &output.output);
    }
    interlock(house, id, table, &ids);
    if device.registers.is_empty() && device.outputs.is_empty() && !table.has("reg") && !table.has("out") {
        let hint = format!("add `profile = \"…\"`, [device.{id}.reg.NAME] or [device.{id}.out.NAME]");
        table.problem("the device has no properties", hint);
    }
    Some(ModbusDevice { bus: bus?.value, unit: unit?, ..device })
}

/// What the device's own tables add to its profile, or put in the place of what stands there.
fn own_properties(table: &mut Table, base: Common, device: &mut ModbusDevice) {
    let mut ids = PropertyIds::default();
    for (property, table) in table.named_tables("reg") {
        ids.claim(&property, "reg", &table);
        device.registers.retain(|known| known.property.id != property);
        device.outputs.retain(|known| known.id != property);
        device.registers.extend(register::register(property, table, base));
    }
    for (property, table) in table.named_tables("out") {
        ids.claim(&property, "out", &table);
        device.registers.retain(|known| known.property.id != property);
        device.outputs.retain(|known| known.id != property);
        device.outputs.extend(register::output(property, table, base));
    }
}
