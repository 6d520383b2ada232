//! Devices on GPIO lines: outputs, contacts, buttons, counters.

#[cfg(test)]
mod days;
mod failsafe;
pub(super) mod gpiochip;
mod inputs;
pub(super) mod lines;
pub(super) mod machine;
mod meta;
#[cfg(target_arch = "aarch64")]
mod rppal;
pub(super) mod simulated;

pub(super) use failsafe::failsafe;

use super::door::Door;
use super::failpoint;
use super::{DriverError, House, Start, stopped};
use crate::config::{DeviceSettings, GpioDevice};
use lines::{LineSpec, Lines, Role};
use machine::{Last, LinesInput, LinesMachine, LinesWish};
use tokio::sync::watch;

/// One device while it runs.
struct Running<'d> {
    house: &'d House,
    door: Door,
    lines: Lines,
    machine: LinesMachine,
}

/// Runs a device until `stop` says so.
///
/// # Errors
/// When the lines or the connection to the broker fail; the lines are released then.
pub(super) async fn run(
    house: &House,
    device: &DeviceSettings,
    gpio: &GpioDevice,
    start: Start,
    mut stop: watch::Receiver<bool>,
) -> Result<(), DriverError> {
    let meta = meta::describe(house, device, gpio);
    let outputs = gpio.outputs.iter();
    let heartbeats: Vec<_> = outputs.map(|output| (output.id.as_str(), output.output.heartbeat.as_ref())).collect();
    let mut door = Door::open(house, device, &meta, start, &heartbeats).await?;
    let last = Last {
        switches: gpio.outputs.iter().map(|output| door.last_switch(&output.id)).collect(),
        totals: gpio.counters.iter().map(|counter| door.last_number(&counter.id)).collect(),
    };
    let machine = LinesMachine::new(house.clock.now(), &house.interlocks, &device.id, gpio, &last, start);
    let specs = line_specs(gpio, &machine.first_levels());
    let lines = match Lines::open(house, &format!("gatehouse:{}", device.id), &specs, machine.failsafe_levels()) {
        Ok(lines) => lines,
        Err(error) => {
            door.trouble("lines", "open", &error.to_string())?;
            door.close().await?;
            return Err(error.into());
        }
    };
    let levels: Vec<bool> = (0..specs.len()).map(|line| lines.read(line)).collect::<Result<_, _>>()?;
    let machine = machine.debounced(lines.debounces());
    let mut running = Running { house, door, lines, machine };
    running.tell(LinesInput::Opened(levels))?;
    loop {
        let deadline = running.machine.next_deadline();
        let input = tokio::select! {
            () = stopped(&mut stop) => {
                running.tell(LinesInput::End)?;
                return running.door.close().await;
            }
            edge = running.lines.edge() => LinesInput::Edge(edge?),
            asked = running.door.next() => LinesInput::Asked(asked?),
            () = running.machine.eased() => LinesInput::Time,
            () = house.clock.sleep_until(deadline) => LinesInput::Time,
        };
        running.tell(input)?;
    }
}

fn line_specs<'d>(gpio: &'d GpioDevice, states: &[Option<bool>]) -> Vec<LineSpec<'d>> {
    let outputs = gpio.outputs.iter().zip(states);
    let outputs = outputs.map(|(output, initial)| (&output.line, Role::Output { initial: *initial }));
    let inputs = gpio.inputs.iter().map(|input| (&input.line, Role::Input { debounce: input.debounce }));
    let buttons = gpio.buttons.iter().map(|button| (&button.line, Role::Input { debounce: button.debounce }));
    let counters = gpio.counters.iter().map(|counter| (&counter.line, Role::Input { debounce: counter.debounce }));
    outputs.chain(inputs).chain(buttons).chain(counters).map(|(line, role)| LineSpec { line, role }).collect()
}

impl Running<'_> {
    /// Hands something to the machine and does what it wants done.
    fn tell(&mut self, input: LinesInput) -> Result<(), DriverError> {
        self.machine.handle(self.house.clock.now(), input);
        while let Some(wish) = self.machine.poll_output() {
            match wish {
                LinesWish::Say(say) => say.tell(&mut self.door)?,
                LinesWish::Write { output, on } => self.write(output, on),
                LinesWish::Read { line, is_wanted } => {
                    let level = self.lines.read(line)?;
                    self.machine.handle(self.house.clock.now(), LinesInput::Level { line, level, is_wanted });
                }
            }
        }
        Ok(())
    }

    /// Writes a line and reads it back: the state is what was read.
    fn write(&mut self, output: usize, on: bool) {
        failpoint::reach("write");
        let written = self.lines.write(output, on).and_then(|()| self.lines.read(output));
        failpoint::reach("written");
        let (now, has_failed) = (self.house.clock.now(), written.is_err());
        let result = written.map_err(|error| error.to_string());
        self.machine.handle(now, LinesInput::Written { output, result });
        failpoint::reach("observed");
        if has_failed && let Ok(level) = self.lines.read(output) {
            self.machine.handle(now, LinesInput::Level { line: output, level, is_wanted: false });
        }
    }
}
