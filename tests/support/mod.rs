//! What the judges of the daemon stand on: the real process, and an MQTT client written from the specification
//! alone. Nothing here uses the crate's own codec, so that a mistake there cannot judge itself innocent.

pub mod client;
pub mod daemon;
pub mod random;
pub mod scram;
pub mod stream;
pub mod websocket;
pub mod wire;

use std::io::Write as _;
use std::process::Output;
use std::time::{Duration, Instant};

/// How long anything may take before a test calls it lost: far above what a loaded machine needs.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Pause between two looks at something that has no event to wait for.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Looks again and again until there is a value; fails when patience ends.
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = look() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} for {what}");
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// Says, past the capture of test output, that something could not be judged on this machine.
pub fn not_run(what: &str, why: &str) {
    // A closed terminal is no reason to fail.
    _ = writeln!(std::io::stderr(), "NOT RUN: {what}: {why}");
}

/// Fails with what a program said if it did not end well.
pub fn succeeded(output: &Output) {
    assert!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
}
