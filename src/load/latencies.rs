//! How long many things took, in little memory: buckets that are a hundredth as wide as what they hold.

/// Buckets for each doubling: the width of one is at most 1/128 of what it holds.
const STEPS: u64 = 128;

/// Doublings above the first `STEPS` values, which have a bucket each.
const DOUBLINGS: u64 = 64 - STEPS.ilog2() as u64;

/// Durations, counted in buckets. Holds any number of them in 60 kB.
#[derive(Clone, Debug)]
pub struct Latencies {
    buckets: Vec<u64>,
    count: u64,
    max: u64,
}

impl Default for Latencies {
    fn default() -> Self {
        Self { buckets: vec![0; bucket(u64::MAX) + 1], count: 0, max: 0 }
    }
}

impl Latencies {
    /// Adds one, in whatever unit.
    #[inline]
    pub fn add(&mut self, value: u64) {
        self.buckets[bucket(value)] += 1;
        self.count += 1;
        self.max = self.max.max(value);
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The longest.
    pub fn max(&self) -> u64 {
        self.max
    }

    /// What `per_million` of a million do not exceed, at most a hundredth too much; 0 of none.
    pub fn percentile(&self, per_million: u64) -> u64 {
        let rank = (u128::from(self.count) * u128::from(per_million)).div_ceil(1_000_000);
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += u128::from(*count);
            if seen >= rank && seen > 0 {
                return last(index).min(self.max);
            }
        }
        self.max
    }
}

fn bucket(value: u64) -> usize {
    let doubling = u64::from((value / STEPS).checked_ilog2().map_or(0, |log| log + 1));
    let shift = doubling.saturating_sub(1);
    let step = (value >> shift) - if doubling == 0 { 0 } else { STEPS };
    (doubling * STEPS + step) as usize
}

/// The largest value of a bucket.
fn last(bucket: usize) -> u64 {
    let (doubling, step) = (bucket as u64 / STEPS, bucket as u64 % STEPS);
    debug_assert!(doubling <= DOUBLINGS);
    match doubling {
        0 => step,
        _ => ((STEPS + step) << (doubling - 1)) + ((1 << (doubling - 1)) - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_a_bucket_that_is_a_hundredth_wide() {
        for shift in 0..64 {
            for value in [1u64 << shift, (1u64 << shift) - 1, (1u64 << shift) + (1u64 << shift) / 3] {
                let index = bucket(value);
                assert!(last(index) >= value, "{value}");
                assert!(last(index) - value <= value / 100, "{value} in a bucket up to {}", last(index));
                assert!(index == 0 || last(index - 1) < value, "{value}");
            }
        }
        assert_eq!(last(bucket(u64::MAX)), u64::MAX);
    }

    #[test]
    fn percentiles_are_those_of_the_sorted_list() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.percentile(500_000), 0);
        for value in (1..=100_000u64).rev() {
            latencies.add(value);
        }
        for per_million in [1, 10_000, 500_000, 990_000, 999_000, 1_000_000] {
            let exact = per_million / 10;
            let found = latencies.percentile(per_million);
            assert!(found >= exact && found - exact <= exact / 100 + 1, "{per_million}: {found} for {exact}");
        }
        assert_eq!((latencies.count(), latencies.max()), (100_000, 100_000));
    }
}
