//! Modbus: units on a shared serial line or behind a TCP server.
//!
//! The bus is a task of its own, which owns the port and decides who speaks when (`schedule`); each device is one unit
//! with its own connection to the broker (`device`). A device that fails leaves the bus and the others alone.

mod bus;
mod decode;
mod device;
mod encode;
mod failsafe;
mod framing;
mod io;
mod packet;
mod plan;
mod schedule;
mod setpoints;
mod statistics;
mod switch;
mod units;

pub(super) use bus::{BusDoor, run as run_bus};
pub(super) use failsafe::{failsafe, failsafe_outputs};
pub(super) use units::Units;

use super::door::Door;
use super::{DriverError, House, Start, output_meta, stopped};
use crate::config::{DeviceSettings, ModbusDevice};
use bus::{FromBus, ToBus};
use device::{Device, Wish};
use schedule::MemberId;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// How long the outputs may take to reach their failsafe states when the driver stops.
const FAILSAFE_TIMEOUT: Duration = Duration::from_secs(3);

/// Answers that may wait for a device; one that does not take them is left behind.
const ANSWERS_WAITING: usize = 64;

/// One device while it runs.
struct Running<'d> {
    house: &'d House,
    member: MemberId,
    bus: &'d BusDoor,
    door: Door,
    machine: Device,
}

/// Runs a device until `stop` says so.
///
/// # Errors
/// When the connection to the broker fails, or the bus.
pub(super) async fn run(
    house: &House,
    device: &DeviceSettings,
    modbus: &ModbusDevice,
    start: Start,
    mut stop: watch::Receiver<bool>,
) -> Result<(), DriverError> {
    let mut meta = house.describe(device);
    for output in &modbus.outputs {
        let about = output_meta(house, &device.id, &output.id, &output.output);
        meta.properties.insert(output.id.clone(), about);
    }
    device::describe(&mut meta, modbus);
    let outputs = modbus.outputs.iter();
    let outputs: Vec<_> = outputs.map(|output| (output.id.as_str(), output.output.heartbeat.as_ref())).collect();
    let door = Door::open(house, device, &meta, start, &outputs).await?;
    let last: Vec<Option<bool>> = modbus.outputs.iter().map(|output| door.last_switch(&output.id)).collect();
    let machine = Device::new(&house.interlocks, &device.id, modbus, &last, start);
    let bus = house.buses.get(&modbus.bus).expect("the configuration is checked: every device's bus is there");
    let (events, mut answers) = mpsc::channel(ANSWERS_WAITING);
    let member = bus.next_member();
    bus.send(ToBus::Join { member, unit: modbus.unit, polls: machine.polls(), events }).await?;
    let mut running = Running { house, member, bus, door, machine };
    loop {
        running.follow().await?;
        let deadline = running.machine.next_deadline();
        tokio::select! {
            () = stopped(&mut stop) => return running.end(answers).await,
            answer = answers.recv() => running.answered(answer)?,
            asked = running.door.next() => running.machine.asked(house.clock.now(), asked?),
            () = running.machine.eased() => running.machine.pass(house.clock.now()),
            () = house.clock.sleep_until(deadline) => running.machine.pass(house.clock.now()),
        }
    }
}

impl Running<'_> {
    fn answered(&mut self, answer: Option<FromBus>) -> Result<(), DriverError> {
        let Some(FromBus { about, result }) = answer else {
            return Err(DriverError::Bus("the bus failed or does not wait for this device any more"));
        };
        self.machine.answered(self.house.clock.now(), about, result);
        Ok(())
    }

    /// Does what the machine wants done.
    async fn follow(&mut self) -> Result<(), DriverError> {
        while let Some(wish) = self.machine.poll_output() {
            let member = self.member;
            match wish {
                Wish::Say(say) => say.tell(&mut self.door)?,
                Wish::Urgent { token, request } => self.bus.send(ToBus::Urgent { member, token, request }).await?,
                Wish::Polls(polls) => self.bus.send(ToBus::Polls { member, polls }).await?,
            }
        }
        Ok(())
    }

    /// Brings the outputs into their failsafe states, if the unit follows, and says goodbye.
    async fn end(mut self, mut answers: mpsc::Receiver<FromBus>) -> Result<(), DriverError> {
        let failsafe = async {
            self.machine.failsafe(self.house.clock.now());
            loop {
                self.follow().await?;
                if self.machine.is_idle() {
                    return Ok::<(), DriverError>(());
                }
                let deadline = self.machine.next_deadline();
                tokio::select! {
                    answer = answers.recv() => self.answered(answer)?,
                    () = self.house.clock.sleep_until(deadline) => self.machine.pass(self.house.clock.now()),
                }
            }
        };
        if !matches!(tokio::time::timeout(FAILSAFE_TIMEOUT, failsafe).await, Ok(Ok(()))) {
            tracing::warn!(member = self.member.0, "the unit did not follow to its failsafe states");
        }
        self.door.close().await
    }
}
