//! The 40-pin header of a Raspberry Pi with what a house uses of it: which pins, which pulls, what floats when the
//! power of the gateway is gone, and which overlays the kernel needs.
//!
//! Source: Raspberry Pi documentation, "GPIO and the 40-pin header"; BCM2835 ARM Peripherals, table 6-31 (default
//! pulls).

use super::gpio_settings::{Bias, GpioLine, LineAddress};
use super::settings::{DriverSettings, Settings};
use crate::device::Failsafe;
use std::collections::BTreeMap;
use std::fmt::Write;

/// The names of the header's pins, 1 to 40.
pub const PINS: [&str; 40] = [
    "3V3", "5V", "GPIO2", "5V", "GPIO3", "GND", "GPIO4", "GPIO14", "GND", "GPIO15", "GPIO17", "GPIO18", "GPIO27",
    "GND", "GPIO22", "GPIO23", "3V3", "GPIO24", "GPIO10", "GND", "GPIO9", "GPIO25", "GPIO11", "GPIO8", "GND", "GPIO7",
    "GPIO0", "GPIO1", "GPIO5", "GND", "GPIO6", "GPIO12", "GPIO13", "GND", "GPIO19", "GPIO16", "GPIO26", "GPIO20",
    "GND", "GPIO21",
];

/// The kinds of uses that are a bus or a channel.
const BUSES: [&str; 4] = ["1-Wire", "I2C", "PWM", "serial"];

/// What a line does when nobody drives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// A resistor in the chip, from power-on, pulls it up.
    Up,
    /// A resistor in the chip, from power-on, pulls it down.
    Down,
}

/// What one use of a line is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// `DEVICE/PROPERTY`.
    pub owner: String,
    /// `out`, `in`, `button`, `counter`, or one of those that devices share.
    pub kind: &'static str,
    /// What to know about it.
    pub note: String,
}

/// The header of a house.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wiring {
    /// Uses by the line's name.
    pub uses: BTreeMap<String, Use>,
    /// Lines for the boot configuration, such as `dtoverlay=w1-gpio`.
    pub overlays: Vec<String>,
    /// What cannot be, or should be known.
    pub warnings: Vec<String>,
}

/// What a line of the header does from power-on until someone drives it: GPIO0 to 8 are pulled up, the others down.
pub fn rest(line: &str) -> Option<Rest> {
    let number: u32 = line.strip_prefix("GPIO")?.parse().ok()?;
    (number <= 27).then_some(if number <= 8 { Rest::Up } else { Rest::Down })
}

impl Wiring {
    /// What a house uses.
    pub fn of(settings: &Settings) -> Self {
        let mut wiring = Self::default();
        for device in &settings.devices {
            match &device.driver {
                DriverSettings::Gpio(gpio) => {
                    for output in &gpio.outputs {
                        let note = output_note(&output.line, output.output.failsafe);
                        wiring.add(&device.id, &output.id, "out", &output.line, note);
                    }
                    for input in &gpio.inputs {
                        wiring.add(&device.id, &input.id, "in", &input.line, input_note(&input.line));
                    }
                    for button in &gpio.buttons {
                        wiring.add(&device.id, &button.id, "button", &button.line, input_note(&button.line));
                    }
                    for counter in &gpio.counters {
                        wiring.add(&device.id, &counter.id, "counter", &counter.line, input_note(&counter.line));
                    }
                }
                DriverSettings::Onewire(_)
                | DriverSettings::Line(_)
                | DriverSettings::Modbus(_)
                | DriverSettings::Pwm(_)
                | DriverSettings::Dsmr(_)
                | DriverSettings::Iio(_)
                | DriverSettings::Hwmon(_)
                | DriverSettings::System(_) => {}
            }
        }
        wiring.add_overlays(settings);
        wiring.find_conflicts();
        wiring
    }

    fn add(&mut self, device: &str, property: &str, kind: &'static str, line: &GpioLine, note: String) {
        let name = match &line.address {
            LineAddress::Name(name) => name.clone(),
            // The header's chip: its offsets are the numbers of the lines.
            LineAddress::Offset { label, offset } if label.starts_with("pinctrl-") => format!("GPIO{offset}"),
            LineAddress::Offset { label, offset } => format!("{label}:{offset}"),
        };
        self.uses.insert(name, Use { owner: format!("{device}/{property}"), kind, note });
    }

    fn find_conflicts(&mut self) {
        let shared = [
            (["GPIO2", "GPIO3"].as_slice(), "I2C (dtparam=i2c_arm=on)"),
            (["GPIO14", "GPIO15"].as_slice(), "the serial console (enable_uart=1)"),
            (["GPIO7", "GPIO8", "GPIO9", "GPIO10", "GPIO11"].as_slice(), "SPI (dtparam=spi=on)"),
            (["GPIO0", "GPIO1"].as_slice(), "the EEPROM of a HAT"),
        ];
        for (lines, what) in shared {
            let is_other = |line: &&&str| self.uses.get(**line).is_some_and(|usage| !BUSES.contains(&usage.kind));
            for line in lines.iter().filter(is_other) {
                self.warnings.push(format!("{line} is also {what}: that must be off"));
            }
        }
    }

    /// The header as text, one row for each pair of pins.
    pub fn text(&self) -> String {
        let label = |pin: usize| {
            let name = PINS[pin - 1];
            self.uses.get(name).map_or_else(|| name.to_owned(), |usage| format!("{} {name}", usage.owner))
        };
        let width = (1..=39).step_by(2).map(|pin| label(pin).chars().count()).max().unwrap_or(0);
        let mut text = String::new();
        for odd in (1..=39).step_by(2) {
            let even_name = PINS[odd];
            let right = self
                .uses
                .get(even_name)
                .map_or_else(|| even_name.to_owned(), |usage| format!("{even_name} {}", usage.owner));
            let line = format!("{:>width$}  {odd:>2} o o {:<2}  {right}", label(odd), odd + 1);
            writeln!(text, "{}", line.trim_end()).expect("a string takes every text");
        }
        let elsewhere = self.uses.iter().filter(|(line, _)| !PINS.contains(&line.as_str()));
        for (line, usage) in elsewhere {
            writeln!(text, "not on the header: {line}  {}", usage.owner).expect("a string takes every text");
        }
        text.push('\n');
        for (line, usage) in &self.uses {
            writeln!(text, "{line}  {} ({}): {}", usage.owner, usage.kind, usage.note)
                .expect("a string takes every text");
        }
        for overlay in &self.overlays {
            writeln!(text, "config.txt needs: {overlay}").expect("a string takes every text");
        }
        for warning in &self.warnings {
            writeln!(text, "WARNING: {warning}").expect("a string takes every text");
        }
        text
    }

    /// The header as a drawing.
    pub fn svg(&self) -> String {
        const ROW: usize = 22;
        let height = 20 * ROW + 40;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 640 {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
             <rect x=\"294\" y=\"16\" width=\"52\" height=\"{}\" rx=\"6\" fill=\"#222\"/>\n",
            20 * ROW + 8
        );
        for (index, name) in PINS.iter().enumerate() {
            let y = 30 + index / 2 * ROW;
            let is_left = index % 2 == 0;
            let (x, text_x, anchor) = if is_left { (308, 284, "end") } else { (332, 356, "start") };
            let usage = self.uses.get(*name);
            let colour = match (usage.is_some(), *name) {
                (true, _) => "#e4572e",
                (false, "GND") => "#000",
                (false, "3V3" | "5V") => "#c00",
                (false, _) => "#bbb",
            };
            let label =
                usage.map_or_else(|| (*name).to_owned(), |usage| format!("{name}  {} ({})", usage.owner, usage.kind));
            let weight = if usage.is_some() { "bold" } else { "normal" };
            writeln!(
                svg,
                "<circle cx=\"{x}\" cy=\"{y}\" r=\"8\" fill=\"{colour}\" stroke=\"#888\"/>\
                 <text x=\"{text_x}\" y=\"{}\" text-anchor=\"{anchor}\" font-weight=\"{weight}\">{}</text>",
                y + 4,
                escaped(&label)
            )
            .expect("a string takes every text");
        }
        svg.push_str("</svg>\n");
        svg
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn output_note(line: &GpioLine, failsafe: Failsafe) -> String {
    let on_level = if line.active_low { "low" } else { "high" };
    let LineAddress::Name(name) = &line.address else {
        return format!("on is {on_level}; whether it floats when the gateway has no power depends on its chip");
    };
    let Some(rest) = rest(name) else { return format!("on is {on_level}") };
    let (pull, is_on) = match rest {
        Rest::Up => ("up", !line.active_low),
        Rest::Down => ("down", line.active_low),
    };
    let until = "from power-on until the gateway drives it, and when it has ended without releasing it";
    let state = if is_on { "ON" } else { "off" };
    let wished = match failsafe {
        Failsafe::On => Some(true),
        Failsafe::Off => Some(false),
        Failsafe::Keep => None,
    };
    let advice = if wished.is_some_and(|wished| wished != is_on) {
        let needed = if pull == "up" { "down" } else { "up" };
        format!("; that is not its failsafe state: add a resistor that pulls {needed}, or take another pin")
    } else {
        String::new()
    };
    format!("on is {on_level}; the chip pulls {pull} {until}: {state}{advice}; without power it floats")
}

fn input_note(line: &GpioLine) -> String {
    let bias = match line.bias {
        Bias::PullUp => "pulled up by the chip",
        Bias::PullDown => "pulled down by the chip",
        Bias::Disabled => "not pulled: it needs a resistor outside",
        Bias::Unchanged => "pulled as the board left it",
    };
    format!("{bias}; true is {}", if line.active_low { "low" } else { "high" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Source, check};

    fn wiring(devices: &str) -> Wiring {
        let text = format!("schema = 1\n[gateway]\nid = \"gw1\"\n{devices}");
        Wiring::of(&check(&[Source::new("house.toml", text)]).expect("a good file"))
    }

    #[test]
    fn the_header_has_every_line_once() {
        let lines: std::collections::BTreeSet<&str> =
            PINS.iter().copied().filter(|pin| pin.starts_with("GPIO")).collect();
        assert_eq!(lines.len(), 28);
        assert_eq!(PINS.iter().filter(|pin| **pin == "GND").count(), 8);
        assert_eq!((PINS[15], PINS[17]), ("GPIO23", "GPIO24"));
    }

    #[test]
    fn a_relay_that_rests_on_is_told_and_one_that_rests_off_is_not() {
        let bad = wiring("[device.a.out.x]\nline = \"GPIO23\"\nactive = \"low\"\n");
        assert!(bad.uses["GPIO23"].note.contains(": ON; that is not its failsafe state: add a resistor that pulls up"));
        let good = wiring("[device.a.out.x]\nline = \"GPIO5\"\nactive = \"low\"\n");
        assert!(good.uses["GPIO5"].note.contains(": off; without power it floats"), "{good:?}");
    }

    #[test]
    fn what_devices_need_of_the_board_is_told_with_its_pins() {
        let wiring = wiring(
            "[device.air]\ndriver = \"iio\"\nmatch = { name = \"bme280\", on = \"1-0077\" }\n\
             [device.power]\ndriver = \"hwmon\"\nmatch = { name = \"ina219\", on = \"1-0040\" }\n\
             [device.lamp.light.level]\npwm = \"pwm0\"\n[device.air-out.fan.level]\npwm = \"pwm1\"\n\
             [device.far.light.level]\npwm = \"1-0041:3\"\n[bus.p1]\npath = \"/dev/serial0\"\nmode = \"115200 8N1\"\n\
             [device.grid]\ndriver = \"dsmr\"\nbus = \"p1\"\n[device.bell.out.ring]\nline = \"GPIO18\"\n",
        );
        let expected = [
            "dtparam=i2c_arm=on",
            "dtoverlay=i2c-sensor,bme280,addr=0x77",
            "dtoverlay=pwm-2chan",
            "dtparam=audio=off",
            "enable_uart=1",
        ];
        assert_eq!(wiring.overlays, expected);
        assert_eq!(wiring.uses["GPIO2"].owner, "power, air");
        assert_eq!(wiring.uses["GPIO14"].owner, "p1");
        assert_eq!(wiring.uses["GPIO19"].owner, "air-out/level");
        let expected = [
            "power: look up the overlay of `ina219` in the README of the overlays",
            "GPIO18 is bell/ring and PWM of lamp/level: it cannot be both",
        ];
        assert_eq!(wiring.warnings, expected);
    }

    #[test]
    fn the_drawing_names_every_owner_and_conflict() {
        let wiring = wiring(
            "[device.blind.out.up]\nline = \"GPIO23\"\n[device.hall.button.press]\nline = \"GPIO4\"\n\
             [device.flow]\ndriver = \"w1\"\nrom = \"28-0316a2795cff\"\n[device.lamp.out.x]\nline = \"GPIO2\"\n",
        );
        let text = wiring.text();
        assert!(text.contains("16  GPIO23 blind/up"), "{text}");
        assert!(text.contains("config.txt needs: dtoverlay=w1-gpio"), "{text}");
        assert!(text.contains("WARNING: GPIO4 is hall/press and the 1-Wire bus of flow"), "{text}");
        assert!(text.contains("WARNING: GPIO2 is also I2C"), "{text}");
        let svg = wiring.svg();
        assert!(svg.contains("GPIO23  blind/up (out)") && svg.trim_end().ends_with("</svg>"), "{svg}");
    }
}
