//! Values become words: what [`decode`](super::decode) reads, the other way round. Pure.

use super::decode::rounded;
use crate::config::{Register, RegisterKind};
use crate::device::Action;

/// The words that make a register what a command asks for.
///
/// # Errors
/// Why the register cannot be that, for `$result`.
pub(super) fn words(register: &Register, action: &Action) -> Result<Vec<u16>, String> {
    let raw = match (register.kind, action) {
        (RegisterKind::Bool, Action::Set(on)) => u64::from(*on),
        (RegisterKind::Bool, _) => return Err("not-a-boolean".to_owned()),
        (_, Action::Word(word)) if !register.names.is_empty() => {
            let named = register.names.iter().find(|(_, name)| *name == word);
            *named.ok_or_else(|| names(register))?.0
        }
        (_, _) if !register.names.is_empty() => return Err(names(register)),
        (_, Action::Number(number)) => raw(register, *number)?,
        (_, _) => return Err("not-a-number".to_owned()),
    };
    Ok(ordered(register, raw))
}

/// The number in the register, as bits.
fn raw(register: &Register, number: f64) -> Result<u64, String> {
    if let Some((low, high)) = register.property.report.range
        && !(low..=high).contains(&number)
    {
        return Err(format!("range:{low}:{high}"));
    }
    let (scale, offset) = register.scaling.unwrap_or((1.0, 0.0));
    let unscaled = (number - offset) / scale;
    let (low, high) = match register.kind {
        RegisterKind::F32 if (unscaled as f32).is_finite() => return Ok(u64::from((unscaled as f32).to_bits())),
        RegisterKind::F64 if unscaled.is_finite() => return Ok(unscaled.to_bits()),
        RegisterKind::F32 | RegisterKind::F64 => (f64::from(f32::MIN), f64::from(f32::MAX)),
        RegisterKind::U16 => (0.0, f64::from(u16::MAX)),
        RegisterKind::I16 => (f64::from(i16::MIN), f64::from(i16::MAX)),
        RegisterKind::U32 => (0.0, f64::from(u32::MAX)),
        RegisterKind::I32 => (f64::from(i32::MIN), f64::from(i32::MAX)),
        // Beyond 2^53 not every whole number is one of 64 bits with a fraction.
        RegisterKind::U64 => (0.0, WHOLE_MAX),
        RegisterKind::I64 => (-WHOLE_MAX, WHOLE_MAX),
        RegisterKind::Bool | RegisterKind::Text(_) => return Err("not-a-number".to_owned()),
    };
    let whole = unscaled.round();
    if !(low..=high).contains(&whole) {
        let ends = [rounded(low * scale + offset), rounded(high * scale + offset)];
        return Err(format!("range:{}:{}", ends[0].min(ends[1]), ends[0].max(ends[1])));
    }
    Ok((whole as i64).cast_unsigned())
}

/// 2^53.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// The lowest words of a raw number, in the register's order.
fn ordered(register: &Register, raw: u64) -> Vec<u16> {
    let count = register.kind.length();
    let mut words: Vec<u16> = (0..count).rev().map(|word| (raw >> (16 * word)) as u16).collect();
    if register.order.low_word_first {
        words.reverse();
    }
    if register.order.low_byte_first {
        for word in &mut words {
            *word = word.swap_bytes();
        }
    }
    words
}

fn names(register: &Register) -> String {
    let names: Vec<&str> = register.names.values().map(String::as_str).collect();
    format!("words:{}", names.join(","))
}

#[cfg(test)]
mod tests {
    use super::super::decode;
    use super::super::packet::Data;
    use super::*;
    use crate::config::RegisterOrder;
    use crate::device::{ReportSettings, Value};
    use std::collections::BTreeMap;

    const KINDS: [RegisterKind; 8] = [
        RegisterKind::U16,
        RegisterKind::I16,
        RegisterKind::U32,
        RegisterKind::I32,
        RegisterKind::U64,
        RegisterKind::I64,
        RegisterKind::F32,
        RegisterKind::F64,
    ];

    fn register(kind: RegisterKind) -> Register {
        Register { is_settable: true, ..decode::tests::register(kind) }
    }

    #[test]
    fn what_is_written_is_read_back_in_every_kind_and_order() {
        for kind in KINDS {
            for (low_word_first, low_byte_first) in [(false, false), (true, false), (false, true), (true, true)] {
                for scaling in [None, Some((0.1, 0.0)), Some((0.5, -40.0)), Some((-1.0, 100.0))] {
                    let order = RegisterOrder { low_word_first, low_byte_first };
                    let register = Register { order, scaling, ..register(kind) };
                    for number in [0.0, 1.0, 21.5, 40.0, 100.0] {
                        let is_whole = scaling.is_none() && !matches!(kind, RegisterKind::F32 | RegisterKind::F64);
                        let number: f64 = if is_whole { f64::trunc(number) } else { number };
                        let Ok(words) = words(&register, &Action::Number(number)) else { continue };
                        let Ok(Value::Number(read)) = decode::value(&register, &Data::Words(words), 0) else {
                            panic!("{kind:?} holds no number");
                        };
                        let step = register.scaling.map_or(1e-6, |(scale, _)| f64::abs(scale) / 2.0 + 1e-6);
                        assert!(
                            (read - number).abs() <= step,
                            "{kind:?} {order:?} {scaling:?}: {number} became {read}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn words_are_those_of_the_wire() {
        assert_eq!(words(&register(RegisterKind::F32), &Action::Number(230.1)), Ok(vec![0x4366, 0x199A]));
        assert_eq!(words(&register(RegisterKind::I16), &Action::Number(-1.0)), Ok(vec![0xFFFF]));
        let low_first = RegisterOrder { low_word_first: true, low_byte_first: false };
        let register = Register { order: low_first, ..register(RegisterKind::U32) };
        assert_eq!(words(&register, &Action::Number(65_538.0)), Ok(vec![2, 1]));
    }

    #[test]
    fn what_does_not_fit_is_refused_in_the_units_of_the_user() {
        let tenths = Register { scaling: Some((0.1, 0.0)), ..register(RegisterKind::I16) };
        assert_eq!(words(&tenths, &Action::Number(4000.0)), Err("range:-3276.8:3276.7".to_owned()));
        assert_eq!(words(&register(RegisterKind::U16), &Action::Number(-1.0)), Err("range:0:65535".to_owned()));
        assert!(words(&register(RegisterKind::F32), &Action::Number(1e300)).is_err());
        assert_eq!(words(&tenths, &Action::Set(true)), Err("not-a-number".to_owned()));
        let mut narrow = register(RegisterKind::I16);
        narrow.property.report = ReportSettings { range: Some((5.0, 30.0)), ..ReportSettings::default() };
        assert_eq!(words(&narrow, &Action::Number(31.0)), Err("range:5:30".to_owned()));
        assert_eq!(words(&register(RegisterKind::Bool), &Action::Set(true)), Ok(vec![1]));
        assert_eq!(words(&register(RegisterKind::Bool), &Action::Number(1.0)), Err("not-a-boolean".to_owned()));
    }

    #[test]
    fn names_are_written_as_their_numbers() {
        let names = BTreeMap::from([(0, "off".to_owned()), (2, "heating".to_owned())]);
        let register = Register { names, ..register(RegisterKind::U16) };
        assert_eq!(words(&register, &Action::Word("heating".into())), Ok(vec![2]));
        assert_eq!(words(&register, &Action::Word("cooling".into())), Err("words:off,heating".to_owned()));
        assert_eq!(words(&register, &Action::Number(2.0)), Err("words:off,heating".to_owned()));
    }
}
