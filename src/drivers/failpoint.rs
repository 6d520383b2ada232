//! Places on a command's way at which a test can have the process killed, and a witness of what the simulated lines
//! did, to see what survives.
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

/// Names the file that the witness writes to.
#[cfg(debug_assertions)]
const WITNESS: &str = "GATEHOUSE_WITNESS";

/// Writes down that a simulated line was driven, if a test said where.
#[cfg(debug_assertions)]
pub(super) fn witness(line: &str, high: bool) {
    use std::io::Write;
    use std::sync::LazyLock;
    static FILE: LazyLock<Option<std::fs::File>> = LazyLock::new(|| {
        let path = std::env::var_os(WITNESS)?;
        std::fs::File::options().create(true).append(true).open(path).ok()
    });
    if let Some(mut file) = FILE.as_ref() {
        // One write for one line: the file is read after the process was killed.
        let _ = file.write_all(format!("{line} {}\n", u8::from(high)).as_bytes());
    }
}

/// A simulated line was driven.
#[cfg(not(debug_assertions))]
pub(super) fn witness(_: &str, _: bool) {}
