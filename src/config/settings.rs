//! What a configuration means once it is checked. Every value here is of a type that cannot be wrong.

use super::driver_settings::{DsmrDevice, ModbusDevice, PropertySettings, SensorDevice, SystemDevice};
use super::gpio_settings::{GpioDevice, PwmDevice};
use super::listener_settings::ListenerSettings;
use crate::base::limits::QueueFull;
use crate::device::{Interlock, OutputSettings};
use crate::rules::Program;
use crate::rules::schedule::{Location, Zone};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A whole house, checked.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Settings {
    /// The gateway itself.
    pub gateway: GatewaySettings,
    /// The broker.
    pub broker: BrokerSettings,
    /// Where GPIO lines come from.
    pub gpio: GpioBackend,
    /// Serial buses, in the order of the files.
    pub buses: Vec<BusSettings>,
    /// Devices, in the order of the files.
    pub devices: Vec<DeviceSettings>,
    /// Outputs of which at most one is on, within a device and across devices.
    pub interlocks: Vec<Interlock>,
    /// Rules, scenes and their tests.
    pub rules: Arc<Program>,
}

impl Settings {
    /// The buses that several devices may share.
    pub fn shared_buses(&self) -> impl Iterator<Item = &BusSettings> {
        let is_shared = |bus: &&BusSettings| {
            let uses = |device: &DeviceSettings| matches!(&device.driver, DriverSettings::Modbus(modbus) if modbus.bus == bus.id);
            self.devices.iter().any(uses)
        };
        self.buses.iter().filter(is_shared)
    }
}

/// `[gateway]`: who this gateway is.
#[derive(Clone, Debug, PartialEq)]
pub struct GatewaySettings {
    /// Its id, unique among the gateways of a house.
    pub id: String,
    /// The first level or levels of all topic names, without a slash at the end.
    pub base: String,
    /// The time zone of schedules.
    pub zone: Zone,
    /// Where the house stands, for the sun.
    pub location: Option<Location>,
    /// Whether Home Assistant is told of every device.
    pub home_assistant: bool,
    /// Whether every device is mirrored as Homie 5 wants it.
    pub homie: bool,
}

impl Default for GatewaySettings {
    fn default() -> Self {
        Self {
            id: "gw1".into(),
            base: "home".into(),
            zone: Zone::default(),
            location: None,
            home_assistant: false,
            homie: false,
        }
    }
}

/// `[broker]`: where it listens, where it keeps, how much it takes.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct BrokerSettings {
    /// Addresses for MQTT over TCP with nothing else: the short form of a listener.
    pub listen: Vec<SocketAddr>,
    /// The other listeners. With neither of the two the command has a default.
    pub listeners: Vec<ListenerSettings>,
    /// The data directory; the default of the command if absent.
    pub data_dir: Option<PathBuf>,
    /// The users file, relative to the directory of the first configuration file.
    pub users: Option<PathBuf>,
    /// Whether clients may come without a user name; if it is not said, when there is no users file.
    pub anonymous: Option<bool>,
    /// Limits that differ from the defaults.
    pub limits: BrokerLimits,
}

/// `[broker.limits]`: each one is the default of the broker where it is absent.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct BrokerLimits {
    /// Network connections at one time.
    pub connections: Option<u64>,
    /// Connections of one address at one time.
    pub connections_per_address: Option<u64>,
    /// Connections opened in a second, in all.
    pub connect_rate: Option<u64>,
    /// Connections opened in a second by one address.
    pub connect_rate_per_address: Option<u64>,
    /// Connections whose CONNECT was not accepted yet.
    pub unauthenticated: Option<u64>,
    /// How long a connection may take to its CONNECT, in seconds.
    pub connect_timeout: Option<u64>,
    /// The longest packet before CONNECT was accepted, in bytes.
    pub packet_size_before_connect: Option<u64>,
    /// The largest will, in bytes.
    pub will_size: Option<u64>,
    /// The longest packet that is accepted, in bytes.
    pub packet_size: Option<u64>,
    /// Messages sent and not completed, per session.
    pub inflight: Option<u64>,
    /// Queued messages per session.
    pub queue_messages: Option<u64>,
    /// Bytes of queued messages per session.
    pub queue_bytes: Option<u64>,
    /// What happens when a queue is full.
    pub queue_full: QueueFull,
    /// Retained messages in all.
    pub retained_messages: Option<u64>,
    /// Their bytes.
    pub retained_bytes: Option<u64>,
    /// Levels of a topic name or filter.
    pub topic_levels: Option<u64>,
    /// Sessions in all.
    pub sessions: Option<u64>,
    /// Subscriptions of one client.
    pub subscriptions: Option<u64>,
    /// The longest keep alive, in seconds.
    pub keep_alive: Option<u64>,
}

/// Where GPIO lines come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum GpioBackend {
    /// The kernel's GPIO character device.
    #[default]
    Gpiochip,
    /// The registers of a Raspberry Pi.
    Rppal,
    /// Lines in memory, moved through topics.
    Simulated,
}

/// `[bus.ID]`: one serial port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusSettings {
    /// The id that devices refer to.
    pub id: String,
    /// Where the port comes from.
    pub port: PortSource,
    /// Speed and framing; of no account over TCP.
    pub mode: SerialMode,
    /// How long the far end needs after the port was opened.
    pub settle: Duration,
    /// How long a unit may think before it answers.
    pub reply_timeout: Duration,
    /// How long the bus rests between two packets, if longer than it must.
    pub quiet: Option<Duration>,
}

/// Where a serial port comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortSource {
    /// A device file.
    Path(PathBuf),
    /// Host and port of a Modbus server.
    Tcp(String),
    /// A pseudo-terminal with a simulated far end.
    Simulated(SimulatedPeer),
}

/// A far end that is simulated behind a pseudo-terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SimulatedPeer {
    /// Prints `T:21.5;H:412;P:0` every second, answers `PUMP=1` with `P:1`.
    Arduino,
}

/// Speed and framing of a serial port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SerialMode {
    /// Bits per second.
    pub baud: u32,
    /// 7 or 8.
    pub data_bits: u8,
    /// The parity bit.
    pub parity: Parity,
    /// 1 or 2.
    pub stop_bits: u8,
}

impl SerialMode {
    /// Bits of one character on the wire, with start, parity and stop bits.
    pub fn character_bits(self) -> u32 {
        let parity = u32::from(self.parity != Parity::None);
        1 + u32::from(self.data_bits) + parity + u32::from(self.stop_bits)
    }

    /// How long so many characters take on the wire.
    pub fn characters(self, count: usize) -> Duration {
        let bits = count as u64 * u64::from(self.character_bits());
        Duration::from_micros(bits * 1_000_000 / u64::from(self.baud.max(1)))
    }
}

/// The parity bit of a serial port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parity {
    /// No parity bit.
    None,
    /// Even number of ones.
    Even,
    /// Odd number of ones.
    Odd,
}

/// `[device.ID]`: one device.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceSettings {
    /// The id, one level of its topic names.
    pub id: String,
    /// Name for people.
    pub name: Option<String>,
    /// Room or area, for people.
    pub area: Option<String>,
    /// How long a command may wait when it does not say so itself.
    pub command_ttl: Duration,
    /// The driver and what it needs.
    pub driver: DriverSettings,
}

/// The driver of a device, with its part of the device.
#[derive(Clone, Debug, PartialEq)]
pub enum DriverSettings {
    /// Channels of a PWM chip.
    Pwm(PwmDevice),
    /// Lines of a GPIO chip.
    Gpio(GpioDevice),
    /// A serial device that speaks in lines of text.
    Line(LineDevice),
    /// A 1-Wire thermometer.
    Onewire(OnewireDevice),
    /// A unit on a Modbus bus.
    Modbus(ModbusDevice),
    /// A smart meter.
    Dsmr(DsmrDevice),
    /// A sensor of the kernel's Industrial I/O.
    Iio(SensorDevice),
    /// A sensor of the kernel's hardware monitoring.
    Hwmon(SensorDevice),
    /// The gateway itself.
    System(SystemDevice),
}

impl DriverSettings {
    /// Whether anything of the device can be commanded.
    pub fn takes_commands(&self) -> bool {
        match self {
            Self::Gpio(gpio) => !gpio.outputs.is_empty() || !gpio.counters.is_empty(),
            Self::Line(line) => !line.outputs.is_empty(),
            Self::Modbus(modbus) => {
                !modbus.outputs.is_empty() || modbus.registers.iter().any(|register| register.is_settable)
            }
            Self::Pwm(_) => true,
            Self::Onewire(_) | Self::Dsmr(_) | Self::Iio(_) | Self::Hwmon(_) | Self::System(_) => false,
        }
    }

    /// The bus the device is on, if it is on one.
    pub fn bus(&self) -> Option<&str> {
        match self {
            Self::Line(line) => Some(&line.bus),
            Self::Modbus(modbus) => Some(&modbus.bus),
            Self::Dsmr(dsmr) => Some(&dsmr.bus),
            Self::Gpio(_) | Self::Onewire(_) | Self::Pwm(_) | Self::Iio(_) | Self::Hwmon(_) | Self::System(_) => None,
        }
    }

    /// The word for the driver, as in the file and in `$meta`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Gpio(_) => "gpio",
            Self::Line(_) => "line",
            Self::Onewire(_) => "w1",
            Self::Modbus(_) => "modbus",
            Self::Pwm(_) => "pwm",
            Self::Dsmr(_) => "dsmr",
            Self::Iio(_) => "iio",
            Self::Hwmon(_) => "hwmon",
            Self::System(_) => "system",
        }
    }
}

/// A serial device that speaks in lines of `KEY:value;KEY:value`.
#[derive(Clone, Debug, PartialEq)]
pub struct LineDevice {
    /// The bus it is on.
    pub bus: String,
    /// How a line is cut into keys and values.
    pub read: LineFormat,
    /// Values it reports.
    pub properties: Vec<LineProperty>,
    /// Values it can be told.
    pub outputs: Vec<LineOutput>,
}

/// How a line is cut into keys and values.
#[derive(Clone, Debug, PartialEq)]
pub enum LineFormat {
    /// `T:21.5;H:412`.
    KeyValue {
        /// Between two pairs.
        separator: char,
        /// Between key and value.
        assign: char,
    },
    /// `21.5,412,1`: the keys are the numbers of the columns, from 1.
    Csv {
        /// Between two columns.
        separator: char,
        /// How many columns a line has.
        columns: usize,
    },
    /// `{"air":{"temperature":21.5}}`: the keys are names, with points between those inside each other.
    Json,
    /// A regular expression with named groups, which are the keys.
    Regex(Pattern),
}

/// A regular expression that was checked; two are equal if they are written alike.
#[derive(Clone, Debug)]
pub struct Pattern(pub regex_lite::Regex);

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl std::ops::Deref for Pattern {
    type Target = regex_lite::Regex;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

/// What a property of a line device holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum LineKind {
    /// A number.
    #[default]
    Number,
    /// `1`, `true`, `on`, or `0`, `false`, `off`.
    Boolean,
    /// Any text.
    Text,
}

/// `[device.ID.prop.ID]` of a line device: a value that the device reports.
#[derive(Clone, Debug, PartialEq)]
pub struct LineProperty {
    /// The property and how it is reported.
    pub property: PropertySettings,
    /// The key in the device's lines.
    pub key: String,
    /// What it holds.
    pub kind: LineKind,
}

/// `[device.ID.out.ID]` of a line device: a switch that the device reports and can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineOutput {
    /// The property.
    pub id: String,
    /// The key under which the device reports the state.
    pub key: String,
    /// What is sent, with `{int}` (0 or 1) or `{bool}` (false or true) for the value.
    pub write: String,
    /// How long the device may take to report the new state.
    pub confirm: Duration,
    /// States at start and fault, and limits.
    pub output: OutputSettings,
}

/// A 1-Wire thermometer, read through the kernel's `w1_therm`.
#[derive(Clone, Debug, PartialEq)]
pub struct OnewireDevice {
    /// Serial number, as in `/sys/bus/w1/devices`.
    pub rom: String,
    /// Time between two readings.
    pub every: Duration,
    /// Which readings are not believed.
    pub reject: crate::device::RejectSettings,
    /// A temperature in °C to start from, if the sensor is only simulated.
    pub simulate: Option<f64>,
    /// The temperature and how it is reported.
    pub property: PropertySettings,
}
