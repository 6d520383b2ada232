//! A sensor whose files are those of the transcript. Pure.

use super::player::Told;
use crate::base::Moment;
use crate::drivers::onewire::Thermometer;
use crate::drivers::polled::{Channel, Files, Polled};
use std::time::Duration;

/// One sensor and its files.
pub(super) struct PlayedSensor {
    pub(super) device: usize,
    machine: Machine,
    pub(super) files: Files,
    every: Duration,
    read_at: Moment,
}

/// What reads the files.
pub(super) enum Machine {
    /// Channels that are found in them.
    Channels(Polled, fn(&Files) -> Vec<Channel>),
    /// One temperature.
    Thermometer(Thermometer),
}

impl PlayedSensor {
    pub(super) fn new(device: usize, machine: Machine, every: Duration) -> Self {
        Self { device, machine, files: Files::new(), every, read_at: Moment::START + every }
    }

    pub(super) fn pass(&mut self, now: Moment) {
        match &mut self.machine {
            Machine::Channels(machine, _) => machine.pass(now),
            Machine::Thermometer(machine) => machine.pass(now),
        }
        if self.read_at <= now {
            self.read_at = now + self.every;
            self.read(now);
        }
    }

    /// Someone wants to know a property.
    pub(super) fn get(&mut self, now: Moment, property: &str) {
        self.read(now);
        match &mut self.machine {
            Machine::Channels(machine, _) => machine.again(property),
            Machine::Thermometer(machine) => machine.again(),
        }
    }

    pub(super) fn next_deadline(&self) -> Moment {
        let own = match &self.machine {
            Machine::Channels(machine, _) => machine.next_deadline(),
            Machine::Thermometer(machine) => machine.next_deadline(),
        };
        own.map_or(self.read_at, |at| at.min(self.read_at))
    }

    pub(super) fn poll_output(&mut self) -> Option<Told> {
        let say = match &mut self.machine {
            Machine::Channels(machine, _) => machine.poll_output(),
            Machine::Thermometer(machine) => machine.poll_output(),
        };
        say.map(|say| Told::Said { device: self.device, say })
    }

    fn read(&mut self, now: Moment) {
        let is_there = !self.files.is_empty();
        match &mut self.machine {
            Machine::Channels(machine, channels) => {
                let reading = if is_there { Ok(channels(&self.files)) } else { Err("there is no sensor".to_owned()) };
                machine.take(now, reading);
            }
            Machine::Thermometer(machine) => machine.take_files(now, &self.files),
        }
    }
}
