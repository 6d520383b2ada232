//! Dimmers and fans on the channels of a PWM chip.

mod io;

use super::door::{Asked, Door};
use super::{DriverError, House, Start, stopped};
use crate::base::Moment;
use crate::config::{DeviceSettings, PwmDevice};
use crate::device::{Dimmer, DimmerEvent, PropertyMeta, Value};
use io::Channel;
use std::path::Path;
use tokio::sync::watch;

/// Where the kernel shows its PWM chips.
const SYSFS: &str = "/sys/class/pwm";

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
        meta.properties.insert(output.id.clone(), about);
    }
    let mut door = Door::open(house, device, &meta, start, &[]).await?;
    let mut channels = Vec::new();
    for output in &pwm.outputs {
        let channel = if house.is_simulated() {
            Ok(Channel::simulated(&output.channel.to_string()))
        } else {
            Channel::open(Path::new(SYSFS), &output.channel, output.frequency)
        };
        match channel {
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
        Dimmer::new(output.dimmer, last)
    };
    let dimmers = pwm.outputs.iter().map(dimmer).collect();
    let mut running = Running { house, pwm, door, channels, dimmers };
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
            Asked::Alive { .. } => Ok(()),
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
                    DimmerEvent::Result(ticket, result) => self.door.result(&output.id, ticket, &result)?,
                }
            }
        }
        Ok(())
    }
}
