//! What the kernel's texts about the machine mean. Pure.
//!
//! Sources: the kernel's `Documentation/filesystems/proc.rst` and `Documentation/block/stat.rst`; Raspberry Pi
//! documentation, `vcgencmd get_throttled`.

use crate::device::Value;
use crate::drivers::polled::{Channel, Files};

/// Bytes of a sector in `stat`, whatever the disk has.
const SECTOR: f64 = 512.0;

const MEBI: f64 = 1_048_576.0;

/// Bits of `get_throttled` that count now: under-voltage, capped, throttled, too hot.
const THROTTLED_NOW: [(u32, &str); 4] =
    [(0, "under-voltage"), (1, "frequency-capped"), (2, "throttled"), (3, "temperature-limit")];

/// Everything that these files tell.
pub(in crate::drivers) fn channels(files: &Files) -> Vec<Channel> {
    let mut found = Vec::new();
    for (name, text) in files {
        match name.as_str() {
            "temperature" => {
                let celsius = field(text, 0).map(|thousandths| thousandths / 1000.0);
                found.push(Channel::number("temperature", "°C", "temperature", celsius));
            }
            "throttled" => found.push(throttled(text)),
            "loadavg" => found.push(Channel::number("load", "", "", field(text, 0))),
            "meminfo" => found.extend(memory(text)),
            "uptime" => found.push(Channel::number("uptime", "s", "duration", field(text, 0).map(f64::floor))),
            // Field 7 of `stat`: sectors written.
            "card" => {
                let written = field(text, 6).map(|sectors| round(sectors * SECTOR / MEBI));
                found.push(Channel::number("card-written", "MiB", "data-size", written));
            }
            "disk" => {
                found.push(Channel::number(
                    "disk-free",
                    "MiB",
                    "data-size",
                    field(text, 1).map(|free| round(free / MEBI)),
                ));
                let used = field(text, 0).and_then(|all| Ok(round((1.0 - field(text, 1)? / all.max(1.0)) * 100.0)));
                found.push(Channel::number("disk-used", "%", "", used));
            }
            _ => {}
        }
    }
    found
}

/// The number at this place of a text with spaces.
fn field(text: &str, index: usize) -> Result<f64, String> {
    let field = text.split_whitespace().nth(index).unwrap_or("");
    let number = field.parse().ok().filter(|number: &f64| number.is_finite());
    number.ok_or_else(|| format!("`{}` is not a number", field.escape_debug()))
}

/// To one decimal.
fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

fn memory(text: &str) -> Option<Channel> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let free = field(line, 0).map(|kibi| round(kibi / 1024.0));
    Some(Channel::number("memory-free", "MiB", "data-size", free))
}

/// What holds the processor back now, or `none`.
fn throttled(text: &str) -> Channel {
    let hexadecimal = text.trim().trim_start_matches("0x");
    let value = u32::from_str_radix(hexadecimal, 16).map(|bits| {
        let now = THROTTLED_NOW.iter().filter(|(bit, _)| bits >> bit & 1 == 1).map(|(_, word)| *word);
        let now: Vec<&str> = now.collect();
        Value::Text(if now.is_empty() { "none".to_owned() } else { now.join(" ") })
    });
    let value = value.map_err(|_| format!("`{}` is not a number", hexadecimal.escape_debug()));
    Channel { id: "throttled".to_owned(), unit: None, class: None, datatype: "string", value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_board_tells_how_it_is() {
        let files = [
            ("temperature", "48312\n"),
            ("throttled", "50005\n"),
            ("loadavg", "0.52 0.58 0.59 2/389 12345\n"),
            ("meminfo", "MemTotal: 948304 kB\nMemFree: 1 kB\nMemAvailable: 512000 kB\n"),
            ("uptime", "350735.47 234388.90\n"),
            ("card", "  1 2 3 4 5 6 2048000 8 9 10 11\n"),
            ("disk", "1000000000 250000000"),
        ];
        let files = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        let text = |channel: Channel| format!("{} {}", channel.id, channel.value.expect("a value"));
        let found = channels(&files);
        // What rules are told beforehand is what comes.
        let told = found.iter().map(|one| (one.id.as_str(), (one.datatype == "float").then(|| one.unit.unwrap_or(""))));
        let told: std::collections::BTreeSet<_> = told.collect();
        assert_eq!(told, crate::device::SYSTEM.iter().copied().collect());
        let mut found: Vec<String> = found.into_iter().map(text).collect();
        found.sort();
        let expected = [
            "card-written 1000",
            "disk-free 238.4",
            "disk-used 75",
            "load 0.52",
            "memory-free 500",
            "temperature 48.312",
            "throttled under-voltage throttled",
            "uptime 350735",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let files = [("temperature", ""), ("throttled", "zz"), ("loadavg", "x")];
        let files = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        assert!(channels(&files).iter().all(|channel| channel.value.is_err()));
    }
}
