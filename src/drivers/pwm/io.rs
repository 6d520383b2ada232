//! A channel of a PWM chip through the kernel's files.
//!
//! Source: the kernel's `Documentation/driver-api/pwm.rst`, "Using PWMs with the sysfs interface".

use crate::config::PwmChannel;
use crate::drivers::failpoint;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// One channel that is ours. Dropped, whatever the reason, it goes to its failsafe duty cycle.
#[derive(Debug)]
pub(super) struct Channel {
    way: Way,
    /// The duty cycle to leave it at; as it is if absent.
    failsafe: Option<f64>,
}

#[derive(Debug)]
enum Way {
    /// Files of the kernel.
    Sysfs { directory: PathBuf, period: u64 },
    /// A Raspberry Pi's channel.
    #[cfg(target_arch = "aarch64")]
    Rppal(rppal::pwm::Pwm),
    /// In memory, for machines without a chip.
    Simulated { name: String },
}

impl From<Way> for Channel {
    fn from(way: Way) -> Self {
        Self { way, failsafe: None }
    }
}

impl Channel {
    /// Takes a channel below `root` and sets its frequency in Hz.
    pub(super) fn open(root: &Path, channel: &PwmChannel, frequency: f64) -> io::Result<Self> {
        let chip = find(root, channel)?;
        let directory = chip.join(format!("pwm{}", channel.number));
        if !directory.exists() {
            fs::write(chip.join("export"), channel.number.to_string())?;
        }
        #[expect(clippy::cast_sign_loss, reason = "a frequency is positive")]
        let period = (1e9 / frequency).round() as u64;
        // The duty cycle may never be longer than the period, so it goes first.
        fs::write(directory.join("duty_cycle"), "0")?;
        fs::write(directory.join("period"), period.to_string())?;
        fs::write(directory.join("enable"), "1")?;
        Ok(Way::Sysfs { directory, period }.into())
    }

    /// Takes one of a Raspberry Pi's channels, 0 to 3.
    #[cfg(target_arch = "aarch64")]
    pub(super) fn rppal(channel: &PwmChannel, frequency: f64) -> io::Result<Self> {
        use rppal::pwm::{Channel as Number, Polarity, Pwm};
        let number = match (&channel.chip, channel.number) {
            (None, 0) => Number::Pwm0,
            (None, 1) => Number::Pwm1,
            (None, 2) => Number::Pwm2,
            (None, 3) => Number::Pwm3,
            _ => return Err(io::Error::new(io::ErrorKind::NotFound, "a Raspberry Pi has pwm0 to pwm3")),
        };
        let opened = Pwm::with_frequency(number, frequency, 0.0, Polarity::Normal, true);
        let mut pwm = opened.map_err(io::Error::other)?;
        pwm.set_reset_on_drop(false);
        Ok(Way::Rppal(pwm).into())
    }

    /// This is no Raspberry Pi.
    #[cfg(not(target_arch = "aarch64"))]
    pub(super) fn rppal(_: &PwmChannel, _: f64) -> io::Result<Self> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "this program is built without the backend `rppal`"))
    }

    pub(super) fn simulated(name: &str) -> Self {
        Way::Simulated { name: name.to_owned() }.into()
    }

    /// Says at which duty cycle it is left.
    pub(super) fn set_failsafe(&mut self, duty: Option<f64>) {
        self.failsafe = duty;
    }

    /// Sets the duty cycle, 0 to 1, and reads it back.
    pub(super) fn write(&mut self, duty: f64) -> io::Result<()> {
        let duty = duty.clamp(0.0, 1.0);
        match &self.way {
            Way::Sysfs { directory, period } => {
                #[expect(clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "0 to 1 of at most seconds")]
                let nanoseconds = (duty * *period as f64).round() as u64;
                let file = directory.join("duty_cycle");
                fs::write(&file, nanoseconds.to_string())?;
                let read = fs::read_to_string(&file)?;
                if read.trim().parse() == Ok(nanoseconds) {
                    return Ok(());
                }
                Err(io::Error::other(format!("reads {} after {nanoseconds} was written", read.trim())))
            }
            #[cfg(target_arch = "aarch64")]
            Way::Rppal(pwm) => pwm.set_duty_cycle(duty).map_err(io::Error::other),
            Way::Simulated { name } => {
                failpoint::witness(name, duty > 0.0);
                Ok(())
            }
        }
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        if let Some(duty) = self.failsafe {
            // Nobody is left to be told if it fails.
            let _ = self.write(duty);
        }
    }
}

/// The chip of a channel: the one whose device has this name, or the only one.
fn find(root: &Path, channel: &PwmChannel) -> io::Result<PathBuf> {
    let entries = fs::read_dir(root)?;
    let mut chips: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    chips.retain(|chip| chip.file_name().is_some_and(|name| name.to_string_lossy().starts_with("pwmchip")));
    chips.sort();
    if let Some(wanted) = &channel.chip {
        chips.retain(|chip| device_of(chip).as_ref() == Some(wanted));
    }
    match chips.as_slice() {
        [chip] => Ok(chip.clone()),
        [] => Err(io::Error::new(io::ErrorKind::NotFound, "there is no such PWM chip; is its overlay loaded?")),
        several => {
            let names: Vec<String> = several.iter().filter_map(|chip| device_of(chip)).collect();
            let text =
                format!("there are several PWM chips; write CHIP:{} with one of {}", channel.number, names.join(", "));
            Err(io::Error::other(text))
        }
    }
}

/// The name of a chip's device, which stays the same where chips are numbered anew.
fn device_of(chip: &Path) -> Option<String> {
    let device = fs::canonicalize(chip.join("device")).ok()?;
    Some(device.file_name()?.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A chip as the kernel shows it, with its channel already exported: a directory makes no files by itself.
    fn chip(root: &Path, number: u32, device: &str) -> PathBuf {
        let chip = root.join(format!("pwmchip{number}"));
        fs::create_dir_all(chip.join("pwm0")).expect("a directory");
        fs::create_dir_all(root.join("devices").join(device)).expect("a directory");
        std::os::unix::fs::symlink(root.join("devices").join(device), chip.join("device")).expect("a link");
        chip
    }

    fn read(chip: &Path, file: &str) -> String {
        fs::read_to_string(chip.join("pwm0").join(file)).expect("a file")
    }

    #[test]
    fn a_channel_is_set_up_and_its_duty_cycle_follows() {
        let root = tempfile::tempdir().expect("a directory");
        let chip = chip(root.path(), 0, "1f00098000.pwm");
        let channel = PwmChannel { chip: None, number: 0 };
        let mut channel = Channel::open(root.path(), &channel, 1000.0).expect("a channel");
        assert_eq!((read(&chip, "period").as_str(), read(&chip, "enable").as_str()), ("1000000", "1"));
        channel.write(0.25).expect("a file");
        assert_eq!(read(&chip, "duty_cycle"), "250000");
        channel.set_failsafe(Some(1.0));
        drop(channel);
        assert_eq!(read(&chip, "duty_cycle"), "1000000", "whoever lets go of it leaves it safe");
    }

    #[test]
    fn of_several_chips_one_must_be_named() {
        let root = tempfile::tempdir().expect("a directory");
        chip(root.path(), 0, "1f00098000.pwm");
        let second = chip(root.path(), 4, "1f0009c000.pwm");
        let unnamed = Channel::open(root.path(), &PwmChannel { chip: None, number: 0 }, 100.0);
        assert!(unnamed.is_err_and(|error| error.to_string().contains("1f00098000.pwm, 1f0009c000.pwm")));
        let named = PwmChannel { chip: Some("1f0009c000.pwm".into()), number: 0 };
        Channel::open(root.path(), &named, 100.0).expect("a channel");
        assert_eq!(read(&second, "period"), "10000000");
        assert!(Channel::open(&root.path().join("nothing"), &named, 100.0).is_err());
    }
}
