//! `gatehouse replay`.

use super::{EXIT_RUNTIME, check};
use crate::drivers::{ReplayError, replay, replay_file};
use std::path::PathBuf;
use std::process::ExitCode;

/// Play a transcript through the drivers, without ports, broker or clock, and print what they send and publish.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A transcript that `gatehouse record` wrote is played with the configuration of the house it comes from.
A file that holds its configuration, a line of four hyphens and the transcript needs none.

Examples:
  gatehouse replay meter.transcript --config gatehouse.toml
  gatehouse replay tests/drivers/transcripts/modbus/late-reply.transcript

Exit codes: 0 played, 1 the transcript cannot be played, 2 usage, 3 configuration invalid"
)]
pub struct ReplayArgs {
    /// The transcript
    file: PathBuf,
    /// Configuration files
    #[arg(long, value_name = "FILE")]
    config: Vec<PathBuf>,
}

/// Plays the file and prints it with what leaves now.
pub fn run(args: &ReplayArgs) -> ExitCode {
    let text = match std::fs::read_to_string(&args.file) {
        Ok(text) => text,
        Err(error) => {
            eprintln!("gatehouse: cannot read {}: {error}", args.file.display());
            return ExitCode::from(EXIT_RUNTIME);
        }
    };
    let played = if args.config.is_empty() {
        replay_file(&text)
    } else {
        match check::read_all(&args.config) {
            Ok((settings, _)) => replay(&settings, &text),
            Err(code) => return code,
        }
    };
    match played {
        Ok(played) => {
            print!("{played}");
            ExitCode::SUCCESS
        }
        Err(error @ (ReplayError::Line { .. } | ReplayError::Nothing | ReplayError::Endless)) => {
            eprintln!("gatehouse: {}: {error}", args.file.display());
            ExitCode::from(EXIT_RUNTIME)
        }
        Err(ReplayError::Configuration(problems)) => {
            eprintln!("{problems}");
            ExitCode::from(super::EXIT_CONFIGURATION)
        }
    }
}
