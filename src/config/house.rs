//! What only shows when all files are seen together: ids, lines and buses with two owners, names of nothing.

use super::problem::{Mistake, Place};
use super::reader::Report;
use super::settings::{LineAddress, Settings};
use super::suggest::nearest;
use crate::device::{Failsafe, OutputSettings, PowerOn};
use std::collections::BTreeMap;

/// The settings read so far, and who claimed what where.
pub(super) struct House<'d> {
    pub(super) settings: Settings,
    report: &'d Report<'d>,
    sections: BTreeMap<&'static str, Place>,
    ids: BTreeMap<(&'static str, String), Place>,
    lines: BTreeMap<LineAddress, (String, Place)>,
    roms: BTreeMap<String, (String, Place)>,
    bus_uses: Vec<(String, String, Place)>,
    /// Every output as `DEVICE/OUTPUT`, with what it becomes at start and at fault.
    outputs: BTreeMap<String, (PowerOn, Failsafe)>,
    /// Outputs that interlocks over devices name.
    output_uses: Vec<(String, Place)>,
}

impl<'d> House<'d> {
    pub(super) fn new(report: &'d Report<'d>) -> Self {
        Self {
            settings: Settings::default(),
            report,
            sections: BTreeMap::new(),
            ids: BTreeMap::new(),
            lines: BTreeMap::new(),
            roms: BTreeMap::new(),
            bus_uses: Vec::new(),
            outputs: BTreeMap::new(),
            output_uses: Vec::new(),
        }
    }

    /// A section that may stand in one file only.
    pub(super) fn once(&mut self, section: &'static str, place: &Place) {
        if let Some(first) = self.sections.get(section) {
            let hint = format!("it stands at {} already; keep one of them", self.report.locate(first));
            self.report.add(place, Mistake::new(format!("second `[{section}]`"), hint));
            return;
        }
        self.sections.insert(section, place.clone());
    }

    /// An id of a bus or device, unique across all files.
    pub(super) fn claim_id(&mut self, kind: &'static str, id: &str, place: &Place) {
        let key = (kind, id.to_owned());
        if let Some(first) = self.ids.get(&key) {
            let hint = format!("it is defined at {}", self.report.locate(first));
            self.report.add(place, Mistake::new(format!("second {kind} `{id}`"), hint));
            return;
        }
        self.ids.insert(key, place.clone());
    }

    /// A GPIO line, which has one owner. `owner` is `device/property`.
    pub(super) fn claim_line(&mut self, address: &LineAddress, owner: String, place: &Place) {
        if let Some((first, first_place)) = self.lines.get(address) {
            let what = format!("line {address} belongs to `{first}` already");
            let hint = format!("see {}; one line has one owner", self.report.locate(first_place));
            self.report.add(place, Mistake::new(what, hint));
            return;
        }
        self.lines.insert(address.clone(), (owner, place.clone()));
    }

    /// A 1-Wire sensor, which is one device.
    pub(super) fn claim_rom(&mut self, rom: &str, device: &str, place: &Place) {
        if let Some((first, first_place)) = self.roms.get(rom) {
            let what = format!("sensor {rom} is device `{first}` already");
            let hint = format!("see {}", self.report.locate(first_place));
            self.report.add(place, Mistake::new(what, hint));
            return;
        }
        self.roms.insert(rom.to_owned(), (device.to_owned(), place.clone()));
    }

    /// A device that is on a bus; whether the bus exists is known at the end.
    pub(super) fn use_bus(&mut self, bus: &str, device: &str, place: &Place) {
        self.bus_uses.push((bus.to_owned(), device.to_owned(), place.clone()));
    }

    /// An output that interlocks may name. A second one of the same name is a problem already.
    pub(super) fn claim_output(&mut self, name: String, output: &OutputSettings) {
        self.outputs.insert(name, (output.power_on, output.failsafe));
    }

    /// Outputs that an interlock over devices names; whether they exist is known at the end.
    pub(super) fn use_outputs(&mut self, named: Vec<(String, Place)>) {
        self.output_uses.extend(named);
    }

    /// An interlock over devices names outputs that exist, and that nothing but a command switches on: at start and
    /// at a fault a device does not know where the others stand.
    fn check_outputs(&self, broken: bool) {
        for (name, place) in &self.output_uses {
            match self.outputs.get(name) {
                None if broken => {}
                None => {
                    let hint = match nearest(name, self.outputs.keys().map(String::as_str)) {
                        Some(meant) => format!("did you mean \"{meant}\"?"),
                        None => "write DEVICE/OUTPUT, such as \"blind/up\"".to_owned(),
                    };
                    self.report.add(place, Mistake::new(format!("there is no output `{name}`"), hint));
                }
                Some((PowerOn::Off | PowerOn::Keep, Failsafe::Off | Failsafe::Keep)) => {}
                Some(_) => {
                    let what = format!("`{name}` may go on without a command");
                    let hint = "in an interlock over devices `power_on` and `failsafe` are \"off\" or \"keep\"";
                    self.report.add(place, Mistake::new(what, hint));
                }
            }
        }
    }

    /// The settings, after the last checks. Unknown names are not reported if a file is `broken`:
    /// what they name may stand in it.
    pub(super) fn finish(self, broken: bool) -> Settings {
        self.check_outputs(broken);
        let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
        for (bus, device, place) in &self.bus_uses {
            let known = self.ids.keys().filter(|(kind, _)| *kind == "bus").map(|(_, id)| id.as_str());
            if !self.ids.contains_key(&("bus", bus.clone())) {
                if !broken {
                    let hint = match nearest(bus, known) {
                        Some(meant) => format!("did you mean `{meant}`?"),
                        None => format!("define it: [bus.{bus}]"),
                    };
                    self.report.add(place, Mistake::new(format!("there is no bus `{bus}`"), hint));
                }
            } else if let Some(first) = owners.get(bus.as_str()) {
                let what = format!("bus `{bus}` belongs to device `{first}` already");
                self.report.add(place, Mistake::new(what, "a device of driver `line` has its bus alone"));
            } else {
                owners.insert(bus, device);
            }
        }
        self.settings
    }
}
