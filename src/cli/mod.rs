//! The command line: one file per subcommand.
//!
//! Exit codes: 0 ok, 1 runtime error, 2 usage, 3 configuration invalid.

mod address;
mod check;
mod log;
mod publish;
mod report;
mod run;
mod subscribe;

use clap::{Parser, Subcommand};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;

/// Where the broker listens if nothing else is said, and where its clients look for it: this machine only.
const LISTEN_DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1883);

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
    /// Publish a message.
    Pub(publish::PublishArgs),
    /// Subscribe, and print what comes.
    Sub(subscribe::SubscribeArgs),
}

/// Reads the arguments of this process and does what they say.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.command {
        Command::Run(args) => run::run(args),
        Command::Check(args) => check::run(&args),
        Command::Pub(args) => publish::run(&args),
        Command::Sub(args) => subscribe::run(&args),
    }
}
