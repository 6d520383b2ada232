//! `gatehouse wiring`.

use super::{EXIT_RUNTIME, check};
use crate::config::Wiring;
use std::path::PathBuf;
use std::process::ExitCode;

/// Draw the 40-pin header of a Raspberry Pi with what a configuration uses of it: pulls, conflicts, needed overlays, and
/// what each output is while nobody drives it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  gatehouse wiring gatehouse.toml
  gatehouse wiring --svg header.svg conf.d/*.toml

Exit codes: 0 drawn, 1 the drawing cannot be written, 2 usage, 3 configuration invalid")]
pub struct WiringArgs {
    /// Configuration files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Write a drawing to this file too
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

/// Draws it.
pub fn run(args: &WiringArgs) -> ExitCode {
    let settings = match check::read_all(&args.files) {
        Ok((settings, _)) => settings,
        Err(code) => return code,
    };
    let wiring = Wiring::of(&settings);
    print!("{}", wiring.text());
    if let Some(file) = &args.svg
        && let Err(error) = std::fs::write(file, wiring.svg())
    {
        eprintln!("gatehouse: cannot write {}: {error}", file.display());
        return ExitCode::from(EXIT_RUNTIME);
    }
    ExitCode::SUCCESS
}
