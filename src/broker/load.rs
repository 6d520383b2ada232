//! How busy the broker is: counts per minute, averaged over one, five and fifteen minutes, as mosquitto tells them.

use super::counters::Counters;
use std::time::Duration;

/// What is averaged: the name under `$SYS/broker/load/` and the counter.
type Source = (&'static str, fn(&Counters) -> u64);

const SOURCES: [Source; 9] = [
    ("messages/received", |c| c.packets_received),
    ("messages/sent", |c| c.packets_sent),
    ("publish/received", |c| c.publishes_received),
    ("publish/sent", |c| c.publishes_sent),
    ("publish/dropped", Counters::publishes_dropped),
    ("bytes/received", |c| c.bytes_received),
    ("bytes/sent", |c| c.bytes_sent),
    ("sockets", |c| c.sockets),
    ("connections", |c| c.connects),
];

/// Minutes of each average.
const MINUTES: [u8; 3] = [1, 5, 15];

/// The averages, and where the counters stood when they were taken.
#[derive(Debug, Default)]
pub struct Loads {
    before: Counters,
    averages: [[f64; MINUTES.len()]; SOURCES.len()],
}

impl Loads {
    /// Takes what was counted in the last `length` into the averages.
    pub fn update(&mut self, counters: &Counters, length: Duration) {
        let minutes = length.as_secs_f64() / 60.0;
        for ((_, count), averages) in SOURCES.iter().zip(&mut self.averages) {
            let new = count(counters).saturating_sub(count(&self.before));
            let new = f64::from(u32::try_from(new).unwrap_or(u32::MAX));
            for (average, over) in averages.iter_mut().zip(MINUTES) {
                let keep = (-minutes / f64::from(over)).exp();
                *average = *average * keep + new / minutes * (1.0 - keep);
            }
        }
        self.before = *counters;
    }

    /// Topic and value of every average.
    pub fn values(&self) -> impl Iterator<Item = (String, String)> {
        SOURCES.iter().zip(&self.averages).flat_map(|((name, _), averages)| {
            let topic = move |over| format!("$SYS/broker/load/{name}/{over}min");
            MINUTES.into_iter().zip(averages).map(move |(over, average)| (topic(over), format!("{average:.2}")))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_rate_becomes_the_average() {
        let (mut loads, mut counters) = (Loads::default(), Counters::default());
        for _ in 0..1000 {
            counters.publishes_received += 50;
            loads.update(&counters, Duration::from_secs(10));
        }
        let values: Vec<_> = loads.values().filter(|(topic, _)| topic.contains("load/publish/received")).collect();
        let expected = |over| (format!("$SYS/broker/load/publish/received/{over}min"), "300.00".to_owned());
        assert_eq!(values, [expected(1), expected(5), expected(15)]);
    }
}
