//! Sensors that the kernel shows as files: read again and again, judged, told. The machine is pure.

use super::door::{Asked, Door};
use super::say::Say;
use super::values::{self, Values};
use super::{DriverError, House, Start, stopped, sysfs};
use crate::base::Moment;
use crate::config::{DeviceSettings, PropertySettings, SensorDevice};
use crate::device::{Meta, Quantity, Value};
use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

/// Names and texts of files.
pub(super) type Files = BTreeMap<String, String>;

/// Readings in a row that may fail before the sensor counts as lost.
const TRIES: u32 = 3;

/// Channels of one sensor.
const CHANNELS_MAX: usize = 64;

/// The part in `$problem` that stands for the sensor.
const SENSOR: &str = "sensor";

/// One value of a sensor.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Channel {
    pub(super) id: String,
    pub(super) unit: Option<&'static str>,
    pub(super) class: Option<&'static str>,
    pub(super) datatype: &'static str,
    pub(super) value: Result<Value, String>,
}

impl Channel {
    /// A number of a known kind, in the kernel's unit.
    pub(super) fn of(id: &str, quantity: &Quantity, value: Result<f64, String>) -> Self {
        // To a millionth: beyond it lies only what multiplying adds.
        let value = value.map(|value| (value * quantity.factor * 1e6).round() / 1e6);
        Self::number(id, quantity.unit, quantity.class, value)
    }

    /// A number.
    pub(super) fn number(id: &str, unit: &'static str, class: &'static str, value: Result<f64, String>) -> Self {
        let (unit, class) = (Some(unit).filter(|unit| !unit.is_empty()), Some(class).filter(|class| !class.is_empty()));
        Self { id: id.to_owned(), unit, class, datatype: "float", value: value.map(Value::Number) }
    }
}

/// The number that a text of the kernel's is.
///
/// # Errors
/// That it is none.
pub(super) fn number(text: &str) -> Result<f64, String> {
    let number = text.trim().parse().ok().filter(|number: &f64| number.is_finite());
    number.ok_or_else(|| format!("`{}` is not a number", text.trim().escape_debug()))
}

/// A kind of sensors that the kernel shows in sysfs.
#[derive(Debug)]
pub(super) struct Kind {
    /// Where it shows them.
    pub(super) root: &'static str,
    /// What their directories begin with.
    pub(super) prefix: &'static str,
    /// Which of their files are read.
    pub(super) is_wanted: fn(&str) -> bool,
    /// What the files hold.
    pub(super) channels: fn(&Files) -> Vec<Channel>,
}

/// A sensor between its files and its topics.
#[derive(Debug)]
pub(super) struct Polled {
    meta: Meta,
    /// What the configuration says about single channels.
    wanted: BTreeMap<String, PropertySettings>,
    values: Values,
    failures: u32,
    is_online: bool,
    says: VecDeque<Say>,
}

impl Polled {
    /// A sensor that was never read.
    pub(super) fn new(meta: Meta, wanted: &[PropertySettings]) -> Self {
        let wanted = wanted.iter().map(|property| (property.id.clone(), property.clone())).collect();
        let (values, says) = (Values::new([]), VecDeque::new());
        Self { meta, wanted, values, failures: 0, is_online: false, says }
    }

    /// Takes in a reading of all channels, or why there is none.
    pub(super) fn take(&mut self, now: Moment, reading: Result<Vec<Channel>, String>) {
        match reading {
            Ok(channels) if channels.iter().any(|channel| channel.value.is_ok()) => self.channels(now, channels),
            Ok(channels) => {
                let why = channels.into_iter().find_map(|channel| channel.value.err());
                self.fail(why.unwrap_or_else(|| "the sensor has no channel that can be read".to_owned()));
            }
            Err(why) => self.fail(why),
        }
        self.collect();
    }

    /// Lets time pass.
    pub(super) fn pass(&mut self, now: Moment) {
        self.values.pass(now);
        self.collect();
    }

    /// Publishes what is believed of a property once more.
    pub(super) fn again(&mut self, property: &str) {
        if let Some(index) = self.values.index_of(property) {
            self.values.again(index);
        }
        self.collect();
    }

    /// The next thing to tell.
    pub(super) fn poll_output(&mut self) -> Option<Say> {
        self.says.pop_front()
    }

    /// When [`pass`](Self::pass) is due.
    pub(super) fn next_deadline(&self) -> Option<Moment> {
        self.values.next_deadline()
    }

    fn channels(&mut self, now: Moment, channels: Vec<Channel>) {
        let is_news = channels.iter().any(|channel| self.values.index_of(&channel.id).is_none());
        for channel in channels.iter().take(CHANNELS_MAX) {
            if self.values.index_of(&channel.id).is_none() {
                self.add(channel);
            }
        }
        if is_news {
            self.says.push_back(Say::Describe(Box::new(self.meta.clone())));
        }
        for channel in channels {
            let Some(index) = self.values.index_of(&channel.id) else { continue };
            match channel.value {
                Ok(value) => drop(self.values.take(now, index, value)),
                Err(why) => self.values.doubt(index, why),
            }
        }
        self.collect();
        if std::mem::take(&mut self.failures) > 0 {
            self.says.push_back(Say::Well { part: SENSOR.to_owned() });
        }
        if !std::mem::replace(&mut self.is_online, true) {
            self.says.push_back(Say::Online);
        }
    }

    fn add(&mut self, channel: &Channel) {
        let wanted = self.wanted.get(&channel.id).cloned().unwrap_or_default();
        let property = PropertySettings {
            id: channel.id.clone(),
            unit: wanted.unit.or(channel.unit.map(str::to_owned)),
            class: wanted.class.or(channel.class.map(str::to_owned)),
            convert: wanted.convert,
            report: wanted.report,
        };
        values::describe(&mut self.meta, &property, channel.datatype);
        self.values.add(&property);
    }

    fn fail(&mut self, why: String) {
        self.failures = self.failures.saturating_add(1);
        self.says.push_back(Say::Trouble { part: SENSOR.to_owned(), kind: "read", text: why });
        if self.failures >= TRIES && std::mem::take(&mut self.is_online) {
            self.values.lose();
            self.says.push_back(Say::Offline);
        }
    }

    fn collect(&mut self) {
        while let Some(say) = self.values.poll_output() {
            self.says.push_back(say);
        }
    }
}

/// Runs a sensor of the kernel's until `stop` says so.
///
/// # Errors
/// When the connection to the broker fails.
pub(super) async fn run_kind(
    house: &House,
    device: &DeviceSettings,
    sensor: &SensorDevice,
    start: Start,
    stop: watch::Receiver<bool>,
    kind: &'static Kind,
) -> Result<(), DriverError> {
    let wanted = (sensor.every, sensor.properties.as_slice());
    let found = sensor.matching.clone();
    let read = move || {
        let directory = sysfs::find(Path::new(kind.root), kind.prefix, &found)?;
        sysfs::read_files(&directory, kind.is_wanted).map(|files| (kind.channels)(&files))
    };
    run(house, device, wanted, start, stop, read).await
}

/// Runs a sensor until `stop` says so. `read` may take its time: another thread waits for it.
///
/// # Errors
/// When the connection to the broker fails. A sensor that fails is offline until it can be read again.
pub(super) async fn run(
    house: &House,
    device: &DeviceSettings,
    (every, wanted): (Duration, &[PropertySettings]),
    start: Start,
    mut stop: watch::Receiver<bool>,
    read: impl Fn() -> Result<Vec<Channel>, String> + Clone + Send + 'static,
) -> Result<(), DriverError> {
    let meta = house.describe(device);
    let mut door = Door::open(house, device, &meta, start, &[]).await?;
    let mut machine = Polled::new(meta, wanted);
    let mut every = tokio::time::interval(every);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        while let Some(say) = machine.poll_output() {
            say.tell(&mut door)?;
        }
        let asked = tokio::select! {
            () = stopped(&mut stop) => return door.close().await,
            _ = every.tick() => None,
            asked = door.next() => match asked? {
                Asked::Get { property } => Some(property),
                Asked::Set { .. } | Asked::Alive { .. } => continue,
            },
            () = house.clock.sleep_until(machine.next_deadline()) => {
                machine.pass(house.clock.now());
                continue;
            }
        };
        let read = read.clone();
        let reading = tokio::task::spawn_blocking(read).await;
        machine.take(house.clock.now(), reading.unwrap_or_else(|error| Err(error.to_string())));
        if let Some(property) = asked {
            machine.again(&property);
        }
    }
}
