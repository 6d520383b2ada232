//! Profiles: the registers of common meters, relays and sensors, as data files in the binary.

use super::super::driver_settings::{ModbusOutput, Register};
use super::super::problem::Source;
use super::super::reader::{Report, Table};
use super::super::text;
use super::register::{self, Common};
use super::{EVERY, READ_MAX};
use std::time::Duration;

macro_rules! profiles {
    ($($name:literal),* $(,)?) => {
        /// Every profile: its name and its text.
        pub const PROFILES: &[(&str, &str)] = &[$(($name, include_str!(concat!("profiles/", $name, ".toml")))),*];
    };
}

profiles![
    "eastron-sdm120",
    "eastron-sdm230",
    "eastron-sdm630",
    "eastron-sdm72d",
    "orno-we-514",
    "hiking-dds238",
    "peacefair-pzem-016",
    "abb-b23",
    "carlo-gavazzi-em340",
    "waveshare-relay-8",
    "wiren-board-wb-mr6c",
    "xy-md02",
];

/// The registers of one kind of device.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// Name for people.
    pub title: String,
    /// The document the figures come from.
    pub source: String,
    /// Time between two readings, if the device needs another than the usual.
    pub every: Option<Duration>,
    /// Registers that are read along.
    pub gap: Option<u16>,
    /// Registers of the largest request it answers.
    pub read_max: Option<u16>,
    /// Its values.
    pub registers: Vec<Register>,
    /// Its switches.
    pub outputs: Vec<ModbusOutput>,
    /// Which registers and switches say themselves how often they are read.
    own_every: Vec<String>,
}

impl Profile {
    /// Registers and switches, read every `every` where the profile does not say otherwise.
    pub(super) fn with_every(mut self, every: Duration) -> (Vec<Register>, Vec<ModbusOutput>) {
        for register in self.registers.iter_mut().filter(|known| !self.own_every.contains(&known.property.id)) {
            register.every = every;
        }
        for output in self.outputs.iter_mut().filter(|known| !self.own_every.contains(&known.id)) {
            output.every = every;
        }
        (self.registers, self.outputs)
    }
}

/// The profile of this name.
pub(super) fn named(name: &str) -> Option<Profile> {
    let (name, text) = PROFILES.iter().find(|(known, _)| *known == name)?;
    Some(read(name, text).expect("every shipped profile is read by a test"))
}

/// Reads a profile; the error is every problem in it, one a line.
fn read(name: &str, text: &str) -> Result<Profile, String> {
    let sources = [Source::new(format!("{name}.toml"), text)];
    let report = Report::new(&sources);
    let document = super::super::parse(&report, 0, &sources[0]);
    let profile = document.as_ref().and_then(|document| profile(Table::root(&report, 0, document)));
    let problems = report.into_problems();
    match profile {
        Some(profile) if problems.is_empty() => Ok(profile),
        _ => Err(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
    }
}

fn profile(mut root: Table) -> Option<Profile> {
    let title = root.text("title", text::words);
    let title = root.require("title", title, "\"Eastron SDM120\"");
    let source = root.text("source", text::words);
    let source = root.require("source", source, "\"the maker's document\"");
    let every = root.text("every", text::positive_duration).map(|placed| placed.value);
    let gap = root.integer("gap", 0..=100).map(|gap| gap as u16);
    let read_max = root.integer("read_max", 1..=READ_MAX.into()).map(|max| max as u16);
    let common = Common { every: every.unwrap_or(EVERY) };
    let mut own_every = Vec::new();
    let mut registers = Vec::new();
    for (id, table) in root.named_tables("reg") {
        if table.has("every") {
            own_every.push(id.clone());
        }
        registers.extend(register::register(id, table, common));
    }
    let mut outputs = Vec::new();
    for (id, table) in root.named_tables("out") {
        if table.has("every") {
            own_every.push(id.clone());
        }
        outputs.extend(register::output(id, table, common));
    }
    root.close(&[]);
    let (title, source) = (title?.value, source?.value);
    Some(Profile { title, source, every, gap, read_max, registers, outputs, own_every })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_profile_is_without_problems_and_names_its_source() {
        assert!(PROFILES.len() >= 10);
        for (name, text) in PROFILES {
            let profile = read(name, text).unwrap_or_else(|problems| panic!("{problems}"));
            assert!(profile.source.len() > 20, "{name} names its source");
            assert!(!profile.registers.is_empty() || !profile.outputs.is_empty(), "{name} has properties");
        }
    }

    #[test]
    fn no_two_properties_of_a_profile_share_an_id_or_overlap_by_mistake() {
        for (name, text) in PROFILES {
            let profile = read(name, text).expect("a profile");
            let mut ids = BTreeSet::new();
            for id in profile.registers.iter().map(|known| &known.property.id) {
                assert!(ids.insert(id), "{name}: {id}");
            }
            for id in profile.outputs.iter().map(|known| &known.id) {
                assert!(ids.insert(id), "{name}: {id}");
            }
            let mut taken = BTreeSet::new();
            for register in profile.registers.iter().filter(|register| register.bits.is_none()) {
                for offset in 0..register.kind.length() {
                    let place = (register.table, usize::from(register.address) + offset);
                    assert!(taken.insert(place), "{name}: {} overlaps another", register.property.id);
                }
            }
        }
    }

    #[test]
    fn a_profile_with_mistakes_says_all_of_them() {
        let problems = read("bad", "title = 5\n[reg.x]\ntype = \"f3\"\n").expect_err("mistakes");
        assert!(problems.contains("bad.toml:1:9") && problems.contains("did you mean \"f32\"?"), "{problems}");
        assert!(problems.contains("`source` is missing") && problems.contains("`address` is missing"), "{problems}");
    }
}
