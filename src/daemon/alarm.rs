//! The heart's one timer: a timer of the kernel, set seldom.
//!
//! The runtime's own timers read the clock several times in every turn, which at a low rate is a fifth of all that is
//! done for a message.

use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A timer that wakes.
#[derive(Debug)]
pub struct Alarm {
    timer: AsyncFd<Timer>,
    waker: Waker,
}

/// As the runtime wants it.
#[derive(Debug)]
struct Timer(TimerFd);

impl AsRawFd for Timer {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl Alarm {
    /// A timer that is not set. To be made within the runtime that is to wait for it.
    ///
    /// # Errors
    /// The operating system has none.
    pub fn new(waker: Waker) -> io::Result<Alarm> {
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC)?;
        #[expect(
            deprecated,
            reason = "its successor is unsafe; a descriptor that is owned here cannot be closed too early"
        )]
        let timer = AsyncFd::with_interest(Timer(timer), Interest::READABLE)?;
        let mut alarm = Alarm { timer, waker };
        alarm.listen();
        Ok(alarm)
    }

    /// Goes off after `duration`, and at no earlier moment that was set before.
    ///
    /// # Errors
    /// The operating system refused.
    pub fn set(&self, duration: Duration) -> io::Result<()> {
        // A duration of zero would take the timer off.
        let duration = duration.max(Duration::from_nanos(1));
        let expiration = Expiration::OneShot(TimeSpec::from_duration(duration));
        Ok(self.timer.get_ref().0.set(expiration, TimerSetTimeFlags::empty())?)
    }

    /// Takes note that it went off, so that it wakes the next time too. What it counted need not be read: the kernel
    /// tells every expiry once.
    pub fn listen(&mut self) {
        while let Poll::Ready(Ok(mut guard)) = self.timer.poll_read_ready(&mut Context::from_waker(&self.waker)) {
            guard.clear_ready();
        }
    }
}
