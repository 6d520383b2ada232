//! Ctrl-C as a value: a measurement that is interrupted ends like one that failed, so brokers are stopped and their
//! directories removed by the same drops in every case. So does one that takes too long.

use std::cell::Cell;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::failure::Failure;

/// How often the kernel is asked, at most.
const CHECK_INTERVAL: Duration = Duration::from_millis(50);

/// SIGINT, SIGTERM and SIGHUP, held back from now on and asked for.
pub struct Interrupt {
    mask: SigSet,
    signals: SignalFd,
    checked_at: Cell<Instant>,
    /// How long what is under way may take, and when that is over.
    deadline: Cell<Option<(Duration, Instant)>>,
}

impl Interrupt {
    /// To be called before any thread is started, since a thread inherits what is held back.
    pub fn new() -> Result<Self, Failure> {
        let mut mask = SigSet::empty();
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
            mask.add(signal);
        }
        mask.thread_block().map_err(Failure::errno("sigmask"))?;
        let signals = SignalFd::with_flags(&mask, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
            .map_err(Failure::errno("signalfd"))?;
        Ok(Self { mask, signals, checked_at: Cell::new(Instant::now()), deadline: Cell::new(None) })
    }

    /// What begins now fails if it takes longer than this.
    pub fn allow(&self, duration: Duration) {
        self.deadline.set(Some((duration, Instant::now() + duration)));
    }

    /// Does `start` with signals let through: a child inherits what is held back, and would not hear that it is to stop.
    pub fn let_through<T>(&self, start: impl FnOnce() -> T) -> Result<T, Failure> {
        self.check()?;
        self.mask.thread_unblock().map_err(Failure::errno("sigmask"))?;
        let started = start();
        self.mask.thread_block().map_err(Failure::errno("sigmask"))?;
        Ok(started)
    }

    /// Fails once a signal has come, or the time is over.
    pub fn check(&self) -> Result<(), Failure> {
        let now = Instant::now();
        if now - self.checked_at.get() < CHECK_INTERVAL {
            return Ok(());
        }
        self.checked_at.set(now);
        if let Some((duration, end)) = self.deadline.get()
            && now > end
        {
            return Err(Failure::TooLong(duration.as_secs()));
        }
        match self.signals.read_signal().map_err(Failure::errno("signalfd"))? {
            Some(_) => Err(Failure::Interrupted),
            None => Ok(()),
        }
    }

    /// Rests for `duration`, or until a signal has come.
    pub fn rest(&self, duration: Duration) -> Result<(), Failure> {
        let end = Instant::now() + duration;
        loop {
            self.check()?;
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            thread::sleep(left.min(CHECK_INTERVAL));
        }
    }
}
