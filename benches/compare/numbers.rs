//! Counters as figures: per message, the middle and the tail of many.

/// A counter as a number with decimals.
#[expect(clippy::cast_precision_loss, reason = "nothing counted here comes near 2^52")]
pub fn float(count: u64) -> f64 {
    count as f64
}

/// `total` for each of `count`, of which there is at least one.
pub fn per(total: u64, count: u64) -> f64 {
    float(total) / float(count.max(1))
}

/// ns as µs.
pub fn micros(ns: f64) -> f64 {
    ns / 1000.0
}

/// The value that `per_mille` of `values` do not exceed; 0 of none. Sorts them.
pub fn percentile(values: &mut [u64], per_mille: usize) -> u64 {
    values.sort_unstable();
    let rank = (values.len() * per_mille).div_ceil(1000);
    values.get(rank.saturating_sub(1)).copied().unwrap_or(0)
}

/// The median of `values`; nothing of none.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut values = values.to_vec();
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    if values.len() % 2 == 1 { Some(upper) } else { Some(f64::midpoint(values[middle - 1], upper)) }
}
