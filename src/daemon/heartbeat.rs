//! The sign of life for whoever supervises the gateway.

use nix::time::{ClockId, clock_gettime};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::Notify;

/// Time between two beats.
const PAUSE: Duration = Duration::from_secs(1);

/// Writes the seconds since the machine started, as in `/proc/uptime`, into a file again and again. The heart's own
/// thread writes: if the heart hangs, the file stands still. It has no timers, so the side runtime tells it when.
pub fn begin(heart: &Runtime, side: &Runtime, file: PathBuf) {
    let tick = Arc::new(Notify::new());
    let due = tick.clone();
    side.spawn(async move {
        loop {
            tokio::time::sleep(PAUSE).await;
            tick.notify_one();
        }
    });
    heart.spawn(async move {
        loop {
            // Whoever supervises looks at the file alone: one that cannot be written is one that stands still.
            let _ = clock_gettime(ClockId::CLOCK_BOOTTIME).map(|now| fs::write(&file, format!("{}\n", now.tv_sec())));
            due.notified().await;
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::runtime::Builder;

    #[test]
    fn a_heart_without_timers_beats_again_and_again() {
        let heart = Builder::new_current_thread().enable_io().build().expect("a runtime");
        let side = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("beat");
        begin(&heart, &side, file.clone());
        for _ in 0..2 {
            let watched = file.clone();
            let seen = side.spawn(async move {
                while fs::remove_file(&watched).is_err() {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            });
            heart.block_on(seen).expect("a beat");
        }
    }
}
