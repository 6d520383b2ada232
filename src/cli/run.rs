//! `gatehouse run`.

use super::log::{self, LogFormat};
use super::{DATA_DIR_DEFAULT, EXIT_RUNTIME, LISTEN_DEFAULT, check, confine, report};
use crate::config::{ListenerSettings, Settings};
use crate::daemon::{self, ConfigurationFiles, Options, Started};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

/// Start the gateway. Without a file it is a plain broker on this machine: anonymous, with default limits, keeping
/// sessions and retained messages in the data directory.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  gatehouse run
  gatehouse run --listen 0.0.0.0:1883 --data-dir /var/lib/gatehouse
  gatehouse run --config examples/demo/gatehouse.toml

SIGINT and SIGTERM stop it in order; SIGHUP reads certificates again. GATEHOUSE_LOG=debug says more.
Exit codes: 0 stopped in order, 1 runtime error, 2 usage, 3 configuration invalid")]
pub struct RunArgs {
    /// Configuration file; given several times, the files are one configuration
    #[arg(long, short, value_name = "FILE")]
    config: Vec<PathBuf>,
    /// Directory for everything that is kept [default: gatehouse-data]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Address for MQTT over TCP, in place of those in `listen` of the file; may be given several times; port 0 takes
    /// a free one [default: 127.0.0.1:1883]
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Vec<SocketAddr>,
    /// File to write the machine's uptime to, in seconds, once a second; who supervises may take a file that stands
    /// still for a gateway that hangs
    #[arg(long, value_name = "FILE")]
    heartbeat: Option<PathBuf>,
    /// Give up, once started, every file and system call that a gateway does not need, as far as this kernel can
    #[arg(long, env = "GATEHOUSE_SANDBOX", value_parser = clap::builder::FalseyValueParser::new())]
    sandbox: bool,
    /// How log lines look
    #[arg(long, value_enum, default_value_t)]
    log_format: LogFormat,
}

/// Runs the gateway until it is stopped.
pub fn run(args: RunArgs) -> ExitCode {
    log::start(args.log_format);
    let is_confined = args.sandbox;
    let options = match options(args) {
        Ok(options) => options,
        Err(code) => return code,
    };
    if is_confined {
        confine::enter(&options);
    }
    let house = options.settings.clone();
    match daemon::run(options, |started| announce(started, &house)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gatehouse: {error}");
            ExitCode::from(EXIT_RUNTIME)
        }
    }
}

/// Flags override the file; the file overrides the defaults.
fn options(args: RunArgs) -> Result<Options, ExitCode> {
    let (settings, problems) = if args.config.is_empty() { Default::default() } else { read(&args)? };
    let access = check::read_access(&settings, &args.config)?;
    let broker = &settings.broker;
    let data_directory = args.data_dir.or_else(|| broker.data_dir.clone()).unwrap_or_else(|| DATA_DIR_DEFAULT.into());
    let listen = match (args.listen.is_empty(), broker.listen.is_empty()) {
        (false, _) => args.listen,
        (true, true) if broker.listeners.is_empty() => vec![LISTEN_DEFAULT],
        (true, _) => broker.listen.clone(),
    };
    let listeners = listen.into_iter().map(ListenerSettings::plain).chain(broker.listeners.iter().cloned()).collect();
    let files = ConfigurationFiles { paths: args.config, data_directory: data_directory.clone() };
    let files = (!files.paths.is_empty()).then_some(files);
    Ok(Options { settings, files, problems, data_directory, access, listeners, heartbeat: args.heartbeat })
}

/// Reads the configuration. If it has problems they are said, and the last good one takes its place, if there is one.
fn read(args: &RunArgs) -> Result<(Settings, Vec<String>), ExitCode> {
    let given = args.data_dir.clone().unwrap_or_else(|| DATA_DIR_DEFAULT.into());
    let mut files = ConfigurationFiles { paths: args.config.clone(), data_directory: given };
    match files.check() {
        Ok(settings) => {
            if let (None, Some(configured)) = (&args.data_dir, &settings.broker.data_dir) {
                files.data_directory.clone_from(configured);
            }
            files.keep_good();
            Ok((settings, Vec::new()))
        }
        Err(wrong) => {
            let code = check::refuse(&wrong);
            let good = files.last_good().ok_or(code)?;
            eprintln!(
                "gatehouse: GOING ON WITH THE LAST GOOD CONFIGURATION, kept in {}",
                files.copy_directory().display()
            );
            Ok((good, wrong.lines()))
        }
    }
}

fn announce(started: &Started, settings: &Settings) {
    for listening in &started.listening {
        println!("listening on {listening}");
    }
    let program = std::env::args().next().unwrap_or_else(|| "gatehouse".into());
    println!("{}", report::start(started, settings, &program));
}
