//! How well a bus does: counters by unit, reply times, share of time in use. Pure.

use super::packet::Data;
use super::schedule::Failure;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// What is counted of one unit.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct UnitStatistics {
    /// Requests that were sent.
    pub(super) requests: u64,
    /// Good replies.
    pub(super) replies: u64,
    /// Requests without a reply.
    pub(super) timeouts: u64,
    /// Replies with a wrong checksum, cut or out of shape.
    pub(super) garbled: u64,
    /// Replies that refused.
    pub(super) exceptions: u64,
    /// Packets for someone else while this unit was waited for.
    pub(super) wrong: u64,
    /// The longest time from request to reply, in milliseconds.
    pub(super) reply_ms_max: f64,
    /// The mean of these times.
    pub(super) reply_ms_mean: f64,
}

/// What is counted of a bus.
#[derive(Debug, Default)]
pub(super) struct Statistics {
    units: BTreeMap<u8, UnitStatistics>,
    /// Time in use since the last report, rests included.
    busy: Duration,
    pub(super) retries: u64,
    pub(super) stray_bytes: u64,
}

/// The payload of `$gw/bus/ID`.
#[derive(Debug, Serialize)]
struct Written<'s> {
    open: bool,
    /// Share of time in use since the report before, in percent.
    utilisation: f64,
    retries: u64,
    stray_bytes: u64,
    units: &'s BTreeMap<u8, UnitStatistics>,
}

impl Statistics {
    pub(super) fn unit(&mut self, unit: u8) -> &mut UnitStatistics {
        self.units.entry(unit).or_default()
    }

    /// Takes note of a request that is over: how long its reply took, and how long it kept the bus.
    pub(super) fn concluded(&mut self, unit: u8, took: Duration, busy: Duration, result: &Result<Data, Failure>) {
        self.busy += busy;
        let unit = self.unit(unit);
        unit.requests += 1;
        match result {
            Ok(_) => unit.replies += 1,
            Err(Failure::Silent) => unit.timeouts += 1,
            Err(Failure::Garbled(_)) => unit.garbled += 1,
            Err(Failure::Exception(_)) => unit.exceptions += 1,
            Err(Failure::Full | Failure::Closed) => {}
        }
        if matches!(result, Ok(_) | Err(Failure::Exception(_))) {
            let took = (took.as_secs_f64() * 1e6).round() / 1e3;
            let count = u32::try_from(unit.replies + unit.exceptions).unwrap_or(u32::MAX);
            unit.reply_ms_max = unit.reply_ms_max.max(took);
            unit.reply_ms_mean += (took - unit.reply_ms_mean) / f64::from(count);
        }
    }

    /// The report over the time since the one before.
    pub(super) fn report(&mut self, open: bool, elapsed: Duration) -> String {
        let busy = std::mem::take(&mut self.busy).as_secs_f64();
        let utilisation = (1000.0 * busy / elapsed.as_secs_f64().max(1e-3)).round().min(1000.0) / 10.0;
        for unit in self.units.values_mut() {
            unit.reply_ms_mean = (unit.reply_ms_mean * 1e3).round() / 1e3;
        }
        let written =
            Written { open, utilisation, retries: self.retries, stray_bytes: self.stray_bytes, units: &self.units };
        serde_json::to_string(&written).expect("numbers can always be written as JSON")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_count_by_unit_and_measure_utilisation_anew() {
        let mut statistics = Statistics::default();
        let ms = Duration::from_millis;
        statistics.concluded(1, ms(10), ms(15), &Ok(Data::Written));
        statistics.concluded(1, ms(20), ms(25), &Err(Failure::Exception(2)));
        statistics.concluded(2, ms(300), ms(300), &Err(Failure::Silent));
        let report = statistics.report(true, ms(1000));
        assert!(report.contains(r#""utilisation":34.0"#), "{report}");
        assert!(report.contains(r#""reply_ms_max":20.0,"reply_ms_mean":15.0"#), "{report}");
        assert!(report.contains(r#""2":{"requests":1,"replies":0,"timeouts":1"#), "{report}");
        assert!(statistics.report(true, ms(1000)).contains(r#""utilisation":0.0"#));
    }
}
