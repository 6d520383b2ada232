//! Configuration: text → checked [`Settings`], or every [`Problem`] in it at once.
//!
//! Knows the written form of a house and nothing else: it opens no file, asks no kernel for a line and no clock for
//! the time. A file with five mistakes yields five problems, each with its file, line, column, key and a hint.

mod bus;
mod device;
mod driver_settings;
mod dsmr_device;
mod gateway;
mod gpio_device;
mod gpio_settings;
mod house;
mod line_device;
mod listener;
mod listener_settings;
mod modbus;
mod onewire_device;
mod overlays;
mod problem;
mod property;
mod property_names;
mod provision;
mod pwm_device;
mod reader;
mod rule;
mod rule_action;
mod rule_names;
mod rule_test;
mod rule_trigger;
mod sensor_device;
mod settings;
mod suggest;
mod text;
mod users;
mod wiring;

pub use driver_settings::*;
pub use gpio_settings::*;
pub use listener_settings::*;
pub use modbus::{PROFILES, Profile};
pub use problem::{Problem, Source};
pub use provision::{Ethernet, Found, Provision, read_cloud_init, read_preseed, status};
pub use settings::*;
pub use users::check_users;
pub use wiring::{PINS, Rest, Use, Wiring, rest};

use house::House;
use problem::{Mistake, Place};
use reader::{Report, Table};
use rule::RuleTables;
use std::sync::Arc;
use toml::Spanned;
use toml::de::DeTable;

/// The version of the written form that this program reads.
const SCHEMA: u64 = 1;

/// The largest file that is read, in bytes: a house of hundreds of devices fits many times.
pub const FILE_SIZE_MAX: usize = 1 << 20;

/// Checks all files of one configuration together.
///
/// The files are parts of one house: a section may stand in any of them, an id in one only.
/// Returns every problem found, in the order of files and lines.
pub fn check(files: &[Source]) -> Result<Settings, Vec<Problem>> {
    let report = Report::new(files);
    let mut documents = Vec::new();
    for (file, source) in files.iter().enumerate() {
        if let Some(document) = parse(&report, file, source) {
            documents.push((file, document));
        }
    }
    let broken = documents.len() < files.len();
    let mut house = House::new(&report);
    let mut tables = RuleTables::default();
    for (file, document) in &documents {
        read_file(&mut house, &mut tables, Table::root(&report, *file, document));
    }
    house.settings.rules = Arc::new(rule::rules(&house, tables, broken));
    let settings = house.finish(broken);
    let problems = report.into_problems();
    if problems.is_empty() { Ok(settings) } else { Err(problems) }
}

/// The document in a file; `None` if there is something wrong with it, and nothing is reported that is none:
/// what can be recovered around an error would only bring such problems.
fn parse<'s>(report: &Report<'_>, file: usize, source: &'s Source) -> Option<Spanned<DeTable<'s>>> {
    if source.text.len() > FILE_SIZE_MAX {
        let place = Place { file, span: 0..0, key: String::new() };
        report.add(&place, Mistake::new(format!("the file is larger than {FILE_SIZE_MAX} bytes"), "split it"));
        return None;
    }
    let (document, errors) = DeTable::parse_recoverable(&source.text);
    for error in &errors {
        let place = Place { file, span: error.span().unwrap_or_default(), key: String::new() };
        report.add(&place, Mistake::new(format!("not TOML: {}", error.message()), ""));
    }
    errors.is_empty().then_some(document)
}

fn schema(root: &mut Table<'_>) {
    let schema = root.whole("schema", |schema| match schema {
        SCHEMA => Ok(()),
        other => Err(Mistake::new(format!("schema {other} is not known"), format!("this version reads {SCHEMA}"))),
    });
    root.require("schema", schema, "1");
}

fn read_file<'d>(house: &mut House<'d>, tables: &mut RuleTables<'d>, mut root: Table<'d>) {
    schema(&mut root);
    if let Some(table) = root.table("gateway") {
        house.once("gateway", table.place());
        house.settings.gateway = gateway::gateway(table);
    }
    if let Some(table) = root.table("broker") {
        house.once("broker", table.place());
        house.settings.broker = gateway::broker(table);
    }
    if let Some(table) = root.table("gpio") {
        house.once("gpio", table.place());
        house.settings.gpio = gateway::gpio(table);
    }
    for (id, table) in root.named_tables("bus") {
        house.claim_id("bus", &id, table.place());
        if let Some(bus) = bus::bus(id, table) {
            house.settings.buses.push(bus);
        }
    }
    for (id, table) in root.named_tables("device") {
        house.claim_id("device", &id, table.place());
        if let Some(device) = device::device(house, id, table) {
            house.settings.devices.push(device);
        }
    }
    for (id, table) in root.named_tables("interlock") {
        house.claim_id("interlock", &id, table.place());
        device::house_interlock(house, table);
    }
    if let Some(table) = root.table("house") {
        house.once("house", table.place());
        tables.house = Some(table);
    }
    for (id, table) in root.named_tables("rule") {
        house.claim_id("rule", &id, table.place());
        tables.rules.push((id, table));
    }
    for (id, table) in root.named_tables("scene") {
        house.claim_id("scene", &id, table.place());
        tables.scenes.push((id, table));
    }
    tables.tests.extend(root.tables("test"));
    root.close(&["listener", "bridge", "user", "web"]);
}
