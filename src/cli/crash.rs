//! `gatehouse crash`.

use super::EXIT_RUNTIME;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Where the card keeps them, see `overlay/usr/lib/gatehouse/keep-crash`.
const DIRECTORY: &str = "/data/system/crashes";

/// The largest file that is shown, in bytes; those of the card are smaller.
const FILE_SIZE_MAX: u64 = 1 << 20;

/// Show what was logged before the gateway crashed. The card keeps the last few.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  gatehouse crash          those that are kept, the last one whole
  gatehouse crash 7

Exit codes: 0 ok, 1 there is no such crash, 2 usage")]
pub struct CrashArgs {
    /// Number of the crash to show
    number: Option<u32>,
    /// Directory in which they are kept
    #[arg(long, value_name = "DIR", default_value = DIRECTORY)]
    dir: PathBuf,
}

/// Prints them.
pub fn run(args: &CrashArgs) -> ExitCode {
    let shown = match args.number {
        Some(number) => read(&args.dir.join(format!("crash-{number:06}.txt"))).map(|text| print!("{text}")),
        None => list(&args.dir),
    };
    match shown {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gatehouse: {}: {error}", args.dir.display());
            ExitCode::from(EXIT_RUNTIME)
        }
    }
}

fn list(directory: &Path) -> io::Result<()> {
    let mut crashes = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        entries => entries?.filter_map(|entry| number(&entry.ok()?.path())).collect(),
    };
    crashes.sort_unstable();
    let Some(((_, last), others)) = crashes.split_last() else {
        println!("no crash is kept");
        return Ok(());
    };
    for (number, path) in others {
        let text = read(path)?;
        let mut lines = text.lines();
        println!("{number}: {}; {}", lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    }
    print!("{}: {}", number(last).map_or(0, |(number, _)| number), read(last)?);
    Ok(())
}

/// The number of a crash's file, with its path; none for another file.
fn number(path: &Path) -> Option<(u32, PathBuf)> {
    let name = path.file_name()?.to_str()?;
    let number = name.strip_prefix("crash-")?.strip_suffix(".txt")?.parse().ok()?;
    Some((number, path.to_owned()))
}

fn read(path: &Path) -> io::Result<String> {
    if fs::metadata(path)?.len() > FILE_SIZE_MAX {
        return Err(io::Error::other("the file is too large to be one of ours"));
    }
    Ok(String::from_utf8_lossy(&fs::read(path)?).into_owned())
}
