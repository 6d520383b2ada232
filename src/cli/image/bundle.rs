//! `gatehouse image bundle`.

use super::key;
use crate::update::{Manifest, bundle};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::PathBuf;

/// Make a signed update bundle of a slot's content, as `make image` leaves it in output/BOARD/slot.img.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  gatehouse image bundle --key ~/keys/gatehouse.key --board rpi4_64 --version 1.2.0 --build-time 1760000000 \\
      output/rpi4_64/slot.img gatehouse-rpi4_64.update")]
pub struct BundleArgs {
    /// The key that signs, from `gatehouse image key`
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The board it is for
    #[arg(long)]
    board: String,
    /// Its version, for people
    #[arg(long)]
    version: String,
    /// When its source was last changed, in seconds since 1970: a gateway takes nothing older than what it runs
    #[arg(long, value_name = "SECONDS")]
    build_time: u64,
    /// The slot's content
    slot: PathBuf,
    /// The bundle to make
    bundle: PathBuf,
}

pub fn run(args: &BundleArgs) -> Result<(), String> {
    let key = key::read(&args.key)?;
    let slot = fs::read(&args.slot).map_err(|error| format!("{}: {error}", args.slot.display()))?;
    let about = Manifest {
        board: args.board.clone(),
        version: args.version.clone(),
        build_time: args.build_time,
        size: 0,
        chunks: Vec::new(),
    };
    let write = || {
        let mut output = BufWriter::new(File::create(&args.bundle)?);
        bundle::make(&slot, about, &key, &mut output)?;
        output.flush()
    };
    write().map_err(|error| format!("{}: {error}", args.bundle.display()))
}
