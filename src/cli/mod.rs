//! The command line: one file per subcommand.
//!
//! Exit codes: 0 ok, 1 runtime error, 2 usage, 3 configuration invalid.

mod check;
mod log;
mod report;
mod run;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// The gateway could not do what it was asked for.
pub const EXIT_RUNTIME: u8 = 1;

/// The configuration has problems.
pub const EXIT_CONFIGURATION: u8 = 3;

/// Gatehouse: MQTT broker, devices and automation of a home gateway.
#[derive(Debug, Parser)]
#[command(
    name = "gatehouse",
    version,
    about,
    after_help = "Exit codes: 0 ok, 1 runtime error, 2 usage, 3 configuration invalid"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the gateway.
    Run(run::RunArgs),
    /// Check configuration files without starting anything.
    Check(check::CheckArgs),
}

/// Reads the arguments of this process and does what they say.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.command {
        Command::Run(args) => run::run(args),
        Command::Check(args) => check::run(&args),
    }
}
