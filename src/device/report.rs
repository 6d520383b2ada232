//! Which readings of a property are worth telling, and until when they can be trusted.

use super::Value;
use crate::base::Moment;
use std::collections::VecDeque;
use std::time::Duration;

/// The most readings a median is taken of.
pub const MEDIAN_MAX: usize = 15;

/// How readings of one property become messages. By default every change is told.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct ReportSettings {
    /// A number that differs by less than this from the one that was told is not told.
    pub deadband: Option<f64>,
    /// A reading that comes so long after the last message is told even if nothing changed.
    pub max_interval: Option<Duration>,
    /// The shortest time between two messages; the latest reading is kept until then.
    pub max_rate: Option<Duration>,
    /// How many readings the median is taken of, at most [`MEDIAN_MAX`]; 0 and 1 leave readings as they are.
    pub median: usize,
    /// Smallest and largest number that can be true.
    pub range: Option<(f64, f64)>,
    /// After how long without a reading the value is no longer to be trusted.
    pub stale_after: Option<Duration>,
}

/// What becomes of a reading.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It is told, perhaps smoothed.
    Publish(Value),
    /// It is believed and not told now.
    Quiet,
    /// It cannot be true, and why.
    Refused(String),
}

/// What time brought.
#[derive(Clone, Debug, PartialEq)]
pub enum Due {
    /// A reading that was kept back is told.
    Publish(Value),
    /// The value is no longer to be trusted.
    Stale,
}

/// One property between its sensor and its topic.
#[derive(Clone, Debug)]
pub struct Reported {
    settings: ReportSettings,
    window: VecDeque<f64>,
    /// The value that was told last, and when.
    told: Option<(Value, Moment)>,
    /// The value that is believed now.
    current: Option<Value>,
    /// Whether `current` waits for `max_rate` to be told.
    is_held: bool,
    stale_at: Option<Moment>,
}

impl Reported {
    /// A property that was never read.
    pub fn new(settings: ReportSettings) -> Self {
        Self { settings, window: VecDeque::new(), told: None, current: None, is_held: false, stale_at: None }
    }

    /// Takes in a reading.
    pub fn handle(&mut self, now: Moment, value: Value) -> Verdict {
        if let (Value::Number(number), Some((low, high))) = (&value, self.settings.range)
            && !(low..=high).contains(number)
        {
            return Verdict::Refused(format!("{number} is not between {low} and {high}"));
        }
        self.stale_at = self.settings.stale_after.map(|after| now + after);
        let value = self.smooth(value);
        let is_news = self.is_news(now, &value);
        self.current = Some(value.clone());
        if !is_news {
            self.is_held = false;
            return Verdict::Quiet;
        }
        if self.hold_until().is_some_and(|until| until > now) {
            self.is_held = true;
            return Verdict::Quiet;
        }
        self.tell(now, value.clone());
        Verdict::Publish(value)
    }

    /// What is due at `now`; ask again until there is nothing.
    pub fn poll_due(&mut self, now: Moment) -> Option<Due> {
        if self.stale_at.is_some_and(|stale_at| stale_at <= now) {
            self.forget();
            return Some(Due::Stale);
        }
        if self.is_held && self.hold_until().is_none_or(|until| until <= now) {
            let value = self.current.clone()?;
            self.tell(now, value.clone());
            return Some(Due::Publish(value));
        }
        None
    }

    /// When [`poll_due`](Self::poll_due) has something.
    pub fn next_deadline(&self) -> Option<Moment> {
        let held = if self.is_held { self.hold_until() } else { None };
        [held, self.stale_at].into_iter().flatten().min()
    }

    /// The value that is believed.
    pub fn current(&self) -> Option<&Value> {
        self.current.as_ref()
    }

    /// Nothing said before counts any more: the next reading is told.
    pub fn forget(&mut self) {
        *self = Self::new(self.settings);
    }

    fn tell(&mut self, now: Moment, value: Value) {
        self.told = Some((value, now));
        self.is_held = false;
    }

    fn hold_until(&self) -> Option<Moment> {
        let (_, at) = self.told.as_ref()?;
        self.settings.max_rate.map(|rate| *at + rate)
    }

    fn is_news(&self, now: Moment, value: &Value) -> bool {
        let Some((told, at)) = &self.told else { return true };
        if self.settings.max_interval.is_some_and(|interval| now.saturating_since(*at) >= interval) {
            return true;
        }
        match (told, value, self.settings.deadband) {
            (Value::Number(told), Value::Number(value), Some(deadband)) => (told - value).abs() >= deadband,
            _ => told != value,
        }
    }

    fn smooth(&mut self, value: Value) -> Value {
        let (Value::Number(number), 2..) = (&value, self.settings.median) else { return value };
        if self.window.len() >= self.settings.median.min(MEDIAN_MAX) {
            self.window.pop_front();
        }
        self.window.push_back(*number);
        let mut sorted: Vec<f64> = self.window.iter().copied().collect();
        sorted.sort_by(f64::total_cmp);
        // Of an even number the lower one: a median is always something that was measured.
        Value::Number(sorted[(sorted.len() - 1) / 2])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::START + Duration::from_secs(seconds)
    }

    /// What is told of readings, one in each second.
    fn told(settings: ReportSettings, readings: &[f64]) -> Vec<(usize, f64)> {
        let mut reported = Reported::new(settings);
        let mut told = Vec::new();
        for (second, reading) in readings.iter().enumerate() {
            let now = at(second as u64);
            while let Some(Due::Publish(Value::Number(number))) = reported.poll_due(now) {
                told.push((second, number));
            }
            if let Verdict::Publish(Value::Number(number)) = reported.handle(now, Value::Number(*reading)) {
                told.push((second, number));
            }
        }
        told
    }

    #[test]
    fn without_settings_every_change_is_told() {
        assert_eq!(told(ReportSettings::default(), &[1.0, 1.0, 2.0, 1.0]), [(0, 1.0), (2, 2.0), (3, 1.0)]);
    }

    #[test]
    fn small_changes_add_up_until_they_leave_the_deadband() {
        let settings = ReportSettings { deadband: Some(0.5), ..ReportSettings::default() };
        assert_eq!(told(settings, &[20.0, 20.25, 20.25, 20.5, 20.25]), [(0, 20.0), (3, 20.5)]);
    }

    #[test]
    fn a_value_that_rests_is_told_again_after_the_longest_interval() {
        let max_interval = Some(Duration::from_secs(3));
        let settings = ReportSettings { deadband: Some(5.0), max_interval, ..ReportSettings::default() };
        assert_eq!(told(settings, &[1.0, 1.0, 2.0, 2.0, 2.0]), [(0, 1.0), (3, 2.0)]);
    }

    #[test]
    fn what_comes_too_fast_is_kept_and_the_latest_told() {
        let settings = ReportSettings { max_rate: Some(Duration::from_secs(3)), ..ReportSettings::default() };
        assert_eq!(told(settings, &[1.0, 2.0, 3.0, 3.0, 3.0]), [(0, 1.0), (3, 3.0)]);
        // A value that went back meanwhile is no news.
        assert_eq!(told(settings, &[1.0, 2.0, 1.0, 1.0, 1.0]), [(0, 1.0)]);
    }

    #[test]
    fn a_spike_does_not_pass_a_median() {
        let settings = ReportSettings { median: 3, ..ReportSettings::default() };
        assert_eq!(told(settings, &[20.0, 99.0, 20.0, 21.0, 21.0]), [(0, 20.0), (3, 21.0)]);
    }

    #[test]
    fn what_cannot_be_true_is_refused_and_keeps_nothing_fresh() {
        let stale_after = Some(Duration::from_secs(5));
        let settings = ReportSettings { range: Some((0.0, 50.0)), stale_after, ..ReportSettings::default() };
        let mut reported = Reported::new(settings);
        assert_eq!(reported.handle(at(0), Value::Number(20.0)), Verdict::Publish(Value::Number(20.0)));
        assert_eq!(reported.handle(at(4), Value::Number(51.0)), Verdict::Refused("51 is not between 0 and 50".into()));
        assert_eq!(reported.next_deadline(), Some(at(5)));
        assert_eq!(reported.poll_due(at(5)), Some(Due::Stale));
        assert_eq!(reported.poll_due(at(5)), None);
        assert_eq!(reported.current(), None);
        assert_eq!(reported.handle(at(6), Value::Number(20.0)), Verdict::Publish(Value::Number(20.0)));
    }
}
