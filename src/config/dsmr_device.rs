//! Smart meters with a P1 port: `driver = "dsmr"`.

use super::driver_settings::{Checksum, DsmrDevice};
use super::house::House;
use super::property;
use super::reader::Table;
use super::text;

const CHECKSUMS: [(&str, Checksum); 4] =
    [("auto", Checksum::Auto), ("arc", Checksum::Arc), ("x25", Checksum::X25), ("none", Checksum::None)];

pub(super) fn device(house: &mut House, id: &str, table: &mut Table) -> Option<DsmrDevice> {
    let bus = table.text("bus", text::id);
    let bus = table.require("bus", bus, "\"p1\"");
    if let Some(bus) = &bus {
        house.use_bus(&bus.value, id, &bus.place);
    }
    let checksum = table.word("checksum", &CHECKSUMS).unwrap_or_default();
    let report = property::report(table);
    Some(DsmrDevice { bus: bus?.value, checksum, report })
}
