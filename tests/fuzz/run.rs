//! How long a run is, and from which seed.

use std::time::{Duration, Instant};

/// Cases between two looks at the clock.
const CASES_PER_LOOK: u64 = 256;

/// One run: so many cases, or so many minutes if `GATEHOUSE_FUZZ_MINUTES` is set.
pub struct Run {
    pub seed: u64,
    /// Cases so far.
    pub count: u64,
    name: &'static str,
    end: Result<u64, Instant>,
}

impl Run {
    /// Begins; `GATEHOUSE_FUZZ_SEED` repeats a run that failed.
    pub fn begin(name: &'static str, cases: u64) -> Self {
        let number = |variable| std::env::var(variable).ok().and_then(|text: String| text.parse::<u64>().ok());
        let minutes = number("GATEHOUSE_FUZZ_MINUTES");
        let end = minutes.map_or(Ok(cases), |minutes| Err(Instant::now() + Duration::from_secs(60 * minutes)));
        // A run by the clock is to find what no run before it did.
        let fresh =
            || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(1, |now| now.as_secs());
        let seed = number("GATEHOUSE_FUZZ_SEED").unwrap_or_else(|| if minutes.is_some() { fresh() } else { 1 });
        eprintln!("{name}: GATEHOUSE_FUZZ_SEED={seed}");
        Run { seed, count: 0, name, end }
    }

    /// Whether there is one more case.
    pub fn goes_on(&mut self) -> bool {
        let goes_on = match self.end {
            Ok(cases) => self.count < cases,
            Err(end) => !self.count.is_multiple_of(CASES_PER_LOOK) || Instant::now() < end,
        };
        self.count += u64::from(goes_on);
        goes_on
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let outcome = if std::thread::panicking() { "ended by a failure" } else { "clean" };
        eprintln!("{}: {} cases from seed {}, {outcome}", self.name, self.count, self.seed);
    }
}
