//! `gatehouse reload`.

use super::{DATA_DIR_DEFAULT, EXIT_RUNTIME, check};
use crate::store;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::path::PathBuf;
use std::process::ExitCode;

/// Have the running gateway read devices, users, rules and certificates again. A device that did not change goes on
/// untouched; no connection is dropped but those of users who are none any more; a file with mistakes changes nothing, and the gateway's log says so. SIGHUP does the same.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  gatehouse reload
  gatehouse reload --config gatehouse.toml

Exit codes: 0 the gateway is told, 1 no gateway runs there, 2 usage, 3 configuration invalid")]
pub struct ReloadArgs {
    /// Configuration files of the running gateway: they are checked first, and name its data directory
    #[arg(long, short, value_name = "FILE")]
    config: Vec<PathBuf>,
    /// Its data directory [default: gatehouse-data]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// Tells the gateway, if its files are without problems.
pub fn run(args: &ReloadArgs) -> ExitCode {
    let settings = match check::read_all(&args.config) {
        Ok((settings, _)) => settings,
        Err(code) => return code,
    };
    let configured = settings.broker.data_dir;
    let directory = args.data_dir.clone().or(configured).unwrap_or_else(|| DATA_DIR_DEFAULT.into());
    let Some(process) = store::owner(&directory) else {
        eprintln!("gatehouse: no gateway runs on {}", directory.display());
        return ExitCode::from(EXIT_RUNTIME);
    };
    match kill(Pid::from_raw(process), Signal::SIGHUP) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gatehouse: cannot tell process {process}: {error}");
            ExitCode::from(EXIT_RUNTIME)
        }
    }
}
