//! Which overlays a house needs in the boot configuration of a Raspberry Pi, and which pins these take.
//!
//! Meant to say what the overlays' own README in Raspberry Pi's firmware says (`w1-gpio`, `i2c-sensor`, `ads1115`, `pwm`,
//! `pwm-2chan`), and Raspberry Pi's documentation, "Configure UARTs". Held against quotations of it: the pins of `pwm`, and
//! `bme280`. The other parameters and addresses of `i2c-sensor` were written from memory and want a look.

use super::driver_settings::SensorDevice;
use super::gpio_settings::PwmDevice;
use super::settings::{DriverSettings, GpioBackend, PortSource, Settings};
use super::wiring::{Use, Wiring};

/// Sensors that `i2c-sensor` has a parameter for: the name their driver gives them, the parameter, the address that it
/// takes when nothing is said.
const I2C_SENSORS: [(&str, &str, &str); 12] = [
    ("bme280", "bme280", "76"),
    ("bmp280", "bmp280", "76"),
    ("bmp180", "bmp180", "77"),
    ("bme680", "bme680", "76"),
    ("sht3x", "sht3x", "44"),
    ("sht4x", "sht4x", "44"),
    ("htu21", "htu21", "40"),
    ("hdc100x", "hdc100x", "40"),
    ("lm75", "lm75", "4f"),
    ("si7020", "si7020", "40"),
    ("bh1750", "bh1750", "23"),
    ("veml7700", "veml7700", "10"),
];

/// The two lines of the header's I2C bus.
const I2C: [&str; 2] = ["GPIO2", "GPIO3"];

/// The two lines of the header's serial port.
const UART: [&str; 2] = ["GPIO14", "GPIO15"];

/// The line of each PWM channel, as the overlays have it when nothing is said.
const PWM: [&str; 2] = ["GPIO18", "GPIO19"];

impl Wiring {
    /// Everything that needs an overlay.
    pub(super) fn add_overlays(&mut self, settings: &Settings) {
        let mut channels = [false; 2];
        for device in &settings.devices {
            match &device.driver {
                DriverSettings::Onewire(onewire) if onewire.simulate.is_none() => self.onewire(&device.id),
                DriverSettings::Iio(sensor) | DriverSettings::Hwmon(sensor) => self.sensor(&device.id, sensor),
                DriverSettings::Pwm(pwm) if settings.gpio != GpioBackend::Simulated => {
                    self.pwm(&device.id, pwm, &mut channels);
                }
                DriverSettings::Onewire(_)
                | DriverSettings::Pwm(_)
                | DriverSettings::Gpio(_)
                | DriverSettings::Line(_)
                | DriverSettings::Modbus(_)
                | DriverSettings::Dsmr(_)
                | DriverSettings::System(_) => {}
            }
        }
        match channels {
            [true, true] => self.overlay("dtoverlay=pwm-2chan"),
            [true, false] => self.overlay("dtoverlay=pwm"),
            [false, true] => self.overlay("dtoverlay=pwm,pin=19,func=2"),
            [false, false] => {}
        }
        if channels != [false; 2] {
            self.overlay("dtparam=audio=off");
        }
        for bus in &settings.buses {
            let is_header = |path: &std::path::Path| {
                ["/dev/serial0", "/dev/ttyAMA0", "/dev/ttyS0"].iter().any(|port| path == std::path::Path::new(port))
            };
            if matches!(&bus.port, PortSource::Path(path) if is_header(path)) {
                self.overlay("enable_uart=1");
                for line in UART {
                    self.reserve(line, &bus.id, "serial", "3.3 V; no console may be on it");
                }
            }
        }
    }

    /// The 1-Wire bus is on GPIO4 unless its overlay says otherwise.
    fn onewire(&mut self, device: &str) {
        self.overlay("dtoverlay=w1-gpio");
        if let Some(taken) = self.uses.get("GPIO4").filter(|taken| taken.kind != "1-Wire") {
            let owner = taken.owner.clone();
            self.warnings.push(format!(
                "GPIO4 is {owner} and the 1-Wire bus of {device}; give the bus another pin: dtoverlay=w1-gpio,gpiopin=…"
            ));
            return;
        }
        self.reserve("GPIO4", device, "1-Wire", "needs a resistor of 4.7 kΩ to 3V3");
    }

    /// A sensor whose place is an address on a bus of I2C, `1-0076`.
    fn sensor(&mut self, device: &str, sensor: &SensorDevice) {
        let place = sensor.matching.on.as_deref().and_then(|on| on.split_once("-00"));
        let known = I2C_SENSORS.iter().find(|(name, ..)| *name == sensor.matching.name);
        let is_adc = sensor.matching.name.starts_with("ads10") || sensor.matching.name.starts_with("ads11");
        if place.is_none() && known.is_none() && !is_adc {
            return;
        }
        self.overlay("dtparam=i2c_arm=on");
        for line in I2C {
            self.reserve(line, device, "I2C", "pulled up by 1.8 kΩ on the board");
        }
        if let Some((_, parameter, usual)) = known {
            let address = place.map_or(*usual, |(_, address)| address);
            let address = if address == *usual { String::new() } else { format!(",addr=0x{address}") };
            self.overlay(&format!("dtoverlay=i2c-sensor,{parameter}{address}"));
        } else if is_adc {
            self.overlay("dtoverlay=ads1115");
        } else {
            let name = &sensor.matching.name;
            self.warnings.push(format!("{device}: look up the overlay of `{name}` in the README of the overlays"));
        }
    }

    /// Channels of the processor's own chip; one with a name of another kind is elsewhere.
    fn pwm(&mut self, device: &str, pwm: &PwmDevice, channels: &mut [bool; 2]) {
        for output in &pwm.outputs {
            let is_own = output.channel.chip.as_ref().is_none_or(|chip| chip.split('.').nth(1) == Some("pwm"));
            if let Some(line) = PWM.get(output.channel.number as usize).filter(|_| is_own) {
                channels[output.channel.number as usize] = true;
                let owner = format!("{device}/{}", output.id);
                self.reserve(line, &owner, "PWM", "no sound from the jack: it uses the same channels");
            }
        }
    }

    fn overlay(&mut self, line: &str) {
        if !self.overlays.iter().any(|known| known == line) {
            self.overlays.push(line.to_owned());
        }
    }

    /// Takes a line for a bus or channel, which devices may share among themselves but with nobody else.
    fn reserve(&mut self, line: &str, owner: &str, kind: &'static str, note: &str) {
        match self.uses.get_mut(line) {
            None => {
                let usage = Use { owner: owner.to_owned(), kind, note: note.to_owned() };
                self.uses.insert(line.to_owned(), usage);
            }
            Some(taken) if taken.kind == kind => taken.owner = format!("{owner}, {}", taken.owner),
            Some(taken) => {
                self.warnings.push(format!("{line} is {} and {kind} of {owner}: it cannot be both", taken.owner));
            }
        }
    }
}
