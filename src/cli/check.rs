//! `gatehouse check`.

use super::{EXIT_CONFIGURATION, report};
use crate::access::Access;
use crate::config::{Problem, Settings};
use crate::daemon::{ConfigurationError, UsersError, UsersFile, check_sources, read_sources};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Check configuration files, and the users file they name, without starting anything: every problem at once, with
/// file, line and column.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  gatehouse check gatehouse.toml
  gatehouse check conf.d/*.toml      several files are one configuration

Exit codes: 0 no problem, 2 usage, 3 configuration invalid")]
pub struct CheckArgs {
    /// Configuration files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Checks the files and says what is wrong with them.
pub fn run(args: &CheckArgs) -> ExitCode {
    let settings = match read_all(&args.files) {
        Ok((settings, _)) => settings,
        Err(code) => return code,
    };
    println!("ok: {}", report::contents(&settings));
    ExitCode::SUCCESS
}

/// Reads and checks configuration files and the users file they name; says everything that is wrong with them.
/// Without files everything is as by default.
pub fn read_all(files: &[PathBuf]) -> Result<(Settings, Option<(UsersFile, Access)>), ExitCode> {
    let sources = read_sources(files).map_err(|error| refuse(&error))?;
    let settings = check_sources(&sources).map_err(|error| refuse(&error))?;
    let access = read_access(&settings, files)?;
    Ok((settings, access))
}

/// Reads the users file that a configuration names, if it names one; says everything that is wrong with it.
/// A relative name starts at the directory of the first configuration file.
pub fn read_access(settings: &Settings, files: &[PathBuf]) -> Result<Option<(UsersFile, Access)>, ExitCode> {
    let directory = files.first().and_then(|file| file.parent()).unwrap_or(Path::new(""));
    let Some(file) = UsersFile::of(&settings.broker, directory) else { return Ok(None) };
    match file.read() {
        Ok(access) => Ok(Some((file, access))),
        Err(UsersError::Problems(problems)) => Err(complain(&problems)),
        Err(error) => {
            eprintln!("gatehouse: {error}");
            Err(ExitCode::from(EXIT_CONFIGURATION))
        }
    }
}

/// Says every problem.
pub fn complain(problems: &[Problem]) -> ExitCode {
    for problem in problems {
        eprintln!("{problem}");
    }
    eprintln!("gatehouse: {} in the configuration", report::count(problems.len(), "problem"));
    ExitCode::from(EXIT_CONFIGURATION)
}

/// Says what is wrong with configuration files.
pub fn refuse(error: &ConfigurationError) -> ExitCode {
    match error {
        ConfigurationError::Problems(problems) => complain(problems),
        ConfigurationError::Unreadable(..) => {
            for line in error.lines() {
                eprintln!("gatehouse: {line}");
            }
            ExitCode::from(EXIT_CONFIGURATION)
        }
        ConfigurationError::FailedTests(failed) => {
            for line in error.lines() {
                eprintln!("{line}");
            }
            eprintln!("gatehouse: {} of the rules failed", report::count(failed.len(), "test"));
            ExitCode::from(EXIT_CONFIGURATION)
        }
    }
}
