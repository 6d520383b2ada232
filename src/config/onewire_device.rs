//! 1-Wire thermometers: `driver = "w1"`.

use super::driver_settings::PropertySettings;
use super::house::House;
use super::property;
use super::reader::Table;
use super::settings::OnewireDevice;
use super::text;
use crate::device::RejectSettings;
use std::time::Duration;

/// The one property of a thermometer.
const TEMPERATURE: &str = "temperature";

/// Time between two readings.
const EVERY: Duration = Duration::from_secs(10);

/// Readings in a row that make an unlikely one true.
const TRIES: u8 = 3;

pub(super) fn device(house: &mut House, id: &str, table: &mut Table) -> Option<OnewireDevice> {
    let rom = table.text("rom", text::rom);
    let rom = table.require("rom", rom, "\"28-0316a2795cff\"");
    if let Some(rom) = &rom {
        house.claim_rom(&rom.value, id, &rom.place);
    }
    let every = table.text("every", text::positive_duration).map_or(EVERY, |placed| placed.value);
    let simulate = table.number("simulate").map(|placed| placed.value);
    let reject = match table.table("reject") {
        Some(table) => reject(table),
        None => RejectSettings { power_on_85: true, max_step: None, tries: TRIES },
    };
    let property = property(table);
    Some(OnewireDevice { rom: rom?.value, every, reject, simulate, property })
}

/// `prop.temperature`: what all values can have.
fn property(device: &mut Table) -> PropertySettings {
    let mut property = PropertySettings { id: TEMPERATURE.to_owned(), ..PropertySettings::default() };
    for (id, mut table) in device.named_tables("prop") {
        if id != TEMPERATURE {
            table.problem(format!("a thermometer has no `{id}`"), "its one property is `temperature`");
        }
        property = property::property(TEMPERATURE.to_owned(), &mut table);
        table.close(&[]);
    }
    property.unit.get_or_insert_with(|| "°C".to_owned());
    property.class.get_or_insert_with(|| TEMPERATURE.to_owned());
    property
}

fn reject(mut table: Table) -> RejectSettings {
    let power_on_85 = table.boolean("power_on_85").unwrap_or(true);
    let max_step = table.number("max_step");
    if let Some(step) = max_step.as_ref().filter(|step| step.value <= 0.0) {
        table.problem_at(&step.place, "`max_step` is not positive", "leave it out if any step may be true");
    }
    let tries = table.integer("tries", 1..=100).map_or(TRIES, |tries| tries as u8);
    table.close(&[]);
    RejectSettings { power_on_85, max_step: max_step.map(|step| step.value), tries }
}
