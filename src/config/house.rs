//! What only shows when all files are seen together: ids, lines and buses with two owners, names of nothing.

use super::gpio_settings::{LineAddress, PwmChannel};
use super::problem::{Mistake, Place};
use super::reader::Report;
use super::settings::{PortSource, Settings};
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
    pwm: BTreeMap<PwmChannel, (String, Place)>,
    units: BTreeMap<(String, u8), String>,
    bus_uses: Vec<BusUse>,
    /// Every output as `DEVICE/OUTPUT`, with what it becomes at start and at fault.
    outputs: BTreeMap<String, (PowerOn, Failsafe)>,
    /// Outputs that interlocks over devices name.
    output_uses: Vec<(String, Place)>,
}

/// A device that is on a bus.
struct BusUse {
    bus: String,
    device: String,
    place: Place,
    /// Whether other devices may be on it as well.
    is_shared: bool,
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
            pwm: BTreeMap::new(),
            units: BTreeMap::new(),
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

    /// A PWM channel, which has one owner. `owner` is `device/property`.
    pub(super) fn claim_pwm(&mut self, channel: &PwmChannel, owner: String, place: &Place) {
        if let Some((first, first_place)) = self.pwm.get(channel) {
            let what = format!("{channel} belongs to `{first}` already");
            let hint = format!("see {}; one channel has one owner", self.report.locate(first_place));
            self.report.add(place, Mistake::new(what, hint));
            return;
        }
        self.pwm.insert(channel.clone(), (owner, place.clone()));
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

    /// A device that has a bus alone; whether the bus exists is known at the end.
    pub(super) fn use_bus(&mut self, bus: &str, device: &str, place: &Place) {
        self.bus_use(bus, device, place, false);
    }

    /// A device that shares its bus with others of its driver.
    pub(super) fn share_bus(&mut self, bus: &str, device: &str, place: &Place) {
        self.bus_use(bus, device, place, true);
    }

    fn bus_use(&mut self, bus: &str, device: &str, place: &Place, is_shared: bool) {
        let (bus, device, place) = (bus.to_owned(), device.to_owned(), place.clone());
        self.bus_uses.push(BusUse { bus, device, place, is_shared });
    }

    /// A unit of a bus, which is one device.
    pub(super) fn claim_unit(&mut self, bus: &str, unit: u8, device: &str, place: &Place) {
        if let Some(first) = self.units.get(&(bus.to_owned(), unit)) {
            let what = format!("unit {unit} of bus `{bus}` is device `{first}` already");
            self.report.add(place, Mistake::new(what, "put all its registers into one device"));
            return;
        }
        self.units.insert((bus.to_owned(), unit), device.to_owned());
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
        let mut owners: BTreeMap<&str, &BusUse> = BTreeMap::new();
        for used in &self.bus_uses {
            if !self.ids.contains_key(&("bus", used.bus.clone())) {
                if !broken {
                    self.no_such_bus(used);
                }
                continue;
            }
            let bus = self.settings.buses.iter().find(|bus| bus.id == used.bus);
            if !used.is_shared && bus.is_some_and(|bus| matches!(bus.port, PortSource::Tcp(_))) {
                let what = format!("bus `{}` is no serial port", used.bus);
                self.report.add(&used.place, Mistake::new(what, "only driver `modbus` works over TCP"));
            }
            let first = *owners.entry(&used.bus).or_insert(used);
            if first.device != used.device && !(first.is_shared && used.is_shared) {
                let what = format!("bus `{}` belongs to device `{}` already", used.bus, first.device);
                self.report.add(&used.place, Mistake::new(what, "only devices of driver `modbus` share a bus"));
            }
        }
        self.settings
    }

    fn no_such_bus(&self, used: &BusUse) {
        let known = self.ids.keys().filter(|(kind, _)| *kind == "bus").map(|(_, id)| id.as_str());
        let hint = match nearest(&used.bus, known) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("define it: [bus.{}]", used.bus),
        };
        self.report.add(&used.place, Mistake::new(format!("there is no bus `{}`", used.bus), hint));
    }
}
