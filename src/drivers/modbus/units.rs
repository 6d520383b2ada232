//! A bus and its units as one machine, for transcripts. Pure.

use super::device::{Device, Wish};
use super::schedule::{Bus, BusInput, BusOutput, MemberId};
use crate::base::Moment;
use crate::config::{DriverSettings, Settings};
use crate::drivers::Start;
use crate::drivers::door::Asked;
use crate::drivers::serial::{PortInput, PortOutput};
use crate::drivers::switches::SharedInterlocks;
use std::collections::{BTreeMap, VecDeque};

/// A bus with its units; devices are known by their index in the settings.
pub(in crate::drivers) struct Units {
    bus: Bus,
    devices: BTreeMap<usize, Device>,
    outputs: VecDeque<(usize, PortOutput)>,
}

impl Units {
    /// The bus of this id.
    pub(in crate::drivers) fn new(settings: &Settings, interlocks: &SharedInterlocks, id: &str) -> Self {
        let bus = settings.buses.iter().find(|bus| bus.id == id);
        let mut bus = Bus::new(bus.expect("the configuration is checked: every device's bus is there"));
        let mut devices = BTreeMap::new();
        for (index, device) in settings.devices.iter().enumerate() {
            if let DriverSettings::Modbus(modbus) = &device.driver
                && modbus.bus == id
            {
                let machine = Device::new(interlocks, &device.id, modbus, &[], Start::Fresh);
                let (member, polls) = (MemberId(index as u32), machine.polls());
                bus.handle(Moment::START, BusInput::Join { member, unit: modbus.unit, polls });
                devices.insert(index, machine);
            }
        }
        Self { bus, devices, outputs: VecDeque::new() }
    }

    pub(in crate::drivers) fn handle(&mut self, now: Moment, input: &PortInput) {
        match input {
            PortInput::Opened => self.bus.handle(now, BusInput::Opened),
            PortInput::Closed { .. } => self.bus.handle(now, BusInput::Closed),
            PortInput::Received(bytes) => self.bus.handle(now, BusInput::Received(bytes)),
            PortInput::Asked(_) => {}
            PortInput::Failsafe => self.devices.values_mut().for_each(|device| device.failsafe(now)),
            PortInput::Time => {
                self.bus.handle(now, BusInput::Time);
                self.devices.values_mut().for_each(|device| device.pass(now));
            }
        }
    }

    pub(in crate::drivers) fn asked(&mut self, now: Moment, device: usize, asked: Asked) {
        if let Some(device) = self.devices.get_mut(&device) {
            device.asked(now, asked);
        }
    }

    pub(in crate::drivers) fn next_deadline(&self) -> Option<Moment> {
        let devices = self.devices.values().filter_map(Device::next_deadline);
        devices.chain(self.bus.next_deadline()).min()
    }

    pub(in crate::drivers) fn poll_output(&mut self, now: Moment) -> Option<(usize, PortOutput)> {
        while self.outputs.is_empty() && self.exchange(now) {}
        self.outputs.pop_front()
    }

    /// Hands one thing from the bus to a device or the other way round; whether there was one.
    fn exchange(&mut self, now: Moment) -> bool {
        for (index, device) in &mut self.devices {
            let member = MemberId(*index as u32);
            match device.poll_output() {
                Some(Wish::Say(say)) => self.outputs.push_back((*index, PortOutput::Say(say))),
                Some(Wish::Urgent { token, request }) => {
                    self.bus.handle(now, BusInput::Urgent { member, token, request });
                }
                Some(Wish::Polls(polls)) => self.bus.handle(now, BusInput::Polls { member, polls }),
                None => continue,
            }
            return true;
        }
        match self.bus.poll_output() {
            Some(BusOutput::Send(bytes)) => self.outputs.push_back((0, PortOutput::Send(bytes))),
            Some(BusOutput::Answer { member, about, result }) => {
                if let Some(device) = self.devices.get_mut(&(member.0 as usize)) {
                    device.answered(now, about, result);
                }
            }
            None => return false,
        }
        true
    }
}
