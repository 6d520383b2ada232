//! `gatehouse backup`.

use super::{DATA_DIR_DEFAULT, EXIT_RUNTIME};
use crate::daemon;
use crate::store::{self, BackupContents, StoreError};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf, absolute};
use std::process::ExitCode;

/// Make a copy of the store, or put one back.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A backup is one file with sessions, subscriptions, queues and retained messages. Configuration and
users are files of yours: copy them too.

Examples:
  gatehouse backup create /media/stick/gatehouse.backup --data-dir /var/lib/gatehouse
  gatehouse backup restore /media/stick/gatehouse.backup --data-dir /var/lib/gatehouse

Exit codes: 0 done, 1 not done, 2 usage"
)]
pub struct BackupArgs {
    #[command(subcommand)]
    command: BackupCommand,
}

#[derive(Debug, clap::Subcommand)]
enum BackupCommand {
    /// Copy the store into FILE, also while the gateway runs; nobody waits for it.
    Create(FileArgs),
    /// Put the store of FILE in the place of the one that is there. The gateway must not run.
    Restore(FileArgs),
}

#[derive(Debug, clap::Args)]
struct FileArgs {
    /// The backup
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Data directory of the gateway
    #[arg(long, value_name = "DIR", default_value = DATA_DIR_DEFAULT)]
    data_dir: PathBuf,
}

/// Makes a backup or restores one.
pub fn run(args: &BackupArgs) -> ExitCode {
    let result = match &args.command {
        BackupCommand::Create(args) => create(args),
        BackupCommand::Restore(args) => restore(args),
    };
    match result {
        Ok(said) => {
            println!("{said}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("gatehouse: {error}");
            ExitCode::from(EXIT_RUNTIME)
        }
    }
}

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
enum BackupError {
    #[error("there is no store in {0}: name the data directory of the gateway with --data-dir")]
    NoStore(PathBuf),
    #[error("the running gateway: {0}")]
    Gateway(String),
    #[error("cannot reach the gateway that runs on {0}: {1}")]
    Unreachable(PathBuf, std::io::Error),
    #[error("{0}: {1}")]
    File(PathBuf, std::io::Error),
    #[error("{0} is no backup that can be used: {1}")]
    Unusable(PathBuf, StoreError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn create(args: &FileArgs) -> Result<String, BackupError> {
    let FileArgs { file, data_dir } = args;
    if !store::is_there(data_dir) {
        return Err(BackupError::NoStore(data_dir.clone()));
    }
    let file = absolute(file).map_err(|error| BackupError::File(file.clone(), error))?;
    let copy = PathBuf::from(format!("{}.part", file.display()));
    let made = match store::owner(data_dir) {
        Some(_) => ask(data_dir, &copy),
        None => store::copy_of_stopped(data_dir, &copy).map_err(BackupError::from),
    };
    let contents = made.and_then(|()| Ok(store::finish_backup(&copy, &file)?));
    if contents.is_err() {
        // What is left of it is of no use.
        let _ = std::fs::remove_file(&copy);
        let _ = std::fs::remove_file(format!("{}-wal", copy.display()));
    }
    Ok(format!("{}: {}", file.display(), told(contents?)))
}

/// Has the running gateway write the copy.
fn ask(data_dir: &Path, copy: &Path) -> Result<(), BackupError> {
    let unreachable = |error| BackupError::Unreachable(data_dir.to_owned(), error);
    let mut stream = UnixStream::connect(daemon::control_socket(data_dir)).map_err(unreachable)?;
    writeln!(stream, "backup {}", copy.display()).map_err(unreachable)?;
    let mut said = String::new();
    BufReader::new(stream).read_line(&mut said).map_err(unreachable)?;
    match said.trim_end().split_once(' ') {
        Some(("ok", _)) => Ok(()),
        Some(("error", why)) => Err(BackupError::Gateway(why.to_owned())),
        _ => Err(BackupError::Gateway("it stopped before the copy was made".to_owned())),
    }
}

fn restore(args: &FileArgs) -> Result<String, BackupError> {
    let unusable = |error| BackupError::Unusable(args.file.clone(), error);
    store::verify_backup(&args.file).map_err(unusable)?;
    let (contents, before) = store::restore_backup(&args.file, &args.data_dir)?;
    let before =
        before.map_or_else(String::new, |name| format!("\nthe store that was there is now {}", name.display()));
    Ok(format!("{}: {}{before}", args.data_dir.display(), told(contents)))
}

fn told(contents: BackupContents) -> String {
    let BackupContents { sessions, retained, rows } = contents;
    format!("{sessions} sessions, {retained} retained messages, {rows} rows of queues")
}
