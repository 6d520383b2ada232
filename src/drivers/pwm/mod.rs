//! Dimmers and fans on the channels of a PWM chip.

mod io;

use super::door::{Asked, Door};
use super::failsafe::{Driven, word};
use super::gpio::lines::Backend;
use super::{DriverError, House, Start, backend, stopped};
use crate::base::Moment;
use crate::config::{DeviceSettings, DriverSettings, PwmDevice, PwmOutput, Settings};
use crate::device::{Dimmer, DimmerEvent, PropertyMeta, Value};
use io::Channel;
use std::path::Path;
use tokio::sync::watch;

/// Where the kernel shows its PWM chips.
const SYSFS: &str = "/sys/class/pwm";

/// A channel of the backend that the configuration names for lines.
fn channel(backend: Backend, output: &PwmOutput) -> std::io::Result<Channel> {
    match backend {
        Backend::Simulated => Ok(Channel::simulated(&output.channel.to_string())),
        Backend::Gpiochip => Channel::open(Path::new(SYSFS), &output.channel, output.frequency),
        Backend::Rppal => Channel::rppal(&output.channel, output.frequency),
    }
}

/// Brings every PWM output of a house to its failsafe level without a running gateway.
pub(super) fn failsafe(settings: &Settings) -> Vec<Driven> {
    let backend = backend(settings.gpio);
    let mut all = Vec::new();
    for device in &settings.devices {
        let DriverSettings::Pwm(pwm) = &device.driver else { continue };
        for output in &pwm.outputs {
            let on = output.dimmer.failsafe.state();
            let dimmer = Dimmer::new(Moment::START, output.dimmer.clone(), None);
            let driven = match dimmer.failsafe_level() {
                None => Ok(()),
                // What was simulated has gone with the process.
                Some(_) if backend == Backend::Simulated => Ok(()),
                Some(level) => channel(backend, output).and_then(|mut channel| channel.write(dimmer.duty(level))),
            };
            let driven = driven.map(|()| word(on)).map_err(|error| error.to_string());
            all.push((format!("{}/{}", device.id, output.id), driven));
        }
    }
    all
}

/// One device while it runs.
struct Running<'d> {
    house: &'d House,
    pwm: &'d PwmDevice,
    door: Door,
    channels: Vec<Channel>,
    dimmers: Vec<Dimmer>,
}

/// Runs a device until `stop` says so.
///
/// # Errors
/// When the channels or the connection to the broker fail.
pub(super) async fn run(
    house: &House,
    device: &DeviceSettings,
    pwm: &PwmDevice,
    start: Start,
    mut stop: watch::Receiver<bool>,
) -> Result<(), DriverError> {
    let mut meta = house.describe(device);
    for output in &pwm.outputs {
        let mut about = PropertyMeta::new("float");
        about.settable = true;
        about.is_kept = output.dimmer.power_on.remembers();
        about.class = Some(output.kind.to_owned());
        about.unit = Some("%".to_owned());
        about.format = Some("0:100".to_owned());
        about.power_on = Some(output.dimmer.power_on.name());
        about.failsafe = Some(output.dimmer.failsafe.name());
        about.heartbeat = output.dimmer.heartbeat.as_ref().map(|heartbeat| heartbeat.topic.clone());
        meta.properties.insert(output.id.clone(), about);
    }
    let outputs = pwm.outputs.iter();
    let outputs: Vec<_> = outputs.map(|output| (output.id.as_str(), output.dimmer.heartbeat.as_ref())).collect();
    let mut door = Door::open(house, device, &meta, start, &outputs).await?;
    let mut channels = Vec::new();
    for output in &pwm.outputs {
        match channel(house.gpio, output) {
            Ok(channel) => channels.push(channel),
            Err(error) => {
                door.trouble(&output.id, "open", &format!("{}: {error}", output.channel))?;
                door.close().await?;
                return Err(error.into());
            }
        }
    }
    let dimmer = |output: &crate::config::PwmOutput| {
        let last = if start == Start::Fresh { door.last_number(&output.id) } else { None };
        Dimmer::new(house.clock.now(), output.dimmer.clone(), last)
    };
    let dimmers = pwm.outputs.iter().map(dimmer).collect();
    let mut running = Running { house, pwm, door, channels, dimmers };
    for (channel, dimmer) in running.channels.iter_mut().zip(&running.dimmers) {
        channel.set_failsafe(dimmer.failsafe_level().map(|level| dimmer.duty(level)));
    }
    if start == Start::AfterFault {
        running.failsafe()?;
    }
    running.carry_out()?;
    running.door.online()?;
    loop {
        let deadline = running.next_deadline();
        tokio::select! {
            () = stopped(&mut stop) => {
                running.failsafe()?;
                return running.door.close().await;
            }
            asked = running.door.next() => running.asked(asked?)?,
            () = house.clock.sleep_until(deadline) => running.pass()?,
        }
    }
}

impl Running<'_> {
    fn asked(&mut self, asked: Asked) -> Result<(), DriverError> {
        match asked {
            Asked::Set { property, ticket, command } => {
                let Some(index) = self.pwm.outputs.iter().position(|output| output.id == property) else {
                    return Ok(());
                };
                self.dimmers[index].command(self.house.clock.now(), ticket, command);
                self.carry_out()
            }
            Asked::Get { property } => {
                let Some(index) = self.pwm.outputs.iter().position(|output| output.id == property) else {
                    return Ok(());
                };
                self.door.passing_state(&property, &Value::Number(self.dimmers[index].level()))
            }
            Asked::Alive { outputs } => {
                for (output, dimmer) in self.pwm.outputs.iter().zip(&mut self.dimmers) {
                    if outputs.contains(&output.id) {
                        dimmer.alive(self.house.clock.now());
                    }
                }
                self.carry_out()
            }
        }
    }

    fn failsafe(&mut self) -> Result<(), DriverError> {
        for dimmer in &mut self.dimmers {
            dimmer.failsafe(self.house.clock.now());
        }
        self.carry_out()
    }

    fn pass(&mut self) -> Result<(), DriverError> {
        for dimmer in &mut self.dimmers {
            dimmer.pass(self.house.clock.now());
        }
        self.carry_out()
    }

    fn next_deadline(&self) -> Option<Moment> {
        self.dimmers.iter().filter_map(Dimmer::next_deadline).min()
    }

    fn carry_out(&mut self) -> Result<(), DriverError> {
        for (index, output) in self.pwm.outputs.iter().enumerate() {
            while let Some(event) = self.dimmers[index].poll_output() {
                match event {
                    DimmerEvent::Duty(duty) => match self.channels[index].write(duty) {
                        Ok(()) => self.door.well(&output.id)?,
                        Err(error) => {
                            self.door.trouble(&output.id, "write", &error.to_string())?;
                            self.dimmers[index].failed(&error.to_string());
                        }
                    },
                    DimmerEvent::Level(level) => self.door.state(&output.id, &Value::Number(level))?,
                    DimmerEvent::Heartbeat { lost } => self.door.heartbeat(&output.id, lost)?,
                    DimmerEvent::Result(ticket, result) => self.door.result(&output.id, ticket, &result)?,
                }
            }
        }
        Ok(())
    }
}
