//! Serial devices that speak in lines of text, such as an Arduino that prints `T:21.5;H:412;P:1`.

mod format;
mod io;
pub(super) mod peer;

use super::backoff::Backoff;
use super::door::{Asked, Door};
use super::simulation::SimulatedPort;
use super::switches::Switches;
use super::{DriverError, House, Start, output_meta, stopped};
use crate::base::Moment;
use crate::config::{BusSettings, DeviceSettings, LineDevice, PortSource};
use crate::device::{Meta, OutputEvent, OutputInput, OutputSpec, PropertyMeta, Value};
use format::{Line, LineReader};
use io::Port;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::watch;

/// The first wait before a port is opened again.
const REOPEN_MIN: Duration = Duration::from_millis(500);

/// The longest wait before a port is opened again: a board that is plugged in again is back within it.
const REOPEN_MAX: Duration = Duration::from_secs(10);

/// How long the outputs may take to reach their failsafe states when the driver stops.
const FAILSAFE_TIMEOUT: Duration = Duration::from_secs(3);

/// The part in `$problem` that stands for the port.
const PORT: &str = "port";

/// What went wrong: with the port, which is opened again, or with the driver, which ends.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Port(std::io::Error),
    #[error(transparent)]
    Driver(#[from] DriverError),
}

/// One device while it runs.
struct Device<'d> {
    house: &'d House,
    line: &'d LineDevice,
    bus: &'d BusSettings,
    door: Door,
    port: Option<Port>,
    /// What comes in before this is the far end waking up.
    settled_at: Moment,
    reader: LineReader,
    outputs: Switches,
    /// States to bring the outputs into once the device has spoken for the first time.
    restore: Option<Vec<Option<bool>>>,
    values: Vec<Reported>,
}

/// A property as the device last reported it.
#[derive(Clone, Copy, Debug, Default)]
struct Reported {
    value: Option<f64>,
    stale_at: Option<Moment>,
}

/// Runs a device until `stop` says so.
///
/// # Errors
/// When the connection to the broker fails. A port that fails is opened again.
pub(super) async fn run(
    house: &House,
    device: &DeviceSettings,
    line: &LineDevice,
    start: Start,
    mut stop: watch::Receiver<bool>,
) -> Result<(), DriverError> {
    let meta = describe(house, device, line);
    let outputs: Vec<_> = line.outputs.iter().map(|output| (output.id.as_str(), &output.output)).collect();
    let door = Door::open(house, device, &meta, start, &outputs).await?;
    let mut running = Device::new(house, &device.id, line, door, start);
    let mut backoff = Backoff::new(REOPEN_MIN, REOPEN_MAX);
    let mut reopen = Some(house.clock.now());
    loop {
        let deadline = [reopen, running.next_deadline()].into_iter().flatten().min();
        let result = tokio::select! {
            () = stopped(&mut stop) => return running.end().await,
            bytes = read(&mut running.port) => match bytes {
                Ok(bytes) => {
                    backoff.succeeded();
                    running.received(&bytes).await
                }
                Err(error) => Err(Failure::Port(error)),
            },
            asked = running.door.next() => running.asked(asked?).await,
            () = running.outputs.eased() => running.tell_outputs(OutputInput::Time).await,
            () = house.clock.sleep_until(deadline) => {
                if reopen.take_if(|reopen| *reopen <= house.clock.now()).is_some() {
                    running.open()
                } else {
                    running.tell_outputs(OutputInput::Time).await
                }
            }
        };
        running.tell_stale()?;
        match result {
            Ok(()) => {}
            Err(Failure::Driver(error)) => return Err(error),
            Err(Failure::Port(error)) => {
                running.lose(&error)?;
                reopen = Some(house.clock.now() + backoff.after_failure());
            }
        }
    }
}

/// Bytes from the port; never any while there is none.
async fn read(port: &mut Option<Port>) -> std::io::Result<Vec<u8>> {
    match port {
        Some(port) => port.read().await,
        None => std::future::pending().await,
    }
}

fn describe(house: &House, device: &DeviceSettings, line: &LineDevice) -> Meta {
    let mut meta = house.describe(device);
    for output in &line.outputs {
        let property = output_meta(house, &device.id, &output.id, &output.output);
        meta.properties.insert(output.id.clone(), property);
    }
    for reported in &line.properties {
        let mut property = PropertyMeta::new("float");
        property.unit.clone_from(&reported.unit);
        property.format = reported.range.map(|(low, high)| format!("{low}:{high}"));
        meta.properties.insert(reported.id.clone(), property);
    }
    meta
}

impl<'d> Device<'d> {
    fn new(house: &'d House, id: &str, line: &'d LineDevice, door: Door, start: Start) -> Self {
        let spec = |output: &crate::config::LineOutput| OutputSpec {
            id: output.id.clone(),
            settings: output.output.clone(),
            confirm: Some(output.confirm),
        };
        let outputs = Switches::new(house, id, line.outputs.iter().map(spec).collect());
        let last: Vec<Option<bool>> = line.outputs.iter().map(|output| door.last_switch(&output.id)).collect();
        let restore = match start {
            Start::Fresh => outputs.start_states(&last),
            Start::AfterFault => outputs.failsafe_states(),
        };
        let bus = house.settings.buses.iter().find(|bus| bus.id == line.bus);
        let bus = bus.expect("the configuration is checked: every device's bus is there");
        let values = vec![Reported::default(); line.properties.len()];
        let reader = LineReader::default();
        let (port, settled_at, restore) = (None, Moment::START, Some(restore));
        Self { house, line, bus, door, port, settled_at, reader, outputs, restore, values }
    }

    /// Opens the port.
    fn open(&mut self) -> Result<(), Failure> {
        let Some(path) = self.path() else {
            let unplugged = "the simulated port is unplugged";
            return Err(Failure::Port(std::io::Error::new(std::io::ErrorKind::NotFound, unplugged)));
        };
        match Port::open(&path, self.bus.mode) {
            Ok(port) => {
                self.port = Some(port);
                self.settled_at = self.house.clock.now() + self.bus.settle;
                self.reader = LineReader::default();
                tracing::info!(bus = self.bus.id, path = %path.display(), "port opened");
                Ok(())
            }
            Err(error) => {
                let text = format!("{}: {error}", path.display());
                self.door.trouble(PORT, "open", &text)?;
                Err(Failure::Port(error))
            }
        }
    }

    fn path(&self) -> Option<PathBuf> {
        match &self.bus.port {
            PortSource::Path(path) => Some(path.clone()),
            PortSource::Simulated(_) => self.house.simulation.port(&self.bus.id).and_then(SimulatedPort::path),
        }
    }

    /// The port is gone: nothing the device said is to be trusted any more.
    fn lose(&mut self, error: &std::io::Error) -> Result<(), DriverError> {
        let kind = if self.port.take().is_some() { "closed" } else { "open" };
        self.door.offline()?;
        if !self.door.has_trouble(PORT, kind) {
            self.door.trouble(PORT, kind, &error.to_string())?;
        }
        for value in &mut self.values {
            *value = Reported::default();
        }
        self.outputs.handle(self.house.clock.now(), OutputInput::Lost);
        while let Some(event) = self.outputs.poll_output() {
            self.tell(&event)?;
        }
        Ok(())
    }

    async fn received(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        if self.house.clock.now() < self.settled_at {
            return Ok(());
        }
        for line in self.reader.read(bytes) {
            match line {
                Line::Text(text) => self.line(&text).await?,
                Line::NotText => self.door.trouble(PORT, "read", "the device sends bytes that are no text")?,
                Line::TooLong => self.door.trouble(PORT, "read", "the device sends a line without end")?,
            }
        }
        Ok(())
    }

    /// One line: its values, then the outputs it tells about.
    async fn line(&mut self, text: &str) -> Result<(), Failure> {
        let mut observed = Vec::new();
        let mut known = false;
        for (key, value) in format::pairs(self.line.read, text) {
            if let Some(index) = self.line.properties.iter().position(|property| property.key == key) {
                known |= self.value(index, value)?;
            } else if let Some(output) = self.line.outputs.iter().position(|output| output.key == key) {
                if let Some(on) = format::switch(value) {
                    known = true;
                    observed.push(OutputInput::Observed { output, on });
                    self.door.well(&self.line.outputs[output].id)?;
                } else {
                    let text = format!("`{value}` is neither 0 nor 1");
                    self.door.trouble(&self.line.outputs[output].id, "read", &text)?;
                }
            }
        }
        if !known {
            return Ok(());
        }
        self.door.well(PORT)?;
        let mut inputs = Vec::new();
        if !self.door.is_online() {
            self.door.online()?;
            inputs.push(OutputInput::Found);
        }
        inputs.extend(observed);
        if let Some(states) = self.restore.take() {
            inputs.push(OutputInput::Restore(states));
        }
        for input in inputs {
            self.tell_outputs(input).await?;
        }
        Ok(())
    }

    /// A property's value; whether it could be read.
    fn value(&mut self, index: usize, text: &str) -> Result<bool, DriverError> {
        let property = &self.line.properties[index];
        let Some(value) = text.parse().ok().filter(|value: &f64| value.is_finite()) else {
            self.door.trouble(&property.id, "read", &format!("`{text}` is not a number"))?;
            return Ok(false);
        };
        if let Some((low, high)) = property.range.filter(|(low, high)| value < *low || value > *high) {
            self.door.trouble(&property.id, "range", &format!("{value} is not between {low} and {high}"))?;
            return Ok(false);
        }
        self.door.well(&property.id)?;
        let reported = &mut self.values[index];
        reported.stale_at = property.stale_after.map(|after| self.house.clock.now() + after);
        if reported.value.replace(value) != Some(value) {
            self.door.state(&property.id, &Value::Number(value))?;
        }
        Ok(true)
    }

    fn tell_stale(&mut self) -> Result<(), DriverError> {
        let now = self.house.clock.now();
        for (index, reported) in self.values.iter_mut().enumerate() {
            if reported.stale_at.take_if(|stale_at| *stale_at <= now).is_some() {
                // The next report is news, even if it is the same value.
                reported.value = None;
                self.door.trouble(&self.line.properties[index].id, "stale", "the device does not report it")?;
            }
        }
        Ok(())
    }

    async fn asked(&mut self, asked: Asked) -> Result<(), Failure> {
        match asked {
            Asked::Set { property, ticket, command } => {
                let output = self.line.outputs.iter().position(|output| output.id == property);
                match output {
                    Some(output) => self.tell_outputs(OutputInput::Command { output, ticket, command }).await,
                    None => Ok(()),
                }
            }
            Asked::Get { property } => Ok(self.read_again(&property)?),
            Asked::Alive { outputs } => {
                for id in outputs {
                    if let Some(output) = self.line.outputs.iter().position(|output| output.id == id) {
                        self.tell_outputs(OutputInput::Alive { output }).await?;
                    }
                }
                Ok(())
            }
        }
    }

    /// Such a device cannot be asked: what it last said is published again, if it can still be trusted.
    fn read_again(&mut self, property: &str) -> Result<(), DriverError> {
        if let Some(index) = self.line.properties.iter().position(|known| known.id == property) {
            if let Some(value) = self.values[index].value {
                self.door.state(property, &Value::Number(value))?;
            }
        } else if let Some(output) = self.line.outputs.iter().position(|output| output.id == property)
            && let Some(on) = self.outputs.state(output)
        {
            self.door.passing_state(property, &Value::Boolean(on))?;
        }
        Ok(())
    }

    fn next_deadline(&self) -> Option<Moment> {
        let stale = self.values.iter().filter_map(|value| value.stale_at);
        stale.chain(self.outputs.next_deadline()).min()
    }

    /// Hands something to the outputs and does what they want done.
    async fn tell_outputs(&mut self, input: OutputInput) -> Result<(), Failure> {
        self.outputs.handle(self.house.clock.now(), input);
        while let Some(event) = self.outputs.poll_output() {
            let OutputEvent::Write { output, on } = event else {
                self.tell(&event)?;
                continue;
            };
            let Some(port) = &mut self.port else { continue };
            let command = format::command(&self.line.outputs[output].write, on);
            port.write(command.as_bytes()).await.map_err(Failure::Port)?;
        }
        Ok(())
    }

    fn tell(&mut self, event: &OutputEvent) -> Result<(), DriverError> {
        let id = |output: &usize| self.line.outputs[*output].id.as_str();
        match event {
            // Without a port nothing is written; the outputs were told that it is lost.
            OutputEvent::Write { .. } => Ok(()),
            OutputEvent::State { output, on, is_lasting: true } => self.door.state(id(output), &Value::Boolean(*on)),
            OutputEvent::State { output, on, is_lasting: false } => {
                self.door.passing_state(id(output), &Value::Boolean(*on))
            }
            OutputEvent::Target { output, on } => self.door.target(id(output), *on),
            OutputEvent::Heartbeat { output, lost } => self.door.heartbeat(id(output), *lost),
            OutputEvent::Result { output, ticket, result } => self.door.result(id(output), *ticket, result),
        }
    }

    /// Brings the outputs into their failsafe states, if the device follows, and says goodbye.
    async fn end(mut self) -> Result<(), DriverError> {
        let followed = tokio::time::timeout(FAILSAFE_TIMEOUT, self.failsafe()).await;
        if !matches!(followed, Ok(Ok(()))) {
            tracing::warn!(bus = self.bus.id, "the device did not follow to its failsafe states");
        }
        self.door.close().await
    }

    async fn failsafe(&mut self) -> Result<(), Failure> {
        self.tell_outputs(OutputInput::Failsafe).await?;
        while !self.outputs.is_idle() && self.port.is_some() {
            let deadline = self.next_deadline();
            tokio::select! {
                bytes = read(&mut self.port) => self.received(&bytes.map_err(Failure::Port)?).await?,
                () = self.house.clock.sleep_until(deadline) => self.tell_outputs(OutputInput::Time).await?,
            }
        }
        Ok(())
    }
}
