//! `gatehouse simulate`: rules over recorded traffic, in virtual time.

use super::{EXIT_RUNTIME, EXIT_USAGE, check, report};
use crate::rules::Program;
use crate::rules::simulate::{DIFFERENCES_MAX, Deed, Recorded, Simulation, differences};
use serde::Deserialize;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// Run the rules of a configuration over recorded traffic and show what they would have done differently: from what
/// was recorded, or from the rules of another configuration.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  gatehouse sub -t 'home/#' -t 'tariff/#' -F %j > week.jsonl        a recording; mosquitto_sub writes the same
  gatehouse simulate --from week.jsonl --config new.toml             against what was recorded
  gatehouse simulate --from week.jsonl --config new.toml --against old.toml

`-` is what would not happen any more, `+` what would happen in addition.
Exit codes: 0 nothing differs, 1 something differs or the recording cannot be read, 2 usage, 3 configuration invalid")]
pub struct SimulateArgs {
    /// The recording, one message a line as `gatehouse sub -F %j` prints it
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
    /// The configuration whose rules run; given several times, the files are one configuration
    #[arg(long, required = true, value_name = "FILE")]
    config: Vec<PathBuf>,
    /// The configuration to compare with, instead of what was recorded
    #[arg(long, value_name = "FILE")]
    against: Vec<PathBuf>,
    /// Show every command, not only what differs
    #[arg(long)]
    all: bool,
}

/// One line of a recording, with mosquitto's keys.
#[derive(Deserialize)]
struct Line {
    tst: String,
    topic: String,
    #[serde(default)]
    payload: serde_json::Value,
    #[serde(default)]
    retain: u8,
}

/// Simulates and says what differs.
pub fn run(args: &SimulateArgs) -> ExitCode {
    let program = match program(&args.config) {
        Ok(program) => program,
        Err(code) => return code,
    };
    let other = (!args.against.is_empty()).then(|| self::program(&args.against)).transpose();
    let other = match other {
        Ok(other) => other,
        Err(code) => return code,
    };
    let zone = program.zone.clone();
    let mut simulations = vec![Simulation::new(&program)];
    simulations.extend(other.as_ref().map(Simulation::new));
    let count = match play(&args.from, &mut simulations) {
        Ok(count) => count,
        Err(what) => {
            eprintln!("gatehouse: {}: {what}", args.from.display());
            return ExitCode::from(EXIT_RUNTIME);
        }
    };
    let mut simulations = simulations.into_iter().map(Simulation::finish);
    let Some((new, recorded)) = simulations.next() else { return ExitCode::from(EXIT_USAGE) };
    let old = simulations.next().map_or(recorded, |(old, _)| old);
    let show = |sign: char, deed: &Deed| {
        let pulse = deed.pulse.as_ref().map_or(String::new(), |pulse| format!(" for {pulse}"));
        println!("{sign} {}  {} = {}{pulse}  (rule {})", zone.text(deed.at), deed.output, deed.value, deed.rule);
    };
    if args.all {
        for deed in &new {
            show(' ', deed);
        }
    }
    let found = differences(&old, &new);
    for (sign, deed) in &found {
        show(*sign, deed);
    }
    let more = if found.len() == DIFFERENCES_MAX { " or more" } else { "" };
    let (messages, commands) = (report::count(count, "message"), report::count(new.len(), "command"));
    println!("{messages}, {commands}, {}{more} to before", report::count(found.len(), "difference"));
    if found.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_RUNTIME) }
}

fn program(files: &[PathBuf]) -> Result<Arc<Program>, ExitCode> {
    check::read_all(files).map(|(settings, _)| settings.rules)
}

/// Plays the recording line by line, whatever its length. Returns how many messages it had.
fn play(file: &PathBuf, simulations: &mut [Simulation]) -> Result<usize, String> {
    let reader = BufReader::new(File::open(file).map_err(|error| error.to_string())?);
    let mut count = 0;
    for (index, line) in reader.lines().enumerate() {
        let line = line.map_err(|error| error.to_string())?;
        if line.trim().is_empty() {
            continue;
        }
        let wrong = |what: &str| format!("line {}: {what}", index + 1);
        let line: Line = serde_json::from_str(&line).map_err(|error| wrong(&error.to_string()))?;
        let at = millis(&line.tst).ok_or_else(|| wrong("`tst` is no time"))?;
        let payload = match line.payload {
            serde_json::Value::String(text) => text,
            serde_json::Value::Null => String::new(),
            other => other.to_string(),
        };
        let message = Recorded { at, topic: line.topic, payload, replayed: line.retain != 0 };
        for simulation in &mut *simulations {
            simulation.handle(&message);
        }
        count += 1;
    }
    Ok(count)
}

/// `2026-11-24T17:53:13.123456Z+0100`, mosquitto's form: civil time, and how far it is ahead of UTC.
fn millis(text: &str) -> Option<i64> {
    let (civil, offset) = text.split_once('Z')?;
    let sign = if offset.starts_with('-') { -1 } else { 1 };
    let digits = offset.trim_start_matches(['+', '-']).replace(':', "");
    let (hours, minutes) =
        if digits.is_empty() { (0, 0) } else { (digits.get(..2)?.parse().ok()?, digits.get(2..)?.parse().ok()?) };
    let ahead = sign * (hours * 60 + minutes) * 60_000_i64;
    Some(crate::rules::schedule::Zone::default().moment(civil)? - ahead)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_mosquitto_writes_them() {
        let utc = millis("2026-11-24T17:53:13.123456Z+0000").expect("a time");
        assert_eq!(utc % 1_000, 123);
        assert_eq!(millis("2026-11-24T18:53:13.123456Z+0100"), Some(utc));
        assert_eq!(millis("2026-11-24T17:53:13.123456Z"), Some(utc));
        assert_eq!(millis("yesterday"), None);
    }
}
