//! The command line: one file per subcommand.
//!
//! Exit codes: 0 ok, 1 runtime error, 2 usage, 3 configuration invalid, 4 cannot connect, 5 refused by the broker,
//! 6 timed out, 7 messages were lost, doubled or reordered.

mod acl;
mod backup;
mod bench;
mod bus;
mod check;
mod client;
mod confine;
mod crash;
mod device;
mod failsafe;
mod image;
mod import;
mod log;
mod publish;
mod record;
mod reload;
mod replay;
mod report;
mod request;
mod rule;
mod run;
mod secret;
mod simulate;
mod subscribe;
mod time;
mod update;
mod user;
mod users_file;
mod wiring;

use clap::{Parser, Subcommand};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;

/// Where the broker listens if nothing else is said, and where its clients look for it: this machine only.
const LISTEN_DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1883);

/// Where the store lies if nothing else is said.
const DATA_DIR_DEFAULT: &str = "gatehouse-data";

/// The gateway could not do what it was asked for.
pub const EXIT_RUNTIME: u8 = 1;

/// The arguments make no sense; clap uses the same.
pub const EXIT_USAGE: u8 = 2;

/// The configuration has problems.
pub const EXIT_CONFIGURATION: u8 = 3;

/// There is no way to the broker.
pub const EXIT_CONNECT: u8 = 4;

/// The broker refused the connection, a subscription or a message.
pub const EXIT_REFUSED: u8 = 5;

/// What was waited for did not come in time.
pub const EXIT_TIMEOUT: u8 = 6;

/// Messages were lost, doubled, reordered or delivered to the wrong client.
pub const EXIT_FAULTS: u8 = 7;

/// Gatehouse: MQTT broker, devices and automation of a home gateway.
#[derive(Debug, Parser)]
#[command(
    name = "gatehouse",
    version,
    about,
    after_help = "Exit codes: 0 ok, 1 runtime error, 2 usage, 3 configuration invalid, 4 cannot connect,
5 refused by the broker, 6 timed out, 7 messages were lost, doubled or reordered"
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
    /// Have the running gateway read users and rules again.
    Reload(reload::ReloadArgs),
    /// See and move the devices of a running gateway; find what this machine has.
    Device(Box<device::DeviceArgs>),
    /// Draw the 40-pin header with what a configuration uses of it.
    Wiring(wiring::WiringArgs),
    /// Drive every GPIO output into its failsafe state, when the gateway has died.
    Failsafe(failsafe::FailsafeArgs),
    /// Add, change, remove or list users.
    User(user::UserArgs),
    /// Try out the rules of users.
    Acl(acl::AclArgs),
    /// Take over the configuration of another broker.
    Import(import::ImportArgs),
    /// List, explain, trace, start and pause rules.
    Rule(Box<rule::RuleArgs>),
    /// Run rules over recorded traffic and show what would differ.
    Simulate(simulate::SimulateArgs),
    /// Update the card's system, or go back.
    Update(update::UpdateArgs),
    /// Make what belongs to the card.
    Image(image::ImageArgs),
    /// Show what was logged before the gateway crashed.
    Crash(crash::CrashArgs),
    /// Ask time servers what time it is.
    Time(time::TimeArgs),
    /// Make a copy of the store, or put one back.
    Backup(backup::BackupArgs),
    /// Play a transcript of a serial port through the drivers.
    Replay(replay::ReplayArgs),
    /// Record what comes in at a serial port.
    Record(record::RecordArgs),
    /// Examine the buses of the running gateway.
    Bus(bus::BusArgs),
    /// Publish messages.
    #[command(name = "pub")]
    Publish(Box<publish::PublishArgs>),
    /// Subscribe and print messages.
    #[command(name = "sub")]
    Subscribe(Box<subscribe::SubscribeArgs>),
    /// Publish a request and print the response.
    #[command(name = "rr")]
    Request(Box<request::RequestArgs>),
    /// Put a broker under load and count what it loses.
    Bench(Box<bench::BenchArgs>),
}

/// The arguments where the command is [`Command::Run`]. A gateway runs for years: knowing the arguments of all other
/// commands would cost it 160 kB for as long.
#[derive(Debug, Parser)]
#[command(name = "gatehouse", version, about)]
struct RunArguments {
    #[command(subcommand)]
    command: RunCommand,
}

#[derive(Debug, Subcommand)]
enum RunCommand {
    /// Start the gateway.
    Run(run::RunArgs),
}

/// Reads the arguments of this process and does what they say.
pub fn main() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|word| word == "run") {
        let RunCommand::Run(args) = RunArguments::parse().command;
        return run::run(args);
    }
    let arguments = Arguments::parse();
    match arguments.command {
        Command::Run(args) => run::run(args),
        Command::Check(args) => check::run(&args),
        Command::Reload(args) => reload::run(&args),
        Command::Device(args) => device::run(&args),
        Command::Wiring(args) => wiring::run(&args),
        Command::Failsafe(args) => failsafe::run(&args),
        Command::User(args) => user::run(&args),
        Command::Acl(args) => acl::run(&args),
        Command::Import(args) => import::run(&args),
        Command::Rule(args) => rule::run(&args),
        Command::Simulate(args) => simulate::run(&args),
        Command::Update(args) => update::run(&args),
        Command::Image(args) => image::run(&args),
        Command::Crash(args) => crash::run(&args),
        Command::Time(args) => time::run(&args),
        Command::Backup(args) => backup::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Record(args) => record::run(&args),
        Command::Bus(args) => bus::run(&args),
        Command::Publish(args) => publish::run(&args),
        Command::Subscribe(args) => subscribe::run(&args),
        Command::Request(args) => request::run(&args),
        Command::Bench(args) => bench::run(&args),
    }
}
