//! What drivers that read something are to read, once it is checked.

use crate::device::{OutputSettings, ReportSettings};
use crate::rules::expression::Expression;
use std::collections::BTreeMap;
use std::time::Duration;

/// What all properties that are read have in common.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct PropertySettings {
    /// The property.
    pub id: String,
    /// Unit, for `$meta`.
    pub unit: Option<String>,
    /// What it is, for dashboards: `temperature`, `power` …
    pub class: Option<String>,
    /// What a number that was read comes to.
    pub convert: Option<Expression>,
    /// How readings become messages.
    pub report: ReportSettings,
}

/// One unit on a Modbus bus.
#[derive(Clone, Debug, PartialEq)]
pub struct ModbusDevice {
    /// The bus it is on.
    pub bus: String,
    /// Its unit identifier, 1 to 247.
    pub unit: u8,
    /// How many unwanted registers between two wanted ones are read along.
    pub gap: u16,
    /// Registers of the largest request it answers.
    pub read_max: u16,
    /// Values it has.
    pub registers: Vec<Register>,
    /// Switches it has.
    pub outputs: Vec<ModbusOutput>,
}

/// The four tables of a Modbus unit.
///
/// Source: MODBUS Application Protocol Specification V1.1b3, 4.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ModbusTable {
    /// Single bits that can be written.
    Coil,
    /// Single bits.
    Discrete,
    /// Words of 16 bits.
    Input,
    /// Words of 16 bits that can be written.
    Holding,
}

/// What a register holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegisterKind {
    /// A bit; of a word, whether it is not 0.
    Bool,
    /// One word without sign.
    U16,
    /// One word, two's complement.
    I16,
    /// Two words without sign.
    U32,
    /// Two words, two's complement.
    I32,
    /// Four words without sign.
    U64,
    /// Four words, two's complement.
    I64,
    /// Two words, IEEE 754.
    F32,
    /// Four words, IEEE 754.
    F64,
    /// Two characters in each of so many words, ended by a zero or filled up with spaces.
    Text(u8),
}

impl RegisterKind {
    /// Words, or bits of a coil or discrete input.
    pub fn length(self) -> usize {
        match self {
            Self::Bool | Self::U16 | Self::I16 => 1,
            Self::U32 | Self::I32 | Self::F32 => 2,
            Self::U64 | Self::I64 | Self::F64 => 4,
            Self::Text(words) => words.into(),
        }
    }

    /// Whether it is a whole number without sign.
    pub fn is_unsigned(self) -> bool {
        match self {
            Self::U16 | Self::U32 | Self::U64 => true,
            Self::Bool | Self::I16 | Self::I32 | Self::I64 | Self::F32 | Self::F64 | Self::Text(_) => false,
        }
    }
}

/// In which order a value that is longer than a byte lies in the registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct RegisterOrder {
    /// The least significant word lies at the lowest address.
    pub low_word_first: bool,
    /// The bytes of every word are swapped, against the specification.
    pub low_byte_first: bool,
}

/// `[device.ID.reg.ID]`: one value of a unit.
#[derive(Clone, Debug, PartialEq)]
pub struct Register {
    /// The property.
    pub property: PropertySettings,
    /// The table it lies in.
    pub table: ModbusTable,
    /// Its address on the wire, from 0.
    pub address: u16,
    /// What it holds.
    pub kind: RegisterKind,
    /// The order of words and bytes.
    pub order: RegisterOrder,
    /// Factor of the raw number, and what is added then.
    pub scaling: Option<(f64, f64)>,
    /// The lowest and the highest bit of a field.
    pub bits: Option<(u8, u8)>,
    /// Words in the place of numbers.
    pub names: BTreeMap<u64, String>,
    /// Whether `…/set` writes it.
    pub is_settable: bool,
    /// The raw number by which the unit says that it has no value.
    pub missing: Option<u64>,
    /// Time between two readings.
    pub every: Duration,
}

impl Register {
    /// Whether it is a number, and not a flag, a word or a text.
    pub fn is_number(&self) -> bool {
        let is_flag = self.bits.is_some_and(|(low, high)| low == high) && self.scaling.is_none();
        let is_text = matches!(self.kind, RegisterKind::Bool | RegisterKind::Text(_));
        self.names.is_empty() && !is_flag && !is_text
    }
}

/// `[device.ID.out.ID]` of a Modbus device: a coil or a register that is a switch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModbusOutput {
    /// The property.
    pub id: String,
    /// Coil or holding register.
    pub table: ModbusTable,
    /// Its address on the wire, from 0.
    pub address: u16,
    /// The number for on, in a register.
    pub on: u16,
    /// The number for off, in a register.
    pub off: u16,
    /// Time between two readings.
    pub every: Duration,
    /// States at start and fault, and limits.
    pub output: OutputSettings,
}

/// A smart meter with a P1 port.
#[derive(Clone, Debug, PartialEq)]
pub struct DsmrDevice {
    /// The bus it is on.
    pub bus: String,
    /// Which checksum its telegrams have.
    pub checksum: Checksum,
    /// How its readings become messages.
    pub report: ReportSettings,
}

/// The checksum of a telegram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Checksum {
    /// CRC-16/ARC or CRC-16/X.25; none while none was ever seen, as before DSMR 4.
    #[default]
    Auto,
    /// CRC-16/ARC, as DSMR 4 and 5 have it.
    Arc,
    /// CRC-16/X.25.
    X25,
    /// It is not looked at.
    None,
}

/// A sensor that the kernel shows as files.
#[derive(Clone, Debug, PartialEq)]
pub struct SensorDevice {
    /// How it is found.
    pub matching: SensorMatch,
    /// Time between two readings.
    pub every: Duration,
    /// What is said about single channels.
    pub properties: Vec<PropertySettings>,
}

/// How a sensor is found: never by its number, which moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SensorMatch {
    /// The name that its driver gives it.
    pub name: String,
    /// The bus address or device it is connected to, such as `1-0076`.
    pub on: Option<String>,
}

/// The gateway itself as a device.
#[derive(Clone, Debug, PartialEq)]
pub struct SystemDevice {
    /// A directory on the disk whose space counts.
    pub disk: std::path::PathBuf,
    /// Time between two readings.
    pub every: Duration,
    /// What is said about single channels.
    pub properties: Vec<PropertySettings>,
}
