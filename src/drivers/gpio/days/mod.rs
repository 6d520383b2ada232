//! Seeded days of devices on lines, on the virtual clock, each judged by a naive model that knows nothing of the
//! machines: it sees the whole day at once, from outside.

mod inputs;

use crate::base::Moment;
use crate::config::{Bias, GpioLine, LineAddress};
use std::time::Duration;

/// A small seeded generator (`SplitMix64`): the same seed, the same day.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn once_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    fn choose<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.below(of.len() as u64)).expect("an index")]
    }
}

/// Says how to repeat the day that failed.
struct Repeat {
    name: &'static str,
    seed: u64,
}

impl Drop for Repeat {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("repeat with GATEHOUSE_DAYS_SEED={} cargo test --lib {}", self.seed, self.name);
        }
    }
}

/// Lives so many days, or the one that `GATEHOUSE_DAYS_SEED` names.
fn live(name: &'static str, days: u64, day: impl Fn(Random)) {
    let named = std::env::var("GATEHOUSE_DAYS_SEED").ok().and_then(|seed| seed.parse().ok());
    let seeds = named.map_or(1..days + 1, |seed: u64| seed..seed + 1);
    for seed in seeds {
        let _repeat = Repeat { name, seed };
        day(Random(seed));
    }
}

fn at(micros: u64) -> Moment {
    Moment::from_micros(micros)
}

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn line(name: &str) -> GpioLine {
    GpioLine { address: LineAddress::Name(name.to_owned()), active_low: false, bias: Bias::Unchanged }
}
