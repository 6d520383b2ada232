//! A device on lines that are those of the transcript. Pure.

use super::player::Told;
use crate::base::Moment;
use crate::config::{Bias, GpioBackend, GpioDevice, GpioLine, Settings};
use crate::drivers::Start;
use crate::drivers::gpio::lines::Edge;
use crate::drivers::gpio::machine::{Last, LinesInput, LinesMachine, LinesWish};
use crate::drivers::switches::SharedInterlocks;
use std::collections::VecDeque;

/// One device and its lines.
pub(super) struct PlayedLines {
    pub(super) device: usize,
    machine: LinesMachine,
    lines: Vec<PlayedLine>,
    told: VecDeque<Told>,
}

struct PlayedLine {
    name: String,
    is_active_low: bool,
    high: bool,
    is_stuck: bool,
}

impl PlayedLines {
    /// The lines debounce by themselves if the configuration says that they are the kernel's.
    pub(super) fn new(settings: &Settings, interlocks: &SharedInterlocks, device: usize, gpio: &GpioDevice) -> Self {
        let id = &settings.devices[device].id;
        let machine = LinesMachine::new(Moment::START, interlocks, id, gpio, &Last::default(), Start::Fresh);
        let machine = machine.debounced(settings.gpio == GpioBackend::Gpiochip);
        let inputs = gpio.inputs.iter().map(|input| &input.line);
        let inputs = inputs.chain(gpio.buttons.iter().map(|button| &button.line));
        let inputs = inputs.chain(gpio.counters.iter().map(|counter| &counter.line));
        let line = |line: &GpioLine| PlayedLine {
            name: line.address.to_string(),
            is_active_low: line.active_low,
            high: line.bias == Bias::PullUp,
            is_stuck: false,
        };
        let lines = gpio.outputs.iter().map(|output| &output.line).chain(inputs).map(line).collect();
        Self { device, machine, lines, told: VecDeque::new() }
    }

    /// Opens the lines.
    pub(super) fn open(&mut self, now: Moment) {
        for (output, on) in self.machine.first_levels().into_iter().enumerate() {
            if let Some(on) = on {
                self.drive(output, on);
            }
        }
        let levels = self.lines.iter().map(PlayedLine::level).collect();
        self.machine.handle(now, LinesInput::Opened(levels));
    }

    /// A line has this voltage from now on.
    pub(super) fn set(&mut self, now: Moment, name: &str, high: bool, lost: u32) {
        let Some(index) = self.lines.iter().position(|line| line.name == name) else { return };
        let line = &mut self.lines[index];
        if std::mem::replace(&mut line.high, high) != high || lost > 0 {
            let level = line.level();
            self.machine.handle(now, LinesInput::Edge(Edge { line: index, level, at: now, lost }));
        }
    }

    /// An output stays as it is.
    pub(super) fn stick(&mut self, name: &str) {
        if let Some(line) = self.lines.iter_mut().find(|line| line.name == name) {
            line.is_stuck = true;
        }
    }

    pub(super) fn handle(&mut self, now: Moment, input: LinesInput) {
        self.machine.handle(now, input);
    }

    pub(super) fn next_deadline(&self) -> Option<Moment> {
        self.machine.next_deadline()
    }

    pub(super) fn poll_output(&mut self, now: Moment) -> Option<Told> {
        while self.told.is_empty() {
            match self.machine.poll_output()? {
                LinesWish::Say(say) => self.told.push_back(Told::Said { device: self.device, say }),
                LinesWish::Write { output, on } => {
                    self.drive(output, on);
                    let result = Ok(self.lines[output].level());
                    self.machine.handle(now, LinesInput::Written { output, result });
                }
                LinesWish::Read { line, is_wanted } => {
                    let level = self.lines[line].level();
                    self.machine.handle(now, LinesInput::Level { line, level, is_wanted });
                }
            }
        }
        self.told.pop_front()
    }

    fn drive(&mut self, output: usize, on: bool) {
        let line = &mut self.lines[output];
        let high = on != line.is_active_low;
        if !line.is_stuck {
            line.high = high;
        }
        self.told.push_back(Told::Driven { line: line.name.clone(), high });
    }
}

impl PlayedLine {
    fn level(&self) -> bool {
        self.high != self.is_active_low
    }
}
