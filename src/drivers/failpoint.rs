//! Places on a command's way at which a test can have the process killed, to see what survives.
//!
//! Only in builds with debug assertions; in a release build nothing of this is there.

/// Names the place at which the process is to be killed, and after how many times of coming by: `write` or `write:3`.
#[cfg(debug_assertions)]
const VARIABLE: &str = "GATEHOUSE_KILL_AT";

/// A place is passed; the process ends here, as by `kill -9`, if a test said so.
#[cfg(debug_assertions)]
pub(super) fn reach(place: &str) {
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::getpid;
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU32, Ordering};
    static WANTED: LazyLock<Option<(String, AtomicU32)>> = LazyLock::new(|| {
        let wanted = std::env::var(VARIABLE).ok()?;
        let (place, times) = wanted.split_once(':').unwrap_or((&wanted, "1"));
        Some((place.to_owned(), AtomicU32::new(times.parse().ok()?)))
    });
    if let Some((wanted, left)) = &*WANTED
        && wanted == place
        && left.fetch_sub(1, Ordering::SeqCst) == 1
    {
        // Nothing can be done if even that fails: the test sees that the process lives.
        let _ = kill(getpid(), Signal::SIGKILL);
    }
}

/// A place is passed.
#[cfg(not(debug_assertions))]
pub(super) fn reach(_: &str) {}
