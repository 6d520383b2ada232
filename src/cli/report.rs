//! What is said when the gateway is ready, as text: what was kept, which devices there are and where, what to try.

use crate::config::{DeviceSettings, DriverSettings, GpioBackend, PortSource, Settings, SimulatedPeer};
use crate::daemon::Started;
use std::fmt::Write;
use std::net::SocketAddr;

/// A number and what is counted: `1 problem`, `2 problems`.
pub fn count(number: usize, what: &str) -> String {
    let plural = if what.ends_with('s') { "es" } else { "s" };
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}{plural}") }
}

/// What a configuration holds, in a line.
pub fn contents(settings: &Settings) -> String {
    let mut text = format!("{}, {}", count(settings.devices.len(), "device"), count(settings.buses.len(), "bus"));
    let (rules, tests) = (settings.rules.rules.len(), settings.rules.tests.len());
    if rules > 0 {
        write!(text, ", {}, {} passed", count(rules, "rule"), count(tests, "test")).expect("a string takes every text");
    }
    text
}

/// What is there, and the first commands to try. `program` is how this program was called, so that the commands can be copied.
pub fn start(started: &Started, settings: &Settings, program: &str) -> String {
    let restored = &started.restored;
    let mut text = format!(
        "kept from before: {}, {}, {}\n",
        count(restored.sessions, "session"),
        count(restored.retained, "retained message"),
        count(restored.queued, "queued message"),
    );
    text.push_str(&devices(settings));
    if let Some(address) = started.plain_address() {
        text.push_str(&first_commands(settings, address, program));
    }
    text
}

fn devices(settings: &Settings) -> String {
    let mut text = String::new();
    let width = settings.devices.iter().map(|device| device.id.len()).max().unwrap_or(0);
    for device in &settings.devices {
        let place = place(settings, device);
        let driver = device.driver.name();
        writeln!(text, "device {:width$}  {driver:4}  {place}", device.id).expect("a string takes every text");
    }
    text
}

/// Where a device is: its lines, its port, its sensor.
fn place(settings: &Settings, device: &DeviceSettings) -> String {
    match &device.driver {
        DriverSettings::Gpio(gpio) => {
            let outputs = gpio.outputs.iter().map(|output| (&output.id, &output.line));
            let inputs = gpio.inputs.iter().map(|input| (&input.id, &input.line));
            let buttons = gpio.buttons.iter().map(|button| (&button.id, &button.line));
            let counters = gpio.counters.iter().map(|counter| (&counter.id, &counter.line));
            let lines = outputs.chain(inputs).chain(buttons).chain(counters);
            let lines: Vec<String> = lines.map(|(id, line)| format!("{id} on {}", line.address)).collect();
            let simulated = if settings.gpio == GpioBackend::Simulated { " (simulated)" } else { "" };
            format!("{}{simulated}", lines.join(", "))
        }
        DriverSettings::Line(line) => bus_place(settings, &line.bus),
        DriverSettings::Pwm(pwm) => {
            let outputs = pwm.outputs.iter().map(|output| format!("{} on {}", output.id, output.channel));
            outputs.collect::<Vec<_>>().join(", ")
        }
        DriverSettings::Modbus(modbus) => format!("unit {} on {}", modbus.unit, bus_place(settings, &modbus.bus)),
        DriverSettings::Dsmr(dsmr) => bus_place(settings, &dsmr.bus),
        DriverSettings::Iio(sensor) | DriverSettings::Hwmon(sensor) => {
            let on = sensor.matching.on.as_ref().map_or(String::new(), |on| format!(" on {on}"));
            format!("sensor {}{on}", sensor.matching.name)
        }
        DriverSettings::System(_) => "this machine".to_owned(),
        DriverSettings::Onewire(onewire) => {
            let simulated = if onewire.simulate.is_some() { " (simulated)" } else { "" };
            format!("sensor {}{simulated}", onewire.rom)
        }
    }
}

fn bus_place(settings: &Settings, id: &str) -> String {
    match settings.buses.iter().find(|bus| bus.id == id).map(|bus| &bus.port) {
        Some(PortSource::Path(path)) => format!("bus {id} at {}", path.display()),
        Some(PortSource::Tcp(address)) => format!("bus {id} at {address}"),
        Some(PortSource::Simulated(SimulatedPeer::Arduino)) => {
            format!("bus {id} (simulated Arduino on a pseudo-terminal)")
        }
        None => format!("bus {id}"),
    }
}

/// Commands that show what there is: to watch, to switch something, to press something simulated.
fn first_commands(settings: &Settings, address: SocketAddr, program: &str) -> String {
    let base = &settings.gateway.base;
    let to = if address == super::LISTEN_DEFAULT {
        String::new()
    } else {
        format!(" -h {} -p {}", address.ip(), address.port())
    };
    let mut lines = vec![format!("{program} sub{to} -v -t '#'")];
    if let Some((device, output)) = first_output(settings) {
        lines.push(format!("{program} pub{to} -t {base}/{device}/{output}/set -m toggle"));
    }
    if settings.gpio == GpioBackend::Simulated
        && let Some(line) = first_button(settings)
    {
        lines.push(format!("{program} pub{to} -t '{base}/$gw/simulate/{line}/set' -m press"));
    }
    format!("try: {}", lines.join("\n     "))
}

fn first_output(settings: &Settings) -> Option<(&str, &str)> {
    settings.devices.iter().find_map(|device| {
        let output = match &device.driver {
            DriverSettings::Gpio(gpio) => gpio.outputs.first().map(|output| &output.id),
            DriverSettings::Line(line) => line.outputs.first().map(|output| &output.id),
            DriverSettings::Modbus(modbus) => modbus.outputs.first().map(|output| &output.id),
            DriverSettings::Pwm(pwm) => pwm.outputs.first().map(|output| &output.id),
            DriverSettings::Onewire(_)
            | DriverSettings::Dsmr(_)
            | DriverSettings::Iio(_)
            | DriverSettings::Hwmon(_)
            | DriverSettings::System(_) => None,
        };
        output.map(|output| (device.id.as_str(), output.as_str()))
    })
}

fn first_button(settings: &Settings) -> Option<String> {
    settings.devices.iter().find_map(|device| match &device.driver {
        DriverSettings::Gpio(gpio) => gpio.buttons.first().map(|button| button.line.address.to_string()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::Restored;
    use crate::config::{ListenAddress, Protocol, Source, check};
    use crate::daemon::Listening;

    fn plain(address: SocketAddr) -> Vec<Listening> {
        vec![Listening { address: ListenAddress::Tcp(address), protocol: Protocol::Mqtt, has_tls: false }]
    }

    #[test]
    fn the_demo_house_is_told_with_commands_that_fit_it() {
        let text = include_str!("../../examples/demo/gatehouse.toml");
        let settings = check(&[Source::new("gatehouse.toml", text)]).expect("the example is without problems");
        let listening = plain("127.0.0.1:4000".parse().expect("an address"));
        let started = Started { listening, restored: Restored { sessions: 1, retained: 2, ..Restored::default() } };
        let expected = "\
kept from before: 1 session, 2 retained messages, 0 queued messages
device blind        gpio  up on GPIO23, down on GPIO24 (simulated)
device front-door   gpio  contact on GPIO5 (simulated)
device hall-button  gpio  press on GPIO6 (simulated)
device boiler-flow  w1    sensor 28-0316a2795cff (simulated)
device greenhouse   line  bus uno (simulated Arduino on a pseudo-terminal)
try: gatehouse sub -h 127.0.0.1 -p 4000 -v -t '#'
     gatehouse pub -h 127.0.0.1 -p 4000 -t home/blind/up/set -m toggle
     gatehouse pub -h 127.0.0.1 -p 4000 -t 'home/$gw/simulate/GPIO6/set' -m press";
        assert_eq!(start(&started, &settings, "gatehouse"), expected);
        assert_eq!(contents(&settings), "5 devices, 1 bus, 2 rules, 2 tests passed");
    }

    #[test]
    fn a_plain_broker_is_told_in_two_lines() {
        let started = Started { listening: plain(super::super::LISTEN_DEFAULT), restored: Restored::default() };
        let text = start(&started, &Settings::default(), "target/debug/gatehouse");
        assert!(text.ends_with("\ntry: target/debug/gatehouse sub -v -t '#'"), "{text}");
    }
}
