//! Plays a transcript through the drivers of a house, without ports, broker or clock.
//!
//! A transcript is a readable record of what came in and what left, with the time between. `gatehouse record` writes
//! one, `gatehouse replay` plays one, and the golden transcripts of the tests are such files.
//!
//! | line | means |
//! |---|---|
//! | `+250ms` | time passes |
//! | `<< 01 03 02 00 07 B9 A4`, `<< "T:21.5\r\n"` | bytes come in |
//! | `>> …` | bytes leave |
//! | `SET meter/lamp true`, `GET meter/lamp` | someone asks |
//! | `UNPLUG`, `PLUG` | the port goes and comes |
//! | `FILE in_temp_input "21500\n"`, `FILE in_temp_input` | a file of a sensor changes, or goes |
//! | `LINE GPIO5 1`, `LINE GPIO5 1 3` | a line is high from now on; after three changes that were lost |
//! | `>> GPIO23 1` | a line is driven high |
//! | `STUCK GPIO23` | an output line stays as it is, whatever is written |
//! | `ALIVE blind/up` | the controller of an output gives a sign of life |
//! | `STOP` | outputs go into their failsafe states |
//! | `PUBLISH meter/voltage 230.1` | what is told, below the base of the topics |
//! | `# …` | a remark |

mod bytes;
mod lines;
mod player;
mod script;
mod sensor;
mod voice;

use crate::base::Moment;
use crate::config::{Settings, Source};
use player::{Player, Told};
use script::Step;
use std::time::Duration;
use voice::Voice;

pub use bytes::bytes_text;

/// Things that may happen in one transcript; one that goes beyond runs in a circle.
const EVENTS_MAX: usize = 100_000;

/// The line between the configuration and the transcript in one file.
const BORDER: &str = "----";

/// Why a transcript cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// A line is none of a transcript.
    #[error("line {line}: {what}")]
    Line {
        /// Which line of the transcript, from 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
    /// The configuration has problems.
    #[error("{0}")]
    Configuration(String),
    /// The house has no device that can be played.
    #[error("the configuration has no device that can be played")]
    Nothing,
    /// The drivers go on for ever.
    #[error("more than {EVENTS_MAX} things happen")]
    Endless,
}

/// Plays a file that has the configuration, a line `----`, and the transcript. Gives the whole file with what leaves
/// and what is told as it is now.
///
/// # Errors
/// See [`ReplayError`].
pub fn replay_file(text: &str) -> Result<String, ReplayError> {
    let parts = text.split_once(&format!("{BORDER}\n"));
    let (configuration, transcript) =
        parts.ok_or_else(|| ReplayError::Configuration(format!("there is no line {BORDER}")))?;
    let settings = crate::config::check(&[Source::new("transcript", configuration)]).map_err(|problems| {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        ReplayError::Configuration(problems.join("\n"))
    })?;
    let played = replay(&settings, transcript)?;
    Ok(format!("{configuration}{BORDER}\n{played}"))
}

/// Plays a transcript through the devices of a house; those of other drivers are left out.
///
/// # Errors
/// See [`ReplayError`].
pub fn replay(settings: &Settings, transcript: &str) -> Result<String, ReplayError> {
    let mut stage = Stage {
        player: Player::new(settings).ok_or(ReplayError::Nothing)?,
        voices: settings.devices.iter().map(Voice::new).collect(),
        now: Moment::START,
        told_at: Moment::START,
        events: 0,
        written: String::new(),
    };
    stage.player.handle(stage.now, &Step::Plug);
    let mut is_begun = false;
    for (index, line) in transcript.lines().enumerate() {
        let step = script::parse(line).map_err(|what| ReplayError::Line { line: index + 1, what })?;
        let Some(step) = step else { continue };
        if !is_begun && !matches!(step, Step::Remark(_)) {
            is_begun = true;
            stage.tell()?;
        }
        stage.step(&step)?;
    }
    stage.pass_to(stage.now)?;
    Ok(stage.written)
}

/// A house that is played.
struct Stage {
    player: Player,
    voices: Vec<Voice>,
    now: Moment,
    /// The moment up to which time was written down.
    told_at: Moment,
    events: usize,
    written: String,
}

impl Stage {
    fn step(&mut self, step: &Step) -> Result<(), ReplayError> {
        match step {
            Step::Time(time) => {
                self.pass_to(self.now + *time)?;
                self.write_time();
            }
            // What leaves and what is told is found out anew.
            Step::Result => {}
            Step::Remark(text) => self.write(text),
            step => {
                self.write(&step.to_string());
                self.player.handle(self.now, step);
                self.tell()?;
            }
        }
        Ok(())
    }

    /// Lets time pass, from one deadline to the next.
    fn pass_to(&mut self, end: Moment) -> Result<(), ReplayError> {
        while let Some(deadline) = self.player.next_deadline().filter(|deadline| *deadline <= end) {
            self.now = self.now.max(deadline);
            self.player.pass(self.now);
            self.tell()?;
            self.events += 1;
            if self.events > EVENTS_MAX {
                return Err(ReplayError::Endless);
            }
        }
        self.now = end;
        Ok(())
    }

    /// Writes down everything that leaves and is told now.
    fn tell(&mut self) -> Result<(), ReplayError> {
        while let Some(told) = self.player.poll_output(self.now) {
            let lines = match told {
                Told::Sent(bytes) => vec![format!(">> {}", bytes_text(&bytes))],
                Told::Driven { line, high } => vec![format!(">> {line} {}", u8::from(high))],
                Told::Said { device, say } => self.voices[device].lines(say),
            };
            for line in lines {
                self.write_time();
                self.write(&line);
            }
            self.events += 1;
            if self.events > EVENTS_MAX {
                return Err(ReplayError::Endless);
            }
        }
        Ok(())
    }

    fn write_time(&mut self) {
        let passed = self.now.saturating_since(self.told_at);
        if passed > Duration::ZERO {
            self.write(&format!("+{}", crate::base::duration_text(passed)));
            self.told_at = self.now;
        }
    }

    fn write(&mut self, line: &str) {
        self.written.push_str(line);
        self.written.push('\n');
    }
}
