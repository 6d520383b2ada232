//! The machines of a house, played together on one virtual port. Pure.

use super::lines::PlayedLines;
use super::script::Step;
use super::sensor::{Machine, PlayedSensor};
use crate::base::Moment;
use crate::config::{DeviceSettings, DriverSettings, Settings};
use crate::device::{Command, Meta, Ticket};
use crate::drivers::door::Asked;
use crate::drivers::dsmr::DsmrMachine;
use crate::drivers::gpio::machine::LinesInput;
use crate::drivers::line::LineMachine;
use crate::drivers::modbus::Units;
use crate::drivers::onewire::Thermometer;
use crate::drivers::polled::Polled;
use crate::drivers::say::Say;
use crate::drivers::serial::{self, PortInput, PortOutput};
use crate::drivers::switches::SharedInterlocks;
use crate::drivers::{Start, hwmon, iio, system};
use std::time::Duration;

/// What leaves a player.
#[derive(Debug)]
pub(super) enum Told {
    /// Bytes leave.
    Sent(Vec<u8>),
    /// A line is driven.
    Driven { line: String, high: bool },
    /// A device tells something.
    Said { device: usize, say: Say },
}

/// The devices that are played.
pub(super) struct Player {
    part: Part,
    /// Device ids in the order of the settings, and how long a command may wait.
    devices: Vec<(String, Duration)>,
    tickets: u64,
}

enum Part {
    /// One device that has its port alone.
    Port { device: usize, machine: Box<dyn serial::Machine> },
    /// All units of one bus.
    Bus(Box<Units>),
    /// One sensor.
    Sensor(Box<PlayedSensor>),
    /// One device on lines.
    Lines(Box<PlayedLines>),
}

impl Player {
    /// The first device that can be played, and those that share its bus.
    pub(super) fn new(settings: &Settings) -> Option<Self> {
        let interlocks = SharedInterlocks::new(settings.interlocks.clone());
        let mut devices = settings.devices.iter().enumerate();
        let part = devices.find_map(|(index, device)| part(settings, &interlocks, index, device))?;
        let devices = settings.devices.iter().map(|device| (device.id.clone(), device.command_ttl)).collect();
        Some(Self { part, devices, tickets: 0 })
    }

    pub(super) fn handle(&mut self, now: Moment, step: &Step) {
        match step {
            Step::Remark(_) | Step::Result | Step::Time(_) => {}
            Step::Set { topic, payload } => self.set(now, topic, payload),
            Step::Get { topic } => {
                if let Some((device, property)) = self.of_topic(topic) {
                    self.ask(now, device, Asked::Get { property });
                }
            }
            Step::File { name, text } => {
                if let Part::Sensor(sensor) = &mut self.part {
                    match text {
                        Some(text) => drop(sensor.files.insert(name.clone(), text.clone())),
                        None => drop(sensor.files.remove(name)),
                    }
                }
            }
            Step::Received(bytes) => self.tell(now, PortInput::Received(bytes)),
            Step::Line { name, high, lost } => {
                if let Part::Lines(lines) = &mut self.part {
                    lines.set(now, name, *high, *lost);
                }
            }
            Step::Stuck { name } => {
                if let Part::Lines(lines) = &mut self.part {
                    lines.stick(name);
                }
            }
            Step::Alive { topic } => {
                if let Some((device, output)) = self.of_topic(topic) {
                    self.ask(now, device, Asked::Alive { outputs: vec![output] });
                }
            }
            Step::Plug => match &mut self.part {
                Part::Lines(lines) => lines.open(now),
                Part::Port { .. } | Part::Bus(_) | Part::Sensor(_) => self.tell(now, PortInput::Opened),
            },
            Step::Unplug => {
                self.tell(now, PortInput::Closed { kind: "closed", text: "the port was unplugged".to_owned() });
            }
            Step::Stop => match &mut self.part {
                Part::Lines(lines) => lines.handle(now, LinesInput::End),
                Part::Port { .. } | Part::Bus(_) | Part::Sensor(_) => self.tell(now, PortInput::Failsafe),
            },
        }
    }

    fn tell(&mut self, now: Moment, input: PortInput) {
        match &mut self.part {
            Part::Port { machine, .. } => machine.handle(now, input),
            Part::Bus(units) => units.handle(now, &input),
            Part::Sensor(_) | Part::Lines(_) => {}
        }
    }

    pub(super) fn pass(&mut self, now: Moment) {
        match &mut self.part {
            Part::Sensor(sensor) => sensor.pass(now),
            Part::Lines(lines) => lines.handle(now, LinesInput::Time),
            Part::Port { .. } | Part::Bus(_) => self.tell(now, PortInput::Time),
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Moment> {
        match &self.part {
            Part::Port { machine, .. } => machine.next_deadline(),
            Part::Bus(units) => units.next_deadline(),
            Part::Sensor(sensor) => Some(sensor.next_deadline()),
            Part::Lines(lines) => lines.next_deadline(),
        }
    }

    pub(super) fn poll_output(&mut self, now: Moment) -> Option<Told> {
        match &mut self.part {
            Part::Port { device, machine } => Some(match machine.poll_output()? {
                PortOutput::Send(bytes) => Told::Sent(bytes),
                PortOutput::Say(say) => Told::Said { device: *device, say },
            }),
            Part::Bus(units) => units.poll_output(now).map(|(device, output)| match output {
                PortOutput::Send(bytes) => Told::Sent(bytes),
                PortOutput::Say(say) => Told::Said { device, say },
            }),
            Part::Sensor(sensor) => sensor.poll_output(),
            Part::Lines(lines) => lines.poll_output(now),
        }
    }

    fn of_topic(&self, topic: &str) -> Option<(usize, String)> {
        let (device, property) = topic.split_once('/')?;
        let index = self.devices.iter().position(|(id, _)| id == device)?;
        Some((index, property.to_owned()))
    }

    fn set(&mut self, now: Moment, topic: &str, payload: &str) {
        let Some((device, property)) = self.of_topic(topic) else { return };
        // The door answers what is no command by itself.
        let Ok(mut command) = Command::parse(payload.as_bytes()) else { return };
        command.ttl = Some(command.ttl.unwrap_or(self.devices[device].1));
        self.tickets += 1;
        self.ask(now, device, Asked::Set { property, ticket: Ticket(self.tickets), command });
    }

    fn ask(&mut self, now: Moment, device: usize, asked: Asked) {
        match &mut self.part {
            Part::Port { device: own, machine } if *own == device => machine.handle(now, PortInput::Asked(asked)),
            Part::Bus(units) => units.asked(now, device, asked),
            Part::Sensor(sensor) => {
                if let Asked::Get { property } = asked
                    && sensor.device == device
                {
                    sensor.get(now, &property);
                }
            }
            Part::Lines(lines) if lines.device == device => lines.handle(now, LinesInput::Asked(asked)),
            Part::Port { .. } | Part::Lines(_) => {}
        }
    }
}

fn part(settings: &Settings, interlocks: &SharedInterlocks, index: usize, device: &DeviceSettings) -> Option<Part> {
    let meta = Meta { id: device.id.clone(), ..Meta::default() };
    let port = |machine| Some(Part::Port { device: index, machine });
    let played = |machine, every| Some(Part::Sensor(Box::new(PlayedSensor::new(index, machine, every))));
    let sensor = |channels, every, properties: &[_]| {
        let machine = Polled::new(Meta { id: device.id.clone(), ..Meta::default() }, properties);
        played(Machine::Channels(machine, channels), every)
    };
    match &device.driver {
        DriverSettings::Line(line) => port(Box::new(LineMachine::new(interlocks, &device.id, line, &[], Start::Fresh))),
        DriverSettings::Dsmr(dsmr) => port(Box::new(DsmrMachine::new(dsmr, meta))),
        DriverSettings::Modbus(modbus) => Some(Part::Bus(Box::new(Units::new(settings, interlocks, &modbus.bus)))),
        DriverSettings::Iio(iio) => sensor(iio::channels, iio.every, &iio.properties),
        DriverSettings::Hwmon(hwmon) => sensor(hwmon::channels, hwmon.every, &hwmon.properties),
        DriverSettings::System(system) => sensor(system::channels, system.every, &system.properties),
        DriverSettings::Onewire(onewire) => played(Machine::Thermometer(Thermometer::new(onewire)), onewire.every),
        DriverSettings::Gpio(gpio) => Some(Part::Lines(Box::new(PlayedLines::new(settings, interlocks, index, gpio)))),
        DriverSettings::Pwm(_) => None,
    }
}
