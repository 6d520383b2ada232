//! Places on a command's way at which a test can have the process killed or the driver panic, and a witness of what the simulated lines
//! did, to see what survives.
//!
//! Only in builds with debug assertions; in a release build nothing of this is there.

/// Names the place at which the process is to be killed, and after how many times of coming by: `write` or `write:3`.
#[cfg(debug_assertions)]
const KILL_AT: &str = "GATEHOUSE_KILL_AT";

/// The same for a panic.
#[cfg(debug_assertions)]
const PANIC_AT: &str = "GATEHOUSE_PANIC_AT";

/// A place that a test named, and how often it is still to be passed.
#[cfg(debug_assertions)]
struct Place(String, std::sync::atomic::AtomicU32);

#[cfg(debug_assertions)]
impl Place {
    fn named_by(variable: &str) -> Option<Self> {
        let wanted = std::env::var(variable).ok()?;
        let (place, times) = wanted.split_once(':').unwrap_or((&wanted, "1"));
        Some(Self(place.to_owned(), times.parse::<u32>().ok()?.into()))
    }

    fn is(&self, place: &str) -> bool {
        self.0 == place && self.1.fetch_sub(1, std::sync::atomic::Ordering::SeqCst) == 1
    }
}

/// A place is passed; the process ends here, as by `kill -9`, or the driver panics, if a test said so.
#[cfg(debug_assertions)]
pub(super) fn reach(place: &str) {
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::getpid;
    use std::sync::LazyLock;
    static KILL: LazyLock<Option<Place>> = LazyLock::new(|| Place::named_by(KILL_AT));
    static PANIC: LazyLock<Option<Place>> = LazyLock::new(|| Place::named_by(PANIC_AT));
    if KILL.as_ref().is_some_and(|wanted| wanted.is(place)) {
        // Nothing can be done if even that fails: the test sees that the process lives.
        let _ = kill(getpid(), Signal::SIGKILL);
    }
    assert!(!PANIC.as_ref().is_some_and(|wanted| wanted.is(place)), "a test has the driver panic at {place}");
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
