//! The switches of a bus into their failsafe states without a running gateway.

use super::packet::{Data, Request};
use super::schedule::{About, Bus, BusInput, BusOutput, MemberId};
use super::{device, switch};
use crate::config::{BusSettings, DriverSettings, ModbusOutput, Settings};
use crate::drivers::clock::Clock;
use crate::drivers::failsafe::{Driven, Wanted, wanted, word};
use crate::drivers::serial::{self, Port};
use crate::drivers::simulation::Simulation;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// The switches on a bus, each with its unit.
pub(in crate::drivers) fn failsafe_outputs<'s>(
    settings: &'s Settings,
    bus: &str,
) -> Vec<Wanted<(u8, &'s ModbusOutput)>> {
    let mut all = Vec::new();
    for device in &settings.devices {
        if let DriverSettings::Modbus(modbus) = &device.driver
            && modbus.bus == bus
        {
            let outputs = modbus.outputs.iter();
            let outputs = outputs.map(|output| (output.id.as_str(), &output.output, (modbus.unit, output)));
            all.extend(wanted(settings, device, outputs));
        }
    }
    all
}

/// Writes the states and reads them back. What is not done when the time is over failed.
pub(in crate::drivers) async fn failsafe(
    bus: &BusSettings,
    outputs: Vec<Wanted<(u8, &ModbusOutput)>>,
    timeout: Duration,
    driven: &mut Vec<Driven>,
) {
    let until = Instant::now() + timeout;
    let mut session = Session::open(bus).await;
    for Wanted { name, output: (unit, output), on } in outputs {
        let done = match (on, &mut session) {
            (None, _) => Ok(()),
            (Some(_), Err(why)) => Err(why.clone()),
            (Some(on), Ok(session)) => match timeout_at(until, session.switch(unit, output, on)).await {
                Ok(done) => done,
                Err(_) => Err("the bus takes too long".to_owned()),
            },
        };
        driven.push((name, done.map(|()| word(on))));
    }
}

/// A bus for as long as its outputs are switched.
struct Session {
    clock: Clock,
    machine: Bus,
    port: Port,
    token: u64,
}

impl Session {
    async fn open(bus: &BusSettings) -> Result<Self, String> {
        let port = serial::open(bus, &Simulation::default()).await.map_err(|error| error.to_string())?;
        tokio::time::sleep(bus.settle).await;
        let (clock, mut machine) = (Clock::start(), Bus::new(bus));
        machine.handle(clock.now(), BusInput::Opened);
        Ok(Self { clock, machine, port, token: 0 })
    }

    async fn switch(&mut self, unit: u8, output: &ModbusOutput, on: bool) -> Result<(), String> {
        self.ask(unit, switch::write(output, on)).await?;
        let data = self.ask(unit, switch::read(output)).await?;
        match switch::state(output, &data, 0) {
            Some(read) if read == on => Ok(()),
            _ => Err("the unit did not follow".to_owned()),
        }
    }

    /// Makes a request and waits for what becomes of it.
    async fn ask(&mut self, unit: u8, request: Request) -> Result<Data, String> {
        let member = MemberId(unit.into());
        self.machine.handle(self.clock.now(), BusInput::Join { member, unit, polls: Vec::new() });
        self.token += 1;
        self.machine.handle(self.clock.now(), BusInput::Urgent { member, token: self.token, request });
        loop {
            while let Some(output) = self.machine.poll_output() {
                match output {
                    BusOutput::Send(packet) => self.port.write(&packet).await.map_err(|error| error.to_string())?,
                    BusOutput::Answer { about: About::Urgent(token), result, .. } if token == self.token => {
                        return result.map_err(|failure| device::reason(&failure));
                    }
                    BusOutput::Answer { .. } => {}
                }
            }
            let deadline = self.machine.next_deadline();
            tokio::select! {
                bytes = self.port.read() => {
                    let bytes = bytes.map_err(|error| error.to_string())?;
                    self.machine.handle(self.clock.now(), BusInput::Received(&bytes));
                }
                () = self.clock.sleep_until(deadline) => self.machine.handle(self.clock.now(), BusInput::Time),
            }
        }
    }
}
