//! What the figures were measured on.

use std::fs;

use serde::Serialize;

/// The machine and how busy it was.
#[derive(Serialize)]
pub struct Machine {
    /// Name of the processor.
    pub processor: String,
    /// Processors this program may use.
    pub processors: usize,
    /// Release of the kernel.
    pub kernel: String,
    /// Name of the distribution.
    pub system: String,
    /// Load averages of the last 1, 5 and 15 minutes when the run began.
    pub load: String,
}

impl Machine {
    /// As the kernel tells it.
    pub fn read() -> Self {
        Self {
            processor: field("/proc/cpuinfo", "model name", ':'),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: text("/proc/sys/kernel/osrelease").trim().to_owned(),
            system: field("/etc/os-release", "PRETTY_NAME", '='),
            load: text("/proc/loadavg").split(' ').take(3).collect::<Vec<_>>().join(" "),
        }
    }
}

/// The value of the first line of `file` that begins with `key`.
fn field(file: &str, key: &str, separator: char) -> String {
    let text = text(file);
    let value = text.lines().find(|line| line.starts_with(key)).and_then(|line| line.split_once(separator));
    value.map_or("unknown", |(_, value)| value.trim().trim_matches('"')).to_owned()
}

fn text(file: &str) -> String {
    fs::read_to_string(file).unwrap_or_default()
}
