//! What all properties that are read have in common: unit, class, range, and how they are reported.

use super::driver_settings::PropertySettings;
use super::problem::Mistake;
use super::reader::Table;
use super::text;
use crate::device::{MEDIAN_MAX, ReportSettings};
use crate::rules::expression::Expression;
use std::time::Duration;

/// The keys of one property, except those of its driver.
pub(super) fn property(id: String, table: &mut Table) -> PropertySettings {
    let unit = table.text("unit", text::words).map(|placed| placed.value);
    let class = table.text("class", text::id).map(|placed| placed.value);
    let range = range(table);
    let stale_after = duration(table, "stale_after");
    let convert = table.text("convert", conversion).map(|placed| placed.value);
    let report = ReportSettings { range, stale_after, ..report(table) };
    PropertySettings { id, unit, class, convert, report }
}

/// What a number comes to, written with `value`.
fn conversion(text: &str) -> Result<Expression, Mistake> {
    Expression::parse_conversion(text).map_err(|wrong| {
        let hint = if wrong.hint.is_empty() { "write it with `value`: \"100.0 - value / 10.23\"" } else { &wrong.hint };
        Mistake::new(wrong.what.clone(), hint)
    })
}

/// `range = [-40.0, 85.0]`.
fn range(table: &mut Table) -> Option<(f64, f64)> {
    let range = table.numbers("range")?;
    if let [low, high] = range.value.as_slice()
        && low.value < high.value
    {
        return Some((low.value, high.value));
    }
    table.problem_at(&range.place, "not a range", "write the smallest and the largest value: [-40.0, 85.0]");
    None
}

/// `report = { deadband = 0.5, max_interval = "10m", max_rate = "5s", smooth = "median:3" }`.
pub(super) fn report(parent: &mut Table) -> ReportSettings {
    let Some(mut table) = parent.table("report") else { return ReportSettings::default() };
    let deadband = table.number("deadband");
    if let Some(deadband) = deadband.as_ref().filter(|deadband| deadband.value <= 0.0) {
        table.problem_at(&deadband.place, "`deadband` is not positive", "leave it out if every change is to be told");
    }
    let max_interval = duration(&mut table, "max_interval");
    let max_rate = duration(&mut table, "max_rate");
    let median = table.text("smooth", median).map_or(0, |placed| placed.value);
    table.close(&[]);
    let deadband = deadband.map(|placed| placed.value);
    ReportSettings { deadband, max_interval, max_rate, median, ..ReportSettings::default() }
}

fn duration(table: &mut Table, key: &'static str) -> Option<Duration> {
    table.text(key, text::positive_duration).map(|placed| placed.value)
}

fn median(text: &str) -> Result<usize, Mistake> {
    let count = text.strip_prefix("median:").and_then(|count| count.parse().ok());
    count.filter(|count| (2..=MEDIAN_MAX).contains(count)).ok_or_else(|| {
        let hint = format!("write \"median:3\", of 2 to {MEDIAN_MAX} readings");
        Mistake::new(format!("`{text}` is not a way to smooth"), hint)
    })
}
