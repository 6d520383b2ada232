//! `[device.ID.reg.ID]` and `[device.ID.out.ID]` of a Modbus device, and the same tables of a profile.

use super::super::device::output_settings;
use super::super::driver_settings::{ModbusOutput, ModbusTable, Register, RegisterKind, RegisterOrder};
use super::super::problem::Mistake;
use super::super::property;
use super::super::reader::Table;
use super::super::text;
use crate::device::{Failsafe, PowerOn};
use std::collections::BTreeMap;
use std::time::Duration;

/// What holds for all registers of a device that do not say otherwise.
#[derive(Clone, Copy, Debug)]
pub(super) struct Common {
    pub(super) every: Duration,
}

const TABLES: [(&str, ModbusTable); 4] = [
    ("coil", ModbusTable::Coil),
    ("discrete", ModbusTable::Discrete),
    ("input", ModbusTable::Input),
    ("holding", ModbusTable::Holding),
];

const KINDS: [(&str, RegisterKind); 10] = [
    ("bool", RegisterKind::Bool),
    ("u16", RegisterKind::U16),
    ("i16", RegisterKind::I16),
    ("u32", RegisterKind::U32),
    ("i32", RegisterKind::I32),
    ("u64", RegisterKind::U64),
    ("i64", RegisterKind::I64),
    ("f32", RegisterKind::F32),
    ("f64", RegisterKind::F64),
    ("text", RegisterKind::Text(1)),
];

const ORDERS: [(&str, RegisterOrder); 4] = [
    ("abcd", RegisterOrder { low_word_first: false, low_byte_first: false }),
    ("cdab", RegisterOrder { low_word_first: true, low_byte_first: false }),
    ("badc", RegisterOrder { low_word_first: false, low_byte_first: true }),
    ("dcba", RegisterOrder { low_word_first: true, low_byte_first: true }),
];

/// Registers that a text may take.
const TEXT_MAX: u64 = 32;

pub(super) fn register(id: String, mut table: Table, common: Common) -> Option<Register> {
    let property = property::property(id, &mut table);
    let source = table.word("table", &TABLES).unwrap_or(ModbusTable::Holding);
    let address = address(&mut table);
    let is_bits = matches!(source, ModbusTable::Coil | ModbusTable::Discrete);
    let kind = kind(&mut table, is_bits);
    let order = table.word("order", &ORDERS).unwrap_or(ORDERS[0].1);
    let scale = table.number("scale").map(|placed| placed.value);
    let offset = table.number("offset").map(|placed| placed.value);
    let is_scaled = scale.is_some() || offset.is_some();
    let scaling = is_scaled.then(|| (scale.unwrap_or(1.0), offset.unwrap_or(0.0)));
    let bits = bits(&mut table, kind);
    let names = names(&mut table, kind);
    let every = table.text("every", text::positive_duration).map_or(common.every, |placed| placed.value);
    if let Some(address) = address
        && usize::from(address) + kind.length() > 1 << 16
    {
        table.problem("the register reaches past address 65535", "check `address` and `type`");
    }
    let missing = missing(&mut table, kind);
    let is_settable = table.boolean("settable").unwrap_or(false);
    let register = Register {
        property,
        table: source,
        address: address.unwrap_or(0),
        kind,
        order,
        scaling,
        bits,
        names,
        is_settable,
        missing,
        every,
    };
    check(&mut table, &register);
    table.close(&[]);
    address.map(|_| register)
}

/// What only shows when all keys are known.
fn check(table: &mut Table, register: &Register) {
    if register.property.convert.is_some() && !register.is_number() {
        table.problem("only numbers are converted", "remove `convert`, or what makes it no number");
    }
    if register.scaling.is_some_and(|(scale, _)| scale == 0.0) {
        table.problem("`scale` is 0", "write the factor between the register and the value, such as 0.1");
    }
    if !register.is_settable {
        return;
    }
    if register.table != ModbusTable::Holding {
        table.problem("only a holding register can be set", "leave `settable` out; a coil is an [….out.NAME]");
    }
    if register.bits.is_some() || matches!(register.kind, RegisterKind::Text(_)) || register.property.convert.is_some()
    {
        table.problem("what has `bits`, `convert` or `type = \"text\"` cannot be set", "use `scale` and `offset`");
    }
    if register.is_number() && register.property.report.range.is_none() {
        table.problem("a number that can be set needs `range`", "say what may be written: range = [5.0, 30.0]");
    }
}

/// `missing = "max"`: the number of the type that stands for no value.
fn missing(table: &mut Table, kind: RegisterKind) -> Option<u64> {
    let is_max = table.word("missing", &[("max", true), ("min", false)])?;
    let bits = kind.length() as u32 * 16;
    let (max, min) = match kind {
        RegisterKind::U16 | RegisterKind::U32 | RegisterKind::U64 => (u64::MAX >> (64 - bits), 0),
        RegisterKind::I16 | RegisterKind::I32 | RegisterKind::I64 => ((1 << (bits - 1)) - 1, 1 << (bits - 1)),
        RegisterKind::Bool | RegisterKind::F32 | RegisterKind::F64 | RegisterKind::Text(_) => {
            table.problem("`missing` is for whole numbers", "leave it out; a float says so by itself");
            return None;
        }
    };
    Some(if is_max { max } else { min })
}

fn address(table: &mut Table) -> Option<u16> {
    let address = table.integer("address", 0..=0xFFFF);
    table.require("address", address, "0x0000").map(|address| address as u16)
}

fn kind(table: &mut Table, is_bits: bool) -> RegisterKind {
    let default = if is_bits { RegisterKind::Bool } else { RegisterKind::U16 };
    let kind = table.text("type", |text| {
        let kind = super::super::reader::one_of(text, &KINDS)?;
        if is_bits && kind != RegisterKind::Bool {
            return Err(Mistake::new(format!("a coil or discrete input is no {text}"), "leave `type` out"));
        }
        Ok(kind)
    });
    let kind = kind.map_or(default, |placed| placed.value);
    let length = table.integer("length", 1..=TEXT_MAX);
    match (kind, length) {
        (RegisterKind::Text(_), Some(length)) => RegisterKind::Text(length as u8),
        (RegisterKind::Text(_), None) => {
            table.require::<()>("length", None, "8");
            kind
        }
        (_, Some(_)) => {
            table.problem("`length` is for `type = \"text\"` only", "leave it out");
            kind
        }
        (_, None) => kind,
    }
}

/// `bits = [4, 7]`: the lowest and the highest bit of a field, from 0.
fn bits(table: &mut Table, kind: RegisterKind) -> Option<(u8, u8)> {
    let last = kind.length() as u64 * 16 - 1;
    let bits = table.integers("bits", 0..=last)?;
    if let [low, high] = bits.value.as_slice()
        && low.value <= high.value
        && kind.is_unsigned()
    {
        return Some((low.value as u8, high.value as u8));
    }
    let hint = format!("write the lowest and the highest bit of an unsigned type, from 0 to {last}: [4, 7]");
    table.problem_at(&bits.place, "not a field of bits", hint);
    None
}

/// `names = { 0 = "off", 1 = "heating" }`: words in the place of numbers.
fn names(table: &mut Table, kind: RegisterKind) -> BTreeMap<u64, String> {
    let mut names = BTreeMap::new();
    let Some(mut table) = table.table("names") else { return names };
    if !kind.is_unsigned() {
        table.problem("only unsigned numbers can have names", "use `type = \"u16\"`, \"u32\" or \"u64\"");
    }
    for (number, name) in table.all_texts(text::words) {
        match number.value.parse() {
            Ok(value) => drop(names.insert(value, name)),
            Err(_) => table.problem_at(&number.place, "not a whole number", "write it as 0 = \"off\""),
        }
    }
    names
}

/// A switch: `coil = 3`, or `register = 3` with the numbers for `on` and `off`.
pub(super) fn output(id: String, mut table: Table, common: Common) -> Option<ModbusOutput> {
    let coil = table.integer("coil", 0..=0xFFFF);
    let register = table.integer("register", 0..=0xFFFF);
    let on = table.integer("on", 0..=0xFFFF);
    let off = table.integer("off", 0..=0xFFFF);
    let every = table.text("every", text::positive_duration).map_or(common.every, |placed| placed.value);
    // The far end runs on by itself while the gateway starts: what it does is not changed without being told.
    let output = output_settings(&mut table, PowerOn::Keep, Failsafe::Off);
    if coil.is_some() && (register.is_some() || on.is_some() || off.is_some()) {
        table.problem("a coil has neither `register` nor `on` and `off`", "keep `coil` alone");
    }
    if on.unwrap_or(1) == off.unwrap_or(0) {
        table.problem("`on` and `off` are the same", "they must differ");
    }
    if !table.has("coil") && !table.has("register") {
        table.require::<()>("coil", None, "0");
    }
    table.close(&[]);
    let (source, address) = match (coil, register) {
        (Some(coil), _) => (ModbusTable::Coil, coil),
        (None, Some(register)) => (ModbusTable::Holding, register),
        (None, None) => return None,
    };
    let (on, off) = (on.unwrap_or(1) as u16, off.unwrap_or(0) as u16);
    Some(ModbusOutput { id, table: source, address: address as u16, on, off, every, output })
}
