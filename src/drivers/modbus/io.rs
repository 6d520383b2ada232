//! A rest that is finer than a millisecond: at 115,200 baud it is 1.75 ms between two packets, and the runtime's own
//! timers, which count milliseconds, would make two or three of it. A timer of the kernel wakes the loop itself, with no
//! other thread between.

use crate::base::Moment;
use crate::drivers::clock::Clock;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use std::io;
use std::os::fd::AsFd as _;
use std::time::Duration;
use tokio::net::unix::pipe::Receiver;

/// The longest rest that is measured so finely; longer ones need no such precision.
const FINE: Duration = Duration::from_millis(3);

/// A timer of the kernel, where it has one for us; the runtime's otherwise.
#[derive(Debug)]
pub(super) struct FineTimer(Option<Timer>);

#[derive(Debug)]
struct Timer {
    timer: TimerFd,
    /// The timer's own descriptor once more, for the runtime to wait on: the reader of pipes is the runtime's plain
    /// reader of any descriptor that can be waited for.
    ends: Receiver,
}

impl FineTimer {
    pub(super) fn new() -> Self {
        Self(Timer::new().ok())
    }

    /// Waits until a moment. May be dropped at any time.
    pub(super) async fn rest_until(&self, clock: &Clock, deadline: Moment) {
        let rest = deadline.saturating_since(clock.now());
        match &self.0 {
            Some(timer) if !rest.is_zero() && rest <= FINE => {
                if timer.sleep(rest).await.is_err() {
                    clock.sleep_until(Some(deadline)).await;
                }
            }
            _ => clock.sleep_until(Some(deadline)).await,
        }
    }
}

impl Timer {
    fn new() -> io::Result<Self> {
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC)?;
        let ends = Receiver::from_owned_fd_unchecked(timer.as_fd().try_clone_to_owned()?)?;
        Ok(Self { timer, ends })
    }

    async fn sleep(&self, rest: Duration) -> io::Result<()> {
        // Whatever an earlier rest left behind, that was not waited for, is gone with this.
        self.timer.set(Expiration::OneShot(TimeSpec::from_duration(rest)), TimerSetTimeFlags::empty())?;
        loop {
            self.ends.readable().await?;
            match self.ends.try_read(&mut [0; size_of::<u64>()]) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read.map(drop),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn rests_are_never_too_short() {
        let (clock, timer) = (Clock::start(), FineTimer::new());
        for micros in [0, 300, 1_750, 5_000] {
            let deadline = clock.now() + Duration::from_micros(micros);
            timer.rest_until(&clock, deadline).await;
            assert!(clock.now() >= deadline, "{micros}");
        }
    }

    #[tokio::test]
    async fn a_rest_that_was_given_up_does_not_shorten_the_next() {
        let (clock, timer) = (Clock::start(), FineTimer::new());
        for _ in 0..20 {
            let short = timer.rest_until(&clock, clock.now() + Duration::from_micros(200));
            tokio::select! {
                biased;
                () = tokio::task::yield_now() => {}
                () = short => {}
            }
            std::thread::sleep(Duration::from_micros(300));
            let deadline = clock.now() + Duration::from_millis(2);
            timer.rest_until(&clock, deadline).await;
            assert!(clock.now() >= deadline);
        }
    }
}
