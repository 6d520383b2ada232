//! Devices on GPIO lines: outputs, contacts, buttons.

pub(super) mod gpiochip;
pub(super) mod lines;
mod meta;
#[cfg(target_arch = "aarch64")]
mod rppal;
pub(super) mod simulated;

use super::door::{Asked, Door};
use super::failpoint;
use super::switches::Switches;
use super::{DriverError, House, Start, stopped};
use crate::config::{DeviceSettings, GpioDevice};
use crate::device::{Button, Debounce, OutputEvent, OutputInput, OutputSpec, Value};
use lines::{Edge, LineSpec, Lines, Role};
use std::time::Duration;
use tokio::sync::watch;

/// One device while it runs. Lines are numbered: first the outputs, then the inputs, then the buttons.
struct Device<'d> {
    house: &'d House,
    gpio: &'d GpioDevice,
    door: Door,
    lines: Lines,
    outputs: Switches,
    /// Debounced levels of inputs and buttons.
    levels: Vec<Debounce>,
    buttons: Vec<Button>,
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
    let settings: Vec<_> = gpio.outputs.iter().map(|output| (output.id.as_str(), &output.output)).collect();
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
    outputs.chain(inputs).chain(buttons).map(|(line, role)| LineSpec { line, role }).collect()
}

impl<'d> Device<'d> {
    fn new(house: &'d House, gpio: &'d GpioDevice, door: Door, lines: Lines, outputs: Switches) -> Self {
        let lengths = gpio.inputs.iter().map(|input| input.debounce);
        let lengths = lengths.chain(gpio.buttons.iter().map(|button| button.debounce));
        let length = |length: Duration| if lines.debounces() { Duration::ZERO } else { length };
        let levels = lengths.map(|wanted| Debounce::new(length(wanted))).collect();
        let buttons = gpio.buttons.iter().map(|button| Button::new(button.button)).collect();
        Self { house, gpio, door, lines, outputs, levels, buttons }
    }

    /// Reads every line; from then on the device is online.
    fn begin(&mut self, states: Vec<Option<bool>>) -> Result<(), DriverError> {
        self.tell_outputs(OutputInput::Found)?;
        for output in 0..self.gpio.outputs.len() {
            let on = self.lines.read(output)?;
            self.tell_outputs(OutputInput::Observed { output, on })?;
        }
        self.tell_outputs(OutputInput::Restore(states))?;
        for index in 0..self.levels.len() {
            let level = self.lines.read(self.gpio.outputs.len() + index)?;
            self.levels[index].handle(self.house.clock.now(), level);
            self.settle_level(index)?;
        }
        self.door.online()
    }

    /// Brings the outputs into their failsafe states and says goodbye.
    async fn end(mut self) -> Result<(), DriverError> {
        self.tell_outputs(OutputInput::Failsafe)?;
        self.door.close().await
    }

    fn edge(&mut self, edge: Edge) -> Result<(), DriverError> {
        let Some(index) = edge.line.checked_sub(self.gpio.outputs.len()) else { return Ok(()) };
        self.levels[index].handle(edge.at, edge.level);
        self.settle_level(index)
    }

    fn asked(&mut self, asked: Asked) -> Result<(), DriverError> {
        match asked {
            Asked::Set { property, ticket, command } => {
                let output = self.gpio.outputs.iter().position(|output| output.id == property);
                match output {
                    Some(output) => self.tell_outputs(OutputInput::Command { output, ticket, command }),
                    None => Ok(()),
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
            self.door.state(property, &Value::Boolean(on))?;
        } else if let Some(index) = self.gpio.inputs.iter().position(|input| input.id == property) {
            let on = self.lines.read(self.gpio.outputs.len() + index)?;
            self.levels[index].handle(self.house.clock.now(), on);
            self.settle_level(index)?;
            if let Some(level) = self.levels[index].level() {
                self.door.state(property, &Value::Boolean(level))?;
            }
        }
        Ok(())
    }

    /// Publishes a level that counts from now on, and the clicks it makes.
    fn settle_level(&mut self, index: usize) -> Result<(), DriverError> {
        let Some((level, at)) = self.levels[index].poll_output(self.house.clock.now()) else { return Ok(()) };
        match index.checked_sub(self.gpio.inputs.len()) {
            None => self.door.state(&self.gpio.inputs[index].id, &Value::Boolean(level)),
            Some(button) => {
                self.buttons[button].handle(at, level);
                self.tell_clicks(button)
            }
        }
    }

    fn tell_clicks(&mut self, button: usize) -> Result<(), DriverError> {
        while let Some(click) = self.buttons[button].poll_output() {
            self.door.click(&self.gpio.buttons[button].id, click)?;
        }
        Ok(())
    }

    fn next_deadline(&self) -> Option<crate::base::Moment> {
        let levels = self.levels.iter().filter_map(Debounce::next_deadline);
        let buttons = self.buttons.iter().filter_map(Button::next_deadline);
        levels.chain(buttons).chain(self.outputs.next_deadline()).min()
    }

    fn pass(&mut self) -> Result<(), DriverError> {
        let now = self.house.clock.now();
        for index in 0..self.levels.len() {
            self.settle_level(index)?;
        }
        for button in 0..self.buttons.len() {
            self.buttons[button].pass(now);
            self.tell_clicks(button)?;
        }
        self.tell_outputs(OutputInput::Time)
    }

    /// Hands something to the outputs and does what they want done.
    fn tell_outputs(&mut self, input: OutputInput) -> Result<(), DriverError> {
        self.outputs.handle(self.house.clock.now(), input);
        while let Some(event) = self.outputs.poll_output() {
            match event {
                OutputEvent::Write { output, on } => self.write(output, on)?,
                OutputEvent::State { output, on } => {
                    self.door.state(&self.gpio.outputs[output].id, &Value::Boolean(on))?;
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
