//! `gatehouse failsafe`.

use super::{EXIT_RUNTIME, check};
use crate::config::Settings;
use crate::drivers;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// Drive every output into its failsafe state and let go of it: GPIO, PWM, Modbus and serial devices. For whoever
/// supervises the gateway: run it when the gateway has died.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  gatehouse failsafe --config gatehouse.toml
  ExecStopPost=/usr/bin/gatehouse failsafe --config /etc/gatehouse/gatehouse.toml      in a unit of systemd

Each output is printed with its state: on, off, or keep for one that is left as it is. All buses are driven at the same
time, each for at most 5 s after its far end is awake.

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
    let driven = match driven(settings) {
        Ok(driven) => driven,
        Err(error) => {
            eprintln!("gatehouse: {error}");
            return ExitCode::from(EXIT_RUNTIME);
        }
    };
    for (output, done) in driven {
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

fn driven(settings: Settings) -> std::io::Result<Vec<drivers::Driven>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(drivers::failsafe(Arc::new(settings))))
}
