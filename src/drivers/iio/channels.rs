//! Raw numbers, scales and offsets become values in the units people use. Pure.

use crate::device::IIO;
use crate::drivers::polled::{Channel, Files, number};
use std::collections::BTreeSet;

/// The channels that these files hold, by their names.
pub(in crate::drivers) fn channels(files: &Files) -> Vec<Channel> {
    let bases: BTreeSet<&str> = files.keys().filter_map(|name| base(name)).collect();
    bases.into_iter().filter_map(|base| channel(files, base)).collect()
}

/// `voltage0` of `in_voltage0_raw`.
fn base(name: &str) -> Option<&str> {
    let name = name.strip_prefix("in_")?;
    name.strip_suffix("_input").or_else(|| name.strip_suffix("_raw"))
}

fn channel(files: &Files, base: &str) -> Option<Channel> {
    let is_digit = |c: char| c.is_ascii_digit();
    let (word, index) = match base.trim_end_matches(is_digit) {
        // A gas is no number: concentration_co2.
        _ if IIO.iter().any(|quantity| quantity.word == base) => (base, ""),
        word => (word, &base[word.len()..]),
    };
    let quantity = IIO.iter().find(|quantity| quantity.word == word)?;
    let id = if index.is_empty() { quantity.id.to_owned() } else { format!("{}-{index}", quantity.id) };
    Some(Channel::of(&id, quantity, value(files, base, word)))
}

/// What the driver has worked out, or (raw + offset) × scale; scale and offset may be those of the whole kind.
fn value(files: &Files, base: &str, word: &str) -> Result<f64, String> {
    if let Some(text) = files.get(&format!("in_{base}_input")) {
        return number(text);
    }
    let raw = number(files.get(&format!("in_{base}_raw")).map_or("", String::as_str))?;
    let of = |what: &str| {
        let text = files.get(&format!("in_{base}_{what}")).or_else(|| files.get(&format!("in_{word}_{what}")));
        text.map(|text| number(text)).transpose()
    };
    Ok((raw + of("offset")?.unwrap_or(0.0)) * of("scale")?.unwrap_or(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let files = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        let text = |channel: Channel| match channel.value {
            Ok(value) => format!("{} {value}{}", channel.id, channel.unit.unwrap_or("")),
            Err(why) => format!("{}: {why}", channel.id),
        };
        channels(&files).into_iter().map(text).collect()
    }

    #[test]
    fn processed_channels_only_change_their_unit() {
        let bme280 = [
            ("in_temp_input", "21370\n"),
            ("in_humidityrelative_input", "48123\n"),
            ("in_pressure_input", "101.325\n"),
        ];
        assert_eq!(found(&bme280), ["humidity 48.123%", "pressure 1013.25hPa", "temperature 21.37°C"]);
    }

    #[test]
    fn raw_channels_have_scale_and_offset_of_their_own_or_of_their_kind() {
        let ads1115 = [
            ("in_voltage0_raw", "8000\n"),
            ("in_voltage0_scale", "0.125000000\n"),
            ("in_voltage1_raw", "100\n"),
            ("in_voltage_scale", "3\n"),
            ("in_temp_raw", "100\n"),
            ("in_temp_offset", "-20\n"),
            ("in_temp_scale", "250\n"),
            ("in_voltage0-voltage1_raw", "1\n"),
        ];
        assert_eq!(found(&ads1115), ["temperature 20°C", "voltage-0 1V", "voltage-1 0.3V"]);
    }

    #[test]
    fn what_cannot_be_read_is_told_by_its_channel() {
        assert_eq!(found(&[("in_temp_input", "x\n")]), ["temperature: `x` is not a number"]);
        assert_eq!(found(&[("in_concentration_co2_raw", "0.08\n")]), ["co2 800ppm"]);
        assert_eq!(found(&[("name", "bme280\n"), ("in_accel_x_raw", "1\n")]), [""; 0]);
    }
}
