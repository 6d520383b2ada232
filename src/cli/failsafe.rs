//! `gatehouse failsafe`.

use super::{EXIT_RUNTIME, check};
use crate::drivers;
use std::path::PathBuf;
use std::process::ExitCode;

/// Drive every GPIO output into its failsafe state and let go of it. For whoever supervises the gateway: run it when the
/// gateway has died. Outputs on buses cannot be reached by it; their own devices must see to them.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  gatehouse failsafe --config gatehouse.toml
  ExecStopPost=/usr/bin/gatehouse failsafe --config /etc/gatehouse/gatehouse.toml      in a unit of systemd

Exit codes: 0 all outputs are in their failsafe states, 1 some could not be driven, 2 usage, 3 configuration invalid")]
pub struct FailsafeArgs {
    /// Configuration files
    #[arg(long, short, required = true, value_name = "FILE")]
    config: Vec<PathBuf>,
}

/// Drives the outputs.
pub fn run(args: &FailsafeArgs) -> ExitCode {
    let settings = match check::read_all(&args.config) {
        Ok((settings, _)) => settings,
        Err(code) => return code,
    };
    let mut code = ExitCode::SUCCESS;
    for (output, done) in drivers::failsafe(&settings) {
        match done {
            Ok(state) => println!("{output} {state}"),
            Err(error) => {
                eprintln!("gatehouse: {output}: {error}");
                code = ExitCode::from(EXIT_RUNTIME);
            }
        }
    }
    code
}
