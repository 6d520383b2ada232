//! A thermometer between its files and its topic. Pure.
//!
//! Source: the kernel's `Documentation/w1/slaves/w1_therm.rst`: `temperature` holds thousandths of a degree, and is
//! empty or an error after a checksum that was wrong; older kernels have `w1_slave` alone, with the checksum's verdict
//! `YES` or `NO` at the end of the first line.

use crate::base::Moment;
use crate::config::OnewireDevice;
use crate::device::{Judgement, Meta, Readings, Value};
use crate::drivers::polled::Files;
use crate::drivers::say::Say;
use crate::drivers::values::{self, Values};
use std::collections::VecDeque;

/// The one property of a thermometer.
pub(super) const TEMPERATURE: &str = "temperature";

/// What a checksum that is wrong is called.
const WRONG: &str = "the checksum of the reading was wrong";

/// One thermometer.
#[derive(Debug)]
pub(in crate::drivers) struct Thermometer {
    readings: Readings,
    values: Values,
    is_online: bool,
    says: VecDeque<Say>,
}

impl Thermometer {
    /// A thermometer that was never read.
    pub(in crate::drivers) fn new(settings: &OnewireDevice) -> Self {
        let values = Values::new([&settings.property]);
        Self { readings: Readings::new(settings.reject), values, is_online: false, says: VecDeque::new() }
    }

    /// What it tells about itself.
    pub(super) fn describe(meta: &mut Meta, settings: &OnewireDevice) {
        values::describe(meta, &settings.property, "float");
    }

    /// Takes in what its files hold.
    pub(in crate::drivers) fn take_files(&mut self, now: Moment, files: &Files) {
        self.take(now, celsius(files));
    }

    /// Takes in a reading in °C, or why there is none. One that is not believed is a trouble, several are the end of
    /// trust.
    pub(super) fn take(&mut self, now: Moment, reading: Result<f64, String>) {
        let judgement = match reading {
            Ok(celsius) => self.readings.handle(celsius),
            Err(why) => self.readings.handle_failure(why),
        };
        match judgement {
            Judgement::Believed(celsius) => {
                let is_true = self.values.take(now, 0, Value::Number(celsius));
                self.collect();
                if is_true && !std::mem::replace(&mut self.is_online, true) {
                    self.says.push_back(Say::Online);
                }
            }
            Judgement::Doubted(why) => self.values.doubt(0, why),
            Judgement::Lost(why) => {
                self.values.doubt(0, why);
                self.values.lose();
                self.collect();
                if std::mem::take(&mut self.is_online) {
                    self.says.push_back(Say::Offline);
                }
            }
        }
        self.collect();
    }

    /// Publishes what is believed once more.
    pub(in crate::drivers) fn again(&mut self) {
        self.values.again(0);
        self.collect();
    }

    /// Lets time pass.
    pub(in crate::drivers) fn pass(&mut self, now: Moment) {
        self.values.pass(now);
        self.collect();
    }

    /// When [`pass`](Self::pass) is due.
    pub(in crate::drivers) fn next_deadline(&self) -> Option<Moment> {
        self.values.next_deadline()
    }

    /// The next thing to tell.
    pub(in crate::drivers) fn poll_output(&mut self) -> Option<Say> {
        self.says.pop_front()
    }

    fn collect(&mut self) {
        while let Some(say) = self.values.poll_output() {
            self.says.push_back(say);
        }
    }
}

/// The temperature that the files hold, in °C.
fn celsius(files: &Files) -> Result<f64, String> {
    if let Some(text) = files.get("temperature") {
        return thousandths(text);
    }
    files.get("w1_slave").map_or_else(|| Err("there is no such sensor".to_owned()), |text| of_w1_slave(text))
}

fn thousandths(text: &str) -> Result<f64, String> {
    let thousandths: i32 = text.trim().parse().map_err(|_| WRONG.to_owned())?;
    Ok(f64::from(thousandths) / 1000.0)
}

/// `72 01 4b 46 7f ff 0e 10 57 : crc=57 YES` and, in the second line, `… t=23125`.
fn of_w1_slave(text: &str) -> Result<f64, String> {
    let mut lines = text.lines();
    let (verdict, data) = (lines.next().unwrap_or(""), lines.next().unwrap_or(""));
    // A sensor that answers with zeros only has a right checksum and says nothing.
    let is_silent = verdict.starts_with("00 00 00 00 00 00 00 00 00");
    match data.split_once("t=") {
        Some((_, text)) if verdict.trim_end().ends_with("YES") && !is_silent => thousandths(text),
        _ => Err(WRONG.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(file: &str, text: &str) -> Result<f64, String> {
        celsius(&Files::from([(file.to_owned(), text.to_owned())]))
    }

    #[test]
    fn readings_are_thousandths_of_a_degree() {
        assert_eq!(read("temperature", "21437\n"), Ok(21.437));
        assert_eq!(read("temperature", "-1250\n"), Ok(-1.25));
        assert!(read("temperature", "").is_err() && read("temperature", "x\n").is_err());
        assert_eq!(read("name", "x"), Err("there is no such sensor".to_owned()));
    }

    #[test]
    fn older_kernels_say_whether_the_checksum_was_right() {
        let good = "72 01 4b 46 7f ff 0e 10 57 : crc=57 YES\n72 01 4b 46 7f ff 0e 10 57 t=23125\n";
        assert_eq!(read("w1_slave", good), Ok(23.125));
        assert!(read("w1_slave", &good.replace("YES", "NO")).is_err());
        let silent = "00 00 00 00 00 00 00 00 00 : crc=00 YES\n00 00 00 00 00 00 00 00 00 t=0\n";
        assert!(read("w1_slave", silent).is_err() && read("w1_slave", "").is_err());
    }
}
