//! The sign of life for whoever supervises the gateway.

use nix::time::{ClockId, clock_gettime};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// Time between two beats.
const PAUSE: Duration = Duration::from_secs(1);

/// Writes the seconds since the machine started, as in `/proc/uptime`, into a file again and again. It runs on the
/// heart's own thread: if the heart hangs, the file stands still.
pub async fn beat(file: PathBuf) {
    loop {
        // Whoever supervises looks at the file alone: one that cannot be written is one that stands still.
        let _ = clock_gettime(ClockId::CLOCK_BOOTTIME).map(|now| fs::write(&file, format!("{}\n", now.tv_sec())));
        tokio::time::sleep(PAUSE).await;
    }
}
