//! A rest that is finer than a millisecond: at 115,200 baud it is 1.75 ms between two packets, and the runtime's own
//! timers, which count milliseconds, would make two or three of it.

use crate::base::Moment;
use crate::drivers::clock::Clock;
use std::time::Duration;

/// The longest rest that a thread sleeps for; longer ones need no such precision.
const FINE: Duration = Duration::from_millis(3);

/// Waits until a moment. Dropped, a fine rest leaves a thread asleep for 3 ms at most.
pub(super) async fn rest_until(clock: &Clock, deadline: Moment) {
    let rest = deadline.saturating_since(clock.now());
    if rest.is_zero() || rest > FINE {
        return clock.sleep_until(Some(deadline)).await;
    }
    if tokio::task::spawn_blocking(move || std::thread::sleep(rest)).await.is_err() {
        // The runtime ends, or has no thread left.
        clock.sleep_until(Some(deadline)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn rests_are_never_too_short() {
        let clock = Clock::start();
        for micros in [0, 300, 1_750, 5_000] {
            let deadline = clock.now() + Duration::from_micros(micros);
            rest_until(&clock, deadline).await;
            assert!(clock.now() >= deadline, "{micros}");
        }
    }
}
