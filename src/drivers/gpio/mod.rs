//! Devices on GPIO lines: outputs, contacts, buttons, counters.

mod failsafe;
pub(super) mod gpiochip;
mod inputs;
pub(super) mod lines;
mod meta;
#[cfg(target_arch = "aarch64")]
mod rppal;
pub(super) mod simulated;

pub(super) use failsafe::failsafe;

use super::door::{Asked, Door};
use super::failpoint;
use super::switches::Switches;
use super::{DriverError, House, Start, stopped};
use crate::config::{DeviceSettings, GpioCounter, GpioDevice};
use crate::device::{Button, Counter, Debounce, OutputEvent, OutputInput, OutputSpec, Value};
use lines::{LineSpec, Lines, Role};
use std::time::Duration;
use tokio::sync::watch;

/// One device while it runs. Lines are numbered: first the outputs, then inputs, buttons and counters.
struct Device<'d> {
    house: &'d House,
    gpio: &'d GpioDevice,
    door: Door,
    lines: Lines,
    outputs: Switches,
    /// Debounced levels of inputs and buttons.
    levels: Vec<Debounce>,
    buttons: Vec<Button>,
    counters: Vec<Counter>,
    /// Edges that were lost since the start, by input, button and counter.
    lost: Vec<u64>,
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
    let settings: Vec<_> =
        gpio.outputs.iter().map(|output| (output.id.as_str(), output.output.heartbeat.as_ref())).collect();
    let mut door = Door::open(house, device, &meta, start, &settings).await?;
    let outputs = Switches::new(&house.interlocks, &device.id, gpio.outputs.iter().map(spec).collect());
    let last: Vec<Option<bool>> = gpio.outputs.iter().map(|output| door.last_switch(&output.id)).collect();
    let states = match start {
        Start::Fresh => outputs.start_states(&last),
        Start::AfterFault => outputs.failsafe_states(),
    };
    let specs = line_specs(gpio, &outputs.first_levels(&states));
    let lines = match Lines::open(house, &format!("gatehouse:{}", device.id), &specs, outputs.failsafe_states()) {
        Ok(lines) => lines,
        Err(error) => {
            door.trouble("lines", "open", &error.to_string())?;
            door.close().await?;
            return Err(error.into());
        }
    };
    let mut running = Device::new(house, gpio, door, lines, outputs);
    running.begin(states)?;
    loop {
        let deadline = running.next_deadline();
        tokio::select! {
            () = stopped(&mut stop) => return running.end().await,
            edge = running.lines.edge() => running.edge(edge?)?,
            asked = running.door.next() => running.asked(asked?)?,
            () = running.outputs.eased() => running.tell_outputs(OutputInput::Time)?,
            () = house.clock.sleep_until(deadline) => running.pass()?,
        }
    }
}

fn spec(output: &crate::config::GpioOutput) -> OutputSpec {
    OutputSpec { id: output.id.clone(), settings: output.output.clone(), confirm: None }
}

fn line_specs<'d>(gpio: &'d GpioDevice, states: &[Option<bool>]) -> Vec<LineSpec<'d>> {
    let outputs = gpio.outputs.iter().zip(states);
    let outputs = outputs.map(|(output, initial)| (&output.line, Role::Output { initial: *initial }));
    let inputs = gpio.inputs.iter().map(|input| (&input.line, Role::Input { debounce: input.debounce }));
    let buttons = gpio.buttons.iter().map(|button| (&button.line, Role::Input { debounce: button.debounce }));
    let counters = gpio.counters.iter().map(|counter| (&counter.line, Role::Input { debounce: counter.debounce }));
    outputs.chain(inputs).chain(buttons).chain(counters).map(|(line, role)| LineSpec { line, role }).collect()
}

impl<'d> Device<'d> {
    fn new(house: &'d House, gpio: &'d GpioDevice, door: Door, lines: Lines, outputs: Switches) -> Self {
        let lengths = gpio.inputs.iter().map(|input| input.debounce);
        let lengths = lengths.chain(gpio.buttons.iter().map(|button| button.debounce));
        let lengths = lengths.chain(gpio.counters.iter().map(|counter| counter.debounce));
        let length = |length: Duration| if lines.debounces() { Duration::ZERO } else { length };
        let levels: Vec<Debounce> = lengths.map(|wanted| Debounce::new(length(wanted))).collect();
        let buttons = gpio.buttons.iter().map(|button| Button::new(button.button)).collect();
        let now = house.clock.now();
        let counter = |counter: &GpioCounter| Counter::new(counter.counter, door.last_number(&counter.id), now);
        let counters = gpio.counters.iter().map(counter).collect();
        let lost = vec![0; levels.len()];
        Self { house, gpio, door, lines, outputs, levels, buttons, counters, lost }
    }

    /// Reads every line; from then on the device is online.
    fn begin(&mut self, states: Vec<Option<bool>>) -> Result<(), DriverError> {
        self.tell_outputs(OutputInput::Found)?;
        for output in 0..self.gpio.outputs.len() {
            let on = self.lines.read(output)?;
            self.tell_outputs(OutputInput::Observed { output, on })?;
        }
        self.tell_outputs(OutputInput::Restore(states))?;
        self.read_inputs()?;
        self.door.online()
    }

    /// Brings the outputs into their failsafe states and says goodbye.
    async fn end(mut self) -> Result<(), DriverError> {
        self.tell_outputs(OutputInput::Failsafe)?;
        self.keep_totals()?;
        self.door.close().await
    }

    fn asked(&mut self, asked: Asked) -> Result<(), DriverError> {
        match asked {
            Asked::Set { property, ticket, command } => {
                let output = self.gpio.outputs.iter().position(|output| output.id == property);
                match output {
                    Some(output) => self.tell_outputs(OutputInput::Command { output, ticket, command }),
                    None => self.set_total(&property, ticket, &command),
                }
            }
            Asked::Get { property } => self.read_again(&property),
            Asked::Alive { outputs } => {
                for id in outputs {
                    if let Some(output) = self.gpio.outputs.iter().position(|output| output.id == id) {
                        self.tell_outputs(OutputInput::Alive { output })?;
                    }
                }
                Ok(())
            }
        }
    }

    fn read_again(&mut self, property: &str) -> Result<(), DriverError> {
        if let Some(output) = self.gpio.outputs.iter().position(|output| output.id == property) {
            let on = self.lines.read(output)?;
            self.tell_outputs(OutputInput::Observed { output, on })?;
            self.door.passing_state(property, &Value::Boolean(on))?;
        } else {
            self.read_input_again(property)?;
        }
        Ok(())
    }

    fn next_deadline(&self) -> Option<crate::base::Moment> {
        let levels = self.levels.iter().filter_map(Debounce::next_deadline);
        let buttons = self.buttons.iter().filter_map(Button::next_deadline);
        let counters = self.counters.iter().filter_map(Counter::next_deadline);
        levels.chain(buttons).chain(counters).chain(self.outputs.next_deadline()).min()
    }

    fn pass(&mut self) -> Result<(), DriverError> {
        self.pass_inputs()?;
        self.tell_outputs(OutputInput::Time)
    }

    /// Hands something to the outputs and does what they want done.
    fn tell_outputs(&mut self, input: OutputInput) -> Result<(), DriverError> {
        self.outputs.handle(self.house.clock.now(), input);
        while let Some(event) = self.outputs.poll_output() {
            match event {
                OutputEvent::Write { output, on } => self.write(output, on)?,
                OutputEvent::State { output, on, is_lasting } => {
                    let (id, value) = (&self.gpio.outputs[output].id, Value::Boolean(on));
                    if is_lasting { self.door.state(id, &value)? } else { self.door.passing_state(id, &value)? }
                }
                OutputEvent::Target { output, on } => self.door.target(&self.gpio.outputs[output].id, on)?,
                OutputEvent::Heartbeat { output, lost } => self.door.heartbeat(&self.gpio.outputs[output].id, lost)?,
                OutputEvent::Result { output, ticket, result } => {
                    self.door.result(&self.gpio.outputs[output].id, ticket, &result)?;
                }
            }
        }
        Ok(())
    }

    /// Writes a line and reads it back: the state is what was read.
    fn write(&mut self, output: usize, on: bool) -> Result<(), DriverError> {
        let id = &self.gpio.outputs[output].id;
        failpoint::reach("write");
        let written = self.lines.write(output, on).and_then(|()| self.lines.read(output));
        failpoint::reach("written");
        let now = self.house.clock.now();
        match written {
            Ok(on) => {
                self.door.well(id)?;
                self.outputs.handle(now, OutputInput::Observed { output, on });
            }
            Err(error) => {
                self.door.trouble(id, "write", &error.to_string())?;
                self.outputs.handle(now, OutputInput::WriteFailed { output, reason: error.to_string() });
                if let Ok(on) = self.lines.read(output) {
                    self.outputs.handle(now, OutputInput::Observed { output, on });
                }
            }
        }
        Ok(())
    }
}
