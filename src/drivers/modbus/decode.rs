//! Words and bits become values. Pure.

use super::packet::Data;
use crate::config::{Register, RegisterKind};
use crate::device::Value;

/// Significant digits that are kept of a scaled number: a float of 32 bits has no more than nine.
const DIGITS: i32 = 9;

/// The value of a register that begins at this offset of what was read.
///
/// # Errors
/// What cannot be a value, in words for the person who looks for the mistake.
pub(super) fn value(register: &Register, data: &Data, offset: usize) -> Result<Value, String> {
    let missing = || "the reply is too short".to_owned();
    match data {
        Data::Bits(bits) => Ok(Value::Boolean(*bits.get(offset).ok_or_else(missing)?)),
        Data::Words(words) => {
            let words = words.get(offset..offset + register.kind.length()).ok_or_else(missing)?;
            of_words(register, words)
        }
        Data::Written => Err(missing()),
    }
}

fn of_words(register: &Register, words: &[u16]) -> Result<Value, String> {
    let swapped = |word: &u16| if register.order.low_byte_first { word.swap_bytes() } else { *word };
    let mut ordered: Vec<u16> = words.iter().map(swapped).collect();
    if let RegisterKind::Text(_) = register.kind {
        return text(&ordered);
    }
    if register.order.low_word_first {
        ordered.reverse();
    }
    let raw = ordered.iter().fold(0u64, |raw, word| raw << 16 | u64::from(*word));
    if register.missing == Some(raw) {
        return Err("the unit has no value for it".to_owned());
    }
    let number = match register.kind {
        RegisterKind::Bool => return Ok(Value::Boolean(raw != 0)),
        RegisterKind::U16 | RegisterKind::U32 | RegisterKind::U64 => return unsigned(register, raw),
        RegisterKind::I16 => f64::from((raw as u16).cast_signed()),
        RegisterKind::I32 => f64::from((raw as u32).cast_signed()),
        RegisterKind::I64 => {
            float(raw.cast_signed().unsigned_abs()).copysign(if raw.cast_signed() < 0 { -1.0 } else { 1.0 })
        }
        // As text and back: 230.1 is meant, not 230.10000610351563.
        RegisterKind::F32 => f32::from_bits(raw as u32).to_string().parse().unwrap_or(f64::NAN),
        RegisterKind::F64 => f64::from_bits(raw),
        RegisterKind::Text(_) => unreachable!("texts were done above"),
    };
    scaled(register, number)
}

fn unsigned(register: &Register, raw: u64) -> Result<Value, String> {
    let raw = match register.bits {
        Some((low, high)) => raw >> low & u64::MAX >> (63 - (high - low)),
        None => raw,
    };
    if register.names.is_empty() {
        return match register.bits {
            Some((low, high)) if low == high && register.scaling.is_none() => Ok(Value::Boolean(raw == 1)),
            _ => scaled(register, float(raw)),
        };
    }
    let name = register.names.get(&raw).ok_or_else(|| format!("{raw} has no name"))?;
    Ok(Value::Text(name.clone()))
}

/// Text of two characters a word, to the first zero, without what fills it up.
fn text(words: &[u16]) -> Result<Value, String> {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).take_while(|byte| *byte != 0).collect();
    let text = String::from_utf8(bytes).map_err(|_| "the registers hold no text".to_owned())?;
    if text.chars().any(char::is_control) {
        return Err("the registers hold no text".to_owned());
    }
    Ok(Value::Text(text.trim().to_owned()))
}

fn scaled(register: &Register, number: f64) -> Result<Value, String> {
    if !number.is_finite() {
        return Err("the register holds no number".to_owned());
    }
    let scaled = register.scaling.map(|(scale, offset)| rounded(number * scale + offset));
    Ok(Value::Number(scaled.unwrap_or(number)))
}

#[expect(clippy::cast_precision_loss, reason = "counters beyond 2^53 do not exist in a house")]
fn float(raw: u64) -> f64 {
    raw as f64
}

/// Without the dust that binary fractions leave: 2301 × 0.1 is 230.1.
pub(super) fn rounded(number: f64) -> f64 {
    if number == 0.0 || !number.is_finite() {
        return 0.0;
    }
    let magnitude = number.abs().log10().floor() as i32;
    let places = DIGITS.max(magnitude + 1) - 1 - magnitude;
    let factor = 10f64.powi(places);
    let rounded = (number * factor).round() / factor;
    if rounded.is_finite() { rounded } else { number }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::config::{ModbusTable, PropertySettings, RegisterOrder};
    use std::collections::BTreeMap;
    use std::time::Duration;

    /// A register that is only read, without scaling or names.
    pub fn register(kind: RegisterKind) -> Register {
        Register {
            property: PropertySettings::default(),
            table: ModbusTable::Holding,
            address: 0,
            kind,
            order: RegisterOrder::default(),
            scaling: None,
            bits: None,
            names: BTreeMap::new(),
            is_settable: false,
            missing: None,
            every: Duration::from_secs(1),
        }
    }

    fn read(register: &Register, words: &[u16]) -> String {
        match value(register, &Data::Words(words.to_vec()), 0) {
            Ok(value) => value.to_string(),
            Err(text) => text,
        }
    }

    #[test]
    fn numbers_of_every_kind() {
        let cases: [(RegisterKind, &[u16], &str); 12] = [
            (RegisterKind::U16, &[0xFFFF], "65535"),
            (RegisterKind::I16, &[0xFFFF], "-1"),
            (RegisterKind::U32, &[0x0001, 0x0002], "65538"),
            (RegisterKind::I32, &[0xFFFF, 0xFFFE], "-2"),
            (RegisterKind::U64, &[0, 1, 0, 0], "4294967296"),
            (RegisterKind::I64, &[0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF], "-1"),
            (RegisterKind::F32, &[0x4366, 0x199A], "230.1"),
            (RegisterKind::F32, &[0x7FC0, 0], "the register holds no number"),
            (RegisterKind::F64, &[0x3FF8, 0, 0, 0], "1.5"),
            (RegisterKind::Bool, &[2], "true"),
            (RegisterKind::Text(3), &[0x4142, 0x4300, 0x4444], "ABC"),
            (RegisterKind::U32, &[1], "the reply is too short"),
        ];
        for (kind, words, text) in cases {
            assert_eq!(read(&register(kind), words), text, "{kind:?} {words:04X?}");
        }
    }

    #[test]
    fn words_and_bytes_come_in_every_order() {
        let orders = [
            ((false, false), [0x4366, 0x199A]),
            ((true, false), [0x199A, 0x4366]),
            ((false, true), [0x6643, 0x9A19]),
            ((true, true), [0x9A19, 0x6643]),
        ];
        for ((low_word_first, low_byte_first), words) in orders {
            let order = RegisterOrder { low_word_first, low_byte_first };
            assert_eq!(read(&Register { order, ..register(RegisterKind::F32) }, &words), "230.1");
        }
    }

    #[test]
    fn a_number_that_stands_for_nothing_is_no_value() {
        let phase = Register { missing: Some(0xFFFF_FFFF), ..register(RegisterKind::U32) };
        assert_eq!(read(&phase, &[0xFFFF, 0xFFFF]), "the unit has no value for it");
        assert_eq!(read(&phase, &[0xFFFF, 0xFFFE]), "4294967294");
    }

    #[test]
    fn scale_offset_bits_and_names() {
        let tenths = Register { scaling: Some((0.1, 0.0)), ..register(RegisterKind::I16) };
        assert_eq!(read(&tenths, &[2301]), "230.1");
        assert_eq!(read(&tenths, &[0xFFFF]), "-0.1");
        assert_eq!(read(&Register { scaling: Some((0.1, -40.0)), ..tenths }, &[615]), "21.5");
        let field = Register { bits: Some((4, 7)), ..register(RegisterKind::U16) };
        assert_eq!(read(&field, &[0x12A4]), "10");
        let flag = Register { bits: Some((15, 15)), ..register(RegisterKind::U16) };
        assert_eq!(read(&flag, &[0x8000]), "true");
        let whole = Register { bits: Some((0, 63)), ..register(RegisterKind::U64) };
        assert_eq!(read(&whole, &[0, 0, 0, 9]), "9");
        let words = BTreeMap::from([(0, "off".to_owned()), (2, "heating".to_owned())]);
        let named = Register { names: words, ..field };
        assert_eq!(read(&named, &[0x0020]), "heating");
        assert_eq!(read(&named, &[0x0010]), "1 has no name");
    }
}
