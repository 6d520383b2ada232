//! Channels of hardware monitoring in the units people use. Pure.
//!
//! Source: the kernel's `Documentation/hwmon/sysfs-interface.rst`.

use crate::device::HWMON;
use crate::drivers::polled::{self, Channel, Files};

/// The channels that these files hold. The first of a kind has its name alone.
pub(in crate::drivers) fn channels(files: &Files) -> Vec<Channel> {
    let mut found: Vec<Channel> = Vec::new();
    for quantity in HWMON {
        let mut numbers: Vec<u32> = files.keys().filter_map(|name| number_of(name, quantity.word)).collect();
        numbers.sort_unstable();
        for (index, number) in numbers.into_iter().enumerate() {
            let id = if index == 0 { quantity.id.to_owned() } else { format!("{}-{}", quantity.id, index + 1) };
            found.push(Channel::of(&id, quantity, value(files, quantity.word, number)));
        }
    }
    found
}

/// 1 of `temp1_input`.
fn number_of(name: &str, word: &str) -> Option<u32> {
    name.strip_prefix(word)?.strip_suffix("_input")?.parse().ok()
}

fn value(files: &Files, word: &str, number: u32) -> Result<f64, String> {
    if files.get(&format!("{word}{number}_fault")).is_some_and(|fault| fault.trim() == "1") {
        return Err("the sensor reports a fault".to_owned());
    }
    polled::number(files.get(&format!("{word}{number}_input")).map_or("", String::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_scaled_numbered_and_may_be_at_fault() {
        let files = [
            ("temp1_input", "42500\n"),
            ("temp3_input", "0\n"),
            ("temp3_fault", "1\n"),
            ("in0_input", "12010\n"),
            ("power1_input", "1500000\n"),
            ("energy1_input", "7200000000\n"),
            ("fan1_input", "\n"),
        ];
        let files = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        let text = |channel: Channel| match channel.value {
            Ok(value) => format!("{} {value}", channel.id),
            Err(why) => format!("{}: {why}", channel.id),
        };
        let found: Vec<String> = channels(&files).into_iter().map(text).collect();
        let expected = [
            "temperature 42.5",
            "temperature-2: the sensor reports a fault",
            "voltage 12.01",
            "power 1.5",
            "energy 7200",
            "speed: `` is not a number",
        ];
        assert_eq!(found, expected);
    }
}
