//! Which readings of a thermometer are believed.

use super::settings::RejectSettings;

/// The value that a DS18B20 holds before its first conversion, in °C.
const POWER_ON: f64 = 85.0;

/// How near the last reading must be for 85 °C to be believed at once, in °C.
const POWER_ON_NEIGHBOURHOOD: f64 = 3.0;

/// What is thought of a reading.
#[derive(Clone, Debug, PartialEq)]
pub enum Judgement {
    /// It is the value.
    Believed(f64),
    /// It is not believed, or there is none; the value stays as it was.
    Doubted(String),
    /// So many were not believed that the value is not to be trusted any more.
    Lost(String),
}

/// Judges one reading after the other.
#[derive(Clone, Debug)]
pub struct Readings {
    settings: RejectSettings,
    last: Option<f64>,
    /// An unlikely reading, and how often something near it came in a row.
    candidate: Option<(f64, u8)>,
    failures: u8,
}

impl Readings {
    /// A sensor that was never read.
    pub fn new(settings: RejectSettings) -> Self {
        Self { settings, last: None, candidate: None, failures: 0 }
    }

    /// Judges a reading in °C.
    pub fn handle(&mut self, reading: f64) -> Judgement {
        let Some(doubt) = self.doubt(reading) else { return self.believe(reading) };
        let near = self.settings.max_step.unwrap_or(POWER_ON_NEIGHBOURHOOD);
        let seen = match self.candidate {
            Some((candidate, seen)) if (reading - candidate).abs() <= near => seen.saturating_add(1),
            _ => 1,
        };
        if seen >= self.settings.tries {
            return self.believe(reading);
        }
        self.candidate = Some((reading, seen));
        self.fail(doubt)
    }

    /// Judges a reading that failed.
    pub fn handle_failure(&mut self, reason: impl Into<String>) -> Judgement {
        self.candidate = None;
        self.fail(reason.into())
    }

    fn doubt(&self, reading: f64) -> Option<String> {
        let power_on = (reading - POWER_ON).abs() < f64::EPSILON;
        let was_near = self.last.is_some_and(|last| (last - POWER_ON).abs() <= POWER_ON_NEIGHBOURHOOD);
        if self.settings.power_on_85 && power_on && !was_near {
            return Some("85 °C is what the sensor says before it has measured".to_owned());
        }
        let (step, last) = (self.settings.max_step?, self.last?);
        ((reading - last).abs() > step).then(|| format!("{reading} °C is too far from {last} °C before"))
    }

    fn believe(&mut self, reading: f64) -> Judgement {
        self.last = Some(reading);
        self.candidate = None;
        self.failures = 0;
        Judgement::Believed(reading)
    }

    fn fail(&mut self, reason: String) -> Judgement {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= self.settings.tries { Judgement::Lost(reason) } else { Judgement::Doubted(reason) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readings(max_step: Option<f64>) -> Readings {
        Readings::new(RejectSettings { power_on_85: true, max_step, tries: 3 })
    }

    fn believed(readings: &mut Readings, values: &[f64]) -> Vec<f64> {
        let judge = |value: &f64| match readings.handle(*value) {
            Judgement::Believed(value) => Some(value),
            Judgement::Doubted(_) | Judgement::Lost(_) => None,
        };
        values.iter().filter_map(judge).collect()
    }

    #[test]
    fn eighty_five_degrees_are_doubted_unless_it_is_that_hot() {
        assert_eq!(believed(&mut readings(None), &[85.0, 21.0, 85.0, 21.5]), [21.0, 21.5]);
        assert_eq!(believed(&mut readings(None), &[83.5, 85.0]), [83.5, 85.0]);
        assert_eq!(believed(&mut readings(None), &[85.0, 85.0, 85.0]), [85.0]);
    }

    #[test]
    fn a_spike_is_doubted_and_a_new_level_believed_in_time() {
        assert_eq!(believed(&mut readings(Some(8.0)), &[20.0, 60.0, 20.5]), [20.0, 20.5]);
        assert_eq!(believed(&mut readings(Some(8.0)), &[20.0, 60.0, 61.0, 60.5, 61.0]), [20.0, 60.5, 61.0]);
        assert_eq!(believed(&mut readings(Some(8.0)), &[20.0, 60.0, 90.0, 60.5]), [20.0]);
    }

    #[test]
    fn failures_in_a_row_lose_the_sensor_until_the_next_reading() {
        let mut readings = readings(None);
        assert_eq!(readings.handle(20.0), Judgement::Believed(20.0));
        assert_eq!(readings.handle_failure("CRC"), Judgement::Doubted("CRC".into()));
        assert_eq!(readings.handle_failure("CRC"), Judgement::Doubted("CRC".into()));
        assert_eq!(readings.handle_failure("gone"), Judgement::Lost("gone".into()));
        assert_eq!(readings.handle(20.5), Judgement::Believed(20.5));
        assert_eq!(readings.handle_failure("CRC"), Judgement::Doubted("CRC".into()));
    }
}
